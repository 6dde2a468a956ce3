r"""Topological charge :math:`Q = \frac{1}{4\pi}\int m\cdot(\partial_x m\times\partial_y m)\,dx\,dy`, layer by layer.

A skyrmion whose middle points along p in a film that points along −p has Q = p; a vortex of polarity p has p/2.
"""

from __future__ import annotations

import math

import numpy as np

from weiss.llg.mesh import Mesh


def charge(m: np.ndarray, mesh: Mesh) -> np.ndarray:
    """Charge as the sum of the solid angles of all triangles of neighbouring cells, over 4π.

    tan(Ω/2) = m₁·(m₂ × m₃)/(1 + m₁·m₂ + m₂·m₃ + m₃·m₁) (Berg and Lüscher, Nucl. Phys. B 190, 412 (1981)). On a mesh
    periodic in x and y it is a whole number to rounding, however coarse the cells. Triangles that touch vacuum count 0;
    at open ends the outer half of the last cells is left out.

    Parameters
    ----------
    m : (3, nz, ny, nx) ndarray
        Unit vectors, zero in vacuum.
    mesh : Mesh

    Returns
    -------
    (nz,) ndarray of float64
    """
    m = np.asarray(m, float)
    for axis, periodic in ((3, mesh.periodic[0]), (2, mesh.periodic[1])):
        if periodic:
            m = np.concatenate([m, m.take([0], axis)], axis)
    corner, right, above, far = m[:, :, :-1, :-1], m[:, :, :-1, 1:], m[:, :, 1:, :-1], m[:, :, 1:, 1:]
    angles = _solid_angle(corner, right, far) + _solid_angle(corner, far, above)
    return angles.sum(axis=(1, 2)) / (4 * math.pi)


def charge_density(m: np.ndarray, mesh: Mesh) -> np.ndarray:
    """m·(∂_x m × ∂_y m)/4π by central differences, one-sided at open ends and vacuum: (nz, ny, nx) float64 in 1/m²."""
    m = np.asarray(m, float)
    along_x = _slope(m, 3, mesh.cell[0], mesh.periodic[0])
    along_y = _slope(m, 2, mesh.cell[1], mesh.periodic[1])
    return (m * np.cross(along_x, along_y, axis=0)).sum(axis=0) / (4 * math.pi)


def _solid_angle(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    volume = (a * np.cross(b, c, axis=0)).sum(axis=0)
    return 2 * np.arctan2(volume, 1 + (a * b).sum(axis=0) + (b * c).sum(axis=0) + (c * a).sum(axis=0))


def _slope(m: np.ndarray, axis: int, step: float, periodic: bool) -> np.ndarray:
    """Mean of the differences to the neighbours before and behind, as far as they exist."""
    material = m.any(axis=0)
    behind = (np.roll(m, -1, axis) - m) / step
    exists = material & np.roll(material, -1, axis - 1)
    if not periodic:
        exists.swapaxes(axis - 1, -1)[..., -1] = False
    behind = np.where(exists, behind, 0.0)
    before, existed = np.roll(behind, 1, axis), np.roll(exists, 1, axis - 1)
    return (behind + before) / np.maximum(exists.astype(int) + existed, 1)
