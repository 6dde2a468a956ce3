r"""Adaptive Dormand–Prince 5(4), every film with its own time and step.

The pair of Dormand and Prince, J. Comput. Appl. Math. 6, 19 (1980), whose last slope is the first of the next step. The
error of a step is the largest rotation, over the cells, by which its results of order 5 and 4 differ, in radians. Steps
are controlled as in DOPRI5 (Hairer and Wanner, Solving Ordinary Differential Equations II, section IV.2), by the error
of the step and of the one before.

Every stage is brought back to |m| = 1. The slope is then that of the field F(m) = f(m/|m|), which is smooth around the
unit sphere and tangential on it, so the order of the method is not lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weiss.arrays import empty
from weiss.errors import SimulationError
from weiss.llg.constants import MU0
from weiss.llg.equation import Equation

Array = Any

NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
"""Weights of the earlier slopes in each stage; the last stage is the result of order 5."""

ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
"""Weights of the result of order 5 less those of order 4."""

TOLERANCE = 1e-5
"""Largest error of a step in radians."""

SAFETY, SHRINK, GROWTH, INTEGRAL = 0.9, 0.2, 5.0, 0.04
"""Of the step control: a step changes by a factor between `SHRINK` and `GROWTH`."""

FIRST_ROTATION = 0.01
"""The first step turns no m by more than this many radians."""

SHARE = 0.05
"""Without precession the error is at most this share of the rotation in the step. At the longest stable step the
fastest mode neither grows nor dies; it would keep the torque at what the tolerance allows it."""

QUIET_STEPS = 50
"""Without precession a film is stalled after so many steps in a row that lower the energy by no more than rounding."""

SMALLEST_STEP = 1e-20
"""A film whose step must fall below this many seconds is broken."""


class DormandPrince:
    """The films of a batch on their way through time.

    Without precession it is a way to a minimum: the fields stay those of the time at which it began, and a step that
    would raise the energy is taken back.

    Parameters
    ----------
    equation : Equation
    m : (films, 3, nz, ny, nx) array
        Unit vectors, of the equation's precision and device. Kept, and written to.
    t : (films,) ndarray, optional
        Start times in s.
    tolerance : float
        Largest rotation error of a step in radians.
    precess : bool
    longest : float
        Longest step in s.

    Attributes
    ----------
    m : array
    t, dt : (films,) ndarray
        Time, and length of the next step, in s.
    steps, rejected : (films,) ndarray of int
    torque : (films,) ndarray
        Largest µ0 |m × H| in T; only without precession.
    stalled : (films,) boolean ndarray
        Films that rounding keeps from going on; only without precession.
    """

    def __init__(
        self,
        equation: Equation,
        m: Array,
        t: np.ndarray | None = None,
        tolerance: float = TOLERANCE,
        precess: bool = True,
        longest: float = np.inf,
    ) -> None:
        self.equation, self.m, self.tolerance, self.precess = equation, m, tolerance, precess
        self.longest = longest
        count = len(m)
        self.ids = np.arange(count)
        self.t = np.zeros(count) if t is None else np.array(t, float)
        self.dt, self.error_before = np.zeros(count), np.full(count, 1e-4)
        self.steps, self.rejected = np.zeros(count, int), np.zeros(count, int)
        self.torque, self.stalled = np.full(count, np.inf), np.zeros(count, bool)
        self.quiet = np.zeros(count, int)
        self._allocate()
        self.restart(np.ones(count, bool))

    def _allocate(self) -> None:
        xp, shape, dtype = self.equation.xp, self.m.shape, self.m.dtype
        self.end = empty(xp, shape, dtype)
        self.slopes = [empty(xp, shape, dtype) for _ in NODES]
        # The energies at both ends of a step follow from the fields there; with precession nobody asks for them.
        self.H, self.H_end = (None if self.precess else empty(xp, shape, dtype) for _ in range(2))

    def _slope(self, m: Array, t: np.ndarray, H: Array | None, out: Array, live: np.ndarray) -> None:
        self.equation.torque(m, t, out, live, self.precess, H)

    def restart(self, chosen: np.ndarray) -> None:
        """Take up a changed field or a changed m: first slope and first step of the chosen films."""
        self._slope(self.m, self.t, self.H, self.slopes[0], chosen)
        rate = self.equation.vectors.rotation(self.slopes[:1], (1.0,), np.ones(len(chosen)), chosen)
        for film in np.flatnonzero(chosen):
            if not np.isfinite(rate[film]):
                raise SimulationError(int(self.ids[film]), f"the field is not finite at t = {self.t[film]:.6g} s")
            self.dt[film] = FIRST_ROTATION / rate[film] if rate[film] > 0 else np.inf
        self.error_before[chosen], self.stalled[chosen], self.quiet[chosen] = 1e-4, False, 0
        if not self.precess:
            # Without precession |dm/dt| is γ0 |m × H|.
            self.torque[chosen] = MU0 * rate[chosen] / self.equation.gamma0[chosen]

    def step(self, live: np.ndarray, ends: np.ndarray | None = None) -> np.ndarray:
        """Try one step of every live film.

        Parameters
        ----------
        live : (films,) boolean ndarray
        ends : (films,) ndarray, optional
            Times not to be passed, in s, later than the films' own; a step that reaches one ends exactly there.

        Returns
        -------
        (films,) boolean ndarray
            Films that went on; the others try a shorter step next.

        Raises
        ------
        SimulationError
            If a film's step falls below `SMALLEST_STEP` or what its time can resolve, or its m is not finite.
        """
        vectors, slopes = self.equation.vectors, self.slopes
        ends = np.full(len(live), np.inf) if ends is None else ends
        left = ends - self.t
        # A rest too short to be worth a step of its own is avoided by halving the way to it.
        dt = np.minimum(self.dt, self.longest)
        dt = np.where(dt >= left, left, np.where(left < 1.5 * dt, left / 2, dt))
        for stage, weights in enumerate(STAGES, start=1):
            vectors.advance(self.m, slopes[:stage], weights, dt, self.end, live)
            t = self.t + NODES[stage] * dt if self.precess else self.t
            self._slope(self.end, t, self.H_end, slopes[stage], live)
        errors = vectors.rotation(slopes, ERROR, dt, live) / self._allowed(dt)
        rising = np.zeros(len(live), bool) if self.precess else self._rising(live)
        accepted = np.zeros(len(live), bool)
        for film in np.flatnonzero(live):
            error = float(errors[film])
            accepted[film] = error <= 1 and not rising[film]
            if accepted[film]:
                self._accept(film, float(dt[film]), error)
                self.t[film] = ends[film] if dt[film] == left[film] else self.t[film] + dt[film]
            else:
                self._reject(film, float(dt[film]), error)
        self._take(accepted)
        return accepted

    def _allowed(self, dt: np.ndarray) -> np.ndarray:
        """Largest error of a step in radians, (films,)."""
        if self.precess:
            return np.full(len(dt), self.tolerance)
        return np.minimum(self.tolerance, SHARE * dt * self.equation.gamma0 * self.torque / MU0)

    def _rising(self, live: np.ndarray) -> np.ndarray:
        """Films whose energy rises in the step by more than rounding; takes note of torques and of films at rest."""
        compared = self.equation.vectors.compare(self.m, self.H, self.end, self.H_end, self.equation.Ms, live)
        work, noise = compared[:, 3], np.finfo(self.m.dtype).eps * compared[:, 4]
        rising = live & (work < -noise)
        self.quiet[live] = np.where(work <= noise, self.quiet + 1, 0)[live]
        self.stalled = self.quiet >= QUIET_STEPS
        fell = live & ~rising
        self.torque[fell] = MU0 * compared[fell, 5]
        return rising

    def _accept(self, film: int, dt: float, error: float) -> None:
        self.steps[film] += 1
        error = max(error, 1e-9)
        factor = SAFETY * error ** (0.75 * INTEGRAL - 0.2) * self.error_before[film] ** INTEGRAL
        longer = dt * min(GROWTH, max(SHRINK, factor))
        # A step cut short at an output time says nothing against the longer one that had been planned.
        self.dt[film] = max(longer, self.dt[film]) if dt < self.dt[film] else longer
        self.error_before[film] = max(error, 1e-4)

    def _reject(self, film: int, dt: float, error: float) -> None:
        """Go on from the same state with a shorter step."""
        self.rejected[film] += 1
        factor = SAFETY * error**-0.2 if 1 < error < np.inf else SHRINK
        self.dt[film] = dt * max(SHRINK, factor)
        if self.dt[film] < SMALLEST_STEP or self.t[film] + self.dt[film] == self.t[film]:
            why = "" if np.isfinite(error) else " and the fields are not finite"
            message = f"the time step collapsed to {self.dt[film]:.3g} s at t = {self.t[film]:.6g} s{why}"
            raise SimulationError(int(self.ids[film]), message)

    def _take(self, accepted: np.ndarray) -> None:
        """Make the ends of the accepted steps the states; the last slope is the first of the next step."""
        pairs = [(self.end, self.m), (self.slopes[-1], self.slopes[0])]
        if not self.precess:
            pairs.append((self.H_end, self.H))
        if 2 * np.count_nonzero(accepted) <= len(accepted):
            for source, target in pairs:
                self.equation.vectors.copy(source, target, accepted)
            return
        for source, target in pairs:
            self.equation.vectors.copy(target, source, ~accepted)
        self.m, self.end = self.end, self.m
        self.slopes[0], self.slopes[-1] = self.slopes[-1], self.slopes[0]
        self.H, self.H_end = self.H_end, self.H

    def keep(self, chosen: np.ndarray) -> None:
        """Go on with a part of the batch; `chosen` is (films,) boolean."""
        self.equation = self.equation.keep(chosen)
        for name in ("ids", "t", "dt", "error_before", "steps", "rejected", "torque", "stalled", "quiet"):
            setattr(self, name, getattr(self, name)[chosen])
        m, first, H = self.m, self.slopes[0], self.H
        index = self.equation.xp.asarray(np.flatnonzero(chosen))
        self.m = m[index]
        self._allocate()
        self.slopes[0][...] = first[index]
        if not self.precess:
            self.H[...] = H[index]
