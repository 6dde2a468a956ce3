"""Films relaxed from a state, until no torque is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from weiss.arrays import to_host
from weiss.errors import UserError
from weiss.llg.drivers import enough_finished, take_up
from weiss.llg.drivers.kick import at_rest, kick
from weiss.llg.equation import Equation
from weiss.llg.integrators.dormand_prince import DormandPrince
from weiss.llg.minimise import Minimiser
from weiss.llg.quasi_newton import QuasiNewton

Array = Any

RELAXED, NOT_RELAXED = "relaxed", "not relaxed"

RELAX_TOLERANCE = 1e-3
"""Rotation error in radians of the method "relax": the way does not matter, only that the energy never rises."""

METHODS: dict[str, Callable[..., Any]] = {
    "lbfgs": QuasiNewton,
    "minimise": Minimiser,
    "relax": partial(DormandPrince, tolerance=RELAX_TOLERANCE, precess=False),
}
"""Ways to a minimum. Each takes (equation, m) and has m, torque, stalled, steps, rejected, ids, step, restart, keep."""

TORQUE_T = 1e-4
"""A film is relaxed when µ0 |m × H| is nowhere larger than this, in T."""

MAX_EVALUATIONS = 100_000
"""A film that needs more effective fields than this is given up."""


@dataclass(frozen=True)
class Relaxed:
    """How a film came to rest.

    Attributes
    ----------
    m : (3, nz, ny, nx) ndarray
    status : {"relaxed", "not relaxed"}
        "not relaxed" if `torque_T` is above what was asked for: the film needed too many fields, or rounding keeps
        its energy from falling further.
    torque_T : float
        Largest µ0 |m × H| in T.
    energies : dict of float
        In J, by term, and "total".
    evaluations, steps, rejected : int
        Effective fields computed, steps taken, and steps taken back.
    """

    m: np.ndarray
    status: str
    torque_T: float
    energies: dict[str, float]
    evaluations: int
    steps: int
    rejected: int


def descent_of(method: str, equation: Equation, m: Array, torque_T: float, angle: float) -> Any:
    """Start a method of `METHODS` at states m, which are copied and kicked by an angle in radians.

    Raises
    ------
    UserError
        If there is no such method, m is not a state of the batch, or a number is not what it must be.
    """
    if method not in METHODS:
        raise UserError(f"no method {method!r} of relaxing", fix=f"take one of {', '.join(METHODS)}")
    if not torque_T > 0:
        raise UserError(f"torque_T is {torque_T:g}", fix="give a positive torque in T")
    if not 0 <= angle < 1:
        raise UserError(f"a kick of {angle:g} rad", fix="give a small angle, or 0 for none")
    m = take_up(equation, m)
    kick(equation, m, angle, np.zeros(len(m), int), np.ones(len(m), bool))
    return METHODS[method](equation, m)


def energies_of(equation: Equation, m: Array, t: np.ndarray, film: int) -> dict[str, float]:
    """Energies of one film of a batch in J, by term: in double precision, for which memory need not hold the batch."""
    alone = equation.keep(np.arange(len(m)) == film)
    return {name: float(values[0]) for name, values in alone.energies(m[film : film + 1], t[film : film + 1]).items()}


def relax(
    equation: Equation,
    m: Array,
    method: str = "lbfgs",
    torque_T: float = TORQUE_T,
    max_evaluations: int = MAX_EVALUATIONS,
    angle: float = 0.0,
) -> Iterator[tuple[int, Relaxed]]:
    """Relax a batch of films.

    Parameters
    ----------
    equation : Equation
    m : (films, 3, nz, ny, nx) array
        Start states; directions of any length. Fields that change in time stay as they are at t = 0.
    method : {"lbfgs", "minimise", "relax"}
        The minimisers of `weiss.llg.quasi_newton` and `weiss.llg.minimise`, or the equation of motion without
        precession. Of two minima they may find different ones.
    torque_T : float
        Largest µ0 |m × H| in T of a film at rest. Rounding leaves about ε µ0 |H| behind, ε being 1.2e-7 in single
        precision: a film that cannot reach `torque_T` for it is handed out as "not relaxed".
    max_evaluations : int
        Effective fields that a film may need.
    angle : float
        In radians: how far films are turned at the start, see `weiss.llg.drivers.kick`. A state that stands on a saddle
        has no torque, and leaves it only so.

    Yields
    ------
    (int, Relaxed)
        Position in the batch, and the film, in the order in which films finish.

    Raises
    ------
    SimulationError
        If a field stops being finite.
    """
    began = equation.evaluations.copy()
    descent = descent_of(method, equation, m, torque_T, angle)
    while True:
        evaluations = descent.equation.evaluations - began
        finished = at_rest(descent.torque, torque_T, descent.steps, angle)
        finished |= descent.stalled | (evaluations >= max_evaluations)
        if enough_finished(finished):
            for film in np.flatnonzero(finished):
                yield (
                    int(descent.ids[film]),
                    Relaxed(
                        m=to_host(descent.m[film]).copy(),
                        status=RELAXED if descent.torque[film] <= torque_T else NOT_RELAXED,
                        torque_T=float(descent.torque[film]),
                        energies=energies_of(descent.equation, descent.m, descent.t, film),
                        evaluations=int(evaluations[film]),
                        steps=int(descent.steps[film]),
                        rejected=int(descent.rejected[film]),
                    ),
                )
            if finished.all():
                return
            descent.keep(~finished)
            began = began[~finished]
        else:
            descent.step(~finished)
