"""Mean magnetisation."""

from __future__ import annotations

import numpy as np


def mean(m: np.ndarray, Ms: float | np.ndarray = 1.0) -> np.ndarray:
    """⟨Ms m⟩/⟨Ms⟩ over the cells that hold material: (3,) float64.

    Parameters
    ----------
    m : (3, nz, ny, nx) ndarray
        Zero in vacuum.
    Ms : float or (nz, ny, nx) ndarray
        Weights, in A/m; the same everywhere by default. Vacuum does not count whatever it says there.
    """
    m = np.asarray(m, float)
    weights = np.where(m.any(axis=0), Ms, 0.0)
    return (m * weights).sum(axis=(1, 2, 3)) / weights.sum()
