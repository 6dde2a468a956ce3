r"""Heun's scheme with a fixed step, for runs at a temperature.

.. math::
    m^* = m + \Delta t\, f(m, H(m) + h), \qquad
    m' = m + \tfrac12\Delta t\,\big(f(m, H(m) + h) + f(m^*, H(m^*) + h)\big)

with the same thermal field h in both, and both vectors brought back to unit length. It converges to the Stratonovich
solution (Rümelin, SIAM J. Numer. Anal. 19, 604 (1982)), which is the one Brown's field is made for; averages have an
error of first order in Δt. Without noise it is of second order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weiss.arrays import empty
from weiss.llg.equation import Equation
from weiss.llg.terms.thermal import ThermalField

Array = Any


class Heun:
    """Takes single steps. It owns the work arrays, and no state: m, times and step numbers go in.

    Attributes
    ----------
    equation : Equation
    thermal : ThermalField
    """

    def __init__(self, equation: Equation) -> None:
        self.equation = equation
        self.thermal = ThermalField(equation.films, equation.xp)
        films = equation.films
        self._noise, self._field, self._first, self._second, self._predicted = (
            empty(equation.xp, films.shape, films.dtype) for _ in range(5)
        )

    def _rate(self, m: Array, t: np.ndarray, out: Array, live: np.ndarray) -> None:
        """dm/dt in the effective field and the noise of the step."""
        equation = self.equation
        equation.field(m, t, self._field, live)
        if live.all():
            self._field += self._noise
        else:
            for film in np.flatnonzero(live):
                self._field[film] += self._noise[film]
        equation.vectors.torque(m, self._field, equation.alpha, equation.gamma0, True, out, live)

    def step(self, m: Array, t: np.ndarray, dt: np.ndarray, steps: np.ndarray, live: np.ndarray) -> None:
        """Move the live films from t to t + dt, in place.

        Parameters
        ----------
        m : (films, 3, nz, ny, nx) array
        t, dt : (films,) ndarray
            In s.
        steps : (films,) ndarray of int
            Numbers of the step, which its noise depends on.
        live : (films,) ndarray of bool
        """
        advance = self.equation.vectors.advance
        self.thermal.field(steps, dt, self._noise, live)
        self._rate(m, t, self._first, live)
        advance(m, [self._first], [1.0], dt, self._predicted, live)
        self._rate(self._predicted, t + dt, self._second, live)
        advance(m, [self._first, self._second], [0.5, 0.5], dt, m, live)

    def turn(self, m: Array, t: np.ndarray, dt: np.ndarray, live: np.ndarray) -> np.ndarray:
        """Largest angle by which the effective field, without the noise, turns any m in a step, in radians.

        (films,) float64; inf where it is not finite, nan where a film is not live.
        """
        self.equation.torque(m, t, self._first, live)
        return self.equation.vectors.rotation([self._first], [1.0], dt, live)
