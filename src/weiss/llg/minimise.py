r"""Minimiser of the energy: steepest descent, Barzilai–Borwein steps (Exl et al., J. Appl. Phys. 115, 17D118 (2014)).

Every m is turned by :math:`m' = m - \tau\,\tfrac12 (m + m') \times (m \times H)`, which keeps its length. With s and y
the changes of m and of m × (m × H), the step τ is s·s/s·y and s·y/y·y in turn (Barzilai and Borwein, IMA J. Numer.
Anal. 8, 141 (1988)). Sums are weighted by Ms, the mass in which m × (m × H) is the gradient of the energy.

What is added so that every film comes to rest from any state: a step turns no m by more than `MOST_ROTATION`; where the
energy is not convex along s, the step grows; and a step after which the energy lies above that of each of the last
`MEMORY` states is taken back and shortened (Grippo, Lampariello and Lucidi, SIAM J. Numer. Anal. 23, 707 (1986)).
The change of energy follows from the fields at both ends of a step (see `weiss.llg.vectors`), without another field.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weiss.arrays import empty
from weiss.errors import SimulationError
from weiss.llg.constants import MU0
from weiss.llg.equation import Equation

Array = Any

FIRST_ROTATION = 0.01
"""The first step turns no m by more than this many radians, and is no longer than the last before a change of field: a
state that still is a minimum is not left."""

MOST_ROTATION = 1.0
"""Largest rotation in a step, in radians (of the linearised step τ |m × H|)."""

GROWTH = 4.0
"""A step is at most so many times the last one where the energy is not convex along it."""

SHRINK = 0.25
"""A step that is taken back is repeated at this length."""

MEMORY = 10
"""The energy may rise, but not above the highest of so many last states."""

WINDOW = 100
"""A film is stalled when so many steps together lower its energy by no more than their rounding."""


class Minimiser:
    """The films of a batch on their way to a minimum, each with its own step.

    Parameters
    ----------
    equation : Equation
    m : (films, 3, nz, ny, nx) array
        Unit vectors, of the equation's precision and device. Kept, and written to.
    t : (films,) ndarray, optional
        Time of the applied fields in s.

    Attributes
    ----------
    m : array
    torque : (films,) ndarray
        Largest µ0 |m × H| in T.
    stalled : (films,) boolean ndarray
        Films that rounding keeps from going on.
    steps, rejected : (films,) ndarray of int
    """

    def __init__(self, equation: Equation, m: Array, t: np.ndarray | None = None) -> None:
        self.equation, self.m = equation, m
        count = len(m)
        self.ids = np.arange(count)
        self.t = np.zeros(count) if t is None else np.array(t, float)
        self.torque, self.stalled = np.full(count, np.inf), np.zeros(count, bool)
        self.tau = np.full(count, np.inf)
        self.above = np.full((count, MEMORY), -np.inf)  # energies of the last states less the present one's, over µ0 V
        self.window = np.zeros((count, 3))  # steps, and what they lowered the energy by, and rounding, over µ0 V
        self.steps, self.rejected = np.zeros(count, int), np.zeros(count, int)
        self._allocate()
        self.restart(np.ones(count, bool))

    def _allocate(self) -> None:
        xp, shape, dtype = self.equation.xp, self.m.shape, self.m.dtype
        self.end, self.H, self.H_end = (empty(xp, shape, dtype) for _ in range(3))

    def restart(self, chosen: np.ndarray) -> None:
        """Take up a changed field or a changed m of the chosen films."""
        self.equation.field(self.m, self.t, self.H, chosen)
        most = self.equation.vectors.largest(self.m, self.H, chosen)
        for film in np.flatnonzero(chosen):
            if not np.isfinite(most[film]):
                raise SimulationError(int(self.ids[film]), "the field is not finite")
            self.torque[film] = MU0 * most[film]
            first = FIRST_ROTATION / most[film] if most[film] > 0 else np.inf
            self.tau[film] = min(first, self.tau[film])
        self.stalled[chosen], self.window[chosen] = False, 0.0
        self.above[chosen, :-1], self.above[chosen, -1] = -np.inf, 0.0

    def step(self, live: np.ndarray) -> np.ndarray:
        """Try one step of every live film; tells which films went on."""
        self._move(live)
        self.equation.field(self.end, self.t, self.H_end, live)
        measured = self._measure(live)
        accepted = np.zeros(len(live), bool)
        for film in np.flatnonzero(live):
            accepted[film] = self._judge(film, measured[film])
            if accepted[film]:
                self._plan(film, measured[film])
            else:
                self._shorten(film)
        self._take(accepted)
        return accepted

    def _move(self, live: np.ndarray) -> None:
        """The states that are tried next, into `end`."""
        self.equation.vectors.descend(self.m, self.H, self.tau, self.end, live)

    def _measure(self, live: np.ndarray) -> np.ndarray:
        """The way to them; the first columns are those of `compare`."""
        return self.equation.vectors.compare(self.m, self.H, self.end, self.H_end, self.equation.Ms, live)

    def _judge(self, film: int, measured: np.ndarray) -> bool:
        """Accept or reject one film's step."""
        work, noise, most = (float(value) for value in measured[3:6])
        if not np.isfinite(most):
            raise SimulationError(int(self.ids[film]), f"the field is not finite after {self.steps[film]} steps")
        noise *= float(np.finfo(self.m.dtype).eps)
        if work < -self.above[film].max() - noise:
            self.rejected[film] += 1
            self._rest(film, 0.0, noise)
            return False
        self._rest(film, work, noise)
        self.above[film] = np.append(self.above[film, 1:] + work, 0.0)
        self.steps[film] += 1
        self.torque[film] = MU0 * most
        return True

    def _plan(self, film: int, measured: np.ndarray) -> None:
        """Choose the next step of a film that went on."""
        ss, sy, yy, _, _, most = (float(value) for value in measured)
        tau = GROWTH * self.tau[film]
        if sy > 0:
            tau = ss / sy if self.steps[film] % 2 else sy / yy
        self.tau[film] = min(tau, MOST_ROTATION / most) if most > 0 else tau

    def _shorten(self, film: int) -> None:
        self.tau[film] *= SHRINK

    def _rest(self, film: int, work: float, noise: float) -> None:
        """Notice a film that only rounding moves."""
        self.window[film] += 1.0, work, noise
        if self.window[film, 0] == WINDOW:
            self.stalled[film] = self.window[film, 1] <= self.window[film, 2]
            self.window[film] = 0.0

    def _take(self, accepted: np.ndarray) -> None:
        """Make the ends of the accepted steps the states."""
        pairs = ((self.end, self.m), (self.H_end, self.H))
        if 2 * np.count_nonzero(accepted) <= len(accepted):
            for source, target in pairs:
                self.equation.vectors.copy(source, target, accepted)
            return
        for source, target in pairs:
            self.equation.vectors.copy(target, source, ~accepted)
        self.m, self.end = self.end, self.m
        self.H, self.H_end = self.H_end, self.H

    def keep(self, chosen: np.ndarray) -> None:
        """Go on with a part of the batch; `chosen` is (films,) boolean."""
        self.equation = self.equation.keep(chosen)
        for name in ("ids", "t", "torque", "stalled", "tau", "above", "window", "steps", "rejected"):
            setattr(self, name, getattr(self, name)[chosen])
        index = self.equation.xp.asarray(np.flatnonzero(chosen))
        H = self.H[index]
        # What is only scratch goes before the rest is copied: a batch may fill its memory.
        self.end = self.H_end = self.H = None
        self.m = self.m[index]
        self._allocate()
        self.H[...] = H
