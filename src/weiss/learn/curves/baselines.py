r"""Predictors without a network, to be set beside one: they learn from the training chains and from nothing else.

*Standardised inputs*: each input less its mean over the training chains, divided by their standard deviation. Inputs
that are the places of one curve stand together (`widths`): all of them are divided by one number, the root of the sum
over places of their variances, as the networks have one scale for a whole curve; a place where nothing happens counts
for nothing. That is √length times the RMS deviation that a network divides by: in a distance between chains a curve
weighs as much as one number, however finely it was sampled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import NearestNeighbors

from weiss.errors import UserError

RIDGES = tuple(np.logspace(-6, 3, 19))
"""Weights of the penalty among which `linear` chooses; inputs are standardised, and errors summed over chains."""

COUNTS = (1, 2, 3, 5, 8, 13, 21, 34, 55)
"""Numbers of neighbours among which `neighbours` chooses."""

LARGEST_C_THz = 0.1
"""Bound on |c_n|."""

LARGEST_X = 1.05
"""Bound on X as a multiple of that of the ideal chain."""

POWERS = (2, 3, 4, 5, 6)
"""Exponents of |k / k_zb| that belong to c_1 … c_5."""

_AT_ONCE = 8_000_000  # numbers held while neighbours' targets are gathered: 64 MB

Average = Literal["mean", "median"]


class Band(Protocol):
    """The ideal band: gap and X in THz, and a·k at the L places of a curve."""

    @property
    def gap(self) -> float: ...

    @property
    def X(self) -> float: ...

    @property
    def ka(self) -> Sequence[float]: ...


def median(train_targets: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """The median of the training chains (N, T), whatever the input: (n, T)."""
    return np.tile(np.median(np.asarray(train_targets, float), axis=0), (n, 1))


def linear(
    train_inputs: NDArray[np.float64],
    train_targets: NDArray[np.float64],
    inputs: NDArray[np.float64],
    widths: Sequence[int] | None = None,
) -> NDArray[np.float64]:
    """Linear regression on standardised inputs.

    A penalty on the squared coefficients, one of `RIDGES` for each target by leaving out one training chain at a time,
    keeps collinear places of a curve from cancelling one another.

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
    model = RidgeCV(alphas=RIDGES, alpha_per_target=True).fit(known, (targets - centre) / scale)
    return centre + scale * model.predict(new).reshape(len(new), -1)


def neighbours(
    train_inputs: NDArray[np.float64],
    train_targets: NDArray[np.float64],
    inputs: NDArray[np.float64],
    k: int | None = None,
    widths: Sequence[int] | None = None,
    average: Average = "mean",
) -> NDArray[np.float64]:
    """Average over the training chains whose standardised inputs are nearest.

    It is what a reader who knows nothing of the mapping can hope for. The mean estimates the conditional mean of the
    targets; the median their conditional median, which has the smallest absolute error.

    Parameters
    ----------
    train_inputs, train_targets, inputs, widths
        As for `linear`.
    k : int, optional
        How many; if left out that of `COUNTS` whose absolute error is smallest, target by target, when each training
        chain is predicted from the others.
    average : {"mean", "median"}

    Returns
    -------
    (n, T) ndarray
        In the targets' units.
    """
    known, new = standardised(train_inputs, inputs, widths)
    targets = np.asarray(train_targets, float)
    if k is not None and not 1 <= k <= len(known):
        raise UserError(f"{k} nearest of {len(known)} training chains", fix=f"ask for 1 to {len(known)}")
    chosen = _best_counts(known, targets, average) if k is None else np.full(targets.shape[1], k)
    near = NearestNeighbors(n_neighbors=int(chosen.max())).fit(known).kneighbors(new, return_distance=False)
    found = np.empty((len(new), targets.shape[1]))
    for count in np.unique(chosen):
        columns = chosen == count
        found[:, columns] = _averaged(targets[:, columns], near[:, :count], average)
    return found


def bounded_form(ridge: NDArray[np.float64], band: Band) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Best least-squares fit of Eq. 8 to each curve within its bounds: X in [0, 1.05 X_ideal], |c_n| ≤ 0.1 THz.

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
    across, triangle = np.linalg.qr(_columns(band))
    upper = np.array([LARGEST_X * band.X, *[LARGEST_C_THz] * len(POWERS)])
    lower = np.array([0.0, *[-LARGEST_C_THz] * len(POWERS)])
    found = np.empty((len(curves), len(upper)))
    for row, aim in zip(found, (curves - band.gap) @ across, strict=True):
        row[:] = lsq_linear(triangle, aim, (lower, upper), method="bvls", tol=1e-14, max_iter=200).x
    # On its way to a bound the solver may pass it by a rounding error.
    found = np.clip(found, lower, upper)
    return found, np.abs(form(found, band) - curves).mean(1)


def form(coefficients: NDArray[np.float64], band: Band) -> NDArray[np.float64]:
    """Curves of Eq. 8 of their coefficients X, c_1 … c_5, (N, 6), in THz: (N, L), in THz."""
    return band.gap + np.asarray(coefficients, float) @ _columns(band).T


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


def _scales(values: NDArray[np.float64], widths: Sequence[int] | None) -> NDArray[np.float64]:
    """What each column of values (N, F) is divided by: (F,), 1 where nothing in the group varies."""
    widths = [1] * values.shape[1] if widths is None else list(widths)
    firsts = np.cumsum([0, *widths])[:-1]
    # A constant column has a deviation of a rounding error; its range is exactly zero.
    varies = np.ptp(values, axis=0) > 0
    sums = np.add.reduceat(np.where(varies, values.var(axis=0), 0.0), firsts)
    return np.repeat(np.sqrt(np.where(sums > 0, sums, 1.0)), widths)


def _best_counts(known: NDArray[np.float64], targets: NDArray[np.float64], average: Average) -> NDArray[np.intp]:
    """Number of neighbours for each target, (T,), by leaving out one training chain at a time."""
    counts = [count for count in COUNTS if count < len(known)] or [1]
    if len(known) < 2:
        return np.full(targets.shape[1], 1)
    # Without an argument scikit-learn leaves each training chain out of its own neighbours.
    near = NearestNeighbors(n_neighbors=counts[-1]).fit(known).kneighbors(return_distance=False)
    errors = [np.abs(_averaged(targets, near[:, :count], average) - targets).mean(0) for count in counts]
    return np.asarray(counts)[np.argmin(errors, axis=0)]


def _averaged(targets: NDArray[np.float64], near: NDArray[np.intp], average: Average) -> NDArray[np.float64]:
    """Mean or median of the targets (N, T) of each row of indices (n, k): (n, T)."""
    over = np.mean if average == "mean" else np.median
    found = np.empty((len(near), targets.shape[1]))
    for rows in _parts(len(near), near.shape[1] * targets.shape[1]):
        found[rows] = over(targets[near[rows]], axis=1)
    return found


def _parts(n: int, each: int) -> Iterator[slice]:
    step = max(1, _AT_ONCE // max(each, 1))
    return (slice(first, first + step) for first in range(0, n, step))


def _columns(band: Band) -> NDArray[np.float64]:
    """What X, c_1 … c_5 multiply: (L, 6)."""
    ka = np.asarray(band.ka, float)
    return np.column_stack([1 - np.cos(ka), *(np.abs(ka / np.pi) ** power for power in POWERS)])
