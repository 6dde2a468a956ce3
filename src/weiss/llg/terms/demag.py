"""Demagnetising energy: E/V = −½ µ0 Ms m·H with H = −N·M, N as `weiss.llg.demag` gives it for the films' surroundings.

"open" takes the mesh alone, "images" copies of it, "film" copies without end along x and y.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np

from weiss.llg.constants import MU0
from weiss.llg.demag import kernel
from weiss.llg.demag.convolution import planned, simple_field
from weiss.llg.film import Films
from weiss.llg.parameters import pack
from weiss.llg.terms import Array, Term


class Demag(Term):
    """The field of the films' own magnetisation.

    Attributes
    ----------
    threads : int
        Threads that share the work on a CPU; the result does not depend on it.
    """

    name = "demag"

    def __init__(self, films: Films, xp: ModuleType, threads: int = 1) -> None:
        super().__init__(films, xp)
        self.threads = threads
        self.Ms = xp.asarray(pack([film.Ms for film in films.films], films.mesh, films.dtype))

    def field(self, m: Array, t: np.ndarray) -> Array:
        Ms = self.saturation()[:, None]
        tensor = kernel(self.films.mesh, self.films.demag, self.films.images)
        return simple_field(self.xp, tensor, m, Ms) * (Ms != 0)

    def add_field(self, m: Array, t: np.ndarray, out: Array, live: np.ndarray) -> None:
        films = self.films
        convolve = planned(self.xp, films.mesh, films.demag, films.images, films.precision, self.threads)
        convolve(m, self.Ms, out, live)

    def energy_density(self, m: Array, t: np.ndarray) -> Array:
        H = self.xp.zeros_like(m)
        self.add_field(m, t, H, np.ones(len(m), bool))
        return -0.5 * MU0 * self.saturation() * (m.astype(np.float64) * H).sum(axis=1)


def build(films: Films, xp: ModuleType) -> Demag | None:
    """Unless the films are to have none."""
    return None if films.demag == "none" else Demag(films, xp)
