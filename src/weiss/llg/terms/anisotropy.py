r"""Uniaxial anisotropy along an axis u that may differ from cell to cell.

.. math::
    E/V = -K_{u1} (m\cdot u)^2 - K_{u2} (m\cdot u)^4, \qquad
    H = \frac{2 K_{u1}}{\mu_0 M_s} (m\cdot u)\,u + \frac{4 K_{u2}}{\mu_0 M_s} (m\cdot u)^3\,u

(Vansteenkiste et al., AIP Advances 4 (2014) 107133).

Packed coefficients, in the fields' precision:

first, second : (films, rows, nx)
    2Ku1/(µ0 Ms) and 4Ku2/(µ0 Ms) in A/m, 0 in vacuum.
axis : (films, 3, rows, nx)
    Unit vectors u.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
from numba import njit

from weiss.llg.constants import MU0
from weiss.llg.film import Film, Films
from weiss.llg.parameters import inverse, pack, pack_vectors, spread
from weiss.llg.terms import Array, Term

_OPTIONS = {"cache": True, "nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}


@njit(**_OPTIONS)
def _add(m, first, second, axis, out):  # type: ignore[no-untyped-def]
    rows, nx = m.shape[1], m.shape[2]
    along = np.empty(nx, m.dtype)
    for r in range(rows):
        a, b = first[r if first.shape[0] > 1 else 0], second[r if second.shape[0] > 1 else 0]
        s = r if axis.shape[1] > 1 else 0
        mx, my, mz, ux, uy, uz = m[0, r], m[1, r], m[2, r], axis[0, s], axis[1, s], axis[2, s]
        for x in range(nx):
            c = mx[x] * ux[x] + my[x] * uy[x] + mz[x] * uz[x]
            along[x] = c * (a[x] + b[x] * (c * c))
        for k in range(3):
            h, u = out[k, r], axis[k, s]
            for x in range(nx):
                h[x] += along[x] * u[x]


class Anisotropy(Term):
    """Uniaxial anisotropy; see the module for the formulas and the packed coefficients."""

    name = "anisotropy"

    def __init__(self, films: Films, xp: ModuleType) -> None:
        super().__init__(films, xp)
        mesh, dtype = films.mesh, films.dtype
        axes = [np.asarray(film.axis, float) for film in films.films]
        units = [axis / np.linalg.norm(axis, axis=0) for axis in axes]
        self.first = xp.asarray(pack([self._per_Ms(2, film.Ku1, film) for film in films.films], mesh, dtype))
        self.second = xp.asarray(pack([self._per_Ms(4, film.Ku2, film) for film in films.films], mesh, dtype))
        self.axis = xp.asarray(pack_vectors(units, mesh, dtype))

    @staticmethod
    def _per_Ms(factor: float, K: float | np.ndarray, film: Film) -> np.ndarray:
        return factor * np.asarray(K, float) * inverse(np.asarray(film.Ms, float)) / MU0

    def _along(self, m: Array) -> Array:
        return (m * spread(self.axis, self.films.mesh)).sum(axis=1)

    def field(self, m: Array, t: np.ndarray) -> Array:
        mesh = self.films.mesh
        along = self._along(m)
        strength = spread(self.first, mesh) * along + spread(self.second, mesh) * along**3
        return strength[:, None] * spread(self.axis, mesh)

    def add_field(self, m: Array, t: np.ndarray, out: Array, live: np.ndarray) -> None:
        if self.xp is not np:
            return super().add_field(m, t, out, live)
        nx = m.shape[-1]
        for film in np.flatnonzero(live):
            _add(
                m[film].reshape(3, -1, nx),
                self.first[film],
                self.second[film],
                self.axis[film],
                out[film].reshape(3, -1, nx),
            )
        return None

    def energy_density(self, m: Array, t: np.ndarray) -> Array:
        mesh = self.films.mesh
        along = self._along(m.astype(np.float64))
        work = spread(self.first, mesh) * along**2 / 2 + spread(self.second, mesh) * along**4 / 4
        return -MU0 * self.saturation() * work


def build(films: Films, xp: ModuleType) -> Anisotropy | None:
    """None if no film is anisotropic."""
    present = any(np.any(np.asarray(K) != 0) for film in films.films for K in (film.Ku1, film.Ku2))
    return Anisotropy(films, xp) if present else None
