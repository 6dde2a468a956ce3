"""Spin waves in a chain with exchange and a field along m.

Reference values: linearising the equation about m along the field H gives, for a wave of number k on cells of edge h,
the frequency ω = γ0 (H + (2A/(µ0 Ms)) (2 − 2 cos kh)/h²), and with damping the rates ω/(1+α²) of precession and
αω/(1+α²) of decay (Kittel, Introduction to Solid State Physics, chapter on magnons; Landau and Lifshitz, Phys. Z.
Sowjetunion 8, 153 (1935)). From dm/dt = −γ0 m × H follows m_x + i m_y ∝ exp(iωt).
"""

from __future__ import annotations

import numpy as np
import pytest

from weiss.llg.constants import GAMMA0, MU0
from weiss.llg.drivers.series import series
from weiss.llg.equation import Equation
from weiss.llg.film import Film, Films
from weiss.llg.mesh import Mesh

COUNT, B, AMPLITUDE = 32, 0.3, 1e-4


def chain(axis: int) -> Mesh:
    """A periodic chain along an axis, of cells with three different edges."""
    return Mesh(tuple(COUNT if k == axis else 1 for k in range(3)), (4e-9, 5e-9, 6e-9), (True, True, True))


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["x", "y", "z"])
@pytest.mark.parametrize("alpha", [0.0, 0.02])
def test_dispersion(axis: int, alpha: float) -> None:
    """Every wave of the chain at once, each with an amplitude of 1e-4: frequency and decay to 1e-5."""
    mesh, rng = chain(axis), np.random.default_rng(0)
    film = Film(Ms=8e5, A=1.3e-11, alpha=alpha, B=(0, 0, B))
    h = mesh.cell[axis]
    k = 2 * np.pi * np.fft.fftfreq(COUNT, h)
    omega = GAMMA0 * (B / MU0 + 2 * film.A / (MU0 * film.Ms) * (2 - 2 * np.cos(k * h)) / h**2)

    wave = np.fft.ifft(AMPLITUDE * COUNT * np.exp(2j * np.pi * rng.random(COUNT))) / np.sqrt(COUNT)
    m = np.stack([wave.real, wave.imag, np.sqrt(1 - abs(wave) ** 2)]).reshape(1, 3, *mesh.shape)
    times = np.arange(40) * np.pi / 4 / omega.max()
    equation = Equation(Films(mesh, (film,), demag="none", precision="float64"))
    ((_, found),) = series(equation, m, times, states=True, tolerance=1e-10)

    transverse = (found.states[:, 0] + 1j * found.states[:, 1]).reshape(len(times), COUNT)
    waves = np.fft.fft(transverse, axis=1)
    phase, size = np.unwrap(np.angle(waves), axis=0), np.log(abs(waves))
    np.testing.assert_allclose(np.polyfit(times, phase, 1)[0], omega / (1 + alpha**2), rtol=1e-5)
    np.testing.assert_allclose(np.polyfit(times, size, 1)[0] / omega, -alpha / (1 + alpha**2), atol=1e-5)
