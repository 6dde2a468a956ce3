"""Films at a temperature: Heun steps of fixed length, and the mean magnetisation at given times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from weiss.arrays import to_host
from weiss.errors import SimulationError, UserError
from weiss.llg.constants import MOST_NOISE
from weiss.llg.drivers import Series, take_up
from weiss.llg.equation import Equation
from weiss.llg.integrators.heun import Heun

Array = Any

MOST_TURN = 0.5
"""Largest angle, in radians, by which the effective field may turn m in one step. Heun's steps grow unstable beyond."""


def _check(noise: np.ndarray, times: np.ndarray, dt: np.ndarray, start: float) -> None:
    """Refuse times that do not grow, and steps too long for the noise of a step of 1 s, (films,) in radians."""
    if times.ndim != 1 or not times.size or not np.isfinite(times).all():
        raise UserError("the times of output are not finite numbers", fix="give at least one time in s")
    if (np.diff(times, prepend=start) < 0).any():
        raise UserError(f"the times of output do not grow from {start:g} s", fix="give growing times in s")
    for film, step in enumerate(dt):
        where = f"film {film}" if len(dt) > 1 else None
        if not 0 < step < np.inf:
            raise UserError(f"a time step of {step:g} s", where, "take a positive time in s")
        if noise[film] * np.sqrt(step) > MOST_NOISE:
            raise UserError(
                f"in a step of {step:g} s noise alone turns m by {noise[film] * np.sqrt(step):.2g} rad",
                where,
                # Rounded down, so that it is not refused.
                f"take a step of at most {0.95 * (MOST_NOISE / noise[film]) ** 2:.1e} s",
            )


def _check_turn(turn: np.ndarray, dt: np.ndarray, t: float) -> None:
    for film in np.flatnonzero(~(turn <= MOST_TURN)):
        if np.isfinite(turn[film]):
            what = f"the field turns m by {turn[film]:.2g} rad in a step of {dt[film]:.3g} s"
            raise SimulationError(int(film), f"{what} at t = {t:.6g} s; take a shorter step")
        raise SimulationError(int(film), f"the field is not finite at t = {t:.6g} s")


def _taken_up(equation: Equation, m: Array) -> Array:
    """States to start from. What another run has left stays as it is, to the bit."""
    given, taken = equation.xp.asarray(m, equation.films.dtype), take_up(equation, m)
    rounding = 4 * np.finfo(equation.films.dtype).eps
    return equation.xp.where(abs(taken - given) <= rounding, given, taken)


def thermal(
    equation: Equation,
    m: Array,
    times: Sequence[float],
    dt: float | np.ndarray,
    start: float = 0.0,
    steps: int | np.ndarray = 0,
    states: bool = False,
) -> Iterator[tuple[int, Series]]:
    """Run films at their temperatures.

    A run that is given the last state, time and number of steps of another goes on as if it had not been interrupted.

    Parameters
    ----------
    equation : Equation
    m : (films, 3, nz, ny, nx) array
        States at `start`; directions of any length.
    times : (times,) sequence of float
        Times of output in s, growing.
    dt : float or (films,) ndarray
        Longest time step in s; a little shorter where a whole number of steps must fit between two times.
    start : float
        Time of the states `m` in s.
    steps : int or (films,) ndarray of int
        Steps taken before: the noise of a film depends on its seed and the number of the step.
    states : bool
        Whether to keep the states at all times.

    Yields
    ------
    (int, Series)
        Position in the batch, and the film. All films end together.

    Raises
    ------
    UserError
        If the times or steps make no sense, or noise turns m too far in a step.
    SimulationError
        If a field stops being finite, or turns m too far in a step, which is looked at at the times of output.
    """
    films = len(equation.films.films)
    everyone, began = np.ones(films, bool), equation.evaluations.copy()
    heun = Heun(equation)
    times = np.array(times, float)
    longest = np.array(np.broadcast_to(np.asarray(dt, float), films))
    _check(heun.thermal.turn, times, longest, start)
    m = _taken_up(equation, m)
    number = np.array(np.broadcast_to(np.asarray(steps, np.int64), films))
    means, kept = np.empty((films, len(times), 3)), []
    before = start
    for k, time in enumerate(times):
        # A quotient that is a whole number but for its rounding is one.
        count = np.ceil((time - before) / longest - 1e-6).astype(np.int64)
        length = np.where(count > 0, (time - before) / np.maximum(count, 1), longest)
        for step in range(count.max()):
            live = step < count
            heun.step(m, before + step * length, length, number, live)
            number += live
        before = time
        _check_turn(heun.turn(m, np.full(films, time), length, everyone), length, time)
        means[:, k] = equation.vectors.mean(m, equation.Ms, everyone)
        if states:
            kept.append(to_host(m).copy())
    last = to_host(m)
    for film in range(films):
        yield (
            film,
            Series(
                t=times.copy(),
                mean=means[film],
                m=last[film].copy(),
                states=np.stack([state[film] for state in kept]) if states else None,
                evaluations=int(equation.evaluations[film] - began[film]),
                steps=int(number[film]),
                rejected=0,
            ),
        )
