"""Quadrature of smooth tensors over two cells at once.

The mean over a cell of what a second, equal cell causes is the mean of the point tensor over the differences of two
points, one in either cell. Along an axis of edge h the difference has the density (1 − |u/h|)/h on [−h, h]. Gauss
rules for this weight converge like ρ^−2p, ρ ≈ 2 r/h, where r is the distance of the cells; unlike closed formulas they
lose no digits with distance.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numba import njit

LARGEST = 14
"""Points of the longest rule."""


def rule(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss rule for the weight 1 − |u| on [−1, 1], exact for polynomials up to degree 2 points − 1.

    From the Jacobi matrix of its orthogonal polynomials (Golub and Welsch, Math. Comput. 23, 221 (1969)), whose
    coefficients the Stieltjes procedure gives on an exact finer rule.

    Returns
    -------
    nodes, weights : (points,) ndarray
        The weights add up to 1.
    """
    half, fine = np.polynomial.legendre.leggauss(points + 1)
    half, fine = (half + 1) / 2, fine / 2
    u = np.concatenate([-half, half])
    weight = np.concatenate([fine, fine]) * (1 - np.abs(u))
    before, now, norm = np.zeros_like(u), np.ones_like(u), 1.0
    coupling = np.zeros(points)
    for degree in range(points):
        size = (weight * now**2).sum()
        coupling[degree] = size / norm if degree else 0.0
        before, now, norm = now, u * now - coupling[degree] * before, size
    off = np.sqrt(coupling[1:])
    nodes, vectors = np.linalg.eigh(np.diag(off, 1) + np.diag(off, -1))
    weights = vectors[0] ** 2
    return (nodes - nodes[::-1]) / 2, (weights + weights[::-1]) / 2


@lru_cache(maxsize=1)
def rules() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the rules with 1 … LARGEST points, row by row, each (LARGEST + 1, LARGEST)."""
    nodes, weights = np.zeros((2, LARGEST + 1, LARGEST))
    for points in range(1, LARGEST + 1):
        nodes[points, :points], weights[points, :points] = rule(points)
    return nodes, weights


@njit(cache=True, nogil=True, error_model="numpy")
def points_for(distance: float, edge: float, digits: float) -> int:
    """Points along an axis of this edge that give so many digits at this distance."""
    return min(LARGEST, max(2, math.ceil(0.5 * digits / math.log10(2 * distance / edge))))


@njit(cache=True, nogil=True, error_model="numpy")
def add_dipolar(
    out: np.ndarray,
    start: np.ndarray,
    cell: np.ndarray,
    nearest: float,
    digits: float,
    nodes: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Add −V ⟨∂i∂j 1/(4πr)⟩ at the offsets of a block that are at least `nearest` away.

    Parameters
    ----------
    out : (6, cz, cy, cx) ndarray
        Components xx, yy, zz, xy, xz, yz.
    start : (3,) ndarray
        Offset x, y, z of the first value, in cells.
    cell : (3,) ndarray
        Edges, in any unit of length.
    nearest : float
        In this unit.
    digits : float
        Wanted digits.
    nodes, weights : ndarray
        Of `rules`.
    """
    dx, dy, dz = cell
    scale = -dx * dy * dz / (4 * math.pi)
    _, cz, cy, cx = out.shape
    for iz in range(cz):
        z0 = (start[2] + iz) * dz
        for iy in range(cy):
            y0 = (start[1] + iy) * dy
            for ix in range(cx):
                x0 = (start[0] + ix) * dx
                distance = math.sqrt(x0 * x0 + y0 * y0 + z0 * z0)
                if distance < nearest:
                    continue
                px = points_for(distance, dx, digits)
                py = points_for(distance, dy, digits)
                pz = points_for(distance, dz, digits)
                xx, yy, zz, xy, xz, yz = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
                for c in range(pz):
                    z = z0 + dz * nodes[pz, c]
                    for b in range(py):
                        y = y0 + dy * nodes[py, b]
                        w = weights[pz, c] * weights[py, b]
                        across = y * y + z * z
                        for a in range(px):
                            x = x0 + dx * nodes[px, a]
                            r2 = x * x + across
                            s = w * weights[px, a] / (r2 * r2 * math.sqrt(r2))
                            xx += s * (2 * x * x - across)
                            yy += s * (3 * y * y - r2)
                            zz += s * (3 * z * z - r2)
                            xy += s * (x * y)
                            xz += s * (x * z)
                            yz += s * (y * z)
                out[0, iz, iy, ix] += scale * xx
                out[1, iz, iy, ix] += scale * yy
                out[2, iz, iy, ix] += scale * zz
                out[3, iz, iy, ix] += 3 * scale * xy
                out[4, iz, iy, ix] += 3 * scale * xz
                out[5, iz, iy, ix] += 3 * scale * yz
