r"""The Landau–Lifshitz–Gilbert equation of a batch of films.

.. math::
    \frac{\partial m}{\partial t} = -\frac{\gamma_0}{1+\alpha^2}\Big(m\times H + \alpha\, m\times(m\times H)\Big)

with H in A/m and γ0 = µ0 γ in m/(A s) (Gilbert 1955; the explicit form as in Miltat and Donahue 2007). Without
precession only the second part is left, with γ0 α/(1+α²) replaced by γ0: a descent along which the energy falls.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weiss.arrays import empty, namespace
from weiss.llg import terms, vectors
from weiss.llg.film import Films
from weiss.llg.fused import Local
from weiss.llg.parameters import pack

Array = Any


class Equation:
    """Fields, torques and energies of a batch. It holds no states: m goes in, arrays come out.

    Attributes
    ----------
    films : Films
    device : {"cpu", "gpu"}
    threads : int
        Threads that share the convolution of the demagnetising field on a CPU; the result does not depend on it.
    terms : list of Term
    local : Local or None
        On a GPU, the local terms in one kernel.
    Ms, alpha : (films, rows, nx) array
        As `weiss.llg.parameters.pack` lays them out, in the fields' precision.
    gamma0 : (films,) ndarray
        On the host.
    evaluations : (films,) ndarray of int
        Effective fields computed so far.
    """

    def __init__(self, films: Films, device: str = "cpu", threads: int = 1) -> None:
        self.films, self.device, self.threads = films, device, threads
        self.xp = namespace(device)
        self.terms = terms.build(films, self.xp)
        demag = self.term("demag")
        if demag is not None:
            demag.threads = threads
        self.alpha = self.xp.asarray(pack([film.alpha for film in films.films], films.mesh, films.dtype))
        self.Ms = self.xp.asarray(pack([film.Ms for film in films.films], films.mesh, films.dtype))
        self.gamma0 = np.array([film.gamma0 for film in films.films])
        self.evaluations = np.zeros(len(films.films), int)
        self.vectors = vectors.of(self.xp)
        self.local = Local(self.terms, self.alpha, self.gamma0) if device == "gpu" else None
        self._field = None if self.local else empty(self.xp, films.shape, films.dtype)

    def term(self, name: str) -> Any:
        """The term of that name, or None."""
        return next((term for term in self.terms if term.name == name), None)

    def field(self, m: Array, t: np.ndarray, out: Array, live: np.ndarray) -> None:
        """Effective field in A/m into `out`, for the films of the (films,) boolean host array `live`."""
        self.evaluations += live
        if self.local:
            self.local.field(m, t, out, live)
            return
        self.vectors.clear(out, live)
        for term in self.terms:
            term.add_field(m, t, out, live)

    def torque(
        self, m: Array, t: np.ndarray, out: Array, live: np.ndarray, precess: bool = True, field: Array | None = None
    ) -> None:
        """dm/dt in 1/s into `out`, and the effective field in A/m into `field` if there is one.

        See the module for the form without precession.
        """
        if self.local:
            self.evaluations += live
            self.local.torque(m, t, out, live, precess, field)
            return
        H = self._field if field is None else field
        self.field(m, t, H, live)
        self.vectors.torque(m, H, self.alpha, self.gamma0, precess, out, live)

    def energies(self, m: Array, t: np.ndarray) -> dict[str, np.ndarray]:
        """Energy of every film in J by term, (films,) float64 on the host, and their sum as "total"."""
        volume = self.films.mesh.volume
        parts = {
            term.name: volume * np.array([float(density.sum()) for density in term.energy_density(m, t)])
            for term in self.terms
        }
        return parts | {"total": np.sum(list(parts.values()), axis=0)}

    def keep(self, chosen: np.ndarray) -> Equation:
        """The equation of a part of the batch; `chosen` is (films,) boolean."""
        part = Equation(self.films.part(chosen), self.device, self.threads)
        part.evaluations[:] = self.evaluations[chosen]
        uniform = self.term("zeeman").uniform[chosen]
        part.term("zeeman").set_uniform(uniform)
        return part
