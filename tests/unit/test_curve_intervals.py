"""Intervals of predicted parameters: validity, finite samples, repeats that share a bias, tables of coverage."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from weiss.errors import UserError
from weiss.learn.curves.intervals import (
    CONFORMAL,
    ENSEMBLE,
    METHODS,
    SCALED,
    Calibration,
    _distances,
    _reaches,
    coverage_table,
    expected,
    margins,
    mean_and_spread,
)

LEVELS = (0.5, 0.8, 0.95)
TARGETS = ("sigma", "tau")
NANO = 1e-9


def chains(
    rng: np.random.Generator, n: int, repeats: int, jitter: float = 0.1, bias: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions (R, n, 2) and true values (n, 2) in m: heavy tails, of a size that grows twentyfold along sigma."""
    known = rng.uniform(0, 1, (n, 2))
    size = 0.5 + 10 * known[:, :1] ** 2
    truth = 100 * known + size * rng.standard_t(2.5, (n, 2)) + bias
    predicted = 100 * known + jitter * rng.standard_normal((repeats, n, 2))
    return predicted * NANO, truth * NANO


def table_of(predicted: np.ndarray, truth: np.ndarray, calibrate: int) -> pd.DataFrame:
    """predictions.csv of one repeat: the first chains calibrate, the others test; and one that is neither."""
    roles = ["calibrate"] * calibrate + ["test"] * (len(truth) - calibrate)
    table = pd.DataFrame({"point": [f"{i:05d}" for i in range(len(truth))], "role": roles})
    for column, name in enumerate(TARGETS):
        table[name], table[f"{name}_pred"] = truth[:, column], predicted[:, column]
    other = {"point": "x", "role": "measured"} | {name: np.nan for name in table.columns[2:]}
    return pd.concat([table, pd.DataFrame([other])], ignore_index=True)


def tables_of(seed: int = 0, n: int = 300, calibrate: int = 99, repeats: int = 3, **how: float) -> list[pd.DataFrame]:
    predicted, truth = chains(np.random.default_rng(seed), n, repeats, **how)
    return [table_of(one, truth, calibrate) for one in predicted]


def mean_coverage(method: str, seeds: int = 200, n: int = 99, new: int = 50, **how: float) -> np.ndarray:
    """Coverage of the two targets at the three levels, on the average over calibrations: (levels, 2)."""
    held = np.zeros((len(LEVELS), 2))
    for seed in range(seeds):
        predicted, truth = chains(np.random.default_rng(seed), n + new, 3, **how)
        calibration = Calibration(predicted[:, :n], truth[:n])
        half = calibration.half_widths(predicted[:, n:], LEVELS, method)
        held += (np.abs(truth[n:] - predicted[:, n:].mean(0)) <= half).mean(1)
    return held / seeds


def full_conformal_scores(known: np.ndarray, residuals: np.ndarray, scale: np.ndarray, k: int) -> np.ndarray:
    """Scores of chains of which each is left out of its own difficulty, word by word."""
    scores = []
    for i in range(len(known)):
        distance = np.delete(((known / scale - known[i] / scale) ** 2).sum(1), i)
        others = np.delete(residuals, i)
        near = others[distance <= np.sort(distance)[k - 1]]
        scores.append(residuals[i] / ((near.sum() + others.mean()) / (len(near) + 1)))
    return np.array(scores)


def margin(scores: np.ndarray, level: float) -> float:
    return float(margins(scores[None], level)[0])


def test_margin_of_a_finite_sample() -> None:
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 20.0))
    assert margin(scores, 0.95) == 19
    assert margin(scores[:18], 0.95) == np.inf
    assert margin(scores, 0.5) == 10
    assert margin(scores, 0.90) == 18
    assert margin(np.arange(1.0, 75.0), 0.68) == 51  # 75 × 0.68 is 51.000000000000004
    assert margin(np.array([]), 0.5) == np.inf
    assert margin(np.array([2.0, np.nan, 1.0]), 0.5) == 2
    assert margin(np.array([2.0, np.nan, 1.0]), 0.75) == np.inf


@pytest.mark.parametrize("level", [0, 1, -0.1, 95, np.nan])
def test_a_level_is_a_probability(level: float) -> None:
    with pytest.raises(UserError, match="probability"):
        margin(np.ones(5), level)


def test_mean_and_spread() -> None:
    predicted = np.array([[[1.0, 2.0]], [[3.0, 2.0]]])
    mean, spread = mean_and_spread(predicted)
    assert np.array_equal(mean, [[2, 2]])
    assert np.allclose(spread, [[np.sqrt(2), 0]])
    assert np.isnan(mean_and_spread(predicted[:1])[1]).all()


@pytest.mark.parametrize("method", [CONFORMAL, SCALED])
def test_coverage_is_the_level(method: str) -> None:
    seeds, n, new = 200, 99, 50
    found = mean_coverage(method, seeds, n, new, bias=3.0)
    for level, pair in zip(LEVELS, found, strict=True):
        # Of one calibration the coverage scatters too, not only the share of the new chains that are held.
        scatter = np.sqrt(level * (1 - level) * (1 / (n + 2) + 1 / new) / seeds)
        assert np.abs(pair - level).max() < 4 * scatter


@pytest.mark.parametrize("n", [9, 24])
def test_few_calibration_chains_are_valid_too(n: int) -> None:
    found = mean_coverage(SCALED, seeds=1500, n=n, new=4)[1]
    expected = np.ceil((n + 1) * 0.8) / (n + 1)
    assert np.abs(found - expected).max() < 4 * np.sqrt(0.16 * (1 / (n + 2) + 1 / 4) / 1500)


def test_repeats_that_share_a_bias_fool_the_ensemble_only() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 100, (4000, 1))
    fair = truth + rng.standard_normal((40, *truth.shape))
    shared = fair + 5 * rng.standard_normal(truth.shape)
    for predicted, honest in ((fair, True), (shared, False)):
        calibration = Calibration(predicted[:, :999], truth[:999])
        # The mean of 40 repeats is nearer to the truth than one: a fair ensemble covers more than its level.
        half = {method: calibration.half_widths(predicted[:, 999:], (0.8,), method)[0] for method in METHODS}
        errors = np.abs(predicted[:, 999:].mean(0) - truth[999:])
        covered = {method: (errors <= half[method]).mean() for method in METHODS}
        assert covered[ENSEMBLE] > 0.99 if honest else covered[ENSEMBLE] < 0.3
        assert abs(covered[CONFORMAL] - 0.8) < 0.05
        assert abs(covered[SCALED] - 0.8) < 0.05


@pytest.mark.parametrize(("repeats", "quantile"), [(2, 12.7062), (3, 4.30265), (5, 2.77645)])
def test_ensemble_is_a_quantile_of_t_times_the_spread(repeats: int, quantile: float) -> None:
    predicted, truth = chains(np.random.default_rng(0), 30, repeats)
    low, high = Calibration(predicted, truth).intervals(predicted, 0.95, ENSEMBLE)
    half = quantile * predicted.std(0, ddof=1)
    assert np.allclose(low, predicted.mean(0) - half, rtol=1e-5, atol=0)
    assert np.allclose(high, predicted.mean(0) + half, rtol=1e-5, atol=0)


def test_scaled_widths_follow_the_difficulty() -> None:
    predicted, truth = chains(np.random.default_rng(1), 3000, 1)
    calibration = Calibration(predicted[:, :999], truth[:999])
    new, aim = predicted[:, 999:], truth[999:]
    hard = new.mean(0)[:, 0] > 70 * NANO
    half = {method: calibration.half_widths(new, (0.8,), method)[0][:, 0] for method in (CONFORMAL, SCALED)}
    held = {method: np.abs(aim - new.mean(0))[:, 0] <= half[method] for method in half}
    assert np.median(half[SCALED][hard]) > 4 * np.median(half[SCALED][new.mean(0)[:, 0] < 30 * NANO])
    assert held[CONFORMAL][hard].mean() < 0.7
    assert abs(held[SCALED][hard].mean() - 0.8) < 0.06
    assert np.median(half[SCALED]) < 0.8 * np.median(half[CONFORMAL])


@pytest.mark.parametrize("ties", [False, True])
def test_closed_form_is_full_conformal(ties: bool) -> None:
    rng = np.random.default_rng(3)
    compared = 0
    for _ in range(40):
        n = int(rng.integers(4, 60))
        known, new = rng.normal(size=(n, 2)), rng.normal(size=(1, 2))
        if ties:
            known, new = np.round(known), np.round(new)
        residuals = np.abs(rng.standard_t(2, n))
        reaches = _reaches(known, residuals, new)[0]
        scale = 2.0 ** np.round(np.log2(known.std(0)))
        k = min(max(10, round(np.sqrt(n))), n - 1)
        for r in rng.exponential(2, 5):
            scores = full_conformal_scores(np.vstack([known, new]), np.append(residuals, r), scale, k)
            assert np.array_equal(scores[:-1] < scores[-1], reaches < r)
            compared += int((reaches < r).sum())
    assert compared > 500


def test_residuals_of_zero() -> None:
    known = np.arange(20.0)[:, None]
    assert np.array_equal(_reaches(known, np.zeros(20), known[:3] + 0.1), np.zeros((3, 20)))
    one = np.zeros(20)
    one[4] = 1e-9
    reaches = _reaches(known, one, known[:3] + 0.1)
    assert np.isfinite(reaches).all() and (reaches[:, 4] > 0).all() and np.count_nonzero(reaches) == 3


def test_a_predictor_that_always_says_the_same() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 100, (400, 2)) * NANO
    predicted = np.full((1, 400, 2), 50 * NANO)
    calibration = Calibration(predicted[:, :199], truth[:199])
    conformal, scaled = (calibration.half_widths(predicted[:, 199:], (0.8,), m)[0] for m in (CONFORMAL, SCALED))
    assert np.allclose(scaled, conformal, rtol=0.05)
    known, new = _distances(predicted[0, :5], predicted[0, :2])
    assert np.isfinite(new).all() and np.isinf(np.diag(known)).all()


def test_one_repeat() -> None:
    predicted, truth = chains(np.random.default_rng(0), 50, 1)
    calibration = Calibration(predicted, truth)
    assert calibration.methods() == (CONFORMAL, SCALED)
    for method in calibration.methods():
        low, high = calibration.intervals(predicted, 0.8, method)
        assert (high > low).all() and np.isfinite(high).all()
    with pytest.raises(UserError, match="one repeat has no spread"):
        calibration.intervals(predicted, 0.8, ENSEMBLE)


def test_too_few_chains_give_infinite_intervals() -> None:
    predicted, truth = chains(np.random.default_rng(0), 18, 2)
    for method in (CONFORMAL, SCALED):
        low, high = Calibration(predicted, truth).intervals(predicted[:, :3], 0.95, method)
        assert np.isneginf(low).all() and np.isposinf(high).all()
        low, high = Calibration(predicted[:, :0], truth[:0]).intervals(predicted, 0.5, method)
        assert np.isneginf(low).all() and np.isposinf(high).all()


def test_units_and_order_have_no_say() -> None:
    rng = np.random.default_rng(0)
    predicted, truth = chains(rng, 120, 2)
    order = rng.permutation(100)
    for method in METHODS:
        half = Calibration(predicted[:, :100], truth[:100]).half_widths(predicted[:, 100:], LEVELS, method)
        mixed = Calibration(predicted[:, order], truth[order]).half_widths(predicted[:, 100:], LEVELS, method)
        assert np.allclose(half, mixed, rtol=1e-9)
        larger = Calibration(predicted[:, :100] * 2**30, truth[:100] * 2**30)
        assert np.allclose(half * 2**30, larger.half_widths(predicted[:, 100:] * 2**30, LEVELS, method), rtol=1e-9)


def test_refusals_of_a_calibration() -> None:
    predicted, truth = chains(np.random.default_rng(0), 30, 2)
    with pytest.raises(UserError, match="do not belong"):
        Calibration(predicted, truth[:20])
    calibration = Calibration(predicted, truth)
    with pytest.raises(UserError, match="same repeats"):
        calibration.intervals(predicted[:1], 0.5)
    with pytest.raises(UserError, match="no method 'bootstrap'"):
        calibration.intervals(predicted, 0.5, "bootstrap")
    with pytest.raises(UserError, match="probability"):
        calibration.intervals(predicted, 1.0, ENSEMBLE)


def test_coverage_table() -> None:
    tables = tables_of(n=600, calibrate=199)
    found = coverage_table(tables, TARGETS, LEVELS)
    assert list(found.columns) == [
        *("target", "method", "level", "coverage", "low", "high", "expected_low", "expected_high"),
        *("width_mean", "width_median", "n_calibrate", "n_test", "repeats"),
    ]
    assert len(found) == 2 * 3 * 3
    assert (found[["n_calibrate", "n_test", "repeats"]] == [199, 401, 3]).all(axis=None)
    conformal = found[found["method"] != ENSEMBLE]
    # A single calibration of 199 chains and a test of 401: their scatter together, at four standard deviations.
    scatter = np.sqrt(conformal["level"] * (1 - conformal["level"]) * (1 / 201 + 1 / 401))
    assert ((conformal["coverage"] - conformal["level"]).abs() < 4 * scatter).all()
    assert (found.loc[found["method"] == ENSEMBLE, "coverage"] < 0.3).all()
    assert ((found["low"] <= found["coverage"]) & (found["coverage"] <= found["high"])).all()
    assert (found["width_mean"] < 200 * NANO).all() and (found["width_mean"] > 0.01 * NANO).all()
    for row in found.itertuples():
        assert (row.expected_low, row.expected_high) == expected(row.level, 199, 401)


@pytest.mark.parametrize(("method", "slack"), [(CONFORMAL, 0.02), (SCALED, 0.05)])
def test_coverage_lies_where_it_is_expected(method: str, slack: float) -> None:
    """In 95 of 100 calibrations, and not in all: the range is neither too narrow nor too wide."""
    n, m, seeds = 99, 100, 300
    low, high = np.array([expected(level, n, m) for level in LEVELS]).T[:, :, None]
    within = []
    for seed in range(seeds):
        predicted, truth = chains(np.random.default_rng(seed), n + m, 3)
        half = Calibration(predicted[:, :n], truth[:n]).half_widths(predicted[:, n:], LEVELS, method)
        found = (np.abs(truth[n:] - predicted[:, n:].mean(0)) <= half).mean(1)
        within.append((low - 1e-9 <= found) & (found <= high + 1e-9))
    share = np.mean(within, axis=(0, 2))
    assert (share > 0.95 - slack).all() and (share < 1).all()


def test_expected_coverage() -> None:
    # Nine chains to calibrate with, one to test: held or not. The 9th of 9 is held in 9 of 10, far from always.
    assert expected(0.9, 9, 1) == (0, 1)
    # Of very many the scatter is that of the normal distribution, of both.
    low, high = expected(0.8, 9999, 10000)
    assert [low, high] == pytest.approx(0.8 + np.array([-1.96, 1.96]) * np.sqrt(0.16 * 2 / 10000), abs=3e-4)
    # Where test chains are many, the beta distribution alone: of the 19th of 19 it is the 19th power.
    assert expected(0.95, 19, 20_000) == pytest.approx((0.025 ** (1 / 19), 0.975 ** (1 / 19)), abs=1e-3)
    # Twice as wide a range as the binomial one of the test chains alone, where four times more of these are at hand.
    narrow = stats.binom(400, 0.8).interval(0.95)
    low, high = expected(0.8, 100, 400)
    assert 2 < (high - low) * 400 / (narrow[1] - narrow[0]) < 2.4
    assert expected(0.95, 18, 50) == (1, 1) and expected(0.95, 19, 50)[0] < 1
    with pytest.raises(UserError, match="probability"):
        expected(1.0, 10, 10)


def test_coverage_table_by_hand() -> None:
    """Residuals 1 … 9 of the calibration chains, and 2.5, 5.5, 8.5, 20 of the tested."""
    residuals = np.array([*range(1, 10), 2.5, 5.5, 8.5, 20.0])
    predicted = np.tile(np.linspace(0, 1, 13)[:, None], (1, 2))
    truth = predicted + residuals[:, None]
    found = coverage_table([table_of(predicted, truth, 9)], ["tau"], (0.5, 0.9, 0.95))
    row = found[found["method"] == CONFORMAL].set_index("level")
    assert list(row["coverage"]) == [0.25, 0.75, 1.0]
    assert np.allclose(row["width_median"], [10, 18, np.inf])
    # Clopper and Pearson: the quantiles of the beta distribution.
    assert np.allclose(
        row.loc[0.5, ["low", "high"]].astype(float), [stats.beta.ppf(0.025, 1, 4), stats.beta.ppf(0.975, 2, 3)]
    )
    assert found["repeats"].eq(1).all() and set(found["method"]) == {CONFORMAL, SCALED}


def test_order_of_chains_in_tables() -> None:
    tables = tables_of()
    mixed = [table.sample(frac=1, random_state=seed) for seed, table in enumerate(tables)]
    pd.testing.assert_frame_equal(coverage_table(tables, TARGETS), coverage_table(mixed, TARGETS), rtol=1e-9)


def test_repeats_that_do_not_agree() -> None:
    def changed(column: str, value: object) -> list[pd.DataFrame]:
        tables = tables_of()
        tables[1].loc[0, column] = value
        return tables

    for tables, text in (
        (changed("point", "other"), "2 chains with the role calibrate.*"),
        (changed("role", "test"), "chains with the role calibrate"),
        (changed("sigma", 0.0), "true values of sigma"),
        (changed("tau_pred", np.nan), "no finite number"),
        (changed("point", "00001"), "listed twice"),
    ):
        with pytest.raises(UserError, match=rf"repeat 1: .*{text}"):
            coverage_table(tables, TARGETS)
    with pytest.raises(UserError, match="repeat 0: no column width_pred"):
        coverage_table([table.assign(width=1.0) for table in tables_of()], ["width"])
    with pytest.raises(UserError, match="no chain has the role test"):
        coverage_table(tables_of(n=99), TARGETS)
    with pytest.raises(UserError, match="no predictions"):
        coverage_table([], TARGETS)
