"""Numbers that say what a domain pattern looks like: how many domains, how much wall, and at what spacing.

All of them treat the film as periodic and black and white alike: none changes when the film is rolled, transposed, or
reversed in sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

PEAK_SHARE = 0.5
"""The peak of the structure factor is taken to be all wavenumbers where it exceeds this share of its maximum."""


@dataclass(frozen=True)
class PatternStatistics:
    """What a binarised film looks like.

    Attributes
    ----------
    domain_density : float
        Connected domains of either sign per cell.
    domain_area : float
        Mean area, in cells, of the domain that a randomly chosen cell belongs to: Σa²/Σa. A film of one large domain
        and many specks has a high domain density and a large domain area.
    perimeter : float
        Domain wall per area: pairs of unlike neighbours per cell, between 0 and 2.
    peak_wavenumber : float
        Where the radially averaged structure factor peaks, radians per cell; 2π divided by it is the distance from
        one domain to the next of its sign. NaN for a film of one sign.
    mean_wavenumber : float
        First moment of the structure factor over all wave vectors, radians per cell. It weighs walls and specks more
        than the peak does. NaN for a film of one sign.
    """

    domain_density: float
    domain_area: float
    perimeter: float
    peak_wavenumber: float
    mean_wavenumber: float


def pattern_statistics(pattern: ArrayLike) -> PatternStatistics:
    """Measure a binarised film.

    Parameters
    ----------
    pattern : array_like, shape (ny, nx)
        Film of +1 and -1, periodic along both axes.

    Returns
    -------
    PatternStatistics

    Raises
    ------
    ValueError
        If the pattern is not two-dimensional, is narrower than two cells, or holds anything but +1 and -1.
    """
    pattern = _checked(pattern)
    areas = np.concatenate([domain_areas(pattern > 0), domain_areas(pattern < 0)])
    peak, mean = _wavenumbers(pattern)
    return PatternStatistics(
        domain_density=areas.size / pattern.size,
        domain_area=float((areas.astype(float) ** 2).sum() / areas.sum()),
        perimeter=perimeter(pattern),
        peak_wavenumber=peak,
        mean_wavenumber=mean,
    )


def domain_areas(inside: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Areas of the connected domains of a periodic film.

    Parameters
    ----------
    inside : ndarray of bool, shape (ny, nx)
        Cells of one sign. Cells that share an edge, also across the film's border, belong to one domain; cells that
        only touch at a corner do not.

    Returns
    -------
    ndarray of int64, shape (domains,)
        Cells of each domain, in no particular order.
    """
    labels, count = ndimage.label(inside)
    across = np.concatenate([np.stack([labels[-1], labels[0]]), np.stack([labels[:, -1], labels[:, 0]])], axis=1)
    one, other = across[:, (across > 0).all(axis=0)] - 1
    joined = coo_array((np.ones(one.size, np.int8), (one, other)), shape=(count, count))
    _, domain = connected_components(joined, directed=False)
    return np.bincount(domain, weights=np.bincount(labels.ravel(), minlength=count + 1)[1:]).astype(np.int64)


def perimeter(pattern: NDArray) -> float:
    """Pairs of unlike neighbours per cell of a periodic film.

    Parameters
    ----------
    pattern : ndarray, shape (ny, nx)

    Returns
    -------
    float
        Stripes of period p along an axis have 2/p; a checkerboard has 2.
    """
    unlike = sum(np.count_nonzero(pattern != np.roll(pattern, 1, axis)) for axis in (0, 1))
    return unlike / pattern.size


def structure_factor(pattern: NDArray) -> NDArray[np.float64]:
    """Structure factor of the fluctuations of a periodic film.

    Parameters
    ----------
    pattern : ndarray, shape (ny, nx)

    Returns
    -------
    ndarray, shape (ny, nx)
        |F(s - ⟨s⟩)|²/N in the order of `numpy.fft.fft2`; its mean is the variance of the pattern.
    """
    return np.abs(np.fft.fft2(pattern - pattern.mean())) ** 2 / pattern.size


def radial_average(values: NDArray, k: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average over shells of wave vectors as wide as the smallest wavenumber of the film's shorter side.

    Parameters
    ----------
    values : ndarray, shape (ny, nx)
        Not negative, such as a structure factor.
    k : ndarray, shape (ny, nx)
        Length of the wave vectors, radians per cell.

    Returns
    -------
    k : ndarray, shape (shells,)
        Mean wavenumber of each shell, weighted by `values`: a single wave is found where it is, not at the middle of
        its shell. Shells without any value are left out, as is k = 0.
    average : ndarray, shape (shells,)
    """
    shell = np.rint(k * min(k.shape) / (2 * np.pi)).astype(int).ravel()
    total = np.bincount(shell, weights=values.ravel())[1:]
    moment = np.bincount(shell, weights=(values * k).ravel())[1:]
    count = np.bincount(shell)[1:]
    filled = total > 0
    return moment[filled] / total[filled], total[filled] / count[filled]


def wavenumbers(shape: tuple[int, int]) -> NDArray[np.float64]:
    """Length of the wave vectors of a film, radians per cell, in the order of `numpy.fft.fft2`.

    Parameters
    ----------
    shape : (int, int)
        Cells along y and x.

    Returns
    -------
    ndarray, shape (ny, nx)
    """
    return 2 * np.pi * np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None, :])


def _wavenumbers(pattern: NDArray) -> tuple[float, float]:
    """Peak and first moment of the structure factor."""
    k, values = wavenumbers(pattern.shape), structure_factor(pattern)
    if not values.any():
        return float("nan"), float("nan")
    shells, average = radial_average(values, k)
    # One shell of a single film is noisy; the centre of all that is high is not moved by which of them is the highest.
    high = average > PEAK_SHARE * average.max()
    peak = (shells * average)[high].sum() / average[high].sum()
    return float(peak), float((k * values).sum() / values.sum())


def _checked(pattern: ArrayLike) -> NDArray:
    pattern = np.asarray(pattern)
    if pattern.ndim != 2 or min(pattern.shape) < 2:
        raise ValueError(f"a film has two dimensions of at least 2 cells, not shape {pattern.shape}")
    if not np.isin(pattern, (-1, 1)).all():
        raise ValueError("a binarised film holds +1 and -1 alone; see weiss.patterns.binarise")
    return pattern
