"""True values put together where there are too many to show one by one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST = 20


def binned(values: NDArray) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Give every value its place among at most `MOST` bins.

    Parameters
    ----------
    values : ndarray, shape (n,)
        True values, each as often as there are predictions of it.

    Returns
    -------
    places : ndarray, shape (bins,)
        Rising. The values themselves if no more than `MOST` differ, else the medians of bins of equally many values.
    member : ndarray of int64, shape (n,)
        Index of each value's place.
    """
    values = np.asarray(values, dtype=float)
    distinct, member = np.unique(values, return_inverse=True)
    if distinct.size <= MOST:
        return distinct, member
    bins = (np.arange(distinct.size) * MOST) // distinct.size
    places = np.array([np.median(distinct[bins == index]) for index in range(MOST)])
    return places, bins[member]
