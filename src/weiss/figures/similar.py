"""What a patch looks like in a few numbers, and which of many patches looks most like it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from weiss.patterns.statistics import wavenumbers

BANDS = 8
"""Bands of wavenumber, equally wide on a logarithmic scale."""

FLOOR = 1e-2
"""Added to the structure factor before its logarithm is taken; its mean over all wave vectors is at most 1."""


def features(patches: NDArray) -> NDArray[np.float64]:
    """Describe patches by numbers that do not change when a patch is turned by 90 degrees.

    Parameters
    ----------
    patches : ndarray, shape (n, w, w)
        +1 and -1. They are cut out of a film, so not periodic.

    Returns
    -------
    ndarray, shape (n, 2 + BANDS)
        Mean magnetisation; domain wall per area (pairs of unlike neighbours per pair of neighbours); decimal logarithm
        of the structure factor averaged over bands of wavenumber, of the patch tapered towards its edges, which would
        otherwise count as walls.
    """
    patches = np.asarray(patches, dtype=np.float32)
    size = patches.shape[-1]
    mean = patches.mean(axis=(1, 2))
    unlike = (np.diff(patches, axis=1) != 0).mean(axis=(1, 2)) + (np.diff(patches, axis=2) != 0).mean(axis=(1, 2))
    taper = np.hanning(size + 2)[1:-1]
    taper = np.outer(taper, taper) / np.mean(np.outer(taper, taper) ** 2) ** 0.5
    spectrum = np.abs(np.fft.fft2((patches - mean[:, None, None]) * taper)) ** 2 / size**2
    band = _bands(size)
    power = np.stack([spectrum[:, band == index].mean(axis=1) for index in range(BANDS) if (band == index).any()], 1)
    return np.column_stack([mean, unlike / 2, np.log10(power + FLOOR)])


def _bands(size: int) -> NDArray[np.int64]:
    """Band of every wave vector of a patch; -1 for the mean."""
    k = wavenumbers((size, size))
    lowest = 2 * np.pi / size
    with np.errstate(divide="ignore"):
        place = np.log(k / lowest) / np.log(np.pi * np.sqrt(2) / lowest)
    return np.where(k > 0, np.minimum((np.maximum(place, 0) * BANDS).astype(int), BANDS - 1), -1)


def windows(film: NDArray, size: int, step: int) -> tuple[NDArray, NDArray[np.int64]]:
    """Cut the windows of a film that lie inside it, `step` cells apart.

    Parameters
    ----------
    film : ndarray, shape (ny, nx)
    size, step : int
        Cells.

    Returns
    -------
    patches : ndarray, shape (n, size, size)
    corners : ndarray, shape (n, 2)
        Row and column of the first cell of each.
    """
    rows, columns = (np.arange(0, length - size + 1, step) for length in film.shape)
    corners = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.stack([film[i : i + size, j : j + size] for i, j in corners]), corners


def nearest(wanted: NDArray, candidates: NDArray) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the candidate most like each wanted patch.

    Parameters
    ----------
    wanted : ndarray, shape (m, f)
        From `features`.
    candidates : ndarray, shape (n, f)

    Returns
    -------
    index : ndarray of int64, shape (m,)
    distance : ndarray, shape (m,)
        Root mean square of the differences, each divided by its standard deviation over the candidates.
    """
    spread = candidates.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    index, distance = [], []
    for row in wanted:
        all_distances = np.sqrt((((candidates - row) / scale) ** 2).mean(axis=1))
        index.append(int(all_distances.argmin()))
        distance.append(float(all_distances[index[-1]]))
    return np.array(index, dtype=np.int64), np.array(distance)
