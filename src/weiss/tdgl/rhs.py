"""Right-hand side and stages of Eq. 1 for a batch of films: one plain source for NumPy and anything that looks like it.

`kernels` picks between these and their compiled twins, which the tests hold against these.
Shapes: fields are (films, ny, nx), per-film vectors (films,).

A step is computed in increments d over its start m0, because Eq. 1 splits there into what the start fixes and what the
increment changes:

    dm/dt = (1 - m²) (h + B0 + A d - γ J (G * d)) + L0 + J ∇²d,   B0 = A m0 - γ J (G * m0),   L0 = J ∇²m0.

The state is a pair of numbers a cell, m + low, with low below the rounding of m. A saturated cell is 1e-7 from 1, where
float32 has steps of 6e-8: in a single float32 the slow growth by which a film leaves saturation would be rounded away,
and 1 - m² would be half rounding. Only `evaluate`, once a step, sees the pair; a step carries 1 - |m| instead.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from types import ModuleType
from typing import Any

import numpy as np

from weiss.arrays import Array, empty, to_host

ERROR, EXTRAPOLATION, MEAN, MEAN_RATE, FLIPS = range(5)
"""Columns of what `close` returns for every film."""


ROOM = 0.05
"""How far beyond ±1 a stage may take m. In a step too long for a cell's avalanche its stages would grow without bound,
and spoil the whole film through the dipole field; so the cell alone is wrong, which its error tells."""


@dataclass(frozen=True)
class Medium:
    """What stays the same while films evolve.

    Attributes
    ----------
    anisotropy : (films, ny, nx) array
        A0 (1 + noise_scale · D η).
    exchange : (films, ny, nx) array, or (films, 1, nx) where it does not vary along y
        J. The thin form saves reading a whole field at every stage.
    gamma_per_J : float
        γ / J of the dipole term.
    m_most : float
        Largest |m|: 1 minus a little, since m = ±1 is an exact fixed point.
    """

    anisotropy: Array
    exchange: Array
    gamma_per_J: float
    m_most: float

    def take(self, keep: Array) -> Medium:
        """Return the medium of the films where `keep` is true."""
        return Medium(self.anisotropy[keep], self.exchange[keep], self.gamma_per_J, self.m_most)


@dataclass
class State:
    """Films at one moment, and what a step from there needs of them.

    Attributes
    ----------
    m, low : (films, ny, nx) array
        Magnetisation, as a pair.
    near : (films, ny, nx) array
        1 - |m|, with the sign of m.
    field : (films, ny, nx) array
        A m - γ J (G * m), what acts on a cell besides h.
    spread : (films, ny, nx) array
        J ∇²m.
    rate : (films, ny, nx) array
        dm/dt.
    """

    m: Array
    low: Array
    near: Array
    field: Array
    spread: Array
    rate: Array

    @classmethod
    def like(cls, m: Array, xp: ModuleType) -> State:
        """Allocate for fields shaped like `m`, with `low` zero."""
        state = cls(*(empty(xp, m.shape, m.dtype) for _ in fields(cls)))
        state.low[...] = 0
        return state

    def take(self, keep: Array) -> State:
        """Return the state of the films where `keep` is true."""
        return State(*(getattr(self, field.name)[keep] for field in fields(self)))

    def copy_films(self, other: State, chosen: Array) -> None:
        """Overwrite the films where `chosen` is true by those of `other`."""
        for field in fields(self):
            getattr(self, field.name)[chosen] = getattr(other, field.name)[chosen]


def laplacian(xp: ModuleType, m: Array) -> Array:
    """Five-point Laplacian with periodic boundaries, unit cells; of differences, which near saturation are exact."""
    return (xp.roll(m, 1, 1) - m) + (xp.roll(m, -1, 1) - m) + (xp.roll(m, 1, 2) - m) + (xp.roll(m, -1, 2) - m)


def _per_film(xp: ModuleType, values: np.ndarray, like: Array) -> Array:
    return xp.asarray(np.asarray(values).astype(like.dtype))[:, None, None]


def evaluate(xp: ModuleType, state: State, dipole: Array, medium: Medium, h: np.ndarray, live: np.ndarray) -> None:
    """Fill the rest of `state` from its m + low; `dipole` is G * m, `h` the field of each film."""
    m, low = state.m, state.low
    near = xp.where(m >= 0, (1 - m) - low, (1 + m) + low)
    state.near[...] = xp.where(m >= 0, near, -near)
    state.field[...] = medium.anisotropy * m - m.dtype.type(medium.gamma_per_J) * medium.exchange * dipole
    state.spread[...] = medium.exchange * (laplacian(xp, m) + laplacian(xp, low))
    state.rate[...] = near * (2 - near) * (_per_film(xp, h, m) + state.field) + state.spread


def stage(
    xp: ModuleType,
    j: int,
    stages: np.ndarray,
    table: np.ndarray,
    medium: Medium,
    start: State,
    d1: Array,
    d2: Array,
    dipole: Array,
    d_out: Array,
) -> None:
    """Stage j of a Runge–Kutta–Chebyshev step.

    Parameters
    ----------
    stages : (films,) int ndarray
        Stages of each film's step; films with fewer than j are left alone.
    table : (films, 5) ndarray
        mu, nu, tau mu~, tau gamma~ and the field h of this stage, for each film.
    start
        State at the start of the step, evaluated.
    d1, d2, d_out
        Increments of the stages j - 1 and j - 2, and where this stage's goes.
    dipole
        G * d1.
    """
    mu, nu, tau_mu, tau_gamma, h = (_per_film(xp, table[:, k], d1) for k in range(5))
    near = xp.where(start.near > 0, start.near - d1, d1 - start.near)
    local = h + start.field + medium.anisotropy * d1 - d1.dtype.type(medium.gamma_per_J) * medium.exchange * dipole
    rate = near * (2 - near) * local + start.spread + medium.exchange * laplacian(xp, d1)
    runs = xp.asarray(stages >= j)[:, None, None]
    room, up = d1.dtype.type(ROOM), start.near > 0
    d = mu * d1 + nu * d2 + tau_mu * rate + tau_gamma * start.rate
    d = xp.clip(d, start.near - xp.where(up, 2 + room, room), start.near + xp.where(up, room, 2 + room))
    d_out[...] = xp.where(runs, d, d_out)


def add(m: Array, rest: Array) -> tuple[Array, Array]:
    """Sum of m and rest as a rounded number and what the rounding lost (Knuth's two-sum)."""
    total = m + rest
    part = total - m
    return total, (m - (total - part)) + (rest - part)


def finish(xp: ModuleType, start: State, d: list[Array], which: np.ndarray, m_most: float, end: State) -> None:
    """Write start + increment into `end.m` and `end.low`, keeping |m| at or below `m_most`.

    Parameters
    ----------
    d : list of (films, ny, nx) array
    which : (films,) int ndarray
        Which of `d` holds each film's increment.
    """
    most = start.m.dtype.type(m_most)
    for k, increment in enumerate(d):
        films = xp.asarray(np.flatnonzero(which == k))
        m, low = add(start.m[films], increment[films] + start.low[films])
        low[abs(m) > most] = 0
        end.m[films], end.low[films] = xp.clip(m, -most, most), low


def close(
    xp: ModuleType, start: State, end: State, m_before: Array, tau: np.ndarray, ratio: np.ndarray, live: np.ndarray
) -> np.ndarray:
    """Measure a finished step.

    Parameters
    ----------
    start, end
        States at both ends of the step, evaluated.
    m_before
        Magnetisation one accepted step earlier.
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
    change = end.m.astype(wide) - start.m.astype(wide)
    tau_, ratio_ = (xp.asarray(np.asarray(v, float))[:, None, None] for v in (tau, ratio))
    error = -0.8 * change + 0.4 * tau_ * (start.rate.astype(wide) + end.rate.astype(wide))
    bend = change - ratio_ * (start.m.astype(wide) - m_before.astype(wide))
    columns = (
        xp.sqrt((error * error).mean(axis=(1, 2))),
        xp.sqrt((bend * bend).mean(axis=(1, 2))),
        end.m.astype(wide).mean(axis=(1, 2)),
        end.rate.astype(wide).mean(axis=(1, 2)),
        ((start.m >= 0) != (end.m >= 0)).sum(axis=(1, 2)).astype(wide),
    )
    return to_host(xp.stack(columns, axis=1))


def kernels(xp: ModuleType) -> Any:
    """Return the module whose `evaluate`, `stage`, `finish` and `close` are fastest for arrays of `xp`."""
    if xp is np:
        from weiss.tdgl import rhs_cpu

        return rhs_cpu
    if xp.__name__ == "cupy":
        from weiss.tdgl import rhs_gpu

        return rhs_gpu
    from weiss.tdgl import rhs

    return rhs
