"""The terms of Eq. 1 against what can be worked out without the solver."""

from __future__ import annotations

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
        dipole, rate, live = np.empty_like(m), np.empty_like(m), np.ones(1, bool)
        convolver(np, cutoff_kernel(n, n, params["a0"]), (n, n), m.dtype)(m, dipole, live)
        rhs.rate(np, m, np.zeros_like(m), dipole, medium, np.zeros(1), rate, live)
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
def test_compiled_kernels_agree_with_the_plain_ones(dtype: type) -> None:
    """Rate, stage, clip and close: one array expression each, against the compiled loops."""
    rng = np.random.default_rng(5)
    shape = (3, 9, 12)
    one = lambda: rng.standard_normal(shape).astype(dtype)  # noqa: E731
    medium = rhs.Medium(one(), abs(one()), 0.095, 1 - 1e-6)
    m, low, dipole, m0, low0, rate0, d1, d2 = (one() for _ in range(8))
    h, live = rng.standard_normal(3), np.ones(3, bool)
    tolerance = 200 * np.finfo(dtype).eps
    plain, compiled = np.empty_like(m), np.empty_like(m)
    rhs.rate(np, m, low, dipole, medium, h, plain, live)
    rhs_cpu.rate(np, m, low, dipole, medium, h, compiled, live)
    np.testing.assert_allclose(compiled, plain, rtol=tolerance, atol=tolerance)

    table, stages = rng.standard_normal((3, 5)).astype(dtype), np.array([2, 3, 5])
    outputs = []
    for twin in (rhs, rhs_cpu):
        d_out, m_out, low_out, m_last, low_last = (np.zeros_like(m) for _ in range(5))
        written = (d_out, m_out, low_out, m_last, low_last)
        twin.stage(np, 3, stages, table, medium, m0, low0, rate0, m, low, dipole, d1, d2, *written)
        outputs.append((d_out[1:], m_out[2], m_last[:2], low_out[2], low_last[:2]))
    for a, b in zip(*outputs, strict=True):
        np.testing.assert_allclose(b, a, rtol=tolerance, atol=20 * tolerance)
    assert not outputs[1][2][0].any(), "a film with fewer stages must be left alone"
    assert outputs[1][2][1].any()

    clipped = [m.copy(), m.copy()]
    for twin, field in zip((rhs, rhs_cpu), clipped, strict=True):
        twin.clip(np, field, low, 0.5, live)
    np.testing.assert_array_equal(*clipped)
    assert abs(clipped[0]).max() == dtype(0.5)

    tau, ratio = rng.random(3), rng.random(3)
    closed = [twin.close(np, m0, m, d1, rate0, d2, tau, ratio, live) for twin in (rhs, rhs_cpu)]
    np.testing.assert_allclose(*closed, rtol=1e-9, atol=1e-12)


def test_rolled_film_has_the_rolled_rate() -> None:
    """Periodic film: no cell is special."""
    rng = np.random.default_rng(1)
    n, live = 24, np.ones(1, bool)
    m, anisotropy = rng.uniform(-1, 1, (2, 1, n, n))

    def rate(m: np.ndarray, anisotropy: np.ndarray) -> np.ndarray:
        dipole, out = np.empty_like(m), np.empty_like(m)
        convolver(np, lattice_kernel(n, n), (n, n), m.dtype)(m, dipole, live)
        medium = rhs.Medium(np.ascontiguousarray(anisotropy), np.full_like(m, 1.3), 0.095, 1.0)
        rhs_cpu.rate(np, m, np.zeros_like(m), dipole, medium, np.array([0.1]), out, live)
        return out

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
    n, live = 12, np.ones(1, bool)
    kernel_k = lattice_kernel(n, n) if kernel == "lattice" else cutoff_kernel(n, n, params["a0"])
    convolve = convolver(np, kernel_k, (n, n), np.dtype(float))
    medium = rhs.Medium(films.anisotropy, films.exchange, params["gamma_per_J"], 1.0)

    def rate(m: np.ndarray) -> np.ndarray:
        dipole, out = np.empty((1, n, n)), np.empty((1, n, n))
        convolve(m.reshape(1, n, n), dipole, live)
        rhs_cpu.rate(np, m.reshape(1, n, n), np.zeros((1, n, n)), dipole, medium, np.array([0.3]), out, live)
        return out.ravel()

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
