"""Demagnetising tensor between two equal cells.

A. J. Newell, W. Williams and D. J. Dunlop, J. Geophys. Res. 98, 9551 (1993): N is the second difference along
every axis of the functions f (their Eq. 27) and g (Eq. 32). A difference of terms of size r³/V leaves V/r³, which loses
a factor (r³/V)² of the precision: the formulas are taken up to NEAR edges away, in the machine's long double, and
quadrature (`far`) beyond.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from weiss.llg.demag import far

NEAR = 2.5
"""Distance in longest edges up to which the closed formulas are taken. With an 80-bit long double both ways agree
there to 3·10⁻¹⁴ of the tensor for cells of 1:1:1, 4:4:1, 4:4:0.6, 1:2:5 and 5:5:0.5. Where a long double is a double,
the formulas are still right to 2·10⁻¹³, absolute, for cells as flat as 1:100."""

DIGITS = 18.0
"""What the quadrature is asked for; see `far.points_for`."""

_WIDE = np.longdouble


def block(counts: Sequence[int], cell: Sequence[float], start: Sequence[int] = (0, 0, 0)) -> np.ndarray:
    """Demagnetising tensor at a block of offsets.

    Parameters
    ----------
    counts : (int, int, int)
        How many offsets along x, y, z.
    cell : (float, float, float)
        Edges of a cell along x, y, z; only their ratio matters.
    start : (int, int, int)
        First offset along x, y, z, in cells. The default gives offsets ≥ 0; the rest follows from symmetry, component
        ij being odd along i and j for i ≠ j and even otherwise.

    Returns
    -------
    (6, cz, cy, cx) ndarray
        xx, yy, zz, xy, xz, yz as float64.
    """
    edges = np.asarray(cell, float) / max(cell)
    out = np.zeros((6, *counts[::-1]))
    first = np.asarray(start, float)
    far.add_dipolar(out, first, edges, NEAR, DIGITS, *far.rules())
    steps = [np.arange(begin, begin + count) for begin, count in zip(start, counts, strict=True)]
    close = [np.flatnonzero(np.abs(step) * edge < NEAR) for step, edge in zip(steps, edges, strict=True)]
    if all(len(indices) for indices in close):
        x, y, z = (slice(indices[0], indices[-1] + 1) for indices in close)
        exact = near([len(indices) for indices in close], edges, [s[c[0]] for s, c in zip(steps, close, strict=True)])
        distance = _distance(steps[0][x], steps[1][y], steps[2][z], edges)
        np.copyto(out[:, z, y, x], exact, where=distance < NEAR)
    return out


def _distance(ix: np.ndarray, iy: np.ndarray, iz: np.ndarray, edges: np.ndarray) -> np.ndarray:
    dx, dy, dz = edges
    x, y, z = ix * dx, (iy * dy)[:, None], (iz * dz)[:, None, None]
    return np.sqrt(x * x + y * y + z * z)


def near(counts: Sequence[int], cell: Sequence[float], start: Sequence[int] = (0, 0, 0)) -> np.ndarray:
    """The closed formulas alone, at a block of offsets; parameters and result as for `block`."""
    edges = np.asarray(cell, _WIDE) / _WIDE(max(cell))
    steps = [np.arange(begin - 1, begin + count + 1).astype(_WIDE) for begin, count in zip(start, counts, strict=True)]
    dx, dy, dz = edges
    x, y, z = steps[0] * dx, (steps[1] * dy)[:, None], (steps[2] * dz)[:, None, None]
    pi = 4 * np.arctan(_WIDE(1))
    values = [f(x, y, z), f(y, x, z), f(z, y, x), g(x, y, z), g(x, z, y), g(y, z, x)]
    return np.stack([(_difference(value) / (4 * pi * dx * dy * dz)).astype(float) for value in values])


def _difference(value: np.ndarray) -> np.ndarray:
    """Minus the second difference along every axis, one after the other."""
    for axis in range(3):
        value = np.moveaxis(value, axis, 0)
        value = np.moveaxis(2 * value[1:-1] - value[:-2] - value[2:], 0, axis)
    return value


def f(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Eq. 27, for the component xx: ∂y²∂z² f = 1/r. Lengths that broadcast, of the wanted precision."""
    x2, y2, z2 = x * x, y * y, z * z
    r = np.sqrt(x2 + y2 + z2)
    return (
        y * (z2 - x2) * _asinh(y, x2 + z2) / 2
        + z * (y2 - x2) * _asinh(z, x2 + y2) / 2
        - x * y * z * _atan(y * z, x * r)
        + (2 * x2 - y2 - z2) * r / 6
    )


def g(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Eq. 32, for the component xy: ∂x∂y∂z² g = 1/r. Lengths that broadcast, of the wanted precision."""
    x2, y2, z2 = x * x, y * y, z * z
    r = np.sqrt(x2 + y2 + z2)
    return (
        x * y * z * _asinh(z, x2 + y2)
        + y * (3 * z2 - y2) * _asinh(x, y2 + z2) / 6
        + x * (3 * z2 - x2) * _asinh(y, x2 + z2) / 6
        - z2 * z * _atan(x * y, z * r) / 6
        - z * y2 * _atan(x * z, y * r) / 2
        - z * x2 * _atan(y * z, x * r) / 2
        - x * y * r / 3
    )


def _asinh(along: np.ndarray, across2: np.ndarray) -> np.ndarray:
    """asinh(along/√across²); 0 on the axis, where its factor vanishes."""
    along, across2 = np.broadcast_arrays(along, across2)
    apart = across2 > 0
    return np.where(apart, np.arcsinh(along / np.sqrt(np.where(apart, across2, _WIDE(1)))), _WIDE(0))


def _atan(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Inverse tangent of a quotient; 0 where the denominator, and with it the factor in front, vanishes."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    apart = denominator != 0
    return np.where(apart, np.arctan(numerator / np.where(apart, denominator, _WIDE(1))), _WIDE(0))
