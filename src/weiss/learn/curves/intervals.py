r"""How uncertain predicted parameters are: intervals from the repeats of a training and from chains it never saw.

Three methods give an interval around the mean over the repeats:

* **ensemble**: ± a quantile of Student's t times the standard deviation over repeats, with one degree of freedom less
  than repeats, for a standard deviation of three or five values is itself uncertain. It knows of what differs from one
  training to the next, and nothing of what all of them get wrong together: where the input does not tell the parameter,
  every repeat answers alike, and the interval is far too narrow.
* **conformal** (split-conformal): ± a quantile of |residual| over the chains with the role "calibrate". For a chain
  drawn as these were the interval holds the parameter with at least the probability asked for, and without ties with
  at most 1 / (n + 1) more, whatever the distribution and however bad the network. One width for all chains.
* **scaled conformal**: the same guarantee with a width that adapts. The score is |residual| / difficulty, the
  difficulty of a chain being the mean |residual| of its k nearest chains in the space of predictions.

*Why neighbours, and why no chain is given away for them.* The spread over repeats would be a difficulty without any
fit, but it says nothing where all repeats are wrong alike, which is where the width is needed. A difficulty fitted on
the very residuals whose quantile is taken breaks the guarantee: each calibration chain would have helped with its own,
the new one not. Splitting the calibration chains mends it and costs half of them. Here instead every chain, the new
one too, is left out of its own difficulty and stands in that of the others: all n + 1 scores come from the n + 1 chains
by one rule in which no chain is special, and are exchangeable if the chains are. The new residual r, not known yet,
is then part of the others' scores. But these fall with r and the new score grows, so that for each calibration chain
there is one r at which the two are equal,

.. math:: r / d_{new} = r_i / (a_i + b_i r) ,

and the interval reaches up to the split-conformal quantile of these n values: full conformal prediction in closed form.
Chains at the same distance are neighbours all or none, so that the order of chains has no say. Distances are between
predictions over their standard deviations among the calibration chains. The new chain has no part in those, which is
the one place where it is special; they are rounded to powers of two, for one chain more would hardly ever move them.

The guarantee is an average over calibrations: with n chains the coverage of a single one scatters about the level by
√(level (1 − level) / (n + 2)), and its measurement on m test chains by √(level (1 − level) / m) besides (`expected`
has both). It is an average over chains, too, and none for each. It holds for a curve from elsewhere, a measured one,
only so far as the simulated chains are like it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import cdist

from weiss.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

ENSEMBLE, CONFORMAL, SCALED = METHODS = ("ensemble", "conformal", "scaled conformal")

LEAST_NEIGHBOURS = 10
"""Neighbours of a chain's difficulty: this many, or the root of the number of calibration chains if that is more."""

CONFIDENCE = 0.95
"""Of the binomial interval of a measured coverage, and of the range in which it is expected."""


def margins(scores: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Split-conformal quantiles: of each row of scores (m, n) the ⌈(n + 1) level⌉-th smallest, (m,).

    Infinite where n is too small for the level. A score that is no number counts as larger than all others.
    """
    n = scores.shape[1]
    rank = _rank(level, n)
    if rank > n:
        return np.full(len(scores), np.inf)
    return np.partition(np.where(np.isnan(scores), np.inf, scores), rank - 1, axis=1)[:, rank - 1]


def expected(level: float, n: int, m: int) -> tuple[float, float]:
    """Range in which the coverage measured on m chains lies with 95 % probability, if intervals are valid.

    Of one calibration with n chains the coverage follows, without ties, the beta distribution of the rank that is taken
    (`margins`), and of m test chains the number held a binomial one: together a beta-binomial one. This is exact for
    "conformal" and an approximation for "scaled conformal", whose rank is the same.

    Parameters
    ----------
    level : float
    n, m : int
        Calibration and test chains.

    Returns
    -------
    low, high : float
        Both 1 where n is too small for the level, and the intervals infinite.
    """
    rank = _rank(level, n)
    if rank > n:
        return 1.0, 1.0
    low, high = stats.betabinom(m, rank, n + 1 - rank).interval(CONFIDENCE)
    return float(low) / m, float(high) / m


def mean_and_spread(predicted: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation over repeats (R, n, T), both (n, T); the latter is nan for a single repeat."""
    predicted = np.asarray(predicted, float)
    mean = predicted.mean(0)
    return mean, predicted.std(0, ddof=1) if len(predicted) > 1 else np.full(mean.shape, np.nan)


@dataclass(frozen=True)
class Calibration:
    """What chains that no training has seen tell of the errors of R repeats: gives intervals for new predictions.

    Attributes
    ----------
    predicted : (R, n, T) ndarray
        Predictions of the calibration chains.
    truth : (n, T) ndarray
        Their parameters, in the same units, whatever they are.
    """

    predicted: NDArray[np.float64]
    truth: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Refuse what does not belong together; raises UserError."""
        if np.ndim(self.predicted) != 3 or np.shape(self.predicted)[1:] != np.shape(self.truth):
            raise UserError(
                f"predictions {np.shape(self.predicted)} do not belong to true values {np.shape(self.truth)}",
                fix="give (repeats, chains, targets) and (chains, targets)",
            )

    def methods(self) -> tuple[str, ...]:
        """Names of the methods that these repeats allow."""
        return METHODS if len(self.predicted) > 1 else METHODS[1:]

    def intervals(
        self, predicted: NDArray[np.float64], level: float, method: str = SCALED
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper ends for new predictions of the same repeats.

        Parameters
        ----------
        predicted : (R, m, T) ndarray
        level : float
            Wanted probability, between 0 and 1.
        method : {"ensemble", "conformal", "scaled conformal"}

        Returns
        -------
        low, high : (m, T) ndarray
            Infinite where there are too few calibration chains for the level.
        """
        half = self.half_widths(predicted, (level,), method)[0]
        mean, _ = mean_and_spread(predicted)
        return mean - half, mean + half

    def half_widths(self, predicted: NDArray[np.float64], levels: Sequence[float], method: str) -> NDArray[np.float64]:
        """Half the widths of the intervals of new predictions (R, m, T) at several levels: (levels, m, T).

        Raises
        ------
        UserError
            Not the same repeats, an unknown method, a level that is no probability, or an ensemble of one.
        """
        self._check(predicted, levels, method)
        new, spread = mean_and_spread(predicted)
        if method == ENSEMBLE:
            freedom = len(predicted) - 1
            return np.stack([stats.t.ppf(0.5 + level / 2, freedom) * spread for level in levels])
        mean, _ = mean_and_spread(self.predicted)
        residuals = np.abs(np.asarray(self.truth, float) - mean)
        half = np.empty((len(levels), *new.shape))
        for target in range(new.shape[1]):
            own = residuals[:, target]
            reaches = own[None] if method == CONFORMAL else _reaches(mean, own, new)
            for row, level in zip(half, levels, strict=True):
                row[:, target] = margins(reaches, level)
        return half

    def _check(self, predicted: NDArray[np.float64], levels: Sequence[float], method: str) -> None:
        repeats, _, targets = self.predicted.shape
        if np.ndim(predicted) != 3 or (len(predicted), np.shape(predicted)[2]) != (repeats, targets):
            raise UserError(
                f"predictions {np.shape(predicted)} where {repeats} repeats of {targets} targets were calibrated",
                fix="give (repeats, chains, targets) of the same repeats",
            )
        if method not in METHODS:
            raise UserError(f"no method {method!r}", fix=f"choose one of {', '.join(METHODS)}")
        if method not in self.methods():
            raise UserError("one repeat has no spread", fix=f"give two or more, or choose {CONFORMAL!r}")
        for level in levels:
            _check_level(level)


def coverage_table(
    tables: Sequence[pd.DataFrame], targets: Sequence[str], levels: Sequence[float] = (0.5, 0.8, 0.95)
) -> pd.DataFrame:
    """How often the intervals hold the true values of the test chains, and how wide they are.

    Parameters
    ----------
    tables : sequence of DataFrame
        predictions.csv of each repeat of one task with the same chains, in any order.
    targets : sequence of str
    levels : sequence of float

    Returns
    -------
    DataFrame
        A row for each target, method and level: ``target``, ``method``, ``level``, ``coverage`` (share of the test
        chains whose true value is within), ``low``, ``high`` (its 95 % binomial interval, Clopper and Pearson's),
        ``expected_low``, ``expected_high`` (where the coverage of a valid method lies with 95 % probability, of any
        method: `expected`), ``width_mean``, ``width_median`` (of the whole interval, in the target's unit),
        ``n_calibrate``, ``n_test``, ``repeats``. A single repeat has no rows of "ensemble".

    Raises
    ------
    UserError
        There is nothing to test, a prediction is not finite, or the repeats differ in chains, roles or true values.
    """
    import pandas as pd

    calibrate = Calibration(*stacked(tables, targets, "calibrate"))
    predicted, truth = stacked(tables, targets, "test")
    if not len(truth):
        raise UserError("no chain has the role test", fix="train with test chains left out")
    errors = np.abs(truth - mean_and_spread(predicted)[0])
    half = {method: calibrate.half_widths(predicted, levels, method) for method in calibrate.methods()}
    ranges = [expected(level, len(calibrate.truth), len(truth)) for level in levels]
    rows = [
        {"target": name, "method": method, "level": level}
        | _covered(errors[:, column], half[method][at, :, column], ranges[at])
        | {"n_calibrate": len(calibrate.truth), "n_test": len(truth), "repeats": len(tables)}
        for column, name in enumerate(targets)
        for method in half
        for at, level in enumerate(levels)
    ]
    return pd.DataFrame(rows)


def _covered(errors: NDArray[np.float64], half: NDArray[np.float64], valid: tuple[float, float]) -> dict[str, float]:
    """Coverage, its binomial interval, where it is expected, and the widths of the intervals of one target, (m,)."""
    held = int((errors <= half).sum())
    bounds = stats.binomtest(held, len(errors)).proportion_ci(CONFIDENCE, "exact")
    return {
        "coverage": held / len(errors),
        "low": float(bounds.low),
        "high": float(bounds.high),
        "expected_low": valid[0],
        "expected_high": valid[1],
        "width_mean": float(np.mean(2 * half)),
        "width_median": float(np.median(2 * half)),
    }


def stacked(
    tables: Sequence[pd.DataFrame], targets: Sequence[str], role: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Predictions (R, n, T) and true values (n, T) of the chains with a role, by point, which repeats must agree on."""
    if not tables:
        raise UserError("no predictions", fix="give those of one repeat or more")
    chosen = [_of_role(table, targets, role, f"repeat {repeat}") for repeat, table in enumerate(tables)]
    first = chosen[0]
    for repeat, table in enumerate(chosen[1:], 1):
        if not first.index.equals(table.index):
            different = len(first.index.symmetric_difference(table.index))
            raise UserError(f"{different} chains with the role {role} are not in repeat 0 too", f"repeat {repeat}")
        for name in targets:
            if not np.array_equal(first[name], table[name]):
                raise UserError(f"true values of {name} are not those of repeat 0", f"repeat {repeat}")
    columns = [f"{name}_pred" for name in targets]
    predicted = np.stack([table[columns].to_numpy(float) for table in chosen])
    return predicted, first[list(targets)].to_numpy(float)


def _of_role(table: pd.DataFrame, targets: Sequence[str], role: str, where: str) -> pd.DataFrame:
    """Rows of a role, true values and predictions, by point; refuses what is missing, double or no number."""
    needed = ["point", "role", *targets, *(f"{name}_pred" for name in targets)]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise UserError(f"no column {', '.join(missing)} in the predictions", where)
    rows = table.loc[table["role"] == role, needed].astype({"point": str}).set_index("point").sort_index()
    if not rows.index.is_unique:
        raise UserError(f"a chain is listed twice with the role {role}", where)
    if not np.isfinite(rows[needed[2:]].to_numpy(float)).all():
        raise UserError(f"a value or prediction of a chain with the role {role} is no finite number", where)
    return rows


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise UserError(f"an interval of level {level!r}", fix="give a probability between 0 and 1")


def _rank(level: float, n: int) -> int:
    """Which of n scores, from the smallest, is their split-conformal quantile; n + 1 where n is too small for it."""
    _check_level(level)
    # 20 × 0.95 must be 19 and not a rounding error more.
    return max(1, math.ceil((n + 1) * level - 1e-9))


def _reaches(
    known: NDArray[np.float64], residuals: NDArray[np.float64], new: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Residual of each new chain at which its score equals that of each calibration chain: (m, n).

    A difficulty is the mean over the k nearest other chains and, as one neighbour more, the mean over all others,
    which keeps it from being zero. Of a calibration chain it is a + b r, with r the residual of the new one.

    Parameters
    ----------
    known : (n, T) ndarray
        Mean predictions of the calibration chains.
    residuals : (n,) ndarray
        |residual| of one target.
    new : (m, T) ndarray
        Mean predictions of the new chains.
    """
    n, unit = len(residuals), residuals.mean() if len(residuals) else 0.0
    if n < 3:
        return np.full((len(new), n), np.inf)
    if not unit > 0:
        return np.zeros((len(new), n))
    residuals = residuals / unit
    k = min(max(LEAST_NEIGHBOURS, round(math.sqrt(n))), n - 1)
    between, across = _distances(known, new)
    ordered = np.sort(between, axis=1)
    last, before = ordered[:, k - 1], ordered[:, k - 2]

    others = (residuals.sum() - residuals) / n
    near = between <= last[:, None]
    nearer = between <= before[:, None]
    # A new chain closer than the k-th neighbour takes its place; one as close as it comes besides.
    replaces, enters = across < last, across <= last
    sums = np.where(replaces, nearer @ residuals, near @ residuals) + others
    counts = np.where(replaces, nearer.sum(1), near.sum(1)) + enters + 1
    a, b = sums / counts, (enters + 1 / n) / counts

    beside = across <= np.partition(across, k - 1, axis=1)[:, k - 1 : k]
    difficulty = (beside @ residuals + residuals.mean()) / (beside.sum(1) + 1)
    aim = difficulty[:, None] * residuals
    return unit * 2 * aim / (a + np.sqrt(a**2 + 4 * b * aim))


def _distances(known: NDArray[np.float64], new: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squared distances between predictions: (n, n), inf to itself, and (m, n)."""
    spread = np.where(np.ptp(known, axis=0) > 0, known.std(0), 1.0)
    scale = 2.0 ** np.round(np.log2(spread))
    between = cdist(known / scale, known / scale, "sqeuclidean")
    np.fill_diagonal(between, np.inf)
    return between, cdist(new / scale, known / scale, "sqeuclidean")
