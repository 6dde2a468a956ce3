"""Right-hand side and stage updates of Eq. 1, for a batch of films: one source for NumPy and CuPy.

`kernels` picks between these and their compiled twins for the CPU (`rhs_cpu`), which the tests hold against these.
Shapes: fields are (films, ny, nx), per-film vectors (films,).

The state is a pair of numbers a cell, m + low, with low below the rounding of m. A saturated cell is 1e-7 from 1, where
float32 has steps of 6e-8: in a single float32 the slow growth by which a film leaves saturation would be rounded away,
1 - m² would be half rounding, and exchange between cells a step apart would hold them back.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from weiss.arrays import Array, to_host

ERROR, EXTRAPOLATION, MEAN, MEAN_RATE, FLIPS = range(5)
"""Columns of what `close` returns for every film."""


@dataclass(frozen=True)
class Medium:
    """What stays the same while films evolve.

    Attributes
    ----------
    anisotropy, exchange : (films, ny, nx) array
        A0 (1 + D η) and J.
    gamma_per_J : float
        γ / J of the dipole term.
    m_most : float
        Largest |m|: 1 minus a little, since m = ±1 is an exact fixed point.
    """

    anisotropy: Array
    exchange: Array
    gamma_per_J: float
    m_most: float

    def take(self, keep: np.ndarray) -> Medium:
        """Return the medium of the films where `keep` is true."""
        return Medium(self.anisotropy[keep], self.exchange[keep], self.gamma_per_J, self.m_most)


def _laplacian(xp: ModuleType, m: Array) -> Array:
    """Five-point Laplacian with periodic boundaries, unit cells; of differences, which near saturation are exact."""
    return (xp.roll(m, 1, 1) - m) + (xp.roll(m, -1, 1) - m) + (xp.roll(m, 1, 2) - m) + (xp.roll(m, -1, 2) - m)


def _mobility(xp: ModuleType, m: Array, low: Array) -> Array:
    """1 - (m + low)², as the distance from the nearer saturation times that from the other."""
    near = xp.where(m >= 0, (1 - m) - low, (1 + m) + low)
    return near * (2 - near)


def _rate(xp: ModuleType, m: Array, low: Array, dipole: Array, medium: Medium, h: Array) -> Array:
    """dm/dt of Eq. 1 at m + low."""
    local = h + medium.anisotropy * m - m.dtype.type(medium.gamma_per_J) * medium.exchange * dipole
    return _mobility(xp, m, low) * local + medium.exchange * (_laplacian(xp, m) + _laplacian(xp, low))


def _per_film(xp: ModuleType, values: np.ndarray, like: Array) -> Array:
    return xp.asarray(np.asarray(values).astype(like.dtype))[:, None, None]


def rate(
    xp: ModuleType, m: Array, low: Array, dipole: Array, medium: Medium, h: np.ndarray, out: Array, live: np.ndarray
) -> None:
    """Write dm/dt of Eq. 1 at m + low into `out`; `dipole` is G * m, `h` the field of each film."""
    out[...] = _rate(xp, m, low, dipole, medium, _per_film(xp, h, m))


def add(m: Array, rest: Array) -> tuple[Array, Array]:
    """Sum of m and rest as a rounded number and what the rounding lost (Knuth's two-sum)."""
    total = m + rest
    part = total - m
    return total, (m - (total - part)) + (rest - part)


def stage(
    xp: ModuleType,
    j: int,
    stages: np.ndarray,
    table: np.ndarray,
    medium: Medium,
    m0: Array,
    low0: Array,
    rate0: Array,
    m: Array,
    low: Array,
    dipole: Array,
    d1: Array,
    d2: Array,
    d_out: Array,
    m_out: Array,
    low_out: Array,
    m_last: Array,
    low_last: Array,
) -> None:
    """Stage j of a Runge–Kutta–Chebyshev step.

    Parameters
    ----------
    stages : (films,) int ndarray
        Stages of each film's step; films with fewer than j are left alone.
    table : (films, 5) ndarray
        mu, nu, tau mu~, tau gamma~ and the field h of this stage, for each film.
    m0, low0, rate0
        State (as a pair) and rate at the start of the step.
    m, low, dipole
        State of stage j - 1 and G * m.
    d1, d2, d_out
        Increments of the stages j - 1 and j - 2, and where this stage's goes.
    m_out, low_out, m_last, low_last
        Where the state goes: the second pair for films whose last stage this is, the first for the others.
    """
    coefficient = [_per_film(xp, table[:, k], m) for k in range(5)]
    f = _rate(xp, m, low, dipole, medium, coefficient[4])
    d_out[...] = coefficient[0] * d1 + coefficient[1] * d2 + coefficient[2] * f + coefficient[3] * rate0
    m_out[...], low_out[...] = add(m0, d_out + low0)
    last = xp.asarray(stages == j)[:, None, None]
    m_last[...] = xp.where(last, m_out, m_last)
    low_last[...] = xp.where(last, low_out, low_last)


def clip(xp: ModuleType, m: Array, low: Array, m_most: float, live: np.ndarray) -> None:
    """Keep |m| at or below `m_most`, in place."""
    most = m.dtype.type(m_most)
    beyond = abs(m) > most
    xp.clip(m, -most, most, out=m)
    low[beyond] = 0


def close(
    xp: ModuleType,
    m0: Array,
    m1: Array,
    m_before: Array,
    rate0: Array,
    rate1: Array,
    tau: np.ndarray,
    ratio: np.ndarray,
    live: np.ndarray,
) -> np.ndarray:
    """Measure a finished step.

    Parameters
    ----------
    m0, m1, m_before
        State at the start and the end of the step, and one accepted step earlier.
    rate0, rate1
        dm/dt at the start and the end.
    tau, ratio : (films,) ndarray
        Length of this step, and over that of the accepted step before.

    Returns
    -------
    (films, 5) ndarray, float64
        ERROR: RMS of the embedded estimate 0.8 (m0 - m1) + 0.4 tau (rate0 + rate1) (Sommeijer et al. 1998, Eq. 2.10);
        EXTRAPOLATION: RMS distance from the line through the two states before; MEAN and MEAN_RATE at the end;
        FLIPS: number of cells whose sign changed.
    """
    wide = xp.float64
    change = m1.astype(wide) - m0.astype(wide)
    tau_, ratio_ = (xp.asarray(np.asarray(v, float))[:, None, None] for v in (tau, ratio))
    error = -0.8 * change + 0.4 * tau_ * (rate0.astype(wide) + rate1.astype(wide))
    bend = change - ratio_ * (m0.astype(wide) - m_before.astype(wide))
    columns = (
        xp.sqrt((error * error).mean(axis=(1, 2))),
        xp.sqrt((bend * bend).mean(axis=(1, 2))),
        m1.astype(wide).mean(axis=(1, 2)),
        rate1.astype(wide).mean(axis=(1, 2)),
        ((m0 >= 0) != (m1 >= 0)).sum(axis=(1, 2)).astype(wide),
    )
    return to_host(xp.stack(columns, axis=1))


def kernels(xp: ModuleType) -> Any:
    """Return the module whose `rate`, `stage`, `clip` and `close` are fastest for arrays of `xp`."""
    if xp is np:
        from weiss.tdgl import rhs_cpu

        return rhs_cpu
    from weiss.tdgl import rhs

    return rhs
