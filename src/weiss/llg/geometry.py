"""Which cells of a mesh hold material: masks (nz, ny, nx) of bool, to be combined with ``&``, ``|`` and ``~``.

A cell belongs to a shape when its centre does. Positions are in m from the corner of the mesh; where the mesh is
periodic a shape that crosses an end goes on at the other.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from weiss.errors import UserError
from weiss.llg.mesh import AXES, Mesh

Point = tuple[float, float]

_ON_THE_EDGE = 1e-9
"""Share of a cell by which a centre may lie outside and still count: what rounding does to multiples of a cell."""


def centres(mesh: Mesh, axis: str) -> np.ndarray:
    """Positions of the cells' centres along "x", "y" or "z", in m from the corner of the mesh: (cells,) float64."""
    along = AXES.index(axis)
    return (np.arange(mesh.cells[along]) + 0.5) * mesh.cell[along]


def offsets(mesh: Mesh, centre: tuple[float, ...] | None = None) -> list[np.ndarray]:
    """How far every cell lies from a point along x, y and, if the point has three numbers, z.

    Parameters
    ----------
    mesh : Mesh
    centre : 2 or 3 floats, optional
        In m; the middle of the mesh in x and y by default.

    Returns
    -------
    list of ndarray
        In m, of shapes (1, 1, nx), (1, ny, 1), (nz, 1, 1); to the nearest copy of the point where the mesh is periodic.
    """
    if centre is None:
        centre = tuple(size / 2 for size in mesh.size[:2])
    found = []
    for along, (axis, origin) in enumerate(zip(AXES, centre, strict=False)):
        distance = centres(mesh, axis) - origin
        if mesh.periodic[along]:
            length = mesh.size[along]
            distance -= length * np.round(distance / length)
        found.append(distance.reshape([-1 if place == 2 - along else 1 for place in range(3)]))
    return found


def _cells(mask: np.ndarray, mesh: Mesh, shape: str, fix: str = "move or enlarge it") -> np.ndarray:
    if not mask.any():
        raise UserError(f"{shape} holds no cell of the mesh", fix=fix)
    return np.array(np.broadcast_to(mask, mesh.shape))


def box(mesh: Mesh, size: tuple[float, float, float], centre: tuple[float, float, float] | None = None) -> np.ndarray:
    """A box.

    Parameters
    ----------
    mesh : Mesh
    size : (float, float, float)
        Edges along x, y, z in m; `math.inf` for the whole mesh.
    centre : (float, float, float), optional
        In m; the middle of the mesh by default.

    Returns
    -------
    (nz, ny, nx) ndarray of bool

    Raises
    ------
    UserError
        If it holds no cell.
    """
    middle = centre or tuple(length / 2 for length in mesh.size)
    inside = np.ones(mesh.shape, bool)
    for distance, edge, cell in zip(offsets(mesh, middle), size, mesh.cell, strict=True):
        inside &= np.abs(distance) <= edge / 2 + _ON_THE_EDGE * cell
    return _cells(inside, mesh, f"a box of {' × '.join(_nm(edge) for edge in size)} nm")


def rectangle(mesh: Mesh, size: Point, centre: Point | None = None) -> np.ndarray:
    """A rectangle of edges `size` (x, y) in m around `centre`, through the whole thickness; otherwise as `box`."""
    middle = (*(centre or (length / 2 for length in mesh.size[:2])), mesh.size[2] / 2)
    return box(mesh, (*size, math.inf), middle)


def ellipse(mesh: Mesh, diameters: Point, centre: Point | None = None) -> np.ndarray:
    """An upright elliptic cylinder through the whole thickness.

    Parameters
    ----------
    mesh : Mesh
    diameters : (float, float)
        Along x and y, in m.
    centre : (float, float), optional
        In m; the middle of the mesh by default.

    Returns
    -------
    (nz, ny, nx) ndarray of bool

    Raises
    ------
    UserError
        If it holds no cell.
    """
    a, b = diameters
    if not (a > 0 and b > 0):
        raise UserError(f"an ellipse of {_nm(a)} × {_nm(b)} nm", fix="take positive diameters in m")
    x, y = offsets(mesh, centre)
    inside = (2 * x / a) ** 2 + (2 * y / b) ** 2 <= 1 + _ON_THE_EDGE
    return _cells(inside, mesh, f"an ellipse of {_nm(a)} × {_nm(b)} nm")


def disk(mesh: Mesh, diameter: float, centre: Point | None = None) -> np.ndarray:
    """An upright cylinder of `diameter` in m; otherwise as `ellipse`."""
    return ellipse(mesh, (diameter, diameter), centre)


def ring(mesh: Mesh, outer: float, inner: float, centre: Point | None = None) -> np.ndarray:
    """A disk of diameter `outer` without the disk of diameter `inner` (both in m) in its middle.

    Raises
    ------
    UserError
        If no cell is left.
    """
    x, y = offsets(mesh, centre)
    hole = np.hypot(x, y) < inner / 2
    return _cells(disk(mesh, outer, centre) & ~hole, mesh, f"a ring of {_nm(outer)} nm around {_nm(inner)} nm")


def picture(mesh: Mesh, path: Path, threshold: float = 0.5) -> np.ndarray:
    """A shape drawn in an image file, one pixel for one cell, the same in every layer.

    Parameters
    ----------
    mesh : Mesh
    path : Path
        Any file that Pillow reads. Its top row is the one of largest y; transparent pixels count as white.
    threshold : float
        Pixels darker than this are material; black is 0, white 1.

    Returns
    -------
    (nz, ny, nx) ndarray of bool

    Raises
    ------
    UserError
        If the file is not an image, has another size than the mesh, or holds no dark pixel.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            image = opened.convert("RGBA")
    except FileNotFoundError as error:
        raise UserError("no such file", str(path)) from error
    except (UnidentifiedImageError, OSError) as error:
        raise UserError(f"not readable as an image ({error})", str(path)) from error
    nx, ny, _ = mesh.cells
    if image.size != (nx, ny):
        raise UserError(
            f"the image has {image.size[0]} × {image.size[1]} pixels, the mesh {nx} × {ny} cells",
            str(path),
            "give it one pixel for one cell",
        )
    white = Image.new("RGBA", image.size, "white")
    grey = np.asarray(Image.alpha_composite(white, image).convert("L"), float) / 255
    dark = grey[::-1] < threshold
    return _cells(dark[None], mesh, f"{path}: the shape", f"paint material darker than {threshold:g}")


def _nm(length: float) -> str:
    return f"{length * 1e9:.4g}"
