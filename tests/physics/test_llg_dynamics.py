"""Time integration of magnetisation, and the arithmetic on fields of vectors under it.

References: the exact motion of one damped moment in a field along z that changes in time (Mallinson, IEEE Trans. Magn.
36, 1976 (2000)): m_z = tanh(artanh m_z(0) + α γ' ∫H dt), azimuth φ(0) + γ' ∫H dt, γ' = γ0/(1+α²); the same arithmetic
written plainly in NumPy; and a film's own run without neighbours.
"""

import numpy as np
import pytest

from weiss.errors import SimulationError, UserError
from weiss.llg.constants import GAMMA0, MU0
from weiss.llg.drivers.series import series
from weiss.llg.equation import Equation
from weiss.llg.film import Film, Films
from weiss.llg.integrators.dormand_prince import ERROR, STAGES, DormandPrince
from weiss.llg.mesh import Mesh
from weiss.llg.vectors import cpu

ONE = Mesh((1, 1, 1), (5e-9, 5e-9, 5e-9))
SMALL = Mesh((9, 6, 2), (5e-9, 4e-9, 3e-9), (True, False, False))


def _batch(films, mesh=ONE, precision="float64"):
    return Films(mesh, tuple(films), demag="none", precision=precision)


def _random(seed, *shape):
    m = np.random.default_rng(seed).standard_normal(shape)
    return m / np.linalg.norm(m, axis=1, keepdims=True)


def _everyone(field):
    return np.ones(len(field), bool)


ALPHA, B0, OMEGA = 0.1, 0.8, 2 * np.pi * 12e9


def _exact(t, start):
    """One moment in the field B0 cos(ω t) along z."""
    area = B0 / MU0 * np.sin(OMEGA * t) / OMEGA
    turn = GAMMA0 / (1 + ALPHA**2) * area
    z = np.tanh(np.arctanh(start[2]) + ALPHA * turn)
    azimuth = np.arctan2(start[1], start[0]) + turn
    side = np.sqrt(1 - z**2)
    return np.stack([side * np.cos(azimuth), side * np.sin(azimuth), z], axis=-1)


def _oscillating(tolerance, times):
    film = Film(Ms=8e5, alpha=ALPHA, B_of_time=lambda t: (0.0, 0.0, B0 * np.cos(OMEGA * t)))
    start = np.array([0.6, 0.0, 0.8])
    equation = Equation(_batch([film]))
    ((_, result),) = series(equation, start.reshape(1, 3, 1, 1, 1), times, tolerance=tolerance, dt=1.0)
    return result, _exact(np.asarray(times), start)


def test_one_moment_follows_the_exact_motion_with_damping():
    result, exact = _oscillating(1e-9, np.linspace(0, 50e-12, 11))
    assert result.t[0] == 0
    assert np.abs(result.mean - exact).max() < 2e-8


def test_the_error_falls_with_the_fifth_power_of_the_number_of_steps():
    runs = [_oscillating(tolerance, [100e-12]) for tolerance in (1e-4, 1e-6, 1e-8, 1e-10)]
    steps = np.array([result.steps for result, _ in runs])
    errors = np.array([np.abs(result.mean - exact).max() for result, exact in runs])
    order = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert 4.6 < order < 5.6
    assert errors[-1] < 1e-8


def test_the_pair_has_the_orders_it_claims():
    """Row sums and quadrature conditions of Dormand and Prince's table."""
    nodes = np.array([0, *(sum(row) for row in STAGES)])
    assert np.allclose(nodes, [0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1], atol=1e-15)
    fifth = np.array([*STAGES[-1], 0.0])
    fourth = fifth - np.array(ERROR)
    for power in range(5):
        assert fifth @ nodes**power == pytest.approx(1 / (power + 1), abs=1e-14)
    for power in range(4):
        assert fourth @ nodes**power == pytest.approx(1 / (power + 1), abs=1e-14)
    assert abs(fourth @ nodes**4 - 1 / 5) > 1e-4


def test_a_step_costs_six_fields_and_ends_at_the_times_asked_for():
    result, exact = _oscillating(1e-6, [1e-13, 3e-12, 3.0000001e-12, 40e-12])
    assert result.evaluations == 1 + 6 * (result.steps + result.rejected)
    assert np.abs(result.mean - exact).max() < 1e-4


def _mixed_films():
    varied = 4e5 * (1 + 0.2 * np.random.default_rng(3).standard_normal(SMALL.shape))
    gap = np.where(np.arange(9) < 7, 6e5, 0.0) * np.ones(SMALL.shape)
    return [
        Film(Ms=8e5, A=13e-12, alpha=0.02, B=(0.1, 0.0, 0.02)),
        Film(Ms=1.2e6, A=20e-12, Ku1=varied, alpha=0.5, B=(0.0, 0.0, -0.3), gamma0=1.76e11 * MU0),
        Film(Ms=gap, A=10e-12, alpha=0.1, axis=(1.0, 1.0, 0.0), Ku1=2e5, B_of_time=lambda t: (0, 0, 0.2 * (t > 2e-12))),
    ]


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_film_in_a_mixed_batch_is_its_solo_run_to_the_bit(precision):
    films, m = _mixed_films(), _random(1, 3, 3, *SMALL.shape)
    times = [1e-12, 4e-12]
    batch = dict(series(Equation(_batch(films, SMALL, precision)), m, times, states=True, tolerance=1e-4))
    for index, film in enumerate(films):
        ((_, solo),) = series(Equation(_batch([film], SMALL, precision)), m[index : index + 1], times, tolerance=1e-4)
        assert batch[index].m.tobytes() == solo.m.tobytes()
        assert batch[index].mean.tobytes() == solo.mean.tobytes()
        assert batch[index].states[-1].tobytes() == solo.m.tobytes()
        counts = [(run.evaluations, run.steps, run.rejected) for run in (batch[index], solo)]
        assert counts[0] == counts[1]


def test_hot_films_take_equal_steps_to_the_times_asked_for_and_do_not_know_their_neighbours():
    films = [Film(Ms=8e5, A=13e-12, alpha=0.1, temperature=300.0, seed=seed) for seed in (3, 4)]
    m, times = _random(1, 2, 3, *SMALL.shape), [0.0, 0.25e-13, 1.3e-13]
    batch = dict(series(Equation(_batch(films, SMALL)), m, times, dt=0.1e-13))
    assert batch[0].steps == 3 + 11
    assert batch[0].evaluations == 2 * batch[0].steps + len(times)  # one look at how far the field turns m
    for index, film in enumerate(films):
        equation = Equation(_batch([film], SMALL))
        ((_, solo),) = series(equation, m[index : index + 1], times, dt=0.1e-13)
        assert batch[index].m.tobytes() == solo.m.tobytes()
    assert np.abs(batch[0].mean[1:] - batch[1].mean[1:]).max() > 0


def test_the_energy_falls_with_damping_in_a_constant_field():
    films = _batch([Film(Ms=8e5, A=13e-12, Ku1=5e5, alpha=0.3, B=(0.1, 0.0, 0.02))], SMALL)
    equation, m = Equation(films), _random(5, 1, 3, *SMALL.shape)
    ((_, run),) = series(equation, m, np.linspace(0, 20e-12, 40), states=True)
    energies = [equation.energies(state[None], np.zeros(1))["total"][0] for state in run.states]
    assert (np.diff(energies) < 0).all()


def test_vacuum_stays_empty_and_lengths_stay_one():
    films, m = _mixed_films(), _random(2, 3, 3, *SMALL.shape)
    runs = dict(series(Equation(_batch(films, SMALL, "float32")), 3 * m, [2e-12]))
    assert not runs[2].m[..., 7:].any()
    lengths = np.linalg.norm(runs[2].m[..., :7].astype(float), axis=0)
    assert np.abs(lengths - 1).max() < 1e-6


def test_lengths_stay_one_over_1e5_single_precision_steps():
    m = _random(4, 1, 3, 1, 2, 4).astype(np.float32)
    turned, slope, live = m.copy(), np.empty_like(m), _everyone(m)
    H = (1e5 * np.random.default_rng(0).standard_normal(m.shape)).astype(np.float32)
    alpha, gamma0 = np.full((1, 1, 4), 0.1, np.float32), np.array([GAMMA0])
    dt, tau = np.array([1e-13]), np.array([1e-8])
    for _ in range(100_000):
        cpu.torque(m, H, alpha, gamma0, True, slope, live)
        cpu.advance(m, (slope,), (1.0,), dt, m, live)
    for _ in range(100_000):
        cpu.descend(turned, H, tau, turned, live)
    for field in (m, turned):
        assert np.abs(np.linalg.norm(field.astype(float), axis=1) - 1).max() < 1e-6


def test_a_field_that_is_not_finite_names_the_film():
    films = [Film(Ms=8e5), Film(Ms=8e5, B_of_time=lambda t: (0, 0, np.nan))]
    with pytest.raises(SimulationError, match=r"film 1: .*not finite at t = 0") as caught:
        list(series(Equation(_batch(films)), _random(0, 2, 3, 1, 1, 1), [1e-12]))
    assert caught.value.index == 1


def test_a_pulse_in_a_quiet_film_is_not_stepped_over():
    """10 T along z for 1 ps, from 50 ps on, turn a moment along x without damping by γ0 B/µ0 · 1 ps."""
    film = Film(Ms=8e5, alpha=0.0, B_of_time=lambda t: (0.0, 0.0, 10.0 if 50e-12 <= t < 51e-12 else 0.0))
    m = np.array([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1, 1)
    ((_, result),) = series(Equation(_batch([film])), m, [100e-12], dt=1e-13)
    x, y, _ = result.mean[-1]
    assert np.arctan2(y, x) == pytest.approx(GAMMA0 / MU0 * 10e-12, abs=0.02)
    ((_, found),) = series(Equation(_batch([film])), m, [100e-12])
    assert found.steps >= 100 and found.mean[-1, 1] > 0.5


def test_a_collapsing_time_step_names_film_time_and_step():
    """The field jumps at 1 ps to a size that no step from there can resolve; a film that finished earlier is gone."""
    wild = Film(Ms=8e5, B_of_time=lambda t: (0.1 if t < 1e-12 else np.inf, 0, 0))
    with pytest.raises(SimulationError, match=r"film 1: the time step collapsed to .* s at t = .*e-1[23] s"):
        list(series(Equation(_batch([Film(Ms=8e5), wild])), _random(0, 2, 3, 1, 1, 1), [2e-12]))


def test_bad_input_is_one_clear_line():
    equation = Equation(_batch([Film(Ms=8e5)]))
    m = _random(0, 1, 3, 1, 1, 1)
    for times in ([], [-1e-12], [2e-12, 1e-12], [np.nan]):
        with pytest.raises(UserError, match="times of output"):
            next(series(equation, m, times))
    with pytest.raises(UserError, match="m is zero or not finite"):
        next(series(equation, 0 * m, [1e-12]))
    with pytest.raises(UserError, match="m has shape"):
        next(series(equation, m[0], [1e-12]))
    with pytest.raises(UserError, match="a time step of 0 s"):
        next(series(equation, m, [1e-12], dt=0.0))
    one = Equation(_batch([Film(Ms=8e5, B_of_time=lambda t: 1.0)]))
    with pytest.raises(UserError, match=r"film 0: B_of_time gives 1.0 at t = 0 s; give three numbers in T"):
        next(series(one, m, [1e-12]))
    with pytest.raises(UserError, match="temperature"):
        next(series(Equation(_batch([Film(Ms=8e5, temperature=300.0)])), m, [1e-12]))


def _plain_torque(m, H, alpha, gamma0, precess):
    cross = np.cross(m, H, axis=1)
    double = np.cross(m, cross, axis=1)
    return -gamma0 / (1 + alpha**2) * (cross + alpha * double) if precess else -gamma0 * double


@pytest.mark.parametrize("precess", [True, False])
def test_torque_and_advance_are_the_plain_formulas(precess):
    m, alpha = _random(6, 2, 3, 2, 3, 5), np.random.default_rng(7).random((2, 6, 5))
    H = 1e6 * np.random.default_rng(8).standard_normal(m.shape)
    gamma0, out, live = np.array([GAMMA0, 2 * GAMMA0]), np.full_like(m, 7.0), np.array([False, True])
    cpu.torque(m, H, alpha, gamma0, precess, out, live)
    expected = _plain_torque(m, H, alpha.reshape(2, 1, 2, 3, 5), gamma0.reshape(2, 1, 1, 1, 1), precess)
    assert np.allclose(out[1], expected[1], rtol=1e-12, atol=1e-3)
    assert (out[0] == 7).all()
    slopes, weights, dt = [1e12 * _random(k, *m.shape) for k in range(4)], (0.3, 0.0, -1.0, 2.0), np.array([1.0, 1e-13])
    slopes[1][:] = np.nan
    change = dt.reshape(2, 1, 1, 1, 1) * sum(w * k for w, k in zip(weights, slopes, strict=True) if w)
    cpu.advance(m, slopes, weights, dt, out, live)
    expected = (m + change) / np.linalg.norm(m + change, axis=1, keepdims=True)
    assert np.allclose(out[1], expected[1], rtol=1e-13, atol=1e-15)
    assert (out[0] == 7).all()
    turned = cpu.rotation(slopes, weights, dt, live)
    assert turned[1] == pytest.approx(np.linalg.norm(change, axis=1)[1].max(), rel=1e-13)
    assert np.isnan(turned[0])


@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_one_value_that_is_not_finite_is_seen(value, precision):
    slope = np.ones((1, 3, 1, 2, 3), precision)
    live, Ms = _everyone(slope), np.ones((1, 1, 3), precision)
    good = slope.copy()
    slope[0, 1, 0, 1, 1] = value
    assert cpu.rotation([slope], [1.0], np.ones(1), live)[0] == np.inf
    assert cpu.largest(good, slope, live)[0] == np.inf
    assert cpu.compare(good, good, good, slope, Ms, live)[0, 5] == np.inf


def test_stepper_keeps_a_part_of_the_batch():
    """A film's steps are the same to the bit whether others leave the batch or not."""
    films, m = _mixed_films(), _random(1, 3, 3, *SMALL.shape)
    runs = [DormandPrince(Equation(_batch(films, SMALL)), m.copy()) for _ in range(2)]
    ends, part = np.full(3, 1e-11), np.array([True, False, True])
    for _ in range(5):
        for run in runs:
            run.step(np.ones(3, bool), ends)
    runs[1].keep(part)
    for _ in range(5):
        runs[0].step(np.ones(3, bool), ends)
        runs[1].step(np.ones(2, bool), ends[:2])
    assert runs[1].ids.tolist() == [0, 2]
    assert runs[1].m.tobytes() == runs[0].m[part].tobytes()
    assert runs[1].t.tobytes() == runs[0].t[part].tobytes()
