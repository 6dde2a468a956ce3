"""Values of a batch of films, laid out for the kernels, and which cells are neighbours.

A value is kept as (films, rows, nx): `rows` is nz·ny where it differs from cell to cell in any film of the batch, and
1 where every film has one number, so that a uniform parameter costs no memory traffic. Row r of a film is
``array[film, r if rows > 1 else 0]``; its cells are numbered with x fastest.

Pairs of neighbours are kept by the cell on the lower side: what belongs to the face between i and i + 1 along an axis
stands at i, and at the last cell for the face across a periodic boundary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from weiss.llg.mesh import Mesh


def varies(value: float | np.ndarray) -> bool:
    """Whether a value differs from cell to cell."""
    return np.ndim(value) > 0 and float(np.ptp(value)) > 0


def varies_vector(value: Sequence[float] | np.ndarray) -> bool:
    """Whether a vector, (3,) or (3, nz, ny, nx), differs from cell to cell."""
    return np.ndim(value) > 1 and float(np.ptp(np.reshape(value, (3, -1)), axis=1).max()) > 0


def pack(values: Sequence[float | np.ndarray], mesh: Mesh, dtype: np.dtype) -> np.ndarray:
    """Lay out one value per film.

    Parameters
    ----------
    values : sequence of float or (nz, ny, nx) ndarray
        One entry for each film.

    Returns
    -------
    (films, rows, nx) ndarray
        On the host, contiguous; rows is 1 or nz·ny.
    """
    nz, ny, nx = mesh.shape
    arrays = [np.asarray(value, float) for value in values]
    rows = nz * ny if any(varies(array) for array in arrays) else 1
    packed = np.empty((len(arrays), rows, nx), dtype)
    for film, array in enumerate(arrays):
        if array.ndim and rows > 1:
            packed[film] = array.reshape(rows, nx)
        elif varies(array):
            packed[film] = array.reshape(1, nx)
        else:
            packed[film] = array.flat[0]
    return packed


def pack_vectors(values: Sequence[Sequence[float] | np.ndarray], mesh: Mesh, dtype: np.dtype) -> np.ndarray:
    """Lay out one vector per film: (films, 3, rows, nx), with `rows` as in `pack`, alike for the three components."""
    arrays = [np.asarray(value, float) for value in values]
    nz, ny, nx = mesh.shape
    rows = nz * ny if any(varies_vector(array) for array in arrays) else 1
    packed = np.empty((len(arrays), 3, rows, nx), dtype)
    for film, array in enumerate(arrays):
        if varies_vector(array):
            packed[film] = array.reshape(3, rows, nx)
        else:
            packed[film] = array.reshape(3, -1)[:, :1, None]
    return packed


def spread(packed: np.ndarray, mesh: Mesh) -> np.ndarray:
    """View of a packed array (…, rows, nx) that broadcasts against (…, nz, ny, nx)."""
    nz, ny, nx = mesh.shape
    rows = (nz, ny) if packed.shape[-2] == nz * ny else (1, 1)
    return packed.reshape(*packed.shape[:-2], *rows, nx)


def inverse(packed: np.ndarray) -> np.ndarray:
    """1/value, and 0 where the value is 0 (vacuum)."""
    out = np.zeros_like(packed)
    np.divide(1.0, packed, out=out, where=packed != 0)
    return out


def neighbour(cells: np.ndarray, axis: int, step: int = 1) -> np.ndarray:
    """Value of the neighbour `step` cells up along an axis (0, 1, 2 for x, y, z) of (…, nz, ny, nx), around the end."""
    return np.roll(cells, -step, axis=-1 - axis)


def pairs(material: np.ndarray, mesh: Mesh, axis: int) -> np.ndarray:
    """Whether a cell and its upper neighbour along an axis both hold material, (nz, ny, nx) of bool.

    False at the upper end of an open axis. A periodic axis with one cell pairs it with itself.
    """
    both = material & neighbour(material, axis)
    if not mesh.periodic[axis]:
        np.moveaxis(both, -1 - axis, 0)[-1] = False
    return both


def free_faces(material: np.ndarray, mesh: Mesh, axis: int) -> np.ndarray:
    """How many of the two faces along an axis a cell with material has to vacuum or an open end, (nz, ny, nx).

    None along an axis of one cell: m is taken as uniform along it.
    """
    if mesh.cells[axis] == 1:
        return np.zeros(mesh.shape)
    up = pairs(material, mesh, axis)
    return material * (2 - up.astype(int) - neighbour(up, axis, -1).astype(int))
