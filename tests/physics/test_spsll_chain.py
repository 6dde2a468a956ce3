"""The chain's equation of motion.

References: Eqs. 1–6 of Eagan et al. with their Fourier transforms written out, derivatives of the energy by finite
differences, SciPy's DOP853 with its own step control, and uniform precession.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from weiss.spsll import Settings, chain_cpu, dop853
from weiss.spsll.chain import Medium, energy, fastest, field, medium, rate, torque
from weiss.spsll.spectrum import wavenumbers, window

SETTINGS = Settings()
CELLS = 40


def state(seed: int = 0, tilt: float = 1.0) -> np.ndarray:
    """Directions near z, (1, 3, CELLS)."""
    m = np.random.default_rng(seed).standard_normal((1, 3, CELLS)) * tilt
    m[:, 2] += 1
    return m / np.sqrt((m**2).sum(1, keepdims=True))


def uneven() -> np.ndarray:
    return window(10 / 0.339, 5 / 0.339, CELLS, 1.0, CELLS // 2)[None]


def test_material_of_the_methods() -> None:
    """λ_ex near 3.1 nm, wall width 3.73 nm as printed; X and the gap from γ µ0 Ms 2 (λ/a)² and γ µ0 (Hk − Ms)."""
    assert np.sqrt(SETTINGS.J) * SETTINGS.a == pytest.approx(3.0e-9, rel=1e-3)
    assert SETTINGS.wall_width_m == pytest.approx(3.73e-9, abs=5e-12)
    assert SETTINGS.X_THz == pytest.approx(5.24, abs=0.005)
    assert SETTINGS.gap_THz == pytest.approx(28.0249 * 4e-7 * np.pi * 6.05e6 / 1e3, rel=1e-5)


def test_field_is_that_of_eqs_2_5_and_6() -> None:
    """With the transforms written out; a part along m is left out, so torques are compared."""
    m, s = state(), uneven()
    k = wavenumbers(CELLS, SETTINGS.a)
    lambda_squared = 2 * SETTINGS.A / (4e-7 * np.pi * SETTINGS.Ms**2)
    omega = 2 * lambda_squared / SETTINGS.a**2 * (1 - np.cos(SETTINGS.a * k))
    H = -np.fft.ifft(omega * np.fft.fft(s[:, None] * m)).real
    H[:, 2] += (SETTINGS.Hk - SETTINGS.Ms) / SETTINGS.Ms * m[:, 2]
    ours = field(np, m, s, medium(SETTINGS, 0.0, True))
    assert np.cross(m, ours, axis=1) == pytest.approx(np.cross(m, H, axis=1), abs=1e-10)


@pytest.mark.parametrize("periodic", [True, False])
def test_field_is_the_weighted_gradient_of_the_energy(periodic: bool) -> None:
    """s_j H_j = −∂E/∂m_j, along the two directions normal to m_j."""
    m, s, chain = state(1), uneven(), medium(SETTINGS, 0.0, periodic)
    H = field(np, m, s, chain)
    for j in (0, 7, CELLS // 2, CELLS - 1):
        for normal in (np.cross(m[0, :, j], [0, 0, 1.0]), np.cross(m[0, :, j], [1.0, 0, 0])):
            ends = []
            for sign in (1, -1):
                moved = m.copy()
                moved[0, :, j] += sign * 1e-6 * normal
                ends.append(energy(np, moved, s, chain)[0])
            slope = (ends[0] - ends[1]) / 2e-6
            assert slope == pytest.approx(-s[0, j] * H[0, :, j] @ normal, rel=1e-6, abs=1e-6)


def follow(alpha: float, s: np.ndarray, steps: int = 4000) -> tuple[np.ndarray, np.ndarray, Medium]:
    chain = medium(SETTINGS, alpha, True)
    dt = np.full((1, 1, 1), 1.0 / fastest(s, chain)[0])
    m = start = state(2, 0.2)
    for _ in range(steps):
        m = dop853.step(np, m, s, chain, dt)
    return start, m, chain


def test_energy_is_conserved_without_damping_under_any_window() -> None:
    start, end, chain = follow(0.0, uneven(), 500)
    before, after = energy(np, start, uneven(), chain)[0], energy(np, end, uneven(), chain)[0]
    assert after == pytest.approx(before, rel=1e-5)
    flat = np.ones_like(uneven())
    unweighted = [energy(np, m, flat, chain)[0] for m in (start, end)]
    assert abs(unweighted[1] / unweighted[0] - 1) > 1e-2  # it is the weights that make it so


def test_damping_lowers_the_energy() -> None:
    start, end, chain = follow(0.1, uneven(), 100)
    assert energy(np, end, uneven(), chain)[0] < 0.9 * energy(np, start, uneven(), chain)[0]


def test_steps_against_scipy_with_its_own_step_control() -> None:
    s, chain, m = uneven(), medium(SETTINGS, 0.01, True), state(3, 0.3)
    end = 0.5
    reference = solve_ivp(
        lambda t, y: rate(np, y.reshape(1, 3, CELLS), s, chain).ravel(),
        (0, end),
        m.ravel(),
        method="DOP853",
        rtol=1e-12,
        atol=1e-12,
        t_eval=[end],
    )
    steps = int(np.ceil(end * fastest(s, chain)[0]))
    for _ in range(steps):
        m = dop853.step(np, m, s, chain, np.full((1, 1, 1), end / steps))
    assert m.ravel() == pytest.approx(reference.y[:, -1], abs=1e-6)
    assert np.abs(np.sqrt((m**2).sum(1)) - 1).max() < 1e-7


@pytest.mark.parametrize("periodic", [True, False])
def test_compiled_chain_is_the_plain_one(periodic: bool) -> None:
    s, chain, m = uneven(), medium(SETTINGS, 0.3, periodic), state(4)
    plain, compiled = m, m[0].copy()
    dt = 2.0 / fastest(s, chain)[0]
    for _ in range(20):
        plain = dop853.step(np, plain, s, chain, np.full((1, 1, 1), dt))
        plain = plain / np.sqrt((plain**2).sum(1, keepdims=True))
    done, found = chain_cpu.settle(compiled, s[0], chain, dt, 20, 1, 0.0)
    assert done == 20
    assert compiled == pytest.approx(plain[0], abs=1e-12)
    assert found == pytest.approx(torque(np, plain, s, chain)[0], rel=1e-9)


def test_uniform_chain_precesses_about_z_at_the_rate_of_the_local_field() -> None:
    """φ(t) = h cos θ t without damping, whatever the exchange."""
    tilt, chain = 0.4, medium(SETTINGS, 0.0, True)
    m = np.repeat(np.array([np.sin(tilt), 0, np.cos(tilt)])[:, None], CELLS, 1)
    t = 0.3
    psi = chain_cpu.record(m, np.ones(CELLS), chain, t / 200, 200, 2)
    assert psi[1] == pytest.approx(np.full(CELLS, np.sin(tilt) * np.exp(1j * chain.h * np.cos(tilt) * t)), abs=1e-9)
