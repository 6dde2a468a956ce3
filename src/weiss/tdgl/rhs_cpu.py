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

if TYPE_CHECKING:
    from weiss.tdgl.rhs import Medium

_OPTIONS = {"cache": True, "nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}


@njit(inline="always", **_OPTIONS)
def _rate_at(  # type: ignore[no-untyped-def]
    above, here, below, above_low, low, below_low, left, x, right, anisotropy, exchange, dipole, gamma, h, one
):
    """dm/dt of one cell; `above`, `here`, `below` are rows, `left`, `x`, `right` columns."""
    c, r = here[x], low[x]
    laplacian = ((above[x] - c) + (below[x] - c)) + ((here[left] - c) + (here[right] - c))
    laplacian += ((above_low[x] - r) + (below_low[x] - r)) + ((low[left] - r) + (low[right] - r))
    local = h + anisotropy[x] * c - gamma * exchange[x] * dipole[x]
    near = (one - c) - r if c >= 0 else (one + c) + r
    return near * (one + (one - near)) * local + exchange[x] * laplacian


@njit(**_OPTIONS)
def _rate(m, low, dipole, anisotropy, exchange, gamma, h, one, out, live):  # type: ignore[no-untyped-def]
    films, ny, nx = m.shape
    edge = nx - 1
    for film in range(films):
        if not live[film]:
            continue
        hf = h[film]
        for y in range(ny):
            up, down = y - 1 if y > 0 else ny - 1, y + 1 if y < ny - 1 else 0
            t, u, v = m[film, up], m[film, y], m[film, down]
            tl, ul, vl = low[film, up], low[film, y], low[film, down]
            a, j, g, f = anisotropy[film, y], exchange[film, y], dipole[film, y], out[film, y]
            for x in range(1, edge):
                f[x] = _rate_at(t, u, v, tl, ul, vl, x - 1, x, x + 1, a, j, g, gamma, hf, one)
            for x, left, right in ((0, edge, 1), (edge, edge - 1, 0)):
                f[x] = _rate_at(t, u, v, tl, ul, vl, left, x, right, a, j, g, gamma, hf, one)


@njit(**_OPTIONS)
def _stage(  # type: ignore[no-untyped-def]
    step,
    stages,
    table,
    anisotropy,
    exchange,
    gamma,
    one,
    m0,
    low0,
    rate0,
    m,
    low,
    dipole,
    d1,
    d2,
    d_out,
    m_out,
    low_out,
    m_last,
    low_last,
):
    films, ny, nx = m.shape
    edge = nx - 1
    for film in range(films):
        if stages[film] < step:
            continue
        last = stages[film] == step
        m_to = m_last if last else m_out
        low_to = low_last if last else low_out
        mu, nu, tau_mu, tau_gamma, h = table[film]
        for y in range(ny):
            up, down = y - 1 if y > 0 else ny - 1, y + 1 if y < ny - 1 else 0
            t, u, v = m[film, up], m[film, y], m[film, down]
            tl, ul, vl = low[film, up], low[film, y], low[film, down]
            a, j, g, f0 = anisotropy[film, y], exchange[film, y], dipole[film, y], rate0[film, y]
            p, q, d = d1[film, y], d2[film, y], d_out[film, y]
            start, start_low, end, end_low = m0[film, y], low0[film, y], m_to[film, y], low_to[film, y]
            for x in range(1, edge):
                f = _rate_at(t, u, v, tl, ul, vl, x - 1, x, x + 1, a, j, g, gamma, h, one)
                d[x] = mu * p[x] + nu * q[x] + tau_mu * f + tau_gamma * f0[x]
            for x, left, right in ((0, edge, 1), (edge, edge - 1, 0)):
                f = _rate_at(t, u, v, tl, ul, vl, left, x, right, a, j, g, gamma, h, one)
                d[x] = mu * p[x] + nu * q[x] + tau_mu * f + tau_gamma * f0[x]
            for x in range(nx):
                # Knuth's two-sum: the rounded sum, and what the rounding lost.
                rest = d[x] + start_low[x]
                total = start[x] + rest
                part = total - start[x]
                end[x] = total
                end_low[x] = (start[x] - (total - part)) + (rest - part)


@njit(**_OPTIONS)
def _clip(m, low, most, live):  # type: ignore[no-untyped-def]
    for film in range(m.shape[0]):
        if live[film]:
            flat, rest = m[film].ravel(), low[film].ravel()
            for i in range(flat.size):
                # Written so that a NaN stays one and is seen by the driver.
                if flat[i] > most:
                    flat[i] = most
                    rest[i] = 0
                elif flat[i] < -most:
                    flat[i] = -most
                    rest[i] = 0


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


def rate(
    xp: ModuleType,
    m: np.ndarray,
    low: np.ndarray,
    dipole: np.ndarray,
    medium: Medium,
    h: np.ndarray,
    out: np.ndarray,
    live: np.ndarray,
) -> None:
    """See `rhs.rate`."""
    kind = m.dtype.type
    h = np.asarray(h).astype(m.dtype)
    _rate(m, low, dipole, medium.anisotropy, medium.exchange, kind(medium.gamma_per_J), h, kind(1), out, live)


def stage(
    xp: ModuleType,
    j: int,
    stages: np.ndarray,
    table: np.ndarray,
    medium: Medium,
    m0: np.ndarray,
    low0: np.ndarray,
    rate0: np.ndarray,
    m: np.ndarray,
    low: np.ndarray,
    dipole: np.ndarray,
    d1: np.ndarray,
    d2: np.ndarray,
    d_out: np.ndarray,
    m_out: np.ndarray,
    low_out: np.ndarray,
    m_last: np.ndarray,
    low_last: np.ndarray,
) -> None:
    """See `rhs.stage`."""
    kind = m.dtype.type
    _stage(
        j,
        stages,
        table,
        medium.anisotropy,
        medium.exchange,
        kind(medium.gamma_per_J),
        kind(1),
        m0,
        low0,
        rate0,
        m,
        low,
        dipole,
        d1,
        d2,
        d_out,
        m_out,
        low_out,
        m_last,
        low_last,
    )


def clip(xp: ModuleType, m: np.ndarray, low: np.ndarray, m_most: float, live: np.ndarray) -> None:
    """See `rhs.clip`."""
    _clip(m, low, m.dtype.type(m_most), live)


def close(
    xp: ModuleType,
    m0: np.ndarray,
    m1: np.ndarray,
    m_before: np.ndarray,
    rate0: np.ndarray,
    rate1: np.ndarray,
    tau: np.ndarray,
    ratio: np.ndarray,
    live: np.ndarray,
) -> np.ndarray:
    """See `rhs.close`."""
    out = np.zeros((len(m0), 5))
    _close(m0, m1, m_before, rate0, rate1, np.asarray(tau, float), np.asarray(ratio, float), live, out)
    return out
