r"""Brown's thermal field, which goes with the damping.

Every component of the field in a cell of volume V is an independent normal random number of variance

.. math::
    \langle h^2\rangle = \frac{2\,\alpha\, k_B T}{\gamma_0\, \mu_0\, M_s V\, \Delta t}

held constant over a time step Δt (Brown, Phys. Rev. 130, 1677 (1963); for the explicit equation with the noise in both
of its torques García-Palacios and Lázaro, Phys. Rev. B 58, 14937 (1998)). This strength leaves the distribution of
Boltzmann alone: with ⟨h(t) h(t')⟩ = 2D δ(t − t') the two torques of `weiss.llg.equation` spread m with the diffusion
constant D γ0²/(1+α²), and draw it along the energy E(m) of the cell, whose field is −∂E/∂m/(µ0 Ms V), with the mobility
γ0 α/((1+α²) µ0 Ms V). Einstein's relation, diffusion = mobility · kB T, gives D without any factor 1+α². The noise is
meant in the sense of Stratonovich.

The thermal field has no energy and needs to know the step, so it is no `Term`: `weiss.llg.integrators.heun` adds it.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np

from weiss.llg import noise
from weiss.llg.constants import BOLTZMANN, MU0
from weiss.llg.film import Film, Films
from weiss.llg.parameters import pack
from weiss.llg.terms import Array


def _strength(film: Film, volume: float) -> np.ndarray:
    """h √Δt in A/m √s; 0 in vacuum, and where T or α is 0."""
    alpha, temperature, Ms = np.broadcast_arrays(
        *(np.asarray(x, float) for x in (film.alpha, film.temperature, film.Ms))
    )
    square = np.zeros(Ms.shape)
    np.divide(
        2 * alpha * BOLTZMANN * temperature, film.gamma0 * MU0 * volume * Ms, out=square, where=np.asarray(Ms > 0)
    )
    return np.sqrt(square)


class ThermalField:
    """Thermal field of a batch of films.

    Attributes
    ----------
    turn : (films,) ndarray
        Standard deviation, in the hottest cell, of each component of the rotation that noise gives in a step of 1 s, in
        radians: γ0 h √Δt/√(1+α²). It grows with the root of the step.
    """

    def __init__(self, films: Films, xp: ModuleType) -> None:
        self.xp = xp
        strengths = [_strength(film, films.mesh.volume) for film in films.films]
        self.amplitude = xp.asarray(pack(strengths, films.mesh, films.dtype))
        self.keys = np.stack([noise.key(film.seed) for film in films.films])
        self.turn = np.array(
            [
                (film.gamma0 * strength / np.sqrt(1 + np.asarray(film.alpha, float) ** 2)).max()
                for film, strength in zip(films.films, strengths, strict=True)
            ]
        )

    def field(self, steps: np.ndarray, dt: np.ndarray, out: Array, live: np.ndarray) -> None:
        """Thermal field in A/m into `out`, for the live films.

        Parameters
        ----------
        steps : (films,) ndarray of int
            Number of the step of each film; together with the film's seed and the cell it names the random numbers.
        dt : (films,) ndarray
            Length of the step in s.
        out : (films, 3, nz, ny, nx) array
        live : (films,) ndarray of bool
        """
        noise.fill(self.xp, self.amplitude, 1 / np.sqrt(dt), self.keys, steps, out, live)
