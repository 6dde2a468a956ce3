"""Films followed through time, with precession, and with noise if they have a temperature."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from weiss.arrays import to_host
from weiss.errors import UserError
from weiss.llg.drivers import Series, enough_finished, take_up
from weiss.llg.drivers.thermal import thermal
from weiss.llg.equation import Equation
from weiss.llg.integrators.dormand_prince import TOLERANCE, DormandPrince

Array = Any

FOLLOWING = 1e-12
"""Longest step in s in a field that changes with time."""


def series(
    equation: Equation,
    m: Array,
    times: Sequence[float],
    states: bool = False,
    tolerance: float = TOLERANCE,
    dt: float | None = None,
) -> Iterator[tuple[int, Series]]:
    """Integrate a batch of films from t = 0.

    Parameters
    ----------
    equation : Equation
    m : (films, 3, nz, ny, nx) array
        States at t = 0; directions of any length.
    times : (times,) sequence of float
        Times of output in s, growing, not negative.
    states : bool
        Whether to keep the states at all times.
    tolerance : float
        Largest rotation error of a step in radians, without noise (`DormandPrince`).
    dt : float, optional
        Longest time step in s. Needed for films with a temperature, which `weiss.llg.drivers.thermal` runs. Default for
        the others: none, or `FOLLOWING` if a film has a `B_of_time`, as nothing tells of a pulse that a step goes over.

    Yields
    ------
    (int, Series)
        Position in the batch, and the film, in the order in which films finish.

    Raises
    ------
    UserError
        If the times are not growing, or negative, or a film has a temperature and there is no dt, or dt is not
        positive.
    SimulationError
        If a film's time step collapses, or a field stops being finite.
    """
    times = np.array(times, float)
    if times.ndim != 1 or not times.size or not np.isfinite(times).all() or times[0] < 0 or (np.diff(times) <= 0).any():
        raise UserError("the times of output do not grow from 0", fix="give growing times in s, the first not negative")
    if dt is not None and not dt > 0:
        raise UserError(f"a time step of {dt:g} s", fix="give a positive dt in s")
    hot = [np.max(film.temperature) > 0 for film in equation.films.films]
    if any(hot) and not (all(hot) and dt is not None):
        raise UserError("films with a temperature need a time step of their own", fix="give dt, and no cold films")
    if any(hot):
        yield from thermal(equation, m, times, dt, states=states)
        return
    began = equation.evaluations.copy()
    m = take_up(equation, m)
    if dt is None:
        dt = FOLLOWING if any(film.B_of_time is not None for film in equation.films.films) else np.inf
    run = DormandPrince(equation, m, tolerance=tolerance, longest=dt)
    means = np.full((len(m), len(times), 3), np.nan)
    kept: list[list[np.ndarray]] = [[] for _ in m]
    due = np.zeros(len(m), int)
    arrived = run.t == times[0]
    while True:
        mean = run.equation.vectors.mean(run.m, run.equation.Ms, arrived)
        for film in np.flatnonzero(arrived):
            means[run.ids[film], due[film]] = mean[film]
            if states:
                kept[run.ids[film]].append(to_host(run.m[film]).copy())
            due[film] += 1
        finished = due == len(times)
        if enough_finished(finished):
            evaluations = run.equation.evaluations - began
            for film in np.flatnonzero(finished):
                index = int(run.ids[film])
                yield (
                    index,
                    Series(
                        t=times.copy(),
                        mean=means[index],
                        m=to_host(run.m[film]).copy(),
                        states=np.stack(kept[index]) if states else None,
                        evaluations=int(evaluations[film]),
                        steps=int(run.steps[film]),
                        rejected=int(run.rejected[film]),
                    ),
                )
                kept[index] = []
            if finished.all():
                return
            run.keep(~finished)
            began, due = began[~finished], due[~finished]
            finished = np.zeros(len(due), bool)
        ends = times[np.minimum(due, len(times) - 1)]
        accepted = run.step(~finished, ends)
        arrived = accepted & (run.t == ends)
