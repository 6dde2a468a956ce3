r"""Dzyaloshinskii–Moriya interaction, bulk and interfacial together, with its free boundaries.

.. math::
    E/V = \sum_a d_a\cdot(m\times\partial_a m), \qquad
    H = \frac{2}{\mu_0 M_s} \sum_a d_a\times\partial_a m, \qquad
    2A\,\partial_n m + d_n\times m = 0 \ \text{at a free end}

with the DM vectors d_a = −D_bulk e_a + D_interfacial z × e_a of `dmi_bulk` and `dmi_interfacial` (energies and boundary
condition: Rohart and Thiaville, Phys. Rev. B 88 (2013) 184422). A pair of neighbours i, j = i + 1 along a has

.. math::
    E = \frac{V}{h} d_{ij}\cdot(m_i\times m_j) - \frac{V}{8(A_i+A_j)} (\Delta d\times m_i)\cdot(\Delta d\times m_j),
    \qquad d_{ij} = \frac{A_i d_j + A_j d_i}{A_i + A_j}, \quad \Delta d = d_i - d_j

and every free face of a cell −V |d_a × m_i|²/(8 A_i). Both come from taking the best value of m on the face, half a
cell away: this makes exchange and DMI together second order at ends and where materials meet, and the field the
gradient of an energy. A cell without exchange has no such extra; two of them have the plain mean d_ij. Along an axis
of one cell m is taken as uniform, as mumax³ takes it: no pairs, no free faces. (A bulk chiral film of two layers and
more twists towards its surfaces, which in the limit of a thin film is an anisotropy −D_bulk²(m_x² + m_y²)/(4A).)
`intergrain` acts on exchange alone.

Packed coefficients, in the fields' precision. With b for D_bulk and p for D_interfacial:

thin : (films, 8)
    b/(µ0 Ms h) along x, y, z, p/(µ0 Ms h) along x, y, in A/m; b², p², b p over 4A µ0 Ms, in A/m: for films that are
    `uniform`, with one value of Ms, A, b and p everywhere. Ends come from the mesh. Zero for the other films.
face : (films, 5, nz·ny, nx)
    b_ij/(µ0 h) along x, y, z and p_ij/(µ0 h) along x, y in A²/m², of the face to the upper neighbour; 0 to vacuum and
    at open ends, so that neighbours may always be taken around the end. This and the next two make `full`, built when
    first asked for and filled in for uniform films too.
jump : (films, 5, nz·ny, nx)
    Likewise, b and p of Δd/√(8 µ0 (A_i + A_j)) in A/m. Films in which neither D jumps have zeros (`jumps` is False).
end : (films, 4, nz·ny, nx)
    xx, yy, zz, xy of the matrix Σ_a (free faces)_a (d² − d dᵀ)/(4 A µ0) in A²/m²; its product with m, over Ms, is the
    field of the free faces.
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
from weiss.llg.parameters import free_faces, inverse, neighbour, pack, pairs, spread, varies
from weiss.llg.terms import Array, Term, dmi_bulk, dmi_interfacial

_OPTIONS = {"cache": True, "nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}


def dm_vector(bulk: Array, interfacial: Array, axis: int) -> tuple[Array, Array, Array]:
    """Components x, y, z of the DM vector between neighbours along `axis` (0, 1, 2 for x, y, z)."""
    parts = dmi_bulk.dm_vector(bulk, axis), dmi_interfacial.dm_vector(interfacial, axis)
    return tuple(one + other for one, other in zip(*parts, strict=True))


def is_uniform(film: Film) -> bool:
    """Whether all cells of a film are alike."""
    return not any(varies(value) for value in (film.Ms, film.A, film.D_bulk, film.D_interfacial))


def coefficients(film: Film, mesh: Mesh) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`face`, `jump` and `end` of one film in float64, (5, nz, ny, nx) twice and (4, nz, ny, nx); see the module."""
    shape = mesh.shape
    material = np.broadcast_to(np.asarray(film.Ms) > 0, shape)
    A = np.broadcast_to(np.asarray(film.A, float), shape)
    D = [np.broadcast_to(np.asarray(value, float), shape) for value in (film.D_bulk, film.D_interfacial)]
    face, jump, end = np.zeros((5, *shape)), np.zeros((5, *shape)), np.zeros((4, *shape))
    for axis, edge in enumerate(mesh.cell):
        both = pairs(material, mesh, axis)
        stiffness = A + neighbour(A, axis)
        weight = np.full(shape, 0.5)
        np.divide(A, stiffness, out=weight, where=stiffness > 0)
        for kind in range(2 if axis < 2 else 1):
            here, beyond = D[kind], neighbour(D[kind], axis)
            face[axis + 3 * kind] = both * (weight * beyond + (1 - weight) * here) / (MU0 * edge)
            np.divide(
                here - beyond,
                np.sqrt(8 * MU0 * stiffness),
                out=jump[axis + 3 * kind],
                where=both & (stiffness > 0),
            )
        dx, dy, dz = dm_vector(*D, axis)
        square = dx**2 + dy**2 + dz**2
        extra = np.zeros(shape)
        np.divide(free_faces(material, mesh, axis), 4 * MU0 * A, out=extra, where=A > 0)
        for entry, value in enumerate((square - dx**2, square - dy**2, square - dz**2, -dx * dy)):
            end[entry] += extra * value
    return face, jump, end


@njit(**_OPTIONS)
def _add_uniform(m, thin, periodic, out):  # type: ignore[no-untyped-def]
    _, nz, ny, nx = m.shape
    px, py, pz = periodic
    none = np.zeros(nx, m.dtype)  # beyond an open end
    rows = np.zeros((3, nx + 2), m.dtype)  # one more cell at either end of x
    bx, by, bz, ix, iy, bb, ii, bi = thin
    faces = np.arange(3).astype(m.dtype)  # numbers of free faces, in the fields' precision
    for z in range(nz):
        along_z = faces[0 if pz else int(z == 0) + int(z == nz - 1)]
        for y in range(ny):
            before, after = y - 1 if y > 0 else ny - 1, y + 1 if y < ny - 1 else 0
            first, last = y == 0 and not py, y == ny - 1 and not py
            along_y = faces[int(first) + int(last)]
            ux, uy, uz = m[0, z, y], m[1, z, y], m[2, z, y]
            for k in range(3):
                rows[k, 1 : nx + 1] = m[k, z, y]
                if px:
                    rows[k, 0], rows[k, nx + 1] = m[k, z, y, nx - 1], m[k, z, y, 0]
            rx, ry, rz = rows
            hx, hy, hz = out[0, z, y], out[1, z, y], out[2, z, y]
            up_x, down_x = none if first else m[0, z, before], none if last else m[0, z, after]
            up_y, down_y = none if first else m[1, z, before], none if last else m[1, z, after]
            up_z, down_z = none if first else m[2, z, before], none if last else m[2, z, after]
            for x in range(nx):
                hx[x] += ix * (rz[x + 2] - rz[x]) - by * (down_z[x] - up_z[x])
            for x in range(nx):
                hy[x] += bx * (rz[x + 2] - rz[x]) + iy * (down_z[x] - up_z[x])
            for x in range(nx):
                hz[x] -= bx * (ry[x + 2] - ry[x]) + ix * (rx[x + 2] - rx[x])
            for x in range(nx):
                hz[x] += by * (down_x[x] - up_x[x]) - iy * (down_y[x] - up_y[x])
            if nz > 1:
                low, high = z - 1 if z > 0 else nz - 1, z + 1 if z < nz - 1 else 0
                bottom, top = z == 0 and not pz, z == nz - 1 and not pz
                low_x, high_x = none if bottom else m[0, low, y], none if top else m[0, high, y]
                low_y, high_y = none if bottom else m[1, low, y], none if top else m[1, high, y]
                for x in range(nx):
                    hx[x] += bz * (high_y[x] - low_y[x])
                for x in range(nx):
                    hy[x] -= bz * (high_x[x] - low_x[x])
            if along_y + along_z > 0:
                xx, yy = (along_y + along_z) * bb, along_y * ii + along_z * bb
                zz, xy = along_y * (bb + ii), -along_y * bi
                for x in range(nx):
                    hx[x] += xx * ux[x] + xy * uy[x]
                for x in range(nx):
                    hy[x] += xy * ux[x] + yy * uy[x]
                for x in range(nx):
                    hz[x] += zz * uz[x]
            if not px:
                for x in (0, nx - 1):
                    hx[x] += ii * ux[x] + bi * uy[x]
                    hy[x] += bi * ux[x] + bb * uy[x]
                    hz[x] += (bb + ii) * uz[x]


@njit(**_OPTIONS)
def _add_faces(m, face, inverse, out):  # type: ignore[no-untyped-def]
    _, nz, ny, nx = m.shape
    rows, walls = np.empty((3, nx + 2), m.dtype), np.empty((2, nx + 1), face.dtype)
    for z in range(nz):
        low, high = z - 1 if z > 0 else nz - 1, z + 1 if z < nz - 1 else 0
        for y in range(ny):
            before, after = y - 1 if y > 0 else ny - 1, y + 1 if y < ny - 1 else 0
            r = z * ny + y
            s = inverse[r if inverse.shape[0] > 1 else 0]
            for k in range(3):
                u = m[k, z, y]
                rows[k, 0], rows[k, 1 : nx + 1], rows[k, nx + 1] = u[nx - 1], u, u[0]
            for k in range(2):
                w = face[3 * k, r]
                walls[k, 0], walls[k, 1:] = w[nx - 1], w
            rx, ry, rz = rows
            bx, ix = walls
            by_up, by, iy_up, iy = face[1, z * ny + before], face[1, r], face[4, z * ny + before], face[4, r]
            hx, hy, hz = out[0, z, y], out[1, z, y], out[2, z, y]
            up_x, up_y, up_z = m[0, z, before], m[1, z, before], m[2, z, before]
            down_x, down_y, down_z = m[0, z, after], m[1, z, after], m[2, z, after]
            for x in range(nx):
                of_x = ix[x + 1] * rz[x + 2] - ix[x] * rz[x]
                hx[x] += s[x] * (of_x - (by[x] * down_z[x] - by_up[x] * up_z[x]))
            for x in range(nx):
                of_x = bx[x + 1] * rz[x + 2] - bx[x] * rz[x]
                hy[x] += s[x] * (of_x + (iy[x] * down_z[x] - iy_up[x] * up_z[x]))
            for x in range(nx):
                of_y = bx[x + 1] * ry[x + 2] - bx[x] * ry[x]
                hz[x] -= s[x] * (of_y + (ix[x + 1] * rx[x + 2] - ix[x] * rx[x]))
            for x in range(nx):
                hz[x] += s[x] * (by[x] * down_x[x] - by_up[x] * up_x[x])
            for x in range(nx):
                hz[x] -= s[x] * (iy[x] * down_y[x] - iy_up[x] * up_y[x])
            if nz > 1:
                bz_low, bz = face[2, low * ny + y], face[2, r]
                for x in range(nx):
                    hx[x] += s[x] * (bz[x] * m[1, high, y, x] - bz_low[x] * m[1, low, y, x])
                for x in range(nx):
                    hy[x] -= s[x] * (bz[x] * m[0, high, y, x] - bz_low[x] * m[0, low, y, x])


@njit(**_OPTIONS)
def _add_jumps(m, jump, inverse, out):  # type: ignore[no-untyped-def]
    _, nz, ny, nx = m.shape
    rows, walls = np.empty((3, nx + 2), m.dtype), np.empty((2, nx + 1), jump.dtype)
    for z in range(nz):
        low, high = z - 1 if z > 0 else nz - 1, z + 1 if z < nz - 1 else 0
        for y in range(ny):
            before, after = y - 1 if y > 0 else ny - 1, y + 1 if y < ny - 1 else 0
            r, r_up, r_low = z * ny + y, z * ny + before, low * ny + y
            s = inverse[r if inverse.shape[0] > 1 else 0]
            for k in range(3):
                u = m[k, z, y]
                rows[k, 0], rows[k, 1 : nx + 1], rows[k, nx + 1] = u[nx - 1], u, u[0]
            for k in range(2):
                w = jump[3 * k, r]
                walls[k, 0], walls[k, 1:] = w[nx - 1], w
            rx, ry, rz = rows
            b, i = walls
            hx, hy, hz = out[0, z, y], out[1, z, y], out[2, z, y]
            for x in range(nx):
                lower, upper = i[x] * rx[x] + b[x] * ry[x], i[x + 1] * rx[x + 2] + b[x + 1] * ry[x + 2]
                hx[x] += s[x] * (i[x] * lower + i[x + 1] * upper)
            for x in range(nx):
                lower, upper = i[x] * rx[x] + b[x] * ry[x], i[x + 1] * rx[x + 2] + b[x + 1] * ry[x + 2]
                hy[x] += s[x] * (b[x] * lower + b[x + 1] * upper)
            for x in range(nx):
                lower, upper = b[x] * b[x] + i[x] * i[x], b[x + 1] * b[x + 1] + i[x + 1] * i[x + 1]
                hz[x] += s[x] * (lower * rz[x] + upper * rz[x + 2])
            for row, face in ((before, r_up), (after, r)):
                b, i = jump[1, face], jump[4, face]
                vx, vy, vz = m[0, z, row], m[1, z, row], m[2, z, row]
                for x in range(nx):
                    hx[x] += s[x] * (b[x] * (b[x] * vx[x] - i[x] * vy[x]))
                for x in range(nx):
                    hy[x] += s[x] * (i[x] * (i[x] * vy[x] - b[x] * vx[x]))
                for x in range(nx):
                    hz[x] += s[x] * ((b[x] * b[x] + i[x] * i[x]) * vz[x])
            if nz > 1:
                for layer, face in ((low, r_low), (high, r)):
                    b, vx, vy = jump[2, face], m[0, layer, y], m[1, layer, y]
                    for x in range(nx):
                        hx[x] += s[x] * (b[x] * b[x] * vx[x])
                    for x in range(nx):
                        hy[x] += s[x] * (b[x] * b[x] * vy[x])


@njit(**_OPTIONS)
def _add_ends(m, end, inverse, out):  # type: ignore[no-untyped-def]
    rows, nx = m.shape[1], m.shape[2]
    for r in range(rows):
        s = inverse[r if inverse.shape[0] > 1 else 0]
        ux, uy, uz, hx, hy, hz = m[0, r], m[1, r], m[2, r], out[0, r], out[1, r], out[2, r]
        xx, yy, zz, xy = end[0, r], end[1, r], end[2, r], end[3, r]
        for x in range(nx):
            hx[x] += s[x] * (xx[x] * ux[x] + xy[x] * uy[x])
        for x in range(nx):
            hy[x] += s[x] * (xy[x] * ux[x] + yy[x] * uy[x])
        for x in range(nx):
            hz[x] += s[x] * (zz[x] * uz[x])


class DMI(Term):
    """Bulk and interfacial DMI; see the module for the formulas and the packed coefficients."""

    name = "dmi"

    def __init__(self, films: Films, xp: ModuleType) -> None:
        super().__init__(films, xp)
        mesh = films.mesh
        self.uniform = np.array([is_uniform(film) for film in films.films])
        self.thin = np.zeros((len(films.films), 8), films.dtype)
        for index in np.flatnonzero(self.uniform):
            film = films.films[index]
            Ms, A, b, p = (float(np.ravel(v)[0]) for v in (film.Ms, film.A, film.D_bulk, film.D_interfacial))
            dx, dy, dz = mesh.cell
            slopes = np.array([b / dx, b / dy, b / dz, p / dx, p / dy]) / (MU0 * Ms)
            ends = np.array([b * b, p * p, b * p]) / (4 * A * MU0 * Ms) if A > 0 else np.zeros(3)
            self.thin[index] = np.concatenate([slopes, ends])
        Ms = pack([film.Ms for film in films.films], mesh, np.float64)
        self.inverse = xp.asarray(inverse(Ms).astype(films.dtype))
        # A lone cell along an axis is its own neighbour there, so that it has neither a slope nor free faces.
        self.closed = tuple(wraps or cells == 1 for wraps, cells in zip(mesh.periodic, mesh.cells, strict=True))
        self.jumps = np.array([varies(film.D_bulk) or varies(film.D_interfacial) for film in films.films])

    @cached_property
    def full(self) -> tuple[Array, Array, Array]:
        """`face`, `jump` and `end`; see the module."""
        mesh, films = self.films.mesh, self.films.films
        nz, ny, nx = mesh.shape
        packed = [np.empty((len(films), count, nz * ny, nx), self.films.dtype) for count in (5, 5, 4)]
        for index, film in enumerate(films):
            for array, values in zip(packed, coefficients(film, mesh), strict=True):
                array[index] = values.reshape(-1, nz * ny, nx)
        face, jump, end = (self.xp.asarray(array) for array in packed)
        return face, jump, end

    def field(self, m: Array, t: np.ndarray) -> Array:
        mesh, xp = self.films.mesh, self.xp
        face, jump, end = (spread(array, mesh) for array in self.full)
        out = xp.zeros_like(m)
        for axis in range(3):
            way = -1 - axis
            up, down = xp.roll(m, -1, axis=way), xp.roll(m, 1, axis=way)
            interfacial = (3 + axis) % 5  # there is none along z, where the vector does not look at it
            d = xp.stack(dm_vector(face[:, axis], face[:, interfacial], axis), axis=1)
            out += xp.cross(d, up, axis=1) - xp.cross(xp.roll(d, 1, axis=way), down, axis=1)
            e = xp.stack(dm_vector(jump[:, axis], jump[:, interfacial], axis), axis=1)
            out -= xp.cross(e, xp.cross(e, up, axis=1), axis=1)
            e = xp.roll(e, 1, axis=way)
            out -= xp.cross(e, xp.cross(e, down, axis=1), axis=1)
        xx, yy, zz, xy = (end[:, entry] for entry in range(4))
        x, y, z = m[:, 0], m[:, 1], m[:, 2]
        out += xp.stack([xx * x + xy * y, xy * x + yy * y, zz * z], axis=1)
        return spread(self.inverse, mesh)[:, None] * out

    def add_field(self, m: Array, t: np.ndarray, out: Array, live: np.ndarray) -> None:
        if self.xp is not np:
            return super().add_field(m, t, out, live)
        nx = m.shape[-1]
        for film in np.flatnonzero(live):
            if self.uniform[film]:
                _add_uniform(m[film], self.thin[film].astype(m.dtype), self.closed, out[film])
                continue
            face, jump, end = (array[film] for array in self.full)
            _add_faces(m[film], face, self.inverse[film], out[film])
            _add_ends(m[film].reshape(3, -1, nx), end, self.inverse[film], out[film].reshape(3, -1, nx))
            if self.jumps[film]:
                _add_jumps(m[film], jump, self.inverse[film], out[film])
        return None


def build(films: Films, xp: ModuleType) -> DMI | None:
    """None if no film has DMI."""
    present = any(np.any(np.asarray(D) != 0) for film in films.films for D in (film.D_bulk, film.D_interfacial))
    return DMI(films, xp) if present else None
