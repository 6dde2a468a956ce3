r"""Domain walls of a layer: the lines m_z = 0, found between the cells, and the width of the walls there.

Between neighbouring cells artanh m_z is interpolated, which is linear across the wall :math:`m_z = -\tanh(x/\Delta)`:
its position and width come out exact, straight or oblique, on any mesh that resolves it.
"""

from __future__ import annotations

import math

import numpy as np

from weiss.errors import UserError
from weiss.llg.mesh import Mesh

_STEEPEST = 1 - 1e-6
"""|m_z| above which m_z counts as this: float32 knows no more."""


def wall_segments(m: np.ndarray, mesh: Mesh, layer: int = 0) -> np.ndarray:
    """The walls as straight pieces, each within a square of four cell centres (marching squares).

    Parameters
    ----------
    m : (3, nz, ny, nx) ndarray
        Unit vectors, zero in vacuum; squares that touch vacuum have no wall.
    mesh : Mesh
        On a periodic axis the squares across the end count.
    layer : int

    Returns
    -------
    (segments, 2, 2) ndarray of float64
        First and last point of each, as x and y in m; pieces across a periodic end reach beyond the mesh.
    """
    corners, valid = _squares(m, mesh, layer)
    up = corners >= 0
    # Crossing points on the edges 0-1, 1-2, 2-3, 3-0, in units of cells from corner 0.
    starts, ends = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]), np.array([[1, 0], [1, 1], [0, 1], [0, 0]])
    following = np.roll(corners, -1, axis=0)
    crossed = (up != np.roll(up, -1, axis=0)) & valid
    share = corners / np.where(crossed, corners - following, 1.0)
    points = starts[:, :, None, None] + (ends - starts)[:, :, None, None] * share[:, None]
    number = crossed.sum(axis=0)
    # Four crossings: the walls cut off the two corners of the sign that the middle does not have.
    middle_up = corners.mean(axis=0) >= 0
    around_1 = (number == 4) & (middle_up == up[0])
    around_0 = (number == 4) & ~around_1
    pieces = [_pieces(points, chosen, pair) for chosen, pair in ((around_1, (0, 1)), (around_1, (2, 3)))]
    pieces += [_pieces(points, chosen, pair) for chosen, pair in ((around_0, (3, 0)), (around_0, (1, 2)))]
    for pair in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
        pieces.append(_pieces(points, (number == 2) & crossed[pair[0]] & crossed[pair[1]], pair))
    return (np.concatenate(pieces) + 0.5) * np.array(mesh.cell[:2])


def wall_density(m: np.ndarray, mesh: Mesh) -> float:
    """Length of wall per area, in 1/m: over all layers, in the squares of four cell centres without vacuum.

    Raises
    ------
    UserError
        If there is no such square.
    """
    length, squares = 0.0, 0
    for layer in range(mesh.shape[0]):
        segments = wall_segments(m, mesh, layer)
        length += float(np.hypot(*(segments[:, 1] - segments[:, 0]).T).sum())
        squares += int(_squares(m, mesh, layer)[1].sum())
    if not squares:
        raise UserError("no four neighbouring cells hold material", fix="give a wider film, or a periodic one")
    return length / (squares * mesh.cell[0] * mesh.cell[1])


def wall_widths(m: np.ndarray, mesh: Mesh, layer: int = 0) -> np.ndarray:
    """π/|∇θ|, cos θ = m_z, wherever m_z = 0 between two neighbouring cells: Lilley's width, π√(A/K) for a Bloch wall.

    (Lilley, Phil. Mag. 41, 792 (1950).) |∇θ| = |∇ artanh m_z| where m_z = 0.

    Parameters
    ----------
    m : (3, nz, ny, nx) ndarray
    mesh : Mesh
    layer : int

    Returns
    -------
    (crossings,) ndarray of float64
        In m, in no useful order; empty without a wall.
    """
    w, material = _transformed(m, layer)
    dx, dy = mesh.cell[:2]
    periodic_x, periodic_y = mesh.periodic[:2]
    across_x = _crossing_widths(w, material, dx, dy, periodic_x, periodic_y)
    across_y = _crossing_widths(w.T, material.T, dy, dx, periodic_y, periodic_x)
    return np.concatenate([across_x, across_y])


def _transformed(m: np.ndarray, layer: int) -> tuple[np.ndarray, np.ndarray]:
    vectors = np.asarray(m, float)[:, layer]
    return np.arctanh(np.clip(vectors[2], -_STEEPEST, _STEEPEST)), vectors.any(axis=0)


def _squares(m: np.ndarray, mesh: Mesh, layer: int) -> tuple[np.ndarray, np.ndarray]:
    """artanh m_z at the corners of every square, counter-clockwise, (4, rows, columns), and which are all material."""
    w, material = _transformed(m, layer)
    for axis, periodic in ((1, mesh.periodic[0]), (0, mesh.periodic[1])):
        if periodic:
            w = np.concatenate([w, w.take([0], axis)], axis)
            material = np.concatenate([material, material.take([0], axis)], axis)

    def corners(array: np.ndarray) -> np.ndarray:
        return np.stack([array[:-1, :-1], array[:-1, 1:], array[1:, 1:], array[1:, :-1]])

    return corners(w), corners(material).all(axis=0)


def _pieces(points: np.ndarray, chosen: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    row, column = np.nonzero(chosen)
    corner = np.stack([column, row], axis=1)
    return np.stack([corner + points[edge][:, row, column].T for edge in pair], axis=1)


def _crossing_widths(
    w: np.ndarray, material: np.ndarray, dx: float, dy: float, periodic_x: bool, periodic_y: bool
) -> np.ndarray:
    """Widths at the crossings between neighbours along the last axis."""
    behind, filled = np.roll(w, -1, 1), np.roll(material, -1, 1)
    crossed = ((w >= 0) != (behind >= 0)) & material & filled
    if not periodic_x:
        crossed[:, -1] = False
    row, column = np.nonzero(crossed)
    slope = (behind - w) / dx
    share = w[row, column] / (w[row, column] - behind[row, column])
    sideways = _sideways(w, material, dy, periodic_y)
    next_column = (column + 1) % w.shape[1]
    mean_sideways = (1 - share) * sideways[row, column] + share * sideways[row, next_column]
    return math.pi / np.hypot(slope[row, column], mean_sideways)


def _sideways(w: np.ndarray, material: np.ndarray, dy: float, periodic: bool) -> np.ndarray:
    """Slope along the first axis: mean of the differences to the neighbours before and behind, as far as they exist."""
    exists = material & np.roll(material, -1, 0)
    if not periodic:
        exists[-1] = False
    behind = np.where(exists, np.roll(w, -1, 0) - w, 0.0) / dy
    before, existed = np.roll(behind, 1, 0), np.roll(exists, 1, 0)
    return (behind + before) / np.maximum(exists.astype(int) + existed, 1)
