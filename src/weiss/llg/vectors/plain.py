"""The two passes of the quasi-Newton method in array operations: what the tests hold the fast ones against."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from weiss.arrays import to_host

Array = Any


def _across(m: Array, H: Array) -> Array:
    """The part of H at right angles to m, (3, nz, ny, nx)."""
    return H * (m * m).sum(axis=0) - m * (m * H).sum(axis=0)


def turn(xp: ModuleType, m: Array, H: Array, pairs: Array, weights: np.ndarray, out: Array, live: np.ndarray) -> None:
    """See `weiss.llg.vectors.cpu.turn`."""
    for film in np.flatnonzero(live):
        d = m.dtype.type(weights[film, 0]) * _across(m[film], H[film])
        for k in np.flatnonzero(weights[film, 1:]):
            d += m.dtype.type(weights[film, k + 1]) * pairs[k, film]
        d += m[film] * (1 - (m[film] * d).sum(axis=0))
        length = xp.sqrt((d * d).sum(axis=0))
        out[film] = d / xp.where(length > 0, length, 1)


def remember(
    xp: ModuleType,
    m0: Array,
    H0: Array,
    m1: Array,
    H1: Array,
    Ms: Array,
    pairs: Array,
    slot: int,
    live: np.ndarray,
) -> np.ndarray:
    """See `weiss.llg.vectors.cpu.remember`."""
    count, nz, ny, nx = len(pairs), *m0.shape[2:]
    out = np.full((len(m0), 6 + 3 * count), np.nan)
    for film in np.flatnonzero(live):
        before, after = (_across(m[film], H[film]) for m, H in ((m0, H0), (m1, H1)))
        s, y = m1[film] - m0[film], before - after
        pairs[slot, film], pairs[slot + count // 2, film] = s, y
        weight = Ms[film].astype(np.float64).reshape((nz, ny, nx) if Ms.shape[1] > 1 else (1, 1, nx))

        def total(a: Array, b: Array, weight: Array = weight) -> Array:
            return (weight * (a.astype(np.float64) * b).sum(axis=0)).sum()

        ss, along = (s * s).sum(axis=0), (m1[film] * H1[film] - m0[film] * H0[film]).sum(axis=0)
        square = (after * after).sum(axis=0)
        work = 0.5 * (total(s, before + after) + 0.5 * (weight * (ss * along)).sum())
        noise = (weight**2 * (square + ss * (H1[film] ** 2).sum(axis=0))).sum()
        most = square.max()
        sums = [total(s, s), total(s, y), total(y, y), work, xp.sqrt(noise), xp.sqrt(most)]
        sums += [total(field, pairs[k, film]) for field in (after, s, y) for k in range(count)]
        out[film] = to_host(xp.stack([xp.asarray(value, dtype=np.float64) for value in sums]))
        out[film, 5] = out[film, 5] if np.isfinite(out[film, 5]) else np.inf
    return out
