"""What one film is made of and what acts on it, and films that run together."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from weiss.errors import UserError
from weiss.llg.constants import GAMMA0, MU0
from weiss.llg.mesh import AXES, Mesh

Value = float | np.ndarray
"""One number for the whole film, or an array (nz, ny, nx) with one for every cell."""

Vector = tuple[float, float, float] | np.ndarray
"""One vector (3,) for the whole film, or an array (3, nz, ny, nx)."""

_POSITIVE = ("Ms", "A", "alpha", "temperature")

DEMAG = ("open", "film", "images", "none")
PRECISIONS = ("float32", "float64")

MOST_B, MOST_A, MOST_MS = 1e4, 1e-8, 1e8
"""In T, J/m and A/m: beyond any material or magnet, and below what a slip of the unit gives."""


@dataclass(frozen=True, eq=False)
class Film:
    """Material and surroundings of one film. Every value may differ from cell to cell, without any limit on regions.

    Attributes
    ----------
    Ms : float or (nz, ny, nx) ndarray
        Saturation magnetisation in A/m; 0 where there is no material.
    A : float or ndarray
        Exchange stiffness in J/m.
    Ku1, Ku2 : float or ndarray
        Uniaxial anisotropy in J/m³: energy density −Ku1 (m·u)² − Ku2 (m·u)⁴.
    axis : (3,) or (3, nz, ny, nx)
        Anisotropy axis u; normalised here.
    D_bulk : float or ndarray
        Bulk DMI in J/m²: energy density D_bulk m·(∇×m).
    D_interfacial : float or ndarray
        Interfacial DMI in J/m²: energy density D_interfacial (m_z ∇·m − (m·∇) m_z).
    alpha : float or ndarray
        Gilbert damping.
    B : (3,) or (3, nz, ny, nx)
        Applied flux density µ0 H in T.
    B_of_time : callable, optional
        t in s -> (3,), in T, added to B everywhere.
    temperature : float or ndarray
        In K; only runs with noise look at it.
    intergrain : float
        Factor on the exchange across the boundaries of `grains`.
    grains : (nz, ny, nx) ndarray of int, optional
        Which grain a cell belongs to.
    seed : int
        Of the thermal field.
    gamma0 : float
        µ0 γ in m/(A s).
    """

    Ms: Value
    A: Value = 0.0
    Ku1: Value = 0.0
    Ku2: Value = 0.0
    axis: Vector = (0.0, 0.0, 1.0)
    D_bulk: Value = 0.0
    D_interfacial: Value = 0.0
    alpha: Value = 0.02
    B: Vector = (0.0, 0.0, 0.0)
    B_of_time: Callable[[float], Sequence[float]] | None = None
    temperature: Value = 0.0
    intergrain: float = 1.0
    grains: np.ndarray | None = None
    seed: int = 0
    gamma0: float = GAMMA0


def check_film(film: Film, mesh: Mesh, where: str | None = None) -> None:
    """Refuse a film that cannot be simulated on a mesh.

    Raises
    ------
    UserError
        If Ms is nowhere positive (an empty mask) or somewhere negative, a value is not finite, or an array has another
        shape than the mesh.
    """
    for name in ("Ms", "A", "Ku1", "Ku2", "D_bulk", "D_interfacial", "alpha", "temperature"):
        value = np.asarray(getattr(film, name), float)
        if value.shape not in ((), mesh.shape):
            raise UserError(f"{name} has shape {value.shape}, the mesh {mesh.shape}", where, "give one value per cell")
        if not np.isfinite(value).all():
            raise UserError(f"{name} is not finite everywhere", where, "give finite values")
        if name in _POSITIVE and value.min() < 0:
            raise UserError(f"{name} is {value.min():g}", where, f"{name} must not be negative")
    for name in ("axis", "B"):
        value = np.asarray(getattr(film, name), float)
        if value.shape not in ((3,), (3, *mesh.shape)):
            raise UserError(
                f"{name} has shape {value.shape}, expected (3,) or {(3, *mesh.shape)}", where, "give a vector per cell"
            )
        if not np.isfinite(value).all():
            raise UserError(f"{name} is not finite everywhere", where, "give finite values")
    for name, most, units in (("Ms", MOST_MS, "A/m"), ("A", MOST_A, "J/m"), ("B", MOST_B, "T")):
        largest = float(np.abs(np.asarray(getattr(film, name), float)).max())
        if largest > most:
            raise UserError(f"{name} reaches {largest:g} {units}", where, f"{name} is in {units}: is it another unit?")
    if not (math.isfinite(film.gamma0) and film.gamma0 > 0):
        raise UserError(f"gamma0 is {film.gamma0:g}", where, "give a positive number in m/(A s)")
    if not (math.isfinite(film.intergrain) and film.intergrain >= 0):
        raise UserError(f"intergrain is {film.intergrain:g}", where, "give a factor of at least 0")
    Ms = np.asarray(film.Ms, float)
    if not Ms.max() > 0:
        empty = "the mask is empty: Ms is 0 in every cell" if Ms.ndim else f"Ms is {float(Ms):g}"
        raise UserError(empty, where, "Ms must be positive somewhere")
    if np.linalg.norm(np.asarray(film.axis, float), axis=0).min() == 0:
        raise UserError("an anisotropy axis has no length", where, "give a vector that is not zero")
    if film.grains is not None and np.shape(film.grains) != mesh.shape:
        raise UserError(f"grains have shape {np.shape(film.grains)}, the mesh {mesh.shape}", where)


def exchange_length(film: Film) -> float:
    """Shortest exchange length √(2A/(µ0 Ms²)) of a film, in m; infinite where nothing is coupled or charged."""
    A, Ms = np.broadcast_arrays(np.asarray(film.A, float), np.asarray(film.Ms, float))
    coupled = (Ms > 0) & (A > 0)
    if not coupled.any():
        return math.inf
    return float(np.sqrt(2 * A[coupled] / (MU0 * Ms[coupled] ** 2)).min())


def coarse(film: Film, mesh: Mesh) -> str | None:
    """Say that cells are larger than the exchange length, naming both; None where they are not.

    Only axes with more than one cell count: along one cell m is taken as uniform, which is a statement of its own.
    """
    length = exchange_length(film)
    edges = [edge for edge, count in zip(mesh.cell, mesh.cells, strict=True) if count > 1 and edge > length]
    if not edges:
        return None
    return f"cells of {max(edges) * 1e9:.3g} nm are larger than the exchange length of {length * 1e9:.3g} nm"


def _demag_of(mesh: Mesh) -> str:
    if mesh.periodic == (True, True, False):
        return "film"
    if not any(mesh.periodic):
        return "open"
    axes = ", ".join(axis for axis, wraps in zip(AXES, mesh.periodic, strict=True) if wraps)
    raise UserError(
        f"a mesh that is periodic along {axes} does not say which demagnetising field is meant",
        fix="give demag: images (with how many), open or none",
    )


@dataclass(frozen=True, eq=False)
class Films:
    """Films that run as one batch: one mesh, one kind of demagnetising field, one precision.

    Attributes
    ----------
    mesh : Mesh
    films : tuple of Film
    demag : {"open", "film", "images", "none"}, optional
        See `weiss.llg.demag`. Default: "film" for a mesh that is periodic along x and y alone, "open" for one that is
        not periodic.
    images : (int, int, int)
        For "images": copies of the mesh on either side along x, y, z.
    precision : {"float32", "float64"}
        Of the fields.

    Warns
    -----
    UserWarning
        If cells are larger than the exchange length of a film.

    Raises
    ------
    UserError
        See `check_film`; or if there is no such kind or precision, or the mesh leaves open which kind is meant.
    """

    mesh: Mesh
    films: tuple[Film, ...]
    demag: str | None = None
    images: tuple[int, int, int] = (0, 0, 0)
    precision: str = "float32"

    def __post_init__(self) -> None:
        named = len(self.films) > 1
        for index, film in enumerate(self.films):
            check_film(film, self.mesh, f"film {index}" if named else None)
        said = next(filter(None, (coarse(film, self.mesh) for film in self.films)), None)
        if said:
            warnings.warn(said, stacklevel=3)
        if self.precision not in PRECISIONS:
            raise UserError(f"no precision {self.precision!r}", fix=f"take one of {', '.join(PRECISIONS)}")
        object.__setattr__(self, "demag", self.demag or _demag_of(self.mesh))
        if self.demag not in DEMAG:
            raise UserError(f"no demagnetising field {self.demag!r}", fix=f"take one of {', '.join(DEMAG)}")

    def part(self, chosen: Sequence[bool] | np.ndarray) -> Films:
        """The batch of the chosen films alone; `chosen` is (films,) boolean."""
        part = copy.copy(self)
        films = tuple(film for film, stays in zip(self.films, chosen, strict=True) if stays)
        object.__setattr__(part, "films", films)
        return part

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.precision)

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """Shape of a field of the batch: (films, 3, nz, ny, nx)."""
        return (len(self.films), 3, *self.mesh.shape)
