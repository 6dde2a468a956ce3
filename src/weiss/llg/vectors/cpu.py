"""Fields of vectors on a CPU, one film at a time.

Every kernel passes once over memory: it works row by row in buffers that stay in the nearest cache, with an inner loop
over x that vectorises. A sum keeps one partial sum for each column, in double precision, so that its order depends on
the mesh alone. The largest value is found in the bit patterns of non-negative numbers: as integers they have the same
order, with infinity and then NaN above all others, so that nothing that is not finite can hide.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"contract"}}

MOST_SLOPES = 7
"""What one pass of `advance` or `rotation` can add up: the stages of Dormand and Prince's pair."""


def _films(live: np.ndarray) -> np.ndarray:
    return np.flatnonzero(live)


def _rows(field: np.ndarray) -> np.ndarray:
    return field.reshape(3, -1, field.shape[-1])


def clear(out: np.ndarray, live: np.ndarray) -> None:
    """Set live films to zero."""
    for film in _films(live):
        out[film] = 0


def copy(source: np.ndarray, out: np.ndarray, live: np.ndarray) -> None:
    """Copy live films."""
    for film in _films(live):
        out[film] = source[film]


@njit(**_OPTIONS)
def _mean(m, Ms, out):  # type: ignore[no-untyped-def]
    rows, nx = m.shape[1], m.shape[2]
    columns = np.zeros((4, nx))
    for r in range(rows):
        weight = Ms[r if Ms.shape[0] > 1 else 0]
        for axis in range(3):
            for x in range(nx):
                columns[axis, x] += np.float64(weight[x]) * np.float64(m[axis, r, x])
        for x in range(nx):
            columns[3, x] += np.float64(weight[x])
    for axis in range(3):
        out[axis] = columns[axis].sum() / columns[3].sum()


def mean(m: np.ndarray, Ms: np.ndarray, live: np.ndarray) -> np.ndarray:
    """Σ Ms m / Σ Ms of every film, (films, 3) float64: what a magnetometer sees; nan for films not live."""
    out = np.full((len(m), 3), np.nan)
    for film in _films(live):
        _mean(_rows(m[film]), Ms[film], out[film])
    return out


@njit(**_OPTIONS)
def _torque(m, H, alpha, gamma0, precess, out):  # type: ignore[no-untyped-def]
    rows, nx = m.shape[1], m.shape[2]
    zero = gamma0 - gamma0
    for r in range(rows):
        row = alpha[r if alpha.shape[0] > 1 else 0]
        for x in range(nx):
            mx, my, mz = m[0, r, x], m[1, r, x], m[2, r, x]
            hx, hy, hz = H[0, r, x], H[1, r, x], H[2, r, x]
            cx, cy, cz = my * hz - mz * hy, mz * hx - mx * hz, mx * hy - my * hx
            dx, dy, dz = my * cz - mz * cy, mz * cx - mx * cz, mx * cy - my * cx
            a = row[x]
            turn = -gamma0 / (gamma0 / gamma0 + a * a) if precess else zero
            damp = turn * a if precess else -gamma0
            out[0, r, x] = turn * cx + damp * dx
            out[1, r, x] = turn * cy + damp * dy
            out[2, r, x] = turn * cz + damp * dz


def torque(
    m: np.ndarray,
    H: np.ndarray,
    alpha: np.ndarray,
    gamma0: np.ndarray,
    precess: bool,
    out: np.ndarray,
    live: np.ndarray,
) -> None:
    """dm/dt in 1/s from the effective field in A/m; alpha as `weiss.llg.parameters.pack` lays it out."""
    for film in _films(live):
        _torque(_rows(m[film]), _rows(H[film]), alpha[film], m.dtype.type(gamma0[film]), precess, _rows(out[film]))


@njit(**_OPTIONS)
def _add_row(slopes, coefficients, r, row):  # type: ignore[no-untyped-def]
    row[:] = row.dtype.type(0)
    for j in range(len(slopes)):
        c = coefficients[j]
        if c != 0:
            k = slopes[j]
            for axis in range(3):
                for x in range(row.shape[1]):
                    row[axis, x] += c * k[axis, r, x]


@njit(**_OPTIONS)
def _advance(m, slopes, coefficients, one, out):  # type: ignore[no-untyped-def]
    row = np.empty((3, m.shape[2]), m.dtype)
    zero = one - one
    for r in range(m.shape[1]):
        _add_row(slopes, coefficients, r, row)
        for x in range(m.shape[2]):
            mx, my, mz = m[0, r, x] + row[0, x], m[1, r, x] + row[1, x], m[2, r, x] + row[2, x]
            square = mx * mx + my * my + mz * mz
            scale = one / np.sqrt(square) if square > zero else zero
            out[0, r, x], out[1, r, x], out[2, r, x] = scale * mx, scale * my, scale * mz


@njit(**_OPTIONS)
def _rotation(slopes, coefficients, mask):  # type: ignore[no-untyped-def]
    first = slopes[0]
    row, squares = np.empty((3, first.shape[2]), first.dtype), np.empty(first.shape[2], first.dtype)
    bits, most = squares.view(mask.dtype), mask[0] - mask[0]
    for r in range(first.shape[1]):
        _add_row(slopes, coefficients, r, row)
        for x in range(first.shape[2]):
            squares[x] = row[0, x] * row[0, x] + row[1, x] * row[1, x] + row[2, x] * row[2, x]
        for x in range(first.shape[2]):
            most = max(most, bits[x] & mask[0])
    return most


def _summands(
    like: np.ndarray, film: int, slopes: Sequence[np.ndarray], weights: Sequence[float], dt: float
) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Slopes of one film and what to multiply them with, filled up to `MOST_SLOPES` so that one kernel serves all."""
    rest = MOST_SLOPES - len(slopes)
    coefficients = np.array([dt * weight for weight in weights] + [0.0] * rest).astype(like.dtype)
    return tuple(_rows(slope[film]) for slope in (*slopes, *[like] * rest)), coefficients


def _mask(dtype: np.dtype) -> np.ndarray:
    """All bits but the sign, as the integer of a number's size, (1,)."""
    return np.array([0x7FFFFFFF], np.int32) if dtype.itemsize == 4 else np.array([0x7FFFFFFFFFFFFFFF], np.int64)


def _of_bits(bits: int, dtype: np.dtype) -> float:
    """The number that a bit pattern stands for; inf where it is not finite."""
    value = float(np.array([bits], f"i{dtype.itemsize}").view(dtype)[0])
    return value if np.isfinite(value) else np.inf


def advance(
    m: np.ndarray,
    slopes: Sequence[np.ndarray],
    weights: Sequence[float],
    dt: np.ndarray,
    out: np.ndarray,
    live: np.ndarray,
) -> None:
    """out = (m + dt Σ weights·slopes), brought back to unit length; zero vectors stay zero. dt is (films,) in s.

    Without slopes m is normalised. A slope whose weight is 0 is not looked at.
    """
    one = m.dtype.type(1)
    for film in _films(live):
        _advance(_rows(m[film]), *_summands(m, film, slopes, weights, float(dt[film])), one, _rows(out[film]))


def rotation(slopes: Sequence[np.ndarray], weights: Sequence[float], dt: np.ndarray, live: np.ndarray) -> np.ndarray:
    """Largest |dt Σ weights·slopes| of every film over its cells, in radians, (films,) float64; nan for films not live.

    A film with a value that is not finite has inf.
    """
    like = slopes[0]
    out, mask = np.full(len(like), np.nan), _mask(like.dtype)
    for film in _films(live):
        most = _rotation(*_summands(like, film, slopes, weights, float(dt[film])), mask)
        out[film] = np.sqrt(_of_bits(most, like.dtype))
    return out


@njit(**_OPTIONS)
def _descend(m, H, tau, one, out):  # type: ignore[no-untyped-def]
    zero, four = one - one, one + one + one + one
    for r in range(m.shape[1]):
        for x in range(m.shape[2]):
            mx, my, mz = m[0, r, x], m[1, r, x], m[2, r, x]
            hx, hy, hz = H[0, r, x] * tau, H[1, r, x] * tau, H[2, r, x] * tau
            cx, cy, cz = my * hz - mz * hy, mz * hx - mx * hz, mx * hy - my * hx
            dx, dy, dz = my * cz - mz * cy, mz * cx - mx * cz, mx * cy - my * cx
            keep = four - (cx * cx + cy * cy + cz * cz)
            nx, ny, nz = keep * mx - four * dx, keep * my - four * dy, keep * mz - four * dz
            square = nx * nx + ny * ny + nz * nz
            scale = one / np.sqrt(square) if square > zero else zero
            out[0, r, x], out[1, r, x], out[2, r, x] = scale * nx, scale * ny, scale * nz


def descend(m: np.ndarray, H: np.ndarray, tau: np.ndarray, out: np.ndarray, live: np.ndarray) -> None:
    """One rotation of every m towards H: the solution of out = m − τ ½(m + out) × (m × H); tau is (films,) in m/A.

    Solved by hand (Exl et al., J. Appl. Phys. 115, 17D118 (2014)): with q = τ²|m × H|²,
    out = ((4 − q) m − 4 τ m × (m × H)) / (4 + q), a vector of the same length, which is brought back to 1.
    """
    kind = m.dtype.type
    for film in _films(live):
        _descend(_rows(m[film]), _rows(H[film]), kind(tau[film]), kind(1), _rows(out[film]))


@njit(**_OPTIONS)
def _across_row(m, H, r, p, along):  # type: ignore[no-untyped-def]
    for x in range(m.shape[2]):
        mx, my, mz = m[0, r, x], m[1, r, x], m[2, r, x]
        hx, hy, hz = H[0, r, x], H[1, r, x], H[2, r, x]
        cx, cy, cz = my * hz - mz * hy, mz * hx - mx * hz, mx * hy - my * hx
        p[0, x], p[1, x], p[2, x] = cy * mz - cz * my, cz * mx - cx * mz, cx * my - cy * mx
        along[x] = mx * hx + my * hy + mz * hz


@njit(**_OPTIONS)
def _dot_row(a, b, out):  # type: ignore[no-untyped-def]
    for x in range(out.size):
        out[x] = a[0, x] * b[0, x] + a[1, x] * b[1, x] + a[2, x] * b[2, x]


@njit(**_OPTIONS)
def _compare_row(m0, H0, m1, H1, weight, half, r, s, y, p, work, terms):  # type: ignore[no-untyped-def]
    # Short loops: those with many arrays do not vectorise.
    nx = weight.size
    _across_row(m0, H0, r, y, terms[0])
    _across_row(m1, H1, r, p, terms[1])
    for x in range(nx):
        terms[3, x] = half * (terms[1, x] - terms[0, x])
    for axis in range(3):
        for x in range(nx):
            s[axis, x] = m1[axis, r, x] - m0[axis, r, x]
        for x in range(nx):
            work[axis, x] = y[axis, x] + p[axis, x]
        for x in range(nx):
            y[axis, x] = y[axis, x] - p[axis, x]
    _dot_row(s, s, terms[0])
    _dot_row(s, work, terms[1])
    for x in range(nx):
        terms[3, x] = half * (terms[1, x] + terms[0, x] * terms[3, x])
    _dot_row(s, y, terms[1])
    _dot_row(y, y, terms[2])
    _dot_row(p, p, terms[5])
    for x in range(nx):
        square = H1[0, r, x] * H1[0, r, x] + H1[1, r, x] * H1[1, r, x] + H1[2, r, x] * H1[2, r, x]
        terms[4, x] = weight[x] * (terms[5, x] + terms[0, x] * square)


@njit(**_OPTIONS)
def _remember(m0, H0, m1, H1, Ms, pairs, film, slot, half, mask, sums):  # type: ignore[no-untyped-def]
    nx, count = m0.shape[2], pairs.shape[0]
    rows, terms = np.empty((4, 3, nx), m0.dtype), np.empty((6, nx), m0.dtype)
    s, y, p, work = rows[0], rows[1], rows[2], rows[3]
    columns = np.zeros((sums.size, nx))
    bits, most = terms[5].view(mask.dtype), mask[0] - mask[0]
    for r in range(m0.shape[1]):
        weight = Ms[r if Ms.shape[0] > 1 else 0]
        _compare_row(m0, H0, m1, H1, weight, half, r, s, y, p, work, terms)
        for x in range(nx):
            most = max(most, bits[x] & mask[0])
        for k in range(5):
            for x in range(nx):
                columns[k, x] += np.float64(weight[x]) * np.float64(terms[k, x])
        if count == 0:
            continue
        for axis in range(3):
            for x in range(nx):
                pairs[slot, film, axis, r, x] = s[axis, x]
                pairs[slot + count // 2, film, axis, r, x] = y[axis, x]
            for j in range(3):
                for x in range(nx):
                    rows[j, axis, x] *= weight[x]
        for k in range(count):
            a, b, c = pairs[k, film, 0, r], pairs[k, film, 1, r], pairs[k, film, 2, r]
            for x in range(nx):
                work[0, x] = p[0, x] * a[x] + p[1, x] * b[x] + p[2, x] * c[x]
                work[1, x] = s[0, x] * a[x] + s[1, x] * b[x] + s[2, x] * c[x]
                work[2, x] = y[0, x] * a[x] + y[1, x] * b[x] + y[2, x] * c[x]
            for j in range(3):
                for x in range(nx):
                    columns[6 + j * count + k, x] += np.float64(work[j, x])
    for k in range(sums.size):
        sums[k] = columns[k].sum()
    return most


COMPARED = ("ss", "sy", "yy", "work", "noise", "most")
"""Columns of what `compare` returns."""


def compare(
    m0: np.ndarray, H0: np.ndarray, m1: np.ndarray, H1: np.ndarray, Ms: np.ndarray, live: np.ndarray
) -> np.ndarray:
    """Measure the way from one state to another, for every film.

    With s = m1 − m0 and the parts P of H at right angles to m, y = P0 − P1, sums over cells weighted by Ms:

    * ss, sy, yy: Σ Ms s·s, Σ Ms s·y, Σ Ms y·y;
    * work: ½ Σ Ms s·(H0 + H1), which times −µ0 V is the change of energy, exactly so for energies of first and second
      degree in m; written with |m| = 1 as ½ Σ Ms (s·(P0 + P1) + ½ s·s (m1·H1 − m0·H0)), because the rounding of s
      along m, times a large field, would drown a small change;
    * noise: √Σ Ms² (P1·P1 + s·s H1·H1), what the rounding of m and of H does to `work`, per unit of it;
    * most: largest |m1 × H1| in A/m, inf where that is not finite.

    Returns
    -------
    (films, 6) float64 ndarray
        Columns as in `COMPARED`; nan for films not live.
    """
    return remember(m0, H0, m1, H1, Ms, np.empty((0, *m0.shape), m0.dtype), 0, live)


@njit(**_OPTIONS)
def _largest(m, H, mask):  # type: ignore[no-untyped-def]
    squares = np.empty(m.shape[2], m.dtype)
    bits, most = squares.view(mask.dtype), mask[0] - mask[0]
    for r in range(m.shape[1]):
        for x in range(m.shape[2]):
            mx, my, mz = m[0, r, x], m[1, r, x], m[2, r, x]
            hx, hy, hz = H[0, r, x], H[1, r, x], H[2, r, x]
            cx, cy, cz = my * hz - mz * hy, mz * hx - mx * hz, mx * hy - my * hx
            squares[x] = cx * cx + cy * cy + cz * cz
        for x in range(m.shape[2]):
            most = max(most, bits[x] & mask[0])
    return most


def largest(m: np.ndarray, H: np.ndarray, live: np.ndarray) -> np.ndarray:
    """Largest |m × H| of every film in A/m, (films,) float64; inf where not finite, nan for films not live."""
    out, mask = np.full(len(m), np.nan), _mask(m.dtype)
    for film in _films(live):
        out[film] = np.sqrt(_of_bits(_largest(_rows(m[film]), _rows(H[film]), mask), m.dtype))
    return out


@njit(**_OPTIONS)
def _turn(m, H, pairs, film, weights, one, out):  # type: ignore[no-untyped-def]
    row, zero = np.empty((3, m.shape[2]), m.dtype), one - one
    for r in range(m.shape[1]):
        for x in range(m.shape[2]):
            mx, my, mz = m[0, r, x], m[1, r, x], m[2, r, x]
            hx, hy, hz = H[0, r, x], H[1, r, x], H[2, r, x]
            cx, cy, cz = my * hz - mz * hy, mz * hx - mx * hz, mx * hy - my * hx
            row[0, x] = weights[0] * (cy * mz - cz * my)
            row[1, x] = weights[0] * (cz * mx - cx * mz)
            row[2, x] = weights[0] * (cx * my - cy * mx)
        for k in range(pairs.shape[0]):
            weight = weights[k + 1]
            if weight != 0:
                for axis in range(3):
                    for x in range(m.shape[2]):
                        row[axis, x] += weight * pairs[k, film, axis, r, x]
        for x in range(m.shape[2]):
            mx, my, mz = m[0, r, x], m[1, r, x], m[2, r, x]
            rest = one - (mx * row[0, x] + my * row[1, x] + mz * row[2, x])
            nx, ny, nz = rest * mx + row[0, x], rest * my + row[1, x], rest * mz + row[2, x]
            square = nx * nx + ny * ny + nz * nz
            scale = one / np.sqrt(square) if square > zero else zero
            out[0, r, x], out[1, r, x], out[2, r, x] = scale * nx, scale * ny, scale * nz


def turn(
    m: np.ndarray, H: np.ndarray, pairs: np.ndarray, weights: np.ndarray, out: np.ndarray, live: np.ndarray
) -> None:
    """out = (m + d)/|m + d| with d the part at right angles to m of w0 P + Σ w_k pairs_k, P that part of H.

    Parameters
    ----------
    pairs : (n, films, 3, nz, ny, nx) array
        A field whose weight is 0 is not looked at.
    weights : (films, 1 + n) float64 ndarray
        w0 in m/A, and those of the pairs.
    """
    flat, kind = pairs.reshape(*pairs.shape[:3], -1, pairs.shape[-1]), m.dtype.type
    for film in _films(live):
        coefficients = weights[film].astype(m.dtype)
        _turn(_rows(m[film]), _rows(H[film]), flat, film, coefficients, kind(1), _rows(out[film]))


def remember(
    m0: np.ndarray,
    H0: np.ndarray,
    m1: np.ndarray,
    H1: np.ndarray,
    Ms: np.ndarray,
    pairs: np.ndarray,
    slot: int,
    live: np.ndarray,
) -> np.ndarray:
    """Measure the way from one state to another as `compare` does, and keep it for a quasi-Newton method.

    With s, y and P1 of `compare`, s is written to pairs[slot] and y to pairs[n/2 + slot].

    Parameters
    ----------
    pairs : (n, films, 3, nz, ny, nx) array
        n/2 fields s, then n/2 fields y.

    Returns
    -------
    (films, 6 + 3 n) float64 ndarray
        Columns of `COMPARED`, then Σ Ms P1·pairs_k, Σ Ms s·pairs_k and Σ Ms y·pairs_k for all k, the new pair included;
        nan for films not live.
    """
    out = np.full((len(m0), len(COMPARED) + 3 * len(pairs)), np.nan)
    count, nz, ny, nx = len(pairs), *m0.shape[2:]
    flat, mask, half = pairs.reshape(count, len(m0), 3, nz * ny, nx), _mask(m0.dtype), m0.dtype.type(0.5)
    for film in _films(live):
        fields = (_rows(field[film]) for field in (m0, H0, m1, H1))
        most = _remember(*fields, Ms[film], flat, film, slot, half, mask, out[film])
        out[film, 5] = np.sqrt(_of_bits(most, m0.dtype))
        out[film, 4] = np.sqrt(out[film, 4])
    return out
