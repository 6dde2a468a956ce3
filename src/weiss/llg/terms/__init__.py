"""Energy terms, one file each.

A module in this folder that has a function ``build(films, xp)`` is an energy term: it is found by being there. `build`
returns a `Term`, or None if no film of the batch has that energy. A term needs no more than `field` in array
operations, which runs on both devices; a compiled `add_field` makes it fast on a CPU, and a file ``<term>.cu`` beside
it lets the GPU's fused kernel take it in (see `weiss.llg.fused`). To have its energy stored with the films of a study,
name it in `weiss.llg.stored`.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from weiss.llg.constants import MU0
from weiss.llg.film import Films
from weiss.llg.parameters import pack

Array = Any


class Term:
    """One energy term of a batch of films.

    Attributes
    ----------
    name : str
        Its name in tables of energies, and its file.
    films : Films
        The batch.
    xp : module
        NumPy or CuPy.
    """

    name: ClassVar[str]

    def __init__(self, films: Films, xp: ModuleType) -> None:
        self.films, self.xp = films, xp

    def field(self, m: Array, t: np.ndarray) -> Array:
        """Effective field −(1/(µ0 Ms V)) ∂E/∂m in A/m, 0 where there is no material.

        Parameters
        ----------
        m : (films, 3, nz, ny, nx) array
            Unit vectors; zero where there is no material.
        t : (films,) ndarray
            Time of each film in s, on the host.

        Returns
        -------
        (films, 3, nz, ny, nx) array
        """
        raise NotImplementedError

    def add_field(self, m: Array, t: np.ndarray, out: Array, live: np.ndarray) -> None:
        """Add the field to `out` for the films of the (films,) boolean host array `live`; others may be left alone."""
        chosen = self.xp.asarray(np.flatnonzero(live))
        out[chosen] += self.field(m, t)[chosen]

    def energy_density(self, m: Array, t: np.ndarray) -> Array:
        """Energy density in J/m³, (films, nz, ny, nx), in double precision.

        This form, −½ µ0 Ms m·H, holds for energies that are quadratic in m; terms of another kind have their own.
        """
        m = m.astype(np.float64)
        H = self.xp.zeros_like(m)
        self.add_field(m, t, H, np.ones(len(m), bool))
        return -0.5 * MU0 * self.saturation() * (m * H).sum(axis=1)

    def saturation(self) -> Array:
        """Ms in A/m as (films, nz, ny, nx) or what broadcasts to it, float64."""
        nz, ny, nx = self.films.mesh.shape
        packed = pack([film.Ms for film in self.films.films], self.films.mesh, np.float64)
        shape = (nz, ny, nx) if packed.shape[1] > 1 else (1, 1, nx)
        return self.xp.asarray(packed.reshape(-1, *shape))


@lru_cache(maxsize=1)
def modules() -> dict[str, ModuleType]:
    """Energy terms by name, in alphabetical order: the modules of this folder that have a function `build`."""
    found = {info.name: import_module(f"{__name__}.{info.name}") for info in iter_modules(__path__)}
    return {name: module for name, module in sorted(found.items()) if hasattr(module, "build")}


def build(films: Films, xp: ModuleType) -> list[Term]:
    """The energy terms that a batch of films has."""
    terms = (module.build(films, xp) for module in modules().values())
    return [term for term in terms if term is not None]
