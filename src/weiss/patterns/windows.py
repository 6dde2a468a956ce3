"""Square windows on a periodic film: where they lie, and the film padded so that all of them exist."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def wrap(film: NDArray, window: int) -> NDArray:
    """Pad a periodic film so that a window fits around every one of its cells.

    Cell ``(i, j)`` of the film is seen by the window that starts at ``(i, j)`` of the padded film and covers film rows
    ``i - window // 2`` to ``i - window // 2 + window - 1``, and columns likewise (Algorithm 1 of Mamada et al.,
    arXiv 2305.14764: rows i-32 to i+31 for a window of 64).

    Parameters
    ----------
    film : ndarray, shape (ny, nx)
    window : int
        Side of the window, cells.

    Returns
    -------
    ndarray, shape (ny + window - 1, nx + window - 1)

    Raises
    ------
    ValueError
        If the film is not two-dimensional, or the window is empty or larger than the film.
    """
    if film.ndim != 2:
        raise ValueError(f"a film has two dimensions, not {film.ndim}")
    if not 1 <= window <= min(film.shape):
        raise ValueError(f"a window of {window} cells does not fit a film of {film.shape[0]} x {film.shape[1]}")
    before = window // 2
    return np.pad(film, (before, window - 1 - before), mode="wrap")


def window_at(film: NDArray, i: int, j: int, window: int) -> NDArray:
    """Return the window around one cell of a periodic film, the plain way.

    Parameters
    ----------
    film : ndarray, shape (ny, nx)
    i, j : int
        Row and column of the cell; it lies at ``[window // 2, window // 2]`` of the result.
    window : int
        Side of the window, cells.

    Returns
    -------
    ndarray, shape (window, window)
    """
    offsets = np.arange(window) - window // 2
    return film[np.ix_((i + offsets) % film.shape[0], (j + offsets) % film.shape[1])]


def grid_of(length: int, stride: int) -> NDArray[np.int64]:
    """Cells at which windows are centred along one axis: 0, stride, 2 stride, …

    Parameters
    ----------
    length : int
        Cells of the film along the axis.
    stride : int
        Cells between neighbouring windows.

    Returns
    -------
    ndarray of int64

    Raises
    ------
    ValueError
        If the stride is below 1.
    """
    if stride < 1:
        raise ValueError(f"a stride is at least 1, not {stride}")
    return np.arange(0, length, stride)


def centre(image: NDArray, size: int) -> NDArray:
    """Return the central square of an image (a view).

    Parameters
    ----------
    image : ndarray, shape (..., ny, nx)
    size : int
        Side of the square, cells.

    Returns
    -------
    ndarray, shape (..., size, size)

    Raises
    ------
    ValueError
        If the square is empty or larger than the image.
    """
    ny, nx = image.shape[-2:]
    if not 1 <= size <= min(ny, nx):
        raise ValueError(f"a square of {size} cells does not fit an image of {ny} x {nx}")
    top, left = (ny - size) // 2, (nx - size) // 2
    return image[..., top : top + size, left : left + size]
