"""The nucleation field of a saturated film: against dense algebra, against Eq. 1 itself, and against films."""

from __future__ import annotations

import numpy as np
import pytest
from films import film

from weiss.calibration.nucleation import SoftestMode, kernel_constant, laplacian, nucleation_field, softest_modes
from weiss.tdgl import simulate
from weiss.tdgl.dipole import dipole_kernel
from weiss.tdgl.model import noise


def test_laplacian_has_the_eigenvalues_of_plane_waves() -> None:
    ny, nx = 6, 8
    ky, kx = 2 * np.pi * np.fft.fftfreq(ny)[:, None], 2 * np.pi * np.fft.fftfreq(nx)[None, :]
    expected = -4 * (np.sin(ky / 2) ** 2 + np.sin(kx / 2) ** 2)
    assert np.linalg.eigvalsh(laplacian(ny, nx).toarray()) == pytest.approx(np.sort(expected.ravel()), abs=1e-12)


def test_softest_modes_are_those_of_the_dense_matrix() -> None:
    eta, strengths = noise(3, 10, 12), [0.02, 5.0, 0.3]
    dense = laplacian(10, 12).toarray()
    expected = [np.linalg.eigvalsh(dense - 2 * x * np.diag(eta.ravel()))[-1] for x in strengths]
    assert softest_modes(eta, strengths) == pytest.approx(expected, rel=1e-6)


def test_table_interpolates_to_a_hundredth() -> None:
    mode = SoftestMode.of_seed(1, (48, 48), 0.01, 20.0)
    between = np.sqrt(mode.strengths[1:] * mode.strengths[:-1])
    assert mode(between) == pytest.approx(softest_modes(noise(1, 48, 48), between), rel=1e-2, abs=1e-5)
    with pytest.raises(ValueError, match="beyond the table"):
        mode(21.0)


def test_uniform_limit() -> None:
    """Without noise a film turns as a whole, at A0 - γ a0: 0.7 of A0 for J = 1.3 needs a0 = 5.67."""
    mode = SoftestMode.of_seed(1, (16, 16), 1e-6, 1e-5)
    field = nucleation_field(mode, 1.3, 1e-5, a0=0.7 / (0.095 * 1.3))
    assert field == pytest.approx(0.3, abs=1e-6)
    assert kernel_constant("lattice", 5.9) == pytest.approx(9.0336, abs=1e-4)


def deviation(params: dict, seed: int, h: float, steps: int) -> float:
    """Largest 1 - m after explicit steps of Eq. 1 from just below m = 1, over that at the start: plain NumPy."""
    n, J = params["nx"], params["J"]
    anisotropy = params["A0"] * (1 + params["noise_scale"] * params["D"] * noise(seed, n, n))
    kernel = dipole_kernel(params["kernel"], n, n, params["a0"])
    m, dt = np.full((n, n), 1 - 1e-9), 0.02
    for _ in range(steps):
        dipole = np.fft.irfft2(kernel * np.fft.rfft2(m), s=(n, n))
        exchange = sum(np.roll(m, shift, axis) - m for shift in (1, -1) for axis in (0, 1))
        m = m + dt * ((1 - m**2) * (h + anisotropy * m - 0.095 * J * dipole) + J * exchange)
    return (1 - m).max() / 1e-9


@pytest.mark.parametrize(("J", "D", "kernel"), [(1.2, 0.6, "cutoff"), (0.4, 1.5, "cutoff"), (0.8, 0.5, "lattice")])
def test_saturation_is_left_beyond_the_nucleation_field_and_not_before(J: float, D: float, kernel: str) -> None:
    params = film(J, D, 16, noise_scale=0.3, kernel=kernel)
    mode = SoftestMode.of_seed(2, (16, 16), 0.05, 2.0)
    field = nucleation_field(mode, J, D, kernel_constant(kernel, 5.9), noise_scale=0.3)
    # rates of ± 2 · 0.05 for 100 time units: e^±10, less what the modes' shape takes
    assert deviation(params, 2, -(field + 0.05), 5000) > 100
    assert deviation(params, 2, -(field - 0.05), 5000) < 0.1


@pytest.mark.parametrize(("beyond", "status"), [(0.05, "crossed"), (-0.05, "not crossed")])
def test_a_swept_film_reverses_if_the_sweep_reaches_the_nucleation_field(beyond: float, status: str) -> None:
    """J 1.2: the mode is wide, and what nucleates spreads."""
    mode = SoftestMode.of_seed(1, (24, 24), 0.05, 1.0)
    field = float(nucleation_field(mode, 1.2, 0.4, 5.9, noise_scale=0.3))
    params = film(1.2, 0.4, 24, noise_scale=0.3, H=field + beyond, quarter=1.0e4, tolerance=1e-3)
    ((_, found),) = simulate([(params, 1)])
    assert np.nanmax(np.abs(found.loop_m)) > 1 - 1e-5  # it was saturated
    assert found.status == status
