"""Films through a hysteresis loop: steps of the applied field, each relaxed from the state before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from weiss.arrays import to_host
from weiss.errors import UserError
from weiss.llg.drivers import enough_finished
from weiss.llg.drivers.kick import at_rest, kick
from weiss.llg.drivers.relax import MAX_EVALUATIONS, NOT_RELAXED, RELAXED, TORQUE_T, descent_of
from weiss.llg.equation import Equation

Array = Any

KICK = 1e-3
"""Default angle in radians: that of a field aligned to within 0.06°."""

SATURATION = 0.99
"""Share of the saturation magnetisation above which a film counts as saturated."""


@dataclass(frozen=True)
class Loop:
    """The hysteresis loop of one film.

    Of the numbers with two entries the first belongs to the last branch of falling, the second to the last branch of
    rising field; nan where a branch does not show it. Fields count along the direction of the largest one.

    Attributes
    ----------
    m : (3, nz, ny, nx) ndarray
        State at the last step.
    B : (steps, 3) ndarray
        Applied field in T: the steps of the loop, and the mean of the film's own B.
    mean : (steps, 3) ndarray
        Mean m over the material, weighted by Ms.
    coercive_T : (2,) ndarray
        Field at which the mean along the field passes zero, interpolated between steps.
    saturation_T : (2,) ndarray
        Field, without its sign, at which the mean along the field last rises through `SATURATION` on its way into
        saturation, interpolated between steps.
    knee_T : (2,) ndarray
        Field, without its sign, of the knee on the way from the coercive field into saturation: the step that lies
        farthest from the straight line between the coercive point and a saturated one, twice as far from it as
        saturation or at the end of the branch. nan where the branch is not saturated.
    status : {"relaxed", "not relaxed"}
        "relaxed" if every step was.
    torque_T : (steps,) ndarray
        Largest µ0 |m × H| left at each step, in T.
    evaluations, steps, rejected : int
        Effective fields computed, steps taken, and steps taken back.
    """

    m: np.ndarray
    B: np.ndarray
    mean: np.ndarray
    coercive_T: np.ndarray
    saturation_T: np.ndarray
    knee_T: np.ndarray
    status: str
    torque_T: np.ndarray
    evaluations: int
    steps: int
    rejected: int


def _branch(b: np.ndarray, sign: int) -> slice | None:
    """The last run of steps over which sign·b grows."""
    grows = np.flatnonzero(sign * np.diff(b) > 0)
    if not grows.size:
        return None
    last = int(grows[-1])
    first = last
    while first > 0 and sign * (b[first] - b[first - 1]) > 0:
        first -= 1
    return slice(first, last + 2)


def _through(level: float, b: np.ndarray, f: np.ndarray) -> float:
    """Field at which growing f last rises through a level; nan where it does not."""
    rises = np.flatnonzero((f[:-1] < level) & (f[1:] >= level))
    if not rises.size or (f[rises[-1] + 1 :] < level).any():
        return np.nan
    k = int(rises[-1])
    return float(b[k] + (b[k + 1] - b[k]) * (level - f[k]) / (f[k + 1] - f[k]))


def _knee(b: np.ndarray, f: np.ndarray, coercive: float, saturated: float) -> float:
    """Field of the step that lies farthest from the straight line between the coercive point and a saturated one.

    The latter lies at most twice as far from the coercive field as saturation, so that larger loops have the same knee.
    """
    between = (b > coercive) & (b <= coercive + 2 * (saturated - coercive))
    if np.count_nonzero(between) < 3:
        return np.nan
    b, f = b[between], f[between]
    return float(b[np.argmax(f - f[-1] * (b - coercive) / (b[-1] - coercive))])


def figures(B: np.ndarray, mean: np.ndarray, saturation: float = SATURATION) -> tuple[np.ndarray, ...]:
    """Coercive, saturation and knee field of a loop, each (2,) in T; see `Loop`.

    Parameters
    ----------
    B, mean : (steps, 3) ndarray
    saturation : float
        Share of saturation in place of `SATURATION`.
    """
    out = np.full((3, 2), np.nan)
    largest = B[np.argmax(np.linalg.norm(B, axis=1))]
    if not largest.any():
        return tuple(out)
    direction = largest / np.linalg.norm(largest)
    for index, sign in enumerate((-1, 1)):
        branch = _branch(B @ direction, sign)
        if branch is not None:
            # A falling branch, turned round, is a rising one.
            b, f = sign * (B @ direction)[branch], sign * (mean @ direction)[branch]
            coercive, saturated = _through(0.0, b, f), _through(saturation, b, f)
            out[:, index] = sign * coercive, saturated, _knee(b, f, coercive, saturated)
    return tuple(out)


def hysteresis(
    equation: Equation,
    m: Array,
    B: np.ndarray,
    method: str = "lbfgs",
    torque_T: float = TORQUE_T,
    max_evaluations: int = MAX_EVALUATIONS,
    saturation: float = SATURATION,
    angle: float = KICK,
) -> Iterator[tuple[int, Loop]]:
    """Drive a batch of films through steps of the applied field.

    Parameters
    ----------
    equation : Equation
    m : (films, 3, nz, ny, nx) array
        Start states; directions of any length.
    B : (steps, 3) or (films, steps, 3) array
        Applied flux densities µ0 H in T, in addition to the films' own B.
    method, torque_T
        See `weiss.llg.drivers.relax.relax`.
    max_evaluations : int
        Effective fields that a film may need for one step; after that it goes on to the next.
    saturation : float
        Share of the saturation magnetisation above which a film counts as saturated.
    angle : float
        In radians: how far films are turned at every step, see `weiss.llg.drivers.kick`.

    Yields
    ------
    (int, Loop)
        Position in the batch, and the loop, in the order in which films finish.

    Raises
    ------
    UserError
        If B has another shape or is not finite.
    SimulationError
        If a field stops being finite.
    """
    B = np.asarray(B, float)
    count = len(equation.films.films)
    if B.ndim not in (2, 3) or B.shape[-1] != 3 or not B.size or (B.ndim == 3 and len(B) != count):
        raise UserError(f"B has shape {B.shape}", fix=f"give (steps, 3) or ({count}, steps, 3), in T")
    if not np.isfinite(B).all():
        raise UserError("B is not finite everywhere", fix="give finite fields in T")
    B = np.broadcast_to(B, (count, *B.shape[-2:]))
    steps = B.shape[1]
    began = equation.evaluations.copy()
    equation.term("zeeman").set_uniform(B[:, 0])
    own = np.array([np.asarray(film.B, float).reshape(3, -1).mean(axis=1) for film in equation.films.films])
    descent = descent_of(method, equation, m, torque_T, angle)
    means, torques = np.full(B.shape, np.nan), np.full(B.shape[:2], np.nan)
    step, step_began, kicked = np.zeros(count, int), began.copy(), np.zeros(count, int)
    while True:
        evaluations = descent.equation.evaluations
        still = at_rest(descent.torque, torque_T, descent.steps - kicked, angle)
        still |= descent.stalled | (evaluations - step_began >= max_evaluations)
        still &= step < steps
        if still.any():
            mean = descent.equation.vectors.mean(descent.m, descent.equation.Ms, still)
            for film in np.flatnonzero(still):
                means[descent.ids[film], step[film]] = mean[film]
                torques[descent.ids[film], step[film]] = descent.torque[film]
                step[film] += 1
        finished = step == steps
        if enough_finished(finished):
            for film in np.flatnonzero(finished):
                index = int(descent.ids[film])
                coercive, saturated, knee = figures(B[index] + own[index], means[index], saturation)
                yield (
                    index,
                    Loop(
                        m=to_host(descent.m[film]).copy(),
                        B=B[index] + own[index],
                        mean=means[index],
                        coercive_T=coercive,
                        saturation_T=saturated,
                        knee_T=knee,
                        status=RELAXED if (torques[index] <= torque_T).all() else NOT_RELAXED,
                        torque_T=torques[index],
                        evaluations=int(evaluations[film] - began[film]),
                        steps=int(descent.steps[film]),
                        rejected=int(descent.rejected[film]),
                    ),
                )
            if finished.all():
                return
            descent.keep(~finished)
            parts = (still, step, began, step_began, kicked)
            still, step, began, step_began, kicked = (part[~finished] for part in parts)
            finished = np.zeros(len(step), bool)
        again = still & ~finished
        if again.any():
            step_began[again], kicked[again] = descent.equation.evaluations[again], descent.steps[again]
            applied = B[descent.ids, np.minimum(step, steps - 1)]
            descent.equation.term("zeeman").set_uniform(applied)
            kick(descent.equation, descent.m, angle, step, again)
            descent.restart(again)
        else:
            descent.step(~finished)
