"""Predictors without a network against closed forms, on curves with constant or collinear places and tiny numbers."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from weiss.errors import UserError
from weiss.learn.curves import baselines
from weiss.learn.curves.form import COEFFICIENTS, Band, bounds, columns, form

BAND = Band(0.213, 5.24, tuple(np.linspace(-np.pi, np.pi, 500, endpoint=False)))
NANO = 1e-9


def curves(sigma: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Curves of 100 places that are linear in the two, the first twenty constant: (n, 100)."""
    x = np.clip(np.linspace(-0.25, 1, 100), 0, None)
    return 5 + (np.outer(sigma, x) - np.outer(tau, x**2)) / (100 * NANO)


def parameters(n: int, seed: int = 0) -> np.ndarray:
    """sigma and tau in m, (n, 2)."""
    return np.random.default_rng(seed).uniform(0, [100 * NANO, 20 * NANO], (n, 2))


def coefficients(n: int, seed: int = 0) -> np.ndarray:
    """X, c_1 … c_5 in THz within the bounds, (n, 6)."""
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.uniform(0.1, 5.4, n), rng.uniform(-0.099, 0.099, (n, 5))])


def test_median() -> None:
    targets = np.array([[1.0, 5.0], [2.0, 7.0], [9.0, 6.0]])
    assert np.array_equal(baselines.median(targets, 4), [[2, 6]] * 4)


def test_linear_map_of_tiny_numbers() -> None:
    known, new = parameters(300), parameters(50, 1)
    mapping, offset = np.array([[2.0, -0.3, 1e9], [0.5, 4.0, -1e8]]), np.array([1e-9, 3e-9, 7.0])
    found = baselines.linear(known, known @ mapping + offset, new)
    learned, wanted = known @ mapping + offset, new @ mapping + offset
    assert found.shape == (50, 3)
    wanted = np.clip(wanted, learned.min(0), learned.max(0))
    assert (np.abs(found - wanted).max(0) < 1e-6 * np.ptp(wanted, axis=0)).all()


def test_linear_map_read_off_collinear_curves() -> None:
    known, new = parameters(300), parameters(50, 1)
    inputs = [np.column_stack([curves(*values.T), values.sum(1) + 3 * NANO]) for values in (known, new)]
    for widths in (None, (100, 1)):
        found = baselines.linear(inputs[0], known, inputs[1], widths)
        wanted = np.clip(new, known.min(0), known.max(0))
        assert (np.abs(found - wanted).max(0) < 1e-6 * np.ptp(known, axis=0)).all()


def test_linear_keeps_to_the_range_of_the_targets() -> None:
    """Target by target, and place by place where the target is a curve."""
    known, asked = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([[-5.0], [1.5], [10.0]])
    places = np.array([[1.0, -2.0, 0.0]])
    found = baselines.linear(known, 7 + known @ places, asked)
    assert np.allclose(found, [[7, 7, 7], [8.5, 4, 7], [10, 1, 7]], rtol=1e-6)
    assert (found >= [7, 1, 7]).all() and (found <= [10, 7, 7]).all()


def test_a_chain_unlike_all_others_does_not_choose_the_penalty() -> None:
    """Two chains alone have a signal at a place: what the faint one tells of the strong one is off by thousands."""
    rng = np.random.default_rng(0)
    told, size, shape = rng.uniform(0, 1, 350), rng.uniform(1, 2, 350), np.sin(np.linspace(0, 3, 100))
    inputs = np.outer(size, shape)
    inputs[:, 60] += 3e-6 * told
    inputs[[0, 1], 0] = 1e-6, 1e-2
    targets = (told + 0.02 * rng.standard_normal(350))[:, None]
    found = baselines.linear(inputs[:300], targets[:300], inputs[300:], (100,))[:, 0]
    assert np.abs(found - told[300:]).mean() < 0.05


def test_what_is_told_by_the_sixth_digit_of_a_curve_is_read() -> None:
    """A penalty of 1e-6 would leave nothing of it, a covariance only its first digits."""
    rng = np.random.default_rng(0)
    told, size, shape = rng.uniform(0, 1, 350), rng.uniform(1, 2, 350), np.sin(np.linspace(0, 3, 100))
    inputs = np.outer(size, shape)
    inputs[:, 60] += 3e-6 * told
    found = baselines.linear(inputs[:300], told[:300, None], inputs[300:], (100,))[:, 0]
    assert np.abs(found - np.clip(told[300:], told[:300].min(), told[:300].max())).max() < 1e-3


@pytest.mark.parametrize("n", [40, 2000])
def test_penalty_is_chosen_where_curves_are_noise(n: int) -> None:
    """A hundred places that tell nothing: without a penalty their coefficients would make errors beyond the mean's."""
    rng = np.random.default_rng(0)
    targets = rng.standard_normal((n + 500, 1)) * NANO
    inputs = rng.standard_normal((n + 500, 100))
    found = baselines.linear(inputs[:n], targets[:n], inputs[n:], (100,))
    assert np.abs(found - targets[n:]).mean() < 1.05 * np.abs(targets[n:] - targets[:n].mean()).mean()


def test_penalty_is_chosen_target_by_target() -> None:
    """One target the inputs tell exactly, beside one of which they tell nothing: each has its own penalty."""
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((160, 50))
    targets = np.column_stack([inputs.sum(1) * NANO, rng.standard_normal(160)])
    found = baselines.linear(inputs[:60], targets[:60], inputs[60:])
    wanted = np.clip(targets[60:, 0], targets[:60, 0].min(), targets[:60, 0].max())
    assert np.allclose(found[:, 0], wanted, rtol=0, atol=1e-5 * NANO)
    assert np.abs(found[:, 1]).mean() < 0.7


def test_linear_of_constant_inputs_and_targets() -> None:
    known, new = parameters(50), parameters(5, 1)
    known[:, 1] = 3.3e-9
    targets = np.column_stack([known[:, 0], np.full(50, 0.213)])
    found = baselines.linear(known, targets, new)
    assert np.allclose(found, np.column_stack([new[:, 0], np.full(5, 0.213)]), rtol=1e-6)


def test_order_of_training_chains() -> None:
    known, new = parameters(200), parameters(20, 1)
    inputs, asked = curves(*known.T), curves(*new.T)
    targets = known + 5 * NANO * np.random.default_rng(2).standard_normal(known.shape)
    order = np.random.default_rng(3).permutation(200)
    for predictor in (baselines.linear, baselines.neighbours):
        found = predictor(inputs, targets, asked, widths=(100,))
        assert np.allclose(found, predictor(inputs[order], targets[order], asked, widths=(100,)), rtol=1e-6)


def test_a_curve_has_one_scale_and_weighs_as_a_number() -> None:
    rng = np.random.default_rng(0)
    known = np.column_stack([rng.standard_normal((400, 50)) * np.linspace(1, 3, 50), NANO * rng.standard_normal(400)])
    known[:, 7] = 2.0
    scaled, new = baselines.standardised(known, known[:3], (50, 1))
    varies = np.delete(np.arange(50), 7)
    ratio = scaled[0, varies] / (known - known.mean(0))[0, varies]
    assert np.allclose(ratio, ratio[0])
    assert np.allclose([scaled[:, :50].var(0).sum(), scaled[:, 50].var()], 1)
    assert np.allclose(scaled[:, 7], 0)
    assert np.array_equal(new, scaled[:3])


def test_refusals() -> None:
    known = parameters(10)
    for widths in ((3,), (1,), (2, 0)):
        with pytest.raises(UserError, match="do not make 2 inputs"):
            baselines.linear(known, known, known, widths)
    with pytest.raises(UserError, match="3 inputs a chain where the training chains have 2"):
        baselines.neighbours(known, known, np.zeros((1, 3)))
    with pytest.raises(UserError, match="not finite"):
        baselines.bounded_form(np.full((2, 500), np.nan), BAND)
    with pytest.raises(UserError, match="499 places"):
        baselines.bounded_form(np.zeros((2, 499)), BAND)


def test_neighbours_of_an_exact_duplicate() -> None:
    known = parameters(60)
    inputs = curves(*known.T)
    twice, values = np.tile(inputs, (2, 1)), np.tile(known, (2, 1))
    assert np.array_equal(baselines.neighbours(twice, values, inputs[[7, 3]], widths=(100,)), known[[7, 3]])
    # The mapping is smooth and told by the inputs: the nearest are to be asked, not all.
    assert np.abs(baselines.neighbours(inputs, known, inputs, widths=(100,)) - known).mean() < 4 * NANO


def test_the_median_of_the_neighbours_is_answered() -> None:
    """The nearest of 2.1 is the one chain unlike the others; a mean of any number of them would show it."""
    known, targets = np.array([[0.0], [1], [2], [2.4], [4], [5], [6]]), np.array([[3.0], [3], [9], [3], [3], [3], [3]])
    assert np.array_equal(baselines.neighbours(known, targets, [[2.1]]), [[3]])


def test_number_of_neighbours_is_that_of_the_smallest_error() -> None:
    """By leaving out one chain at a time, all numbers tried."""
    rng = np.random.default_rng(3)
    known, sizes = rng.uniform(0, 1, 150), ((1, 0.01), (1, 0.2), (0, 1))
    targets = np.column_stack([size * np.sin(6 * known) + noise * rng.standard_normal(150) for size, noise in sizes])
    away = np.abs(known[:, None] - known)
    np.fill_diagonal(away, np.inf)
    near, counts = np.argsort(away, axis=1), [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144]
    errors = [np.abs(np.median(targets[near[:, :count]], axis=1) - targets).mean(0) for count in counts]
    best = [counts[row] for row in np.argmin(errors, axis=0)]
    assert len(set(best)) == 3 and best[2] > 55
    asked = np.array([0.123, 0.5, 0.98])
    near = np.argsort(np.abs(asked[:, None] - known), axis=1)
    wanted = np.column_stack([np.median(targets[near[:, :count], t], axis=1) for t, count in enumerate(best)])
    assert np.allclose(baselines.neighbours(known[:, None], targets, asked[:, None]), wanted, rtol=1e-12)


def test_number_of_neighbours_is_chosen_target_by_target() -> None:
    """A target that the input tells asks few, one that it does not tell asks as many as there are."""
    rng = np.random.default_rng(0)
    known = np.sort(rng.uniform(0, 1, (500, 1)), axis=0)
    targets = np.column_stack([np.sin(20 * known), rng.standard_normal(500)])
    new = rng.uniform(0, 1, (300, 1))
    found = baselines.neighbours(known, targets, new)
    assert np.abs(found[:, 0] - np.sin(20 * new[:, 0])).mean() < 0.02
    assert found[:, 1].std() < 0.12


def test_one_training_chain() -> None:
    assert np.array_equal(baselines.neighbours([[1.0]], [[2.0]], [[5.0], [6.0]]), [[2], [2]])


def test_the_form_needs_no_torch() -> None:
    code = "import sys; import weiss.learn.curves.form, weiss.figures.curve_tasks; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_form_at_the_gap_and_the_zone_boundary() -> None:
    band = Band(0.2, 5.0, (-np.pi, 0.0, np.pi / 2))
    found = form([[4.0, 0.1, 0.02, 0, 0, 0.05]], band)[0]
    assert np.allclose(found, [0.2 + 8 + 0.17, 0.2, 0.2 + 4 + 0.1 / 4 + 0.02 / 8 + 0.05 / 64])


def test_form_rises_as_the_square_of_the_smallest_k() -> None:
    ka = np.array([-1e-3, 1e-6, 1e-9])
    found = columns(Band(0.0, 5.0, tuple(ka)))
    assert found.shape == (3, len(COEFFICIENTS))
    assert np.allclose(found[:, 0], ka**2 / 2, rtol=1e-6, atol=0)
    assert np.allclose(found[:, 1], (ka / np.pi) ** 2, rtol=1e-12, atol=0)


def test_bounds_of_the_form() -> None:
    lower, upper = bounds(BAND)
    assert np.allclose(lower, [0, -0.1, -0.1, -0.1, -0.1, -0.1])
    assert np.allclose(upper, [1.05 * 5.24, 0.1, 0.1, 0.1, 0.1, 0.1])


def test_bounded_form_recovers_coefficients_inside_the_bounds() -> None:
    wanted = coefficients(30)
    found, mae = baselines.bounded_form(form(wanted, BAND), BAND)
    assert found.shape == (30, 6) and mae.shape == (30,)
    assert np.abs(found - wanted).max() < 1e-6
    assert mae.max() < 1e-9


def test_bounded_form_beyond_the_bounds() -> None:
    wanted = coefficients(3)
    wanted[0], wanted[1], wanted[2] = [9, 0, 0, 0, 0, 0], [2, 0, 0, 0, 0, 3], [2, -3, 0, 0, 0, 0]
    found, mae = baselines.bounded_form(form(wanted, BAND), BAND)
    assert found[0, 0] == pytest.approx(1.05 * BAND.X, abs=1e-12)
    assert found[1, 5] == pytest.approx(0.1, abs=1e-12)
    assert found[2, 1] == pytest.approx(-0.1, abs=1e-12)
    assert (mae > 0.05).all()
    below, _ = baselines.bounded_form(np.zeros((1, 500)), BAND)
    assert below[0, 0] == 0


def test_bounded_form_is_the_least_squares_fit() -> None:
    """Against the whole problem by another method, on curves in steps of 0.1 THz as a ridge has."""
    rng = np.random.default_rng(0)
    ridge = np.round(form(coefficients(6), BAND) + 0.3 * rng.standard_normal((6, 500)), 1)
    found, mae = baselines.bounded_form(ridge, BAND)
    parts = np.column_stack([form(row[None], BAND)[0] - BAND.gap for row in np.eye(6)])
    upper = np.array([1.05 * BAND.X, *[0.1] * 5])
    lower = np.array([0, *[-0.1] * 5])
    assert ((lower <= found) & (found <= upper)).all()
    for row, curve, error in zip(found, ridge, mae, strict=True):
        other = lsq_linear(parts, curve - BAND.gap, (lower, upper), tol=1e-12)
        cost = ((parts @ row - curve + BAND.gap) ** 2).sum() / 2
        assert cost <= other.cost * (1 + 1e-7)
        assert error == pytest.approx(np.abs(form(row[None], BAND)[0] - curve).mean())
