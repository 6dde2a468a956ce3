"""Predictors without a network against closed forms, on curves with constant or collinear places and tiny numbers."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from weiss.errors import UserError
from weiss.learn.curves import baselines

BAND = SimpleNamespace(gap=0.213, X=5.24, ka=tuple(np.linspace(-np.pi, np.pi, 500, endpoint=False)))
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
    wanted = new @ mapping + offset
    assert found.shape == (50, 3)
    assert (np.abs(found - wanted).max(0) < 1e-6 * np.ptp(wanted, axis=0)).all()


def test_linear_map_read_off_collinear_curves() -> None:
    known, new = parameters(300), parameters(50, 1)
    inputs = [np.column_stack([curves(*values.T), values.sum(1) + 3 * NANO]) for values in (known, new)]
    for widths in (None, (100, 1)):
        found = baselines.linear(inputs[0], known, inputs[1], widths)
        assert (np.abs(found - new).max(0) < 1e-6 * np.ptp(known, axis=0)).all()


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
    assert np.allclose(found[:, 0], targets[60:, 0], rtol=0, atol=1e-5 * NANO)
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
    with pytest.raises(UserError, match="ask for 1 to 10"):
        baselines.neighbours(known, known, known, k=11)
    with pytest.raises(UserError, match="not finite"):
        baselines.bounded_form(np.full((2, 500), np.nan), BAND)
    with pytest.raises(UserError, match="499 places"):
        baselines.bounded_form(np.zeros((2, 499)), BAND)


def test_neighbours_of_an_exact_duplicate() -> None:
    known = parameters(60)
    inputs = curves(*known.T)
    assert np.array_equal(baselines.neighbours(inputs, known, inputs[[7, 3]], k=1, widths=(100,)), known[[7, 3]])
    # The mapping is smooth and told by the inputs: the nearest are to be asked, not all.
    assert np.abs(baselines.neighbours(inputs, known, inputs, widths=(100,)) - known).mean() < 4 * NANO


def test_averages_of_neighbours() -> None:
    known, targets = np.arange(7.0)[:, None], np.array([[0.0], [0.0], [9.0], [0.0], [0.0], [5.0], [5.0]])
    assert np.allclose(baselines.neighbours(known, targets, [[2.1]], k=3), [[3]])
    assert np.allclose(baselines.neighbours(known, targets, [[2.1]], k=3, average="median"), [[0]])
    assert np.allclose(baselines.neighbours(known, targets, [[2.1]], k=7), [[19 / 7]])


def test_number_of_neighbours_is_chosen_target_by_target() -> None:
    """A target that the input tells asks few, one that it does not tell asks as many as there are."""
    rng = np.random.default_rng(0)
    known = np.sort(rng.uniform(0, 1, (500, 1)), axis=0)
    targets = np.column_stack([np.sin(20 * known), rng.standard_normal(500)])
    new = rng.uniform(0, 1, (300, 1))
    found = baselines.neighbours(known, targets, new)
    assert np.abs(found[:, 0] - np.sin(20 * new[:, 0])).mean() < 0.02
    assert found[:, 1].std() < 0.3


def test_one_training_chain() -> None:
    assert np.array_equal(baselines.neighbours([[1.0]], [[2.0]], [[5.0], [6.0]]), [[2], [2]])


def test_bounded_form_recovers_coefficients_inside_the_bounds() -> None:
    wanted = coefficients(30)
    found, mae = baselines.bounded_form(baselines.form(wanted, BAND), BAND)
    assert found.shape == (30, 6) and mae.shape == (30,)
    assert np.abs(found - wanted).max() < 1e-6
    assert mae.max() < 1e-9


def test_bounded_form_beyond_the_bounds() -> None:
    wanted = coefficients(3)
    wanted[0], wanted[1], wanted[2] = [9, 0, 0, 0, 0, 0], [2, 0, 0, 0, 0, 3], [2, -3, 0, 0, 0, 0]
    found, mae = baselines.bounded_form(baselines.form(wanted, BAND), BAND)
    assert found[0, 0] == pytest.approx(1.05 * BAND.X, abs=1e-12)
    assert found[1, 5] == pytest.approx(0.1, abs=1e-12)
    assert found[2, 1] == pytest.approx(-0.1, abs=1e-12)
    assert (mae > 0.05).all()
    below, _ = baselines.bounded_form(np.zeros((1, 500)), BAND)
    assert below[0, 0] == 0


def test_bounded_form_is_the_least_squares_fit() -> None:
    """Against the whole problem by another method, on curves in steps of 0.1 THz as a ridge has."""
    rng = np.random.default_rng(0)
    ridge = np.round(baselines.form(coefficients(6), BAND) + 0.3 * rng.standard_normal((6, 500)), 1)
    found, mae = baselines.bounded_form(ridge, BAND)
    columns = np.column_stack([baselines.form(row[None], BAND)[0] - BAND.gap for row in np.eye(6)])
    upper = np.array([1.05 * BAND.X, *[0.1] * 5])
    lower = np.array([0, *[-0.1] * 5])
    assert ((lower <= found) & (found <= upper)).all()
    for row, curve, error in zip(found, ridge, mae, strict=True):
        other = lsq_linear(columns, curve - BAND.gap, (lower, upper), tol=1e-12)
        cost = ((columns @ row - curve + BAND.gap) ** 2).sum() / 2
        assert cost <= other.cost * (1 + 1e-7)
        assert error == pytest.approx(np.abs(baselines.form(row[None], BAND)[0] - curve).mean())


def test_form_at_the_gap_and_the_zone_boundary() -> None:
    band = SimpleNamespace(gap=0.2, X=5.0, ka=(-np.pi, 0.0, np.pi / 2))
    found = baselines.form(np.array([[4.0, 0.1, 0.02, 0, 0, 0.05]]), band)[0]
    assert np.allclose(found, [0.2 + 8 + 0.17, 0.2, 0.2 + 4 + 0.1 / 4 + 0.02 / 8 + 0.05 / 64])
