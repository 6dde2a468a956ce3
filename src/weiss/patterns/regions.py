"""The inner region of a nonuniform film, and the four regions around its border.

Mamada et al., arXiv 2305.14764, Fig. 11a, read so: with a window of side w, R1 is the central square of side w, R2 the
rest of the inner region, R3 the ring of width w/2 just outside the inner region, R4 the rest of the film. Windows
centred in R2 (if the inner region is twice as wide as the window) and in R3 reach over the border, those in R1 and R4
hardly do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

REGIONS = ("R1", "R2", "R3", "R4")


def inner_mask(shape: tuple[int, int], margin: int) -> NDArray[np.bool_]:
    """Mark the inner region: cells at least `margin` cells from every edge.

    Parameters
    ----------
    shape : (int, int)
        Film, (ny, nx).
    margin : int
        Width of the outer region, cells.

    Returns
    -------
    ndarray of bool, shape (ny, nx)

    Raises
    ------
    ValueError
        If the margin is negative or leaves no inner region.
    """
    ny, nx = shape
    if margin < 0 or 2 * margin >= min(ny, nx):
        raise ValueError(f"a margin of {margin} cells leaves no inner region in a film of {ny} x {nx}")
    mask = np.zeros(shape, dtype=bool)
    mask[margin : ny - margin, margin : nx - margin] = True
    return mask


def region_masks(shape: tuple[int, int], margin: int, window: int) -> dict[str, NDArray[np.bool_]]:
    """Divide a film into the regions R1 to R4.

    Parameters
    ----------
    shape : (int, int)
        Film, (ny, nx).
    margin : int
        Width of the outer region, cells.
    window : int
        Side of the sliding window, cells.

    Returns
    -------
    dict of str to ndarray of bool, shape (ny, nx)
        Disjoint, together the whole film. A region may be empty: R2 if the inner region is no larger than the window,
        R4 if the outer region is no wider than half of it.

    Raises
    ------
    ValueError
        If the margin leaves no inner region.
    """
    ny, nx = shape
    inner = inner_mask(shape, margin)
    core = np.zeros(shape, dtype=bool)
    height, width = min(window, ny), min(window, nx)
    top, left = (ny - height) // 2, (nx - width) // 2
    core[top : top + height, left : left + width] = True
    core &= inner
    near = inner_mask(shape, max(margin - window // 2, 0))
    return {"R1": core, "R2": inner & ~core, "R3": near & ~inner, "R4": ~near}
