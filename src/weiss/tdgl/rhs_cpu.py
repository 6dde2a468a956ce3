"""Compiled twins of `rhs` for the CPU: the same arithmetic in one pass over each film.

Every film is computed on its own, so its rounding does not depend on what else is in the batch. Contraction (fused
multiply-add) is the only liberty given to the compiler. Scalars come in the fields' precision: a bare literal would
widen float32 to float64.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from weiss.tdgl.rhs import ROOM

if TYPE_CHECKING:
    from weiss.tdgl.rhs import Medium, State

_OPTIONS = {"cache": True, "nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}


@njit(**_OPTIONS)
def _evaluate(  # type: ignore[no-untyped-def]
    m, low, dipole, anisotropy, exchange, gamma, h, one, near_out, field_out, spread_out, rate_out, live
):
    films, ny, nx = m.shape
    edge, varies = nx - 1, exchange.shape[1] > 1
    for film in range(films):
        if not live[film]:
            continue
        hf = h[film]
        for y in range(ny):
            up, down = y - 1 if y > 0 else ny - 1, y + 1 if y < ny - 1 else 0
            t, u, v = m[film, up], m[film, y], m[film, down]
            tl, ul, vl = low[film, up], low[film, y], low[film, down]
            a, j, g = anisotropy[film, y], exchange[film, y if varies else 0], dipole[film, y]
            n_out, b_out, s_out, f_out = near_out[film, y], field_out[film, y], spread_out[film, y], rate_out[film, y]
            for x in range(nx):
                left, right = x - 1 if x > 0 else edge, x + 1 if x < edge else 0
                c, r = u[x], ul[x]
                around = ((t[x] - c) + (v[x] - c)) + ((u[left] - c) + (u[right] - c))
                around += ((tl[x] - r) + (vl[x] - r)) + ((ul[left] - r) + (ul[right] - r))
                s_out[x] = j[x] * around
            for x in range(nx):
                c, r = u[x], ul[x]
                near = (one - c) - r if c >= 0 else (one + c) + r
                b = a[x] * c - gamma * j[x] * g[x]
                n_out[x] = near if c >= 0 else -near
                b_out[x] = b
                f_out[x] = near * (one + (one - near)) * (hf + b) + s_out[x]


@njit(**_OPTIONS)
def _stage(  # type: ignore[no-untyped-def]
    step, stages, table, anisotropy, exchange, gamma, one, room, near, field, spread, rate0, d1, d2, dipole, d_out
):
    films, ny, nx = d1.shape
    edge, varies = nx - 1, exchange.shape[1] > 1
    zero, two = one - one, one + one
    for film in range(films):
        if stages[film] < step:
            continue
        mu, nu, tau_mu, tau_gamma, h = table[film]
        for y in range(ny):
            up, down = y - 1 if y > 0 else ny - 1, y + 1 if y < ny - 1 else 0
            t, u, v = d1[film, up], d1[film, y], d1[film, down]
            a, j, g, f0 = anisotropy[film, y], exchange[film, y if varies else 0], dipole[film, y], rate0[film, y]
            n0, b0, s0 = near[film, y], field[film, y], spread[film, y]
            q, out = d2[film, y], d_out[film, y]
            for x in range(1, edge):
                c = u[x]
                n = n0[x] - c if n0[x] > zero else c - n0[x]
                local = h + b0[x] + a[x] * c - gamma * j[x] * g[x]
                around = ((t[x] - c) + (v[x] - c)) + ((u[x - 1] - c) + (u[x + 1] - c))
                f = n * (one + (one - n)) * local + s0[x] + j[x] * around
                new = mu * c + nu * q[x] + tau_mu * f + tau_gamma * f0[x]
                low, high = (n0[x] - two - room, n0[x] + room) if n0[x] > zero else (n0[x] - room, n0[x] + two + room)
                out[x] = low if new < low else (high if new > high else new)
            for x, left, right in ((0, edge, 1), (edge, edge - 1, 0)):
                c = u[x]
                n = n0[x] - c if n0[x] > zero else c - n0[x]
                local = h + b0[x] + a[x] * c - gamma * j[x] * g[x]
                around = ((t[x] - c) + (v[x] - c)) + ((u[left] - c) + (u[right] - c))
                f = n * (one + (one - n)) * local + s0[x] + j[x] * around
                new = mu * c + nu * q[x] + tau_mu * f + tau_gamma * f0[x]
                low, high = (n0[x] - two - room, n0[x] + room) if n0[x] > zero else (n0[x] - room, n0[x] + two + room)
                out[x] = low if new < low else (high if new > high else new)


@njit(**_OPTIONS)
def _finish(m0, low0, d_a, d_b, d_c, which, most, m_out, low_out):  # type: ignore[no-untyped-def]
    for film in range(m0.shape[0]):
        d = d_a[film] if which[film] == 0 else d_b[film] if which[film] == 1 else d_c[film]
        start, start_low, end, end_low = (
            m0[film].ravel(),
            low0[film].ravel(),
            m_out[film].ravel(),
            low_out[film].ravel(),
        )
        increment = d.ravel()
        for i in range(start.size):
            # Knuth's two-sum: the rounded sum, and what the rounding lost.
            rest = increment[i] + start_low[i]
            total = start[i] + rest
            part = total - start[i]
            lost = (start[i] - (total - part)) + (rest - part)
            # Written so that a NaN stays one and is seen by the driver.
            beyond = abs(total) > most
            end[i] = (most if total > 0 else -most) if beyond else total
            end_low[i] = most - most if beyond else lost


@njit(**_OPTIONS)
def _close(m0, m1, m_before, rate0, rate1, tau, ratio, live, out):  # type: ignore[no-untyped-def]
    films, ny, nx = m0.shape
    for film in range(films):
        if not live[film]:
            continue
        error, bend, mean, mean_rate, flips = 0.0, 0.0, 0.0, 0.0, 0
        for y in range(ny):
            for x in range(nx):
                start, end = np.float64(m0[film, y, x]), np.float64(m1[film, y, x])
                f1 = np.float64(rate1[film, y, x])
                e = 0.8 * (start - end) + 0.4 * tau[film] * (np.float64(rate0[film, y, x]) + f1)
                b = end - start - ratio[film] * (start - np.float64(m_before[film, y, x]))
                error += e * e
                bend += b * b
                mean += end
                mean_rate += f1
                flips += (start >= 0) != (end >= 0)
        cells = ny * nx
        out[film, 0] = np.sqrt(error / cells)
        out[film, 1] = np.sqrt(bend / cells)
        out[film, 2] = mean / cells
        out[film, 3] = mean_rate / cells
        out[film, 4] = flips


def evaluate(xp: ModuleType, state: State, dipole: np.ndarray, medium: Medium, h: np.ndarray, live: np.ndarray) -> None:
    """See `rhs.evaluate`."""
    kind = state.m.dtype.type
    _evaluate(
        state.m,
        state.low,
        dipole,
        medium.anisotropy,
        medium.exchange,
        kind(medium.gamma_per_J),
        np.asarray(h).astype(state.m.dtype),
        kind(1),
        state.near,
        state.field,
        state.spread,
        state.rate,
        live,
    )


def stage(
    xp: ModuleType,
    j: int,
    stages: np.ndarray,
    table: np.ndarray,
    medium: Medium,
    start: State,
    d1: np.ndarray,
    d2: np.ndarray,
    dipole: np.ndarray,
    d_out: np.ndarray,
) -> None:
    """See `rhs.stage`."""
    kind = d1.dtype.type
    _stage(
        j,
        stages,
        table,
        medium.anisotropy,
        medium.exchange,
        kind(medium.gamma_per_J),
        kind(1),
        kind(ROOM),
        start.near,
        start.field,
        start.spread,
        start.rate,
        d1,
        d2,
        dipole,
        d_out,
    )


def finish(xp: ModuleType, start: State, d: list[np.ndarray], which: np.ndarray, m_most: float, end: State) -> None:
    """See `rhs.finish`."""
    _finish(start.m, start.low, *d, which, start.m.dtype.type(m_most), end.m, end.low)


def close(
    xp: ModuleType,
    start: State,
    end: State,
    m_before: np.ndarray,
    tau: np.ndarray,
    ratio: np.ndarray,
    live: np.ndarray,
) -> np.ndarray:
    """See `rhs.close`."""
    out = np.zeros((len(m_before), 5))
    _close(start.m, end.m, m_before, start.rate, end.rate, np.asarray(tau, float), np.asarray(ratio, float), live, out)
    return out
