"""The field sweep of the hysteresis process (Mamada et al. 2023, Eq. 2)."""

from __future__ import annotations

import numpy as np


def field(t: np.ndarray | float, H: float, quarter: float) -> np.ndarray:
    """External field h(t): up to H, down to -H, up to H again, in straight lines.

    Parameters
    ----------
    t : array_like
        Time, in the time units of Eq. 1.
    H : float
        Largest field, in units of the anisotropy coefficient A0.
    quarter : float
        Time from 0 to H; 1e5 in the paper.

    Returns
    -------
    ndarray
        h(t), in units of A0.
    """
    phase = np.asarray(t, dtype=float) / quarter
    return H * np.where(phase < 1, phase, np.where(phase <= 3, 2 - phase, phase - 4))


def turning_points(quarter: float) -> tuple[float, float, float]:
    """Times at which the sweep turns, or ends: a time step must not straddle them."""
    return quarter, 3 * quarter, 5 * quarter
