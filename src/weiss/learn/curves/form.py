r"""The form that a band is given: Eq. 8 of Eagan et al., with the bounds of its coefficients.

    ω(k) = gap + X [1 − cos(ka)] + Σ c_n |k/k_zb|^(n+1), n = 1…5, k_zb = π/a,
    0 ≤ X ≤ 1.05 X_ideal, |c_n| ≤ 0.1 THz,

which is even in k, starts at the gap, and rises from there as k².
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

COEFFICIENTS = ("X", "c1", "c2", "c3", "c4", "c5")
"""In THz, in the order in which they stand everywhere."""

HIGHEST_X = 1.05
"""Bound of X in multiples of the ideal one: a ridge that jumps above the ideal band is fitted best by a little more."""

HIGHEST_C = 0.1
"""Bound of |c_n| in THz."""

POWERS = (2, 3, 4, 5, 6)
"""Exponents of |k/k_zb| that belong to c_1 … c_5."""


@dataclass(frozen=True)
class Band:
    """The ideal band, gap + X (1 − cos ka).

    Attributes
    ----------
    gap, X : float
        In THz.
    ka : tuple of float
        Wavenumber times lattice constant along the curve, in the order in which curves are stored: from −π upwards.
    """

    gap: float
    X: float
    ka: tuple[float, ...]


def columns(band: Band) -> NDArray[np.float64]:
    """What X, c_1 … c_5 multiply at the L places of a band: (L, 6)."""
    ka = np.abs(np.asarray(band.ka, float))
    # 1 − cos ka without cancellation at small k.
    rising = 2 * np.sin(ka / 2) ** 2
    return np.column_stack([rising, *((ka / np.pi) ** power for power in POWERS)])


def bounds(band: Band) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest X, c_1 … c_5 in THz: (6,) and (6,)."""
    highest = np.array([HIGHEST_X * band.X, *[HIGHEST_C] * len(POWERS)])
    return np.array([0.0, *-highest[1:]]), highest


def form(coefficients: ArrayLike, band: Band) -> NDArray[np.float64]:
    """Curves (N, L) in THz of their coefficients X, c_1 … c_5 in THz, (N, 6)."""
    return band.gap + np.asarray(coefficients, float) @ columns(band).T
