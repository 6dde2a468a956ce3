"""When a claim about differences or trends holds: one comparison, its numbers and its verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, kendalltau, permutation_test

from weiss.report.findings import number
from weiss.report.statistics import median_interval

HOLDS, FAILS, OPEN = "holds", "does not hold", "cannot be decided"

FEWEST = 6
"""Differences needed: fewer all have one sign by chance more than one time in twenty (2 · 2⁻⁵ = 0.06)."""

CHANCE = 0.05
"""Largest probability of what was found if there were nothing to find: of a trend in shuffled values, or of so uneven a
count of differences above and below zero if either were as likely."""

RESAMPLES, BATCH = 9999, 500


@dataclass(frozen=True)
class Evidence:
    """One comparison.

    Attributes
    ----------
    what : str
    here : str
        Numbers found.
    published : str
        Numbers of the source, or nothing.
    verdict : str
        `HOLDS`, `FAILS` or `OPEN`; empty for numbers that decide nothing.
    why : str
        Why it cannot be decided.
    """

    what: str
    here: str = "–"
    published: str = "–"
    verdict: str = ""
    why: str = ""


def counted(count: int, unit: str) -> str:
    """Write how many: the first word of a unit is the one that is counted."""
    first, space, rest = unit.partition(" ")
    return f"{count} {first}{'s' if count > 1 else ''}{space}{rest}"


def _interval(values: Iterable[float]) -> tuple[float, tuple[float, float] | None]:
    values = [float(value) for value in values]
    return float(np.median(values)), median_interval(values)


def sign(what: str, values: Iterable[float], published: str = "–", unit: str = "repeat") -> Evidence:
    """Decide whether values are above zero.

    Two things are asked for. The bootstrap interval of the median must leave zero out; for six to eight values it is
    narrower than it says, as their median is then one of few numbers. So the sign test must agree: a two-sided binomial
    test of how many values lie above and below zero, zeros left out, which holds for any number of values.
    """
    values = list(values)
    if not values:
        return Evidence(what, published=published, verdict=OPEN, why="no two trainings share their seeds")
    middle, interval = _interval(values)
    span = f" [{number(interval[0])}, {number(interval[1])}]" if interval else ""
    here = f"{number(middle)}{span} ({counted(len(values), unit)})"
    if len(values) < FEWEST:
        return Evidence(what, here, published, OPEN, f"too few: {counted(len(values), unit)}, {FEWEST} needed")
    if interval[0] <= 0 <= interval[1]:
        return Evidence(what, here, published, OPEN, "the interval includes zero")
    above, below = (sum(side * value > 0 for value in values) for side in (1, -1))
    chance = binomtest(max(above, below), above + below).pvalue if above + below else 1.0
    if chance > CHANCE:
        return Evidence(what, here, published, OPEN, f"the signs are not told from chance (p = {chance:.2f})")
    return Evidence(what, here, published, HOLDS if interval[0] > 0 else FAILS)


def trend(what: str, x: Iterable[float], y: Iterable[float], here: str, published: str = "–") -> Evidence:
    """Decide whether y rises with x: Kendall's τ against that of shuffled values."""
    x, y = np.asarray(list(x), dtype=float), np.asarray(list(y), dtype=float)
    if np.unique(x).size < 3:
        return Evidence(what, here, published, OPEN, f"{np.unique(x).size} values to compare, 3 needed")
    tau = float(kendalltau(x, y).statistic)
    if not np.isfinite(tau):
        return Evidence(what, here, published, OPEN, "it does not vary at all")
    here = f"{here}; Kendall's τ {tau:.2f} over {x.size} films"
    rising = np.sign(x[:, None] - x[None, :])

    def concordance(y: NDArray, axis: int) -> NDArray:
        """Pairs in order minus pairs out of order: all of τ that shuffling changes."""
        y = np.moveaxis(y, axis, -1)
        return (rising * np.sign(y[..., :, None] - y[..., None, :])).sum(axis=(-2, -1))

    return Evidence(what, here, published, *shuffled((y,), concordance, "pairings"))


def shuffled(samples: tuple[NDArray, ...], statistic: Callable, kind: str) -> tuple[str, str]:
    """Decide whether a statistic is larger than for shuffled values.

    Parameters
    ----------
    samples : tuple of ndarray
    statistic : callable
        Of the samples and ``axis``.
    kind : str
        How they are shuffled, as in `scipy.stats.permutation_test`.

    Returns
    -------
    (str, str)
        Verdict, and why there is none.
    """
    chance = {
        side: permutation_test(
            samples,
            statistic,
            permutation_type=kind,
            vectorized=True,
            n_resamples=RESAMPLES,
            batch=BATCH,
            alternative=side,
            rng=np.random.default_rng(0),
        ).pvalue
        for side in ("greater", "less")
    }
    if chance["greater"] <= CHANCE:
        return HOLDS, ""
    if chance["less"] <= CHANCE:
        return FAILS, ""
    return OPEN, f"not told from chance (p = {chance['greater']:.2f})"
