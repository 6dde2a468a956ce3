"""From the magnetisation of a film to its black-and-white domain pattern."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def binarise(m: ArrayLike, threshold: float = 0.0) -> NDArray[np.int8]:
    """Binarise a magnetisation.

    Parameters
    ----------
    m : array_like
        Reduced out-of-plane magnetisation, any shape, dimensionless.
    threshold : float
        Cells at or above it are +1 (Mamada et al., arXiv 2305.14764, Sec. II B 1 take 0).

    Returns
    -------
    ndarray of int8, shape of `m`
        +1 where ``m >= threshold``, else -1.

    Raises
    ------
    ValueError
        If `m` holds a NaN or an infinity: such a cell has no sign.
    """
    m = np.asarray(m)
    if not np.isfinite(m).all():
        raise ValueError("a magnetisation with NaN or infinite cells cannot be binarised")
    return np.where(m >= threshold, 1, -1).astype(np.int8)
