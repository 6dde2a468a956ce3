r"""Predictors without a network, to be set beside one: they learn from the training chains and from nothing else.

*Standardised inputs*: each input less its mean over the training chains, divided by their standard deviation. Inputs
that are the places of one curve stand together (`widths`): all of them are divided by one number, the root of the sum
over places of their variances, as the networks have one scale for a whole curve; a place where nothing happens counts
for nothing. That is √length times the RMS deviation that a network divides by: in a distance between chains a curve
weighs as much as one number, however finely it was sampled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import NearestNeighbors

from weiss.errors import UserError
from weiss.learn.curves.form import Band, bounds, columns, form

RIDGES = tuple(np.logspace(-13, 3, 33))
"""Weights of the penalty among which `linear` chooses; inputs are standardised, and errors summed over chains.

A weight w leaves a combination of places its say where the sum over chains of its squares is well above w. The curves
have six or seven digits (float32), which is how little the last of those combinations vary."""

COUNTS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610)
"""Numbers of neighbours among which `neighbours` chooses, as far as there are so many other training chains."""

GIVEN_UP = 1.5
"""More neighbours are not tried where the error is this many times that of the best number so far."""

_AT_ONCE = 8_000_000  # numbers held while neighbours' targets are gathered: 64 MB


def median(train_targets: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """The median of the training chains (N, T), whatever the input: (n, T)."""
    return np.tile(np.median(np.asarray(train_targets, float), axis=0), (n, 1))


def linear(
    train_inputs: NDArray[np.float64],
    train_targets: NDArray[np.float64],
    inputs: NDArray[np.float64],
    widths: Sequence[int] | None = None,
) -> NDArray[np.float64]:
    """Linear regression on standardised inputs, within the range of the training chains' targets.

    A penalty on the squared coefficients keeps collinear places of a curve from cancelling one another further than the
    training chains warrant. It is, of `RIDGES`, the one with the smallest absolute error, target by target, when each
    training chain is predicted from the others. What is predicted beyond the smallest or largest value of a target is
    taken at that value, then too: a few chains unlike all others would be answered by numbers that no chain has, and
    these would choose the penalty.

    Parameters
    ----------
    train_inputs : (N, F) ndarray
        In any units.
    train_targets : (N, T) ndarray
    inputs : (n, F) ndarray
    widths : sequence of int, optional
        How many neighbouring inputs share one scale, from the first on: (500, 1) is a curve of 500 places and a number.
        Each input is a number of its own if left out.

    Returns
    -------
    (n, T) ndarray
        In the targets' units.
    """
    known, new = standardised(train_inputs, inputs, widths)
    targets = np.asarray(train_targets, float)
    centre, scale = targets.mean(0), _scales(targets, None)
    # A covariance would square the ratio of the largest to the smallest combination of places, beyond what floats hold.
    model = RidgeCV(alphas=RIDGES, alpha_per_target=True, gcv_mode="svd", scoring=_closeness)
    model.fit(known, (targets - centre) / scale)
    return np.clip(centre + scale * model.predict(new).reshape(len(new), -1), targets.min(0), targets.max(0))


def neighbours(
    train_inputs: NDArray[np.float64],
    train_targets: NDArray[np.float64],
    inputs: NDArray[np.float64],
    widths: Sequence[int] | None = None,
) -> NDArray[np.float64]:
    """Median over the training chains whose standardised inputs are nearest.

    It answers by resemblance: chains alike as a whole are taken to have like targets. How many are asked is, of
    `COUNTS`, the number with the smallest absolute error, target by target, when each training chain is predicted from
    the others. Of a few numbers that estimates the conditional median, which has the smallest absolute error there is,
    the better the more chains there are. Along a curve of hundreds of places it bounds nothing: every place counts in
    the distance by how much it varies, not by what it tells, and a reader that learns where to look can do better.

    Parameters
    ----------
    train_inputs, train_targets, inputs, widths
        As for `linear`.

    Returns
    -------
    (n, T) ndarray
        In the targets' units.
    """
    known, new = standardised(train_inputs, inputs, widths)
    targets = np.asarray(train_targets, float)
    chosen = _best_counts(known, targets)
    near = NearestNeighbors(n_neighbors=int(chosen.max())).fit(known).kneighbors(new, return_distance=False)
    found = np.empty((len(new), targets.shape[1]))
    for count in np.unique(chosen):
        answered = chosen == count
        found[:, answered] = _medians(targets[:, answered], near[:, :count])
    return found


def bounded_form(ridge: NDArray[np.float64], band: Band) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Best least-squares fit of `weiss.learn.curves.form` to each curve within the bounds of the coefficients.

    Nothing of this form can come closer to a curve in RMS, whatever it reads.

    Parameters
    ----------
    ridge : (N, L) ndarray
        In THz.
    band : Band

    Returns
    -------
    coefficients : (N, 6) ndarray
        X, c_1 … c_5 in THz.
    mae : (N,) ndarray
        Mean over k of |form − curve|, in THz.

    Raises
    ------
    UserError
        A curve is not finite, or has not as many places as the band.
    """
    curves = np.atleast_2d(np.asarray(ridge, float))
    if curves.shape[1] != len(band.ka):
        raise UserError(f"a curve of {curves.shape[1]} places where the band has {len(band.ka)}")
    if not np.isfinite(curves).all():
        raise UserError("a curve is not finite", fix="leave out chains whose status is not ok")
    # All curves have the same six columns: a triangle of 6 × 6 has the same minimum, and takes no time.
    across, triangle = np.linalg.qr(columns(band))
    lower, upper = bounds(band)
    found = np.empty((len(curves), len(upper)))
    for row, aim in zip(found, (curves - band.gap) @ across, strict=True):
        row[:] = lsq_linear(triangle, aim, (lower, upper), method="bvls", tol=1e-14, max_iter=200).x
    # On its way to a bound the solver may pass it by a rounding error.
    found = np.clip(found, lower, upper)
    return found, np.abs(form(found, band) - curves).mean(1)


def standardised(
    train_inputs: NDArray[np.float64], inputs: NDArray[np.float64], widths: Sequence[int] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inputs (N, F) and (n, F) less the mean and over the scale of the former; `widths` as for `linear`.

    Raises
    ------
    UserError
        The widths do not add up to the number of inputs, or the two have not as many.
    """
    known, new = np.asarray(train_inputs, float), np.asarray(inputs, float)
    if known.shape[1] != new.shape[1]:
        raise UserError(f"{new.shape[1]} inputs a chain where the training chains have {known.shape[1]}")
    if widths is not None and (sum(widths) != known.shape[1] or min(widths, default=1) < 1):
        raise UserError(f"inputs in groups of {list(widths)} do not make {known.shape[1]} inputs")
    centre, scale = known.mean(0), _scales(known, widths)
    return (known - centre) / scale, (new - centre) / scale


def _closeness(_: object, predicted: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """How well one target is predicted within its range: less the mean absolute error."""
    return -float(np.abs(np.clip(predicted, true.min(), true.max()) - true).mean())


def _scales(values: NDArray[np.float64], widths: Sequence[int] | None) -> NDArray[np.float64]:
    """What each column of values (N, F) is divided by: (F,), 1 where nothing in the group varies."""
    widths = [1] * values.shape[1] if widths is None else list(widths)
    firsts = np.cumsum([0, *widths])[:-1]
    # A constant column has a deviation of a rounding error; its range is exactly zero.
    varies = np.ptp(values, axis=0) > 0
    sums = np.add.reduceat(np.where(varies, values.var(axis=0), 0.0), firsts)
    return np.repeat(np.sqrt(np.where(sums > 0, sums, 1.0)), widths)


def _best_counts(known: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.intp]:
    """Number of neighbours for each target, (T,), by leaving out one training chain at a time."""
    counts = [count for count in COUNTS if count < len(known)] or [1]
    if len(known) < 2:
        return np.full(targets.shape[1], 1)
    # Without an argument scikit-learn leaves each training chain out of its own neighbours.
    near = NearestNeighbors(n_neighbors=counts[-1]).fit(known).kneighbors(return_distance=False)
    chosen, best = np.ones(targets.shape[1], int), np.full(targets.shape[1], np.inf)
    asked = np.arange(targets.shape[1])
    for count in counts:
        errors = np.abs(_medians(targets[:, asked], near[:, :count]) - targets[:, asked]).mean(0)
        better = errors < best[asked]
        chosen[asked[better]], best[asked[better]] = count, errors[better]
        # The more neighbours, the further away and the dearer: a target that is this much worse off is left at that.
        asked = asked[errors < GIVEN_UP * best[asked]]
    return chosen


def _medians(targets: NDArray[np.float64], near: NDArray[np.intp]) -> NDArray[np.float64]:
    """Median of the targets (N, T) of each row of indices (n, k): (n, T)."""
    found = np.empty((len(near), targets.shape[1]))
    # Numbers of which a median is taken lie side by side, which is faster.
    across = np.ascontiguousarray(targets.T)
    for rows in _parts(len(near), near.shape[1] * targets.shape[1]):
        found[rows] = np.median(across[:, near[rows]], axis=2, overwrite_input=True).T
    return found


def _parts(n: int, each: int) -> Iterator[slice]:
    step = max(1, _AT_ONCE // max(each, 1))
    return (slice(first, first + step) for first in range(0, n, step))
