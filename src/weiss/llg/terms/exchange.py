r"""Exchange energy E/V = A |∇m|², on the faces between neighbouring cells.

.. math::
    E = \sum_{ij} V \frac{A_{ij}}{h^2} |m_i - m_j|^2, \qquad A_{ij} = \frac{2 A_i A_j}{A_i + A_j}, \qquad
    H_i = \sum_j \frac{2 A_{ij}}{\mu_0 M_{s,i} h^2} (m_j - m_i)

with h the edge of the cells along the pair (Donahue and Porter, Physica B 343 (2004) 177: six neighbours; the harmonic
mean keeps A ∂m continuous where A jumps). Between different `grains` A_ij is multiplied by `intergrain`. Vacuum and
open ends have no pair, which is the free boundary ∂m/∂n = 0.

Packed coefficients, in the fields' precision:

thin : (films, 3)
    2A/(µ0 Ms h²) along x, y, z in A/m, for films that are `uniform`: one Ms and one A everywhere, no grain boundaries.
    Ends come from the mesh. Zero for the other films.
face : (films, 3, nz·ny, nx)
    2A_ij/(µ0 h²) in A²/m², of the face to the upper neighbour along x, y, z; 0 to vacuum and at open ends, so that
    neighbours may always be taken around the end. Built when first asked for; filled in for uniform films too.
inverse : (films, rows, nx)
    1/Ms in m/A, 0 in vacuum.
"""

from __future__ import annotations

from functools import cached_property
from types import ModuleType

import numpy as np
from numba import njit

from weiss.llg.constants import MU0
from weiss.llg.film import Film, Films
from weiss.llg.mesh import Mesh
from weiss.llg.parameters import inverse, neighbour, pack, pairs, spread, varies
from weiss.llg.terms import Array, Term

_OPTIONS = {"cache": True, "nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}


def is_uniform(film: Film) -> bool:
    """Whether all pairs of neighbours in a film are coupled alike."""
    bounded = film.grains is not None and film.intergrain != 1 and varies(film.grains)
    return not (varies(film.Ms) or varies(film.A) or bounded)


def faces(film: Film, mesh: Mesh) -> np.ndarray:
    """2A_ij/(µ0 h²) in A²/m² of the face to the upper neighbour along x, y, z, (3, nz, ny, nx)."""
    material = np.broadcast_to(np.asarray(film.Ms) > 0, mesh.shape)
    A = np.broadcast_to(np.asarray(film.A, float), mesh.shape)
    out = np.zeros((3, *mesh.shape))
    for axis, edge in enumerate(mesh.cell):
        beyond = neighbour(A, axis)
        both = pairs(material, mesh, axis) & (A + beyond > 0)
        np.divide(4 * A * beyond, (A + beyond) * MU0 * edge**2, out=out[axis], where=both)
        if film.grains is not None:
            out[axis][film.grains != neighbour(film.grains, axis)] *= film.intergrain
    return out


@njit(**_OPTIONS)
def _add_uniform(m, thin, periodic, out):  # type: ignore[no-untyped-def]
    _, nz, ny, nx = m.shape
    row = np.empty(nx + 2, m.dtype)  # one more cell at either end of x
    cx, cy, cz = thin
    for k in range(3):
        for z in range(nz):
            # An open end has itself as its neighbour: no difference, no field.
            under = z - 1 if z > 0 else (nz - 1 if periodic[2] else z)
            over = z + 1 if z < nz - 1 else (0 if periodic[2] else z)
            for y in range(ny):
                up = m[k, z, y - 1 if y > 0 else (ny - 1 if periodic[1] else y)]
                down = m[k, z, y + 1 if y < ny - 1 else (0 if periodic[1] else y)]
                u, h = m[k, z, y], out[k, z, y]
                row[1 : nx + 1] = u
                row[0], row[nx + 1] = (u[nx - 1], u[0]) if periodic[0] else (u[0], u[nx - 1])
                for x in range(nx):
                    c = row[x + 1]
                    h[x] += cx * ((row[x] - c) + (row[x + 2] - c)) + cy * ((up[x] - c) + (down[x] - c))
                if nz > 1:
                    below, above = m[k, under, y], m[k, over, y]
                    for x in range(nx):
                        h[x] += cz * ((below[x] - u[x]) + (above[x] - u[x]))


@njit(**_OPTIONS)
def _add_faces(m, face, inverse, out):  # type: ignore[no-untyped-def]
    _, nz, ny, nx = m.shape
    row, wall = np.empty(nx + 2, m.dtype), np.empty(nx + 1, face.dtype)
    for z in range(nz):
        under, over = z - 1 if z > 0 else nz - 1, z + 1 if z < nz - 1 else 0
        for y in range(ny):
            before, after = y - 1 if y > 0 else ny - 1, y + 1 if y < ny - 1 else 0
            r = z * ny + y
            scale = inverse[r if inverse.shape[0] > 1 else 0]
            wall[0], wall[1:] = face[0, r, nx - 1], face[0, r]
            w_up, w_down = face[1, z * ny + before], face[1, r]
            w_below, w_above = face[2, under * ny + y], face[2, r]
            for k in range(3):
                u, up, down, h = m[k, z, y], m[k, z, before], m[k, z, after], out[k, z, y]
                row[0], row[1 : nx + 1], row[nx + 1] = u[nx - 1], u, u[0]
                for x in range(nx):
                    c = row[x + 1]
                    h[x] += scale[x] * (wall[x] * (row[x] - c) + wall[x + 1] * (row[x + 2] - c))
                for x in range(nx):
                    h[x] += scale[x] * (w_up[x] * (up[x] - u[x]) + w_down[x] * (down[x] - u[x]))
                if nz > 1:
                    below, above = m[k, under, y], m[k, over, y]
                    for x in range(nx):
                        h[x] += scale[x] * (w_below[x] * (below[x] - u[x]) + w_above[x] * (above[x] - u[x]))


class Exchange(Term):
    """Exchange; see the module for the formulas and the packed coefficients."""

    name = "exchange"

    def __init__(self, films: Films, xp: ModuleType) -> None:
        super().__init__(films, xp)
        mesh = films.mesh
        self.uniform = np.array([is_uniform(film) for film in films.films])
        self.thin = np.zeros((len(films.films), 3), films.dtype)
        for index in np.flatnonzero(self.uniform):
            film = films.films[index]
            Ms, A = np.ravel(film.Ms)[0], np.ravel(film.A)[0]
            self.thin[index] = 2 * A / (MU0 * Ms * np.square(mesh.cell))
        Ms = pack([film.Ms for film in films.films], mesh, np.float64)
        self.inverse = xp.asarray(inverse(Ms).astype(films.dtype))

    @cached_property
    def face(self) -> Array:
        """See the module."""
        mesh, films = self.films.mesh, self.films.films
        nz, ny, nx = mesh.shape
        face = np.empty((len(films), 3, nz * ny, nx), self.films.dtype)
        for index, film in enumerate(films):
            face[index] = faces(film, mesh).reshape(3, nz * ny, nx)
        return self.xp.asarray(face)

    def field(self, m: Array, t: np.ndarray) -> Array:
        mesh, xp = self.films.mesh, self.xp
        face, scale = spread(self.face, mesh), spread(self.inverse, mesh)[:, None]
        out = xp.zeros_like(m)
        for axis in range(3):
            flux = face[:, axis, None] * (xp.roll(m, -1, axis=-1 - axis) - m)
            out += flux - xp.roll(flux, 1, axis=-1 - axis)
        return scale * out

    def add_field(self, m: Array, t: np.ndarray, out: Array, live: np.ndarray) -> None:
        if self.xp is not np:
            return super().add_field(m, t, out, live)
        for film in np.flatnonzero(live):
            if self.uniform[film]:
                _add_uniform(m[film], self.thin[film].astype(m.dtype), self.films.mesh.periodic, out[film])
            else:
                _add_faces(m[film], self.face[film], self.inverse[film], out[film])
        return None


def build(films: Films, xp: ModuleType) -> Exchange | None:
    """None if no film has exchange."""
    return Exchange(films, xp) if any(np.any(np.asarray(film.A) != 0) for film in films.films) else None
