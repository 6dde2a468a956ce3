"""The terms of Eq. 1 against what can be worked out without the solver."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from scipy.special import zeta

from physics.films import film
from weiss.arrays import convolver
from weiss.tdgl import d_map, j_map, model, rhs, rhs_cpu, sweep
from weiss.tdgl.chebyshev import coefficients, stages_for
from weiss.tdgl.dipole import LATTICE_A0, cutoff_kernel, lattice_kernel

TWO_PI = 2 * np.pi


def test_field_sweep_is_equation_2() -> None:
    """Eq. 2 written out, at its corners and inside each branch."""
    t = np.array([0, 5e4, 1e5, 2e5, 3e5, 4e5, 5e5])
    expected = [0, 0.15, 0.3, 0.0, -0.3, 0.0, 0.3]
    np.testing.assert_allclose(sweep.field(t, H=0.3, quarter=1e5), expected, atol=1e-15)


def test_lattice_sum_has_the_known_constant() -> None:
    """Σ 1/r³ over the square lattice without the origin is 4 ζ(3/2) β(3/2), β being Dirichlet's."""
    beta = (zeta(1.5, 0.25) - zeta(1.5, 0.75)) / 4**1.5
    assert lattice_kernel(8, 8)[0, 0] == pytest.approx(4 * zeta(1.5) * beta, rel=1e-12) == pytest.approx(LATTICE_A0)


def test_lattice_sum_agrees_with_the_direct_sum() -> None:
    """At the zone corner the terms alternate, so the plain sum over a big disc converges."""
    r = np.arange(-200, 201)
    y, x = np.meshgrid(r, r, indexing="ij")
    radius = np.hypot(y, x)
    inside = (radius > 0) & (radius <= 200)
    direct = (np.where((x + y) % 2 == 0, 1.0, -1.0)[inside] / radius[inside] ** 3).sum()
    assert lattice_kernel(8, 8)[4, 4] == pytest.approx(direct, abs=1e-4)


def test_kernels_fall_with_the_slope_of_a_film() -> None:
    """Both kernels are a0 - 2π|k| at long wavelength: the field of a thin film of charges."""
    n = 512
    k = TWO_PI / n
    for kernel in (lattice_kernel(n, n), cutoff_kernel(n, n, 5.9)):
        assert (kernel[0, 1] - kernel[0, 0]) / k == pytest.approx(-TWO_PI, rel=0.02)
        assert kernel[1, 0] == pytest.approx(kernel[0, 1], rel=1e-12)


def test_plane_wave_grows_at_the_analytic_rate() -> None:
    """Linearised about m = 0 with D = 0: dm/dt = (A0 - γ G(k) - 4 J sin²(k/2)) m."""
    n, J, amplitude = 64, 2.0, 1e-6
    params = film(J, 0.0, n, precision="float64")
    for waves in (1, 3, 10):
        k = TWO_PI * waves / n
        m = amplitude * np.cos(k * np.arange(n))[None, None, :] * np.ones((1, n, 1))
        medium = rhs.Medium(np.ones((1, n, n)), np.full((1, n, n), J), params["gamma_per_J"], 1.0)
        rate = rate_of(m, medium, cutoff_kernel(n, n, params["a0"]), 0.0, rhs)
        growth = 1.0 - 0.095 * J * (5.9 - TWO_PI * k) - 4 * J * np.sin(k / 2) ** 2
        np.testing.assert_allclose(rate, growth * m, atol=1e-9 * amplitude)


def test_most_unstable_wavelength_does_not_depend_on_j() -> None:
    """Maximum of 2π γ k - J k² with γ = 0.095 J lies at k = 0.095 π: 21 cells."""
    n = 512
    k = TWO_PI * np.arange(n // 2 + 1) / n
    for J in (0.5, 2.0):
        growth = 1 - 0.095 * J * cutoff_kernel(n, n, 5.9)[0] - 4 * J * np.sin(k / 2) ** 2
        assert TWO_PI / k[growth.argmax()] == pytest.approx(2 / 0.095, rel=0.03)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("varies", [True, False], ids=["J varies", "J is uniform"])
def test_compiled_kernels_agree_with_the_plain_ones(dtype: type, varies: bool) -> None:
    """Evaluate, stage, finish and close: one array expression each, against the compiled loops."""
    rng = np.random.default_rng(5)
    shape = (3, 9, 12)
    one = lambda: rng.standard_normal(shape).astype(dtype)  # noqa: E731
    exchange = abs(one()) if varies else abs(one())[:, :1]
    medium = rhs.Medium(one(), exchange, 0.095, 1 - 1e-6)
    m, low, dipole, before, d1, d2 = (one() for _ in range(6))
    h, live = rng.standard_normal(3), np.ones(3, bool)
    tolerance = 200 * np.finfo(dtype).eps

    starts = []
    for twin in (rhs, rhs_cpu):
        state = rhs.State.like(m, np)
        state.m[...], state.low[...] = m, low
        twin.evaluate(np, state, dipole, medium, h, live)
        starts.append(state)
    for name in ("near", "field", "spread", "rate"):
        plain, compiled = (getattr(state, name) for state in starts)
        np.testing.assert_allclose(compiled, plain, rtol=tolerance, atol=tolerance, err_msg=name)

    table, stages, start = rng.standard_normal((3, 5)).astype(dtype), np.array([2, 3, 5]), starts[0]
    plain, compiled = np.zeros_like(m), np.zeros_like(m)
    rhs.stage(np, 3, stages, table, medium, start, d1, d2, dipole, plain)
    rhs_cpu.stage(np, 3, stages, table, medium, start, d1, d2, dipole, compiled)
    np.testing.assert_allclose(compiled, plain, rtol=tolerance, atol=20 * tolerance)
    assert not compiled[0].any(), "a film with fewer stages must be left alone"
    assert compiled[1:].any()

    ends, increments = [rhs.State.like(m, np) for _ in range(2)], [d1, d2, dipole]
    for twin, end in zip((rhs, rhs_cpu), ends, strict=True):
        twin.finish(np, start, increments, stages % 3, 0.5, end)
    np.testing.assert_array_equal(ends[0].m, ends[1].m)
    np.testing.assert_array_equal(ends[0].low, ends[1].low)
    assert abs(ends[0].m).max() == dtype(0.5)
    inside = abs(ends[0].m) < 0.5
    exact = start.m.astype(float) + (np.stack([dipole[0], d1[1], dipole[2]]).astype(float) + low)
    assert inside.any()
    np.testing.assert_allclose((ends[0].m + ends[0].low.astype(float))[inside], exact[inside], atol=tolerance)

    tau, ratio = rng.random(3), rng.random(3)
    closed = [twin.close(np, starts[0], starts[1], before, tau, ratio, live) for twin in (rhs, rhs_cpu)]
    np.testing.assert_allclose(*closed, rtol=1e-9, atol=1e-12)


def rate_of(m: np.ndarray, medium: rhs.Medium, kernel: np.ndarray, h: float, twin: ModuleType = rhs_cpu) -> np.ndarray:
    """dm/dt of one film, (1, ny, nx)."""
    state, dipole, live = rhs.State.like(m, np), np.empty_like(m), np.ones(1, bool)
    state.m[...] = m
    convolver(np, kernel, m.shape[1:], m.dtype)(state.m, dipole, live)
    twin.evaluate(np, state, dipole, medium, np.array([h]), live)
    return state.rate


def test_a_stage_sees_the_rate_of_the_incremented_film() -> None:
    """Written in increments, Eq. 1 is the same equation: mu = nu = gamma~ = 0 returns tau mu~ dm/dt at m0 + d."""
    rng = np.random.default_rng(3)
    n, kernel = 16, cutoff_kernel(16, 16, 5.9)
    m0, d = rng.uniform(-0.6, 0.6, (1, n, n)), rng.uniform(-0.4, 0.4, (1, n, n))
    medium = rhs.Medium(rng.standard_normal((1, n, n)), rng.random((1, n, n)) + 1, 0.095, 1.0)
    start, dipole, out, live = rhs.State.like(m0, np), np.empty_like(d), np.empty_like(d), np.ones(1, bool)
    start.m[...] = m0
    convolve = convolver(np, kernel, (n, n), m0.dtype)
    convolve(start.m, dipole, live)
    rhs.evaluate(np, start, dipole, medium, np.array([0.1]), live)
    convolve(d, dipole, live)
    table = np.array([[0.0, 0.0, 1e-3, 0.0, 0.25]])
    rhs.stage(np, 2, np.array([2]), table, medium, start, d, np.zeros_like(d), dipole, out)
    np.testing.assert_allclose(out, 1e-3 * rate_of(m0 + d, medium, kernel, 0.25), atol=1e-14)


def test_rolled_film_has_the_rolled_rate() -> None:
    """Periodic film: no cell is special."""
    rng = np.random.default_rng(1)
    n = 24
    m, anisotropy = rng.uniform(-1, 1, (2, 1, n, n))

    def rate(m: np.ndarray, anisotropy: np.ndarray) -> np.ndarray:
        medium = rhs.Medium(anisotropy, np.full_like(m, 1.3), 0.095, 1.0)
        return rate_of(m, medium, lattice_kernel(n, n), 0.1)

    def roll(a: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.roll(a, (5, -7), (1, 2)))

    np.testing.assert_allclose(rate(roll(m), roll(anisotropy)), roll(rate(m, anisotropy)), atol=1e-12)


def test_noise_is_shared_by_parameters_and_new_for_every_seed() -> None:
    """η belongs to the seed: (J, D) films of one seed share it, and it is standard normal."""
    films = model.prepare([(film(1.0, 0.5, 64), 3), (film(2.0, 1.0, 64), 3), (film(1.0, 0.5, 64), 4)])
    eta = [(films.anisotropy[i] - 1) / d for i, d in enumerate((0.5, 1.0, 0.5))]
    np.testing.assert_allclose(eta[0], eta[1], atol=2e-6)
    assert abs(np.corrcoef(eta[0].ravel(), eta[2].ravel())[0, 1]) < 0.06
    assert abs(eta[0].mean()) < 0.06
    assert eta[0].std() == pytest.approx(1, abs=0.05)
    assert abs(films.m).max() <= 0.05


def test_maps_of_a_nonuniform_film() -> None:
    """Inside the margin D is D_in; J, with no inner value, is the same everywhere."""
    params = film(2.0, 1.0, 16, D_in=0.1, inner_margin=4)
    D = d_map(params)
    assert (D[4:12, 4:12] == 0.1).all()
    assert (D == 1.0).sum() == 16 * 16 - 8 * 8
    assert (j_map(params) == 2.0).all()


@pytest.mark.parametrize("kernel", ["cutoff", "lattice"])
def test_stiffness_bounds_the_jacobian(kernel: str) -> None:
    """The full Jacobian of random and saturated states, by differences, has no eigenvalue beyond the bound."""
    params = film(1.5, 1.2, 12, kernel=kernel, precision="float64")
    films = model.prepare([(params, 2)])
    n = 12
    kernel_k = lattice_kernel(n, n) if kernel == "lattice" else cutoff_kernel(n, n, params["a0"])
    medium = rhs.Medium(films.anisotropy, films.exchange, params["gamma_per_J"], 1.0)

    def rate(m: np.ndarray) -> np.ndarray:
        return rate_of(m.reshape(1, n, n), medium, kernel_k, 0.3).ravel()

    rng = np.random.default_rng(0)
    for state in (rng.uniform(-1, 1, n * n), np.sign(rng.standard_normal(n * n)), np.ones(n * n)):
        step = 1e-6
        columns = [(rate(state + step * e) - rate(state - step * e)) / (2 * step) for e in np.eye(n * n)]
        radius = -np.linalg.eigvals(np.array(columns).T).real.min()
        assert radius <= films.stiffness[0]


def test_chebyshev_steps_are_second_order_and_stable() -> None:
    """On y' = z y the polynomial is 1 + z + z²/2 + O(z³), and at most 1 along its stated interval."""
    for stages in (2, 5, 40):
        table, _, reach = coefficients(stages)

        def polynomial(z: float, stages: int = stages, table: np.ndarray = table) -> float:
            d = [0.0, table[1, 2] * z]
            for j in range(2, stages + 1):
                mu, nu, mu_t, gamma_t = table[j]
                d.append(mu * d[-1] + nu * d[-2] + mu_t * z * (1 + d[-1]) + gamma_t * z)
            return 1 + d[stages]

        assert polynomial(1e-3) == pytest.approx(1 + 1e-3 + 5e-7, abs=2e-10)
        assert reach == pytest.approx(0.653 * stages**2, rel=0.25)
        assert max(abs(polynomial(-x)) for x in np.linspace(0, reach, 400)) <= 1 + 1e-9
        assert abs(polynomial(-1.2 * reach)) > 1
    assert stages_for(0.653 * 100**2, 500) in range(98, 103)
    assert stages_for(1e9, 200) == 200
