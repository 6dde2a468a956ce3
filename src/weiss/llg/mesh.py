"""The regular mesh of cells that a film is cut into."""

from __future__ import annotations

from dataclasses import dataclass

from weiss.errors import UserError

AXES = ("x", "y", "z")

LONGEST = 1e-3
"""Edge of a cell in m that can only be a slip of the unit."""


@dataclass(frozen=True)
class Mesh:
    """A box of equal cells. Numbers go by x, y, z; arrays lie in memory as (nz, ny, nx).

    Attributes
    ----------
    cells : (int, int, int)
        nx, ny, nz.
    cell : (float, float, float)
        Edges dx, dy, dz of one cell, in m.
    periodic : (bool, bool, bool)
        Whether the film goes on beyond its end along x, y, z. What the local terms see; how far the demagnetising field
        of the copies reaches is said where that field is built (`weiss.llg.demag`).

    Raises
    ------
    UserError
        If a number of cells is below 1, or an edge is not a positive length below `LONGEST`.
    """

    cells: tuple[int, int, int]
    cell: tuple[float, float, float]
    periodic: tuple[bool, bool, bool] = (False, False, False)

    def __post_init__(self) -> None:
        for axis, count, edge in zip(AXES, self.cells, self.cell, strict=True):
            if not (count >= 1 and count == int(count)):
                raise UserError(f"a mesh of {count} cells along {axis}", fix="take a whole number of at least 1")
            if not 0 < edge < LONGEST:
                raise UserError(
                    f"cells of {edge!r} m along {axis}", fix="take a positive length in m, below a millimetre"
                )
        object.__setattr__(self, "cells", tuple(int(count) for count in self.cells))
        object.__setattr__(self, "cell", tuple(float(edge) for edge in self.cell))
        object.__setattr__(self, "periodic", tuple(bool(flag) for flag in self.periodic))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an array with one value per cell: (nz, ny, nx)."""
        nx, ny, nz = self.cells
        return nz, ny, nx

    @property
    def count(self) -> int:
        """Number of cells."""
        nx, ny, nz = self.cells
        return nx * ny * nz

    @property
    def volume(self) -> float:
        """Volume of one cell, in m³."""
        dx, dy, dz = self.cell
        return dx * dy * dz

    @property
    def size(self) -> tuple[float, float, float]:
        """Edges of the whole box along x, y, z, in m."""
        return tuple(count * edge for count, edge in zip(self.cells, self.cell, strict=True))
