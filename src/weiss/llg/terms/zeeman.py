"""Zeeman energy in the applied field: E/V = −Ms m·B, with B = µ0 H in T, static, per cell, or changing in time.

Packed coefficients, in the fields' precision:

static : (films, 3, rows, nx)
    The film's `B`, as H in A/m.
inside : (films, rows, nx)
    1 where there is material, 0 in vacuum.
at(t) : (films, 3)
    What is added everywhere in a film, in A/m: see `Zeeman.at`.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
from numba import njit

from weiss.errors import UserError
from weiss.llg.constants import MU0
from weiss.llg.film import Films
from weiss.llg.parameters import pack, pack_vectors, spread
from weiss.llg.terms import Array, Term


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def _add(static, inside, extra, out):  # type: ignore[no-untyped-def]
    for k in range(3):
        for r in range(out.shape[1]):
            h, b = out[k, r], static[k, r if static.shape[1] > 1 else 0]
            here, more = inside[r if inside.shape[0] > 1 else 0], extra[k]
            for x in range(out.shape[2]):
                h[x] += (b[x] + more) * here[x]


class Zeeman(Term):
    """The applied field. A driver adds to it what it steps, the same in all cells (see `set_uniform`)."""

    name = "zeeman"

    def __init__(self, films: Films, xp: ModuleType) -> None:
        super().__init__(films, xp)
        mesh, dtype = films.mesh, films.dtype
        static = pack_vectors([film.B for film in films.films], mesh, np.float64) / MU0
        self.static = xp.asarray(static.astype(dtype))
        self.inside = xp.asarray(pack([np.asarray(film.Ms) > 0 for film in films.films], mesh, dtype))
        self.uniform = np.zeros((len(films.films), 3))

    def set_uniform(self, B: np.ndarray) -> None:
        """Set what is added to the films' own fields, in T, (films, 3): what a hysteresis driver steps."""
        self.uniform = np.array(B, float)

    def at(self, t: np.ndarray) -> np.ndarray:
        """The part that is the same in all cells of a film, (films, 3), in A/m: `set_uniform` and `B_of_time`."""
        values = self.uniform.copy()
        for index, film in enumerate(self.films.films):
            if film.B_of_time is not None:
                added = np.asarray(film.B_of_time(float(t[index])), float)
                if added.shape != (3,):
                    raise UserError(
                        f"B_of_time gives {added.tolist()} at t = {t[index]:g} s",
                        f"film {index}",
                        "give three numbers in T",
                    )
                values[index] += added
        return values / MU0

    def field(self, m: Array, t: np.ndarray) -> Array:
        mesh = self.films.mesh
        extra = self.xp.asarray(self.at(t).astype(self.films.dtype))[:, :, None, None, None]
        inside = spread(self.inside, mesh)[:, None]
        return self.xp.broadcast_to((spread(self.static, mesh) + extra) * inside, m.shape)

    def add_field(self, m: Array, t: np.ndarray, out: Array, live: np.ndarray) -> None:
        if self.xp is not np:
            return super().add_field(m, t, out, live)
        extra = self.at(t).astype(self.films.dtype)
        for film in np.flatnonzero(live):
            _add(self.static[film], self.inside[film], extra[film], out[film].reshape(3, -1, out.shape[-1]))
        return None

    def energy_density(self, m: Array, t: np.ndarray) -> Array:
        return -MU0 * self.saturation() * (m.astype(np.float64) * self.field(m, t)).sum(axis=1)


def build(films: Films, xp: ModuleType) -> Zeeman:
    """Always there: a driver may switch a field on."""
    return Zeeman(films, xp)
