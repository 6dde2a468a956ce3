"""Minimisers and hysteresis loops.

References: the Stoner–Wohlfarth astroid at 45°, where one moment switches at h = µ0 H Ms/(2 Ku1) = 1/2 (Stoner and
Wohlfarth, Phil. Trans. R. Soc. A 240, 599 (1948)); the profile m_z = tanh(x/√(A/K)) of a Bloch wall, whose slope gives
the width π√(A/K) (Lilley, Phil. Mag. 41, 792 (1950)); the energies of the terms themselves; loops whose fields can be
read off; and a film's own run without neighbours.
"""

import numpy as np
import pytest

from weiss.errors import SimulationError, UserError
from weiss.llg.constants import MU0
from weiss.llg.drivers.hysteresis import figures, hysteresis
from weiss.llg.drivers.relax import METHODS, relax
from weiss.llg.equation import Equation
from weiss.llg.film import Film, Films
from weiss.llg.integrators.dormand_prince import DormandPrince
from weiss.llg.mesh import Mesh
from weiss.llg.minimise import MEMORY, Minimiser
from weiss.llg.quasi_newton import PAIRS, QuasiNewton, two_loops
from weiss.llg.vectors import cpu, plain

ONE = Mesh((1, 1, 1), (5e-9, 5e-9, 5e-9))
FLAT = Mesh((24, 16, 1), (4e-9, 4e-9, 4e-9), (True, True, False))


def _batch(films, mesh=ONE, precision="float64"):
    return Films(mesh, tuple(films), demag="none", precision=precision)


def _random(seed, *shape):
    m = np.random.default_rng(seed).standard_normal(shape)
    return m / np.linalg.norm(m, axis=1, keepdims=True)


def _rough(seed=0, **values):
    """Perpendicular anisotropy that differs from cell to cell."""
    Ku1 = 1.0e6 * (1 + 0.1 * np.random.default_rng(seed).standard_normal(FLAT.shape))
    return Film(**({"Ms": 1.1e6, "A": 16e-12, "Ku1": Ku1, "D_bulk": 1e-3} | values))


@pytest.mark.parametrize("method", METHODS)
def test_one_moment_switches_at_half_the_anisotropy_field_at_45_degrees(method):
    Ms, Ku1 = 8e5, 4e5
    anisotropy_T = 2 * Ku1 / Ms
    direction = np.array([np.sqrt(0.5), 0.0, np.sqrt(0.5)])
    down = np.concatenate([np.linspace(0.7, -0.4, 12), np.linspace(-0.49, -0.51, 11), [-0.7]])
    h = np.concatenate([down, -down])
    equation = Equation(_batch([Film(Ms=Ms, Ku1=Ku1)]))
    m = direction.reshape(1, 3, 1, 1, 1)
    ((_, loop),) = hysteresis(equation, m, anisotropy_T * h[:, None] * direction, method, torque_T=1e-8)
    assert loop.status == "relaxed"
    assert loop.coercive_T / anisotropy_T == pytest.approx([-0.5, 0.5], abs=0.002)
    # On the way to the switch every state minimises e(θ) = sin²θ − 2h cos(θ − 45°).
    theta = np.arctan2(loop.mean[:, 0], loop.mean[:, 2])
    assert np.sin(2 * theta) + 2 * h * np.sin(theta - np.pi / 4) == pytest.approx(np.zeros(len(h)), abs=1e-7)


def test_films_of_a_batch_switch_each_in_its_own_field():
    """At an angle ψ to the axis: h = (cos^⅔ ψ + sin^⅔ ψ)^(-3/2)."""
    angle = np.radians(5.0)
    axes = [(np.sin(angle), 0.0, np.cos(angle)), (np.sin(np.pi / 4), 0.0, np.cos(np.pi / 4))]
    films = [Film(Ms=8e5, Ku1=Ku1, axis=axis) for Ku1, axis in zip((2e5, 4e5), axes, strict=True)]
    down = np.linspace(1.0, -1.0, 401)
    B = np.zeros((2, len(down), 3))
    B[0, :, 2], B[1, :, 2] = 0.6 * down, 1.2 * down
    m = np.zeros((2, 3, 1, 1, 1))
    m[:, 2] = 1
    loops = dict(hysteresis(Equation(_batch(films)), m, B, torque_T=1e-8))
    off = (np.cos(angle) ** (2 / 3) + np.sin(angle) ** (2 / 3)) ** -1.5
    assert loops[0].coercive_T[0] == pytest.approx(-0.5 * off, abs=0.003)
    assert loops[1].coercive_T[0] == pytest.approx(-0.5, abs=0.006)
    assert np.isnan(loops[0].coercive_T[1])


def _stepped(stepper, equation, steps):
    """Total energies of the states that a stepper goes through, accepted steps only."""
    live, energies = np.ones(1, bool), [equation.energies(stepper.m, np.zeros(1))["total"][0]]
    while len(energies) < steps:
        if stepper.step(live)[0]:
            energies.append(equation.energies(stepper.m, np.zeros(1))["total"][0])
    return np.array(energies)


@pytest.mark.parametrize("tolerance", [1e-3, 10.0])
def test_the_energy_never_rises_without_precession(tolerance):
    """With the second tolerance nothing but the energy keeps the steps short."""
    equation = Equation(_batch([_rough(B=(0.05, 0.0, 0.1))], FLAT))
    stepper = DormandPrince(equation, _random(1, 1, 3, *FLAT.shape), tolerance=tolerance, precess=False)
    energies = _stepped(stepper, equation, 300)
    assert np.diff(energies).max() <= 1e-13 * abs(energies).max()
    assert energies[-1] < energies[0]
    assert tolerance < 1 or stepper.rejected[0] > 0


def test_the_minimiser_never_goes_above_its_last_states():
    equation = Equation(_batch([_rough()], FLAT))
    energies = _stepped(Minimiser(equation, _random(1, 1, 3, *FLAT.shape)), equation, 200)
    highest = [energies[max(0, k - MEMORY) : k].max() for k in range(1, len(energies))]
    assert (energies[1:] - highest).max() <= 1e-13 * abs(energies).max()
    assert energies[-1] < energies[0]


def test_the_work_between_two_states_is_the_change_of_energy():
    """Of energies of first and second degree exactly, however large the step."""
    films = _batch([_rough(B=(0.1, 0.2, 0.3))], FLAT)
    equation, live, t = Equation(films), np.ones(1, bool), np.zeros(1)
    states = [_random(seed, 1, 3, *FLAT.shape) for seed in (1, 2)]
    fields = [np.empty_like(m) for m in states]
    for m, H in zip(states, fields, strict=True):
        equation.field(m, t, H, live)
    work = cpu.compare(states[0], fields[0], states[1], fields[1], equation.Ms, live)[0, 3]
    change = np.diff([equation.energies(m, t)["total"][0] for m in states])[0]
    assert -MU0 * FLAT.volume * work == pytest.approx(change, rel=1e-10)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_film_comes_to_rest_from_random(method, precision):
    equation = Equation(_batch([_rough(B=(0.0, 0.0, 0.02))], FLAT, precision))
    ((index, film),) = relax(equation, _random(2, 1, 3, *FLAT.shape), method, torque_T=1e-3)
    assert index == 0
    assert film.status == "relaxed"
    assert film.torque_T <= 1e-3
    H = np.empty((1, *film.m.shape), film.m.dtype)
    equation.field(film.m[None], np.zeros(1), H, np.ones(1, bool))
    assert MU0 * np.linalg.norm(np.cross(film.m, H[0], axis=0), axis=0).max() == pytest.approx(film.torque_T, rel=1e-3)
    assert film.evaluations == equation.evaluations[0] - 1
    assert film.energies["total"] == pytest.approx(sum(e for name, e in film.energies.items() if name != "total"))


@pytest.mark.parametrize("method", METHODS)
def test_a_bloch_wall_is_pi_root_A_over_K_wide(method):
    A, K, h = 16e-12, 1.0e6, 0.4e-9
    mesh = Mesh((120, 1, 1), (h, 4e-9, 4e-9))
    x = (np.arange(120) - 59.5) * h
    m = np.zeros((1, 3, 1, 1, 120))
    m[0, 2, 0, 0], m[0, 1, 0, 0] = np.sign(x), abs(x) < 3e-9
    equation = Equation(_batch([Film(Ms=1.1e6, A=A, Ku1=K)], mesh))
    ((_, film),) = relax(equation, m, method, torque_T=1e-5)
    theta = np.arctan2(film.m[1], film.m[2])[0, 0]
    width = np.pi * h / abs(theta[60] - theta[59])
    assert width == pytest.approx(np.pi * np.sqrt(A / K), rel=2e-3)
    assert film.m[2, 0, 0] == pytest.approx(np.tanh(x / np.sqrt(A / K)), abs=2e-3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_film_in_a_mixed_batch_is_its_solo_run_to_the_bit(method, precision):
    """Films that need very different numbers of steps; some leave the batch long before others."""
    films = [
        _rough(0),
        Film(Ms=6e5, A=10e-12, Ku1=8e5, axis=(1.0, 0.0, 1.0), B=(0.3, 0.0, 0.0)),
        Film(Ms=np.where(np.arange(24) < 20, 8e5, 0.0) * np.ones(FLAT.shape), A=13e-12, B=(0.0, 2.0, 0.0)),
        _rough(4, B=(0.0, 0.0, 1.0)),
        Film(Ms=8e5, B=(1.0, 0.0, 0.0)),
    ]
    m = _random(1, 5, 3, *FLAT.shape)
    steps = np.array([[0, 0, 0.2], [0, 0, 0.1]])
    equation = Equation(_batch(films, FLAT, precision))
    batch, loops = dict(relax(equation, m, method, torque_T=3e-3)), dict(hysteresis(equation, m, steps, method, 3e-3))
    assert sorted(batch) == sorted(loops) == [0, 1, 2, 3, 4]
    for index, film in enumerate(films):
        equation = Equation(_batch([film], FLAT, precision))
        ((_, solo),) = relax(equation, m[index : index + 1], method, torque_T=3e-3)
        ((_, loop),) = hysteresis(equation, m[index : index + 1], steps, method, 3e-3)
        assert solo.status == loop.status == "relaxed"
        assert batch[index].m.tobytes() == solo.m.tobytes()
        assert loops[index].m.tobytes() == loop.m.tobytes()
        assert loops[index].mean.tobytes() == loop.mean.tobytes()
        for mine, alone in ((batch[index], solo), (loops[index], loop)):
            assert (mine.evaluations, mine.steps, mine.rejected) == (alone.evaluations, alone.steps, alone.rejected)
        # A term that only a neighbour in the batch has may be listed with 0 J.
        assert all(batch[index].energies[name] == energy for name, energy in solo.energies.items() if name != "total")


def test_films_that_need_less_come_out_first():
    films = [_rough(0), Film(Ms=8e5, B=(1.0, 0.0, 0.0)), _rough(1), Film(Ms=8e5, B=(0.0, 1.0, 0.0))]
    out = list(relax(Equation(_batch(films, FLAT)), _random(1, 4, 3, *FLAT.shape), torque_T=1e-3))
    assert {index for index, _ in out[:2]} == {1, 3}
    assert max(film.evaluations for _, film in out[:2]) < min(film.evaluations for _, film in out[2:])


@pytest.mark.parametrize("method", METHODS)
def test_a_film_that_needs_too_many_fields_is_given_up(method):
    equation = Equation(_batch([_rough()], FLAT))
    ((_, film),) = relax(equation, _random(1, 1, 3, *FLAT.shape), method, torque_T=1e-9, max_evaluations=40)
    assert film.status == "not relaxed"
    assert 40 <= film.evaluations < 50
    assert film.torque_T > 1e-9


@pytest.mark.parametrize("method", METHODS)
def test_a_torque_below_rounding_is_given_up_and_not_waited_for(method):
    equation = Equation(_batch([_rough(B=(1.0, 1.5, 1.0))], FLAT, "float32"))
    ((_, film),) = relax(equation, _random(1, 1, 3, *FLAT.shape), method, torque_T=1e-12)
    assert film.status == "not relaxed"
    assert 1e-12 < film.torque_T < 1e-4
    assert film.evaluations < 3000


def test_a_step_that_does_not_come_to_rest_is_told():
    B = np.array([[0, 0, 1.0], [0, 0, -0.2]])
    equation = Equation(_batch([_rough()], FLAT))
    ((_, loop),) = hysteresis(equation, _random(1, 1, 3, *FLAT.shape), B, torque_T=1e-4, max_evaluations=20)
    assert loop.status == "not relaxed"
    assert loop.torque_T.max() > 1e-4


@pytest.mark.parametrize("method", METHODS)
def test_a_field_that_is_not_finite_names_the_film(method):
    films = [Film(Ms=8e5), Film(Ms=8e5), Film(Ms=8e5, B_of_time=lambda t: (0, np.inf, 0))]
    with pytest.raises(SimulationError, match=r"film 2: .*not finite"):
        list(relax(Equation(_batch(films)), _random(0, 3, 3, 1, 1, 1), method))


def test_bad_input_is_one_clear_line():
    equation, m = Equation(_batch([Film(Ms=8e5)])), _random(0, 1, 3, 1, 1, 1)
    with pytest.raises(UserError, match=r"no method 'newton'.*minimise"):
        next(relax(equation, m, "newton"))
    for B in (np.zeros((4, 2)), np.zeros((2, 4, 3)), np.zeros((0, 3))):
        with pytest.raises(UserError, match="B has shape"):
            next(hysteresis(equation, m, B))
    with pytest.raises(UserError, match="B is not finite"):
        next(hysteresis(equation, m, np.full((2, 3), np.nan)))


def _loop(fields, means):
    axis = np.array([0.0, 0.6, 0.8])
    return np.multiply.outer(fields, axis), np.multiply.outer(means, axis)


def test_figures_of_a_loop_that_can_be_read_off():
    """Up from nothing, then a full loop: crossings at −0.25 and 0.15, corners where 0.99 is passed halfway."""
    B, mean = _loop(
        [0.0, 0.5, 1.0, 0.5, 0.0, -0.2, -0.4, -0.6, -1.0, -0.5, 0.0, 0.1, 0.2, 0.6, 1.0],
        [-0.1, 0.7, 1.0, 1.0, 0.9, 0.1, -0.3, -0.98, -1.0, -1.0, -0.9, -0.1, 0.1, 0.98, 1.0],
    )
    coercive, saturation, knee = figures(B, mean)
    assert coercive == pytest.approx([-0.25, 0.15])
    assert saturation == pytest.approx([0.8, 0.8])
    assert knee == pytest.approx([0.6, 0.6])


def test_figures_that_a_loop_does_not_show_are_nan():
    B, mean = _loop([1.0, 0.5, 0.0], [0.95, 0.9, 0.8])
    assert all(np.isnan(pair).all() for pair in figures(B, mean))
    assert all(np.isnan(pair).all() for pair in figures(0 * B, mean))


def test_knee_is_the_corner_of_a_straight_loop():
    """Without hysteresis: a straight line up to 0.4 T, then saturation."""
    fields = np.concatenate([np.linspace(1, -1, 41), np.linspace(-0.95, 1, 40)])
    B, mean = _loop(fields, np.clip(fields / 0.4, -1, 1))
    coercive, saturation, knee = figures(B, mean)
    assert coercive == pytest.approx([0, 0], abs=1e-12)
    assert saturation == pytest.approx([0.396, 0.396])
    assert knee == pytest.approx([0.4, 0.4])


def test_knee_does_not_depend_on_how_far_the_loop_goes():
    """Branches tanh((B ± 0.1)/0.3) in T, loops up to 2 and 4 T in equal steps."""
    knees = []
    for largest in (2.0, 4.0):
        way = np.linspace(largest, -largest, round(largest / 0.005) + 1)
        fields = np.concatenate([way, way[-2::-1]])
        shift = np.where(np.arange(len(fields)) < len(way), 0.1, -0.1)
        knees.append(figures(*_loop(fields, np.tanh((fields + shift) / 0.3)))[2])
    np.testing.assert_allclose(knees[0], knees[1], atol=1e-9)


@pytest.mark.parametrize("method", ["lbfgs", "minimise"])
def test_a_film_saturated_along_its_axis_reverses(method):
    """It has no torque whatever the field: only the kick lets it leave. One moment reverses at 2 Ku1/Ms = 0.5 T."""
    film = Film(Ms=8e5, Ku1=2e5, B=(0.0, 0.0, 0.1))
    fields = np.zeros((81, 3))
    fields[:, 2] = np.concatenate([np.linspace(1, -1, 41), np.linspace(-0.95, 1, 40)])
    m = np.array([0.0, 0.0, 1.0]).reshape(1, 3, 1, 1, 1)
    ((_, loop),) = hysteresis(Equation(_batch([film])), m, fields, method)
    # The film's own field counts: what is applied runs from 1.1 to −0.9 T.
    assert loop.B[0, 2] == pytest.approx(1.1)
    assert loop.coercive_T == pytest.approx([-0.525, 0.525], abs=0.026)
    ((_, still),) = hysteresis(Equation(_batch([film])), m, fields, method, angle=0.0)
    assert np.isnan(still.coercive_T).all()


def test_a_kick_turns_a_state_off_its_saddle_and_is_the_same_in_any_batch():
    films, m = [Film(Ms=8e5, Ku1=2e5, seed=seed) for seed in (3, 4)], np.zeros((2, 3, 1, 1, 1))
    m[:, 0] = 1
    ((_, still),) = relax(Equation(_batch(films[:1])), m[:1])
    assert still.evaluations == 1 and still.m[0] == 1
    batch = dict(relax(Equation(_batch(films)), m, angle=1e-3))
    assert all(abs(found.m[2]) > 0.999 for found in batch.values())
    ((_, solo),) = relax(Equation(_batch(films[1:])), m[1:], angle=1e-3)
    assert solo.m.tobytes() == batch[1].m.tobytes()
    with pytest.raises(UserError, match="a kick of -1 rad"):
        next(relax(Equation(_batch(films)), m, angle=-1.0))
    with pytest.raises(UserError, match="torque_T is 0"):
        next(relax(Equation(_batch(films)), m, torque_T=0.0))


@pytest.mark.parametrize("varied", [False, True])
def test_passes_of_the_quasi_newton_method_are_their_plain_formulas(varied):
    rng, live = np.random.default_rng(0), np.array([True, False, True])
    shape = (3, 3, 2, 3, 5)
    states = [_random(seed, *shape) for seed in (1, 2)]
    fields = [1e6 * rng.standard_normal(shape) for _ in states]
    for array in states + fields:
        array[2, :, 0, 0, 0] = 0
    Ms = 1e6 * (1 + rng.random((3, 6 if varied else 1, 5)))
    pairs = [np.random.default_rng(5).standard_normal((4, *shape)) for _ in range(2)]
    args = (states[0], fields[0], states[1], fields[1], Ms)
    for memory in pairs:
        memory[:, 2, :, 0, 0, 0] = 0
    sums = [cpu.remember(*args, pairs[0], 1, live), plain.remember(np, *args, pairs[1], 1, live)]
    assert np.allclose(*sums, rtol=1e-10, equal_nan=True)
    assert np.allclose(*pairs, rtol=1e-12, atol=1e-9)
    assert np.allclose(sums[0][live, :6], cpu.compare(*args, live)[live], rtol=1e-14)
    out, weights = [np.zeros(shape), np.zeros(shape)], rng.standard_normal((3, 5)) * [1e-6, 1, 0, 1e-6, 1e-6]
    cpu.turn(states[0], fields[0], pairs[0], weights, out[0], live)
    plain.turn(np, states[0], fields[0], pairs[0], weights, out[1], live)
    assert np.allclose(*out, atol=1e-12)
    assert not out[0][1].any()
    assert not out[0][2, :, 0, 0, 0].any()


def test_two_loops_are_the_update_of_bfgs():
    """B of the last pairs, written out as matrices: B ← (1 − ρ s yᵀ) B (1 − ρ y sᵀ) + ρ s sᵀ from B = γ."""
    rng = np.random.default_rng(0)
    curvature = np.diag(rng.random(12) + 0.1)
    s = rng.standard_normal((5, 12))
    y, p, order = s @ curvature, rng.standard_normal(12), np.array([1, 0, 4, 3])
    gamma = (s[1] @ y[1]) / (y[1] @ y[1])
    B = gamma * np.eye(12)
    for k in order[::-1]:
        rho = 1 / (s[k] @ y[k])
        B = (np.eye(12) - rho * np.outer(s[k], y[k])) @ B @ (np.eye(12) - rho * np.outer(y[k], s[k]))
        B += rho * np.outer(s[k], s[k])
    weights = two_loops(order, s @ y.T, y @ y.T, s @ p, y @ p)
    assert weights[0] * p + weights[1:6] @ s + weights[6:] @ y == pytest.approx(B @ p)
    assert weights[3] == weights[8] == 0


def test_a_step_taken_back_leaves_no_trace_in_the_next_direction():
    """What is tried next is a shorter way along the direction of the pairs that are left, as plain BFGS has it."""
    equation, live = Equation(_batch([_rough()], FLAT)), np.ones(1, bool)
    descent = QuasiNewton(equation, _random(1, 1, 3, *FLAT.shape))
    for _ in range(12):
        descent.step(live)
    m, pairs = descent.m.copy(), descent.pairs.copy()
    oldest = (descent.slot + 1) % PAIRS
    descent.above[:] = -np.inf  # nothing is good enough
    assert not descent.step(live)[0]
    assert descent.m.tobytes() == m.tobytes()
    assert descent.weights[0, 1 + oldest] == descent.weights[0, 1 + PAIRS + oldest] == 0
    others = np.delete(np.arange(2 * PAIRS), [oldest, PAIRS + oldest])
    assert descent.pairs[others].tobytes() == pairs[others].tobytes()
    order = (oldest - 1 - np.arange(PAIRS - 1)) % PAIRS
    expected = two_loops(order[descent.usable[0, order]], descent.sy[0], descent.yy[0], *descent.p[0])
    assert descent.weights[0] == pytest.approx(0.25 * expected)
