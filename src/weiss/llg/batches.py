"""Micromagnetic films in batches: built from the points of a study, driven, and measured."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from weiss import batches
from weiss.errors import SimulationError
from weiss.llg.constants import MU0
from weiss.llg.drivers.hysteresis import hysteresis
from weiss.llg.drivers.relax import relax
from weiss.llg.drivers.series import series
from weiss.llg.equation import Equation
from weiss.llg.film import Films
from weiss.llg.points import FILM_PARAMETERS, Params, film_of, loop_fields, mesh_of, start_of
from weiss.llg.result import FilmResult, Records, measured


class _Shares:
    """Wall time of a batch, shared evenly by the films that still run."""

    def __init__(self, films: int) -> None:
        self.seconds, self.live = np.zeros(films), np.ones(films, bool)
        self.since = time.perf_counter()

    def of(self, film: int) -> float:
        """The share of a film that finishes now."""
        now = time.perf_counter()
        self.seconds[self.live] += (now - self.since) / np.count_nonzero(self.live)
        self.since, self.live[film] = now, False
        return float(self.seconds[film])


def _together(params: Params) -> str:
    """Films with a thermal field are integrated in another way than those without."""
    return f"{params['temperature'] > 0} {batches.settings_text(params, FILM_PARAMETERS)}"


def _run_whole(
    films: Sequence[tuple[Params, int]], indices: list[int], device: str
) -> Iterator[tuple[int, FilmResult]]:
    """Run films as one batch."""
    shares = _Shares(len(indices))
    chosen = [films[i] for i in indices]
    params, mesh = chosen[0][0], mesh_of(chosen[0][0])
    with warnings.catch_warnings():
        # The study has said it, once for all its films.
        warnings.simplefilter("ignore")
        batch = Films(
            mesh,
            tuple(film_of(*film) for film in chosen),
            params["demag"],
            (*params["images"], 0),
            params["precision"],
        )
    m = np.stack([start_of(*film).astype(batch.dtype) for film in chosen])
    try:
        for position, film in _driven(Equation(batch, device), m, params, shares):
            yield indices[position], film
    except SimulationError as error:
        raise SimulationError(indices[error.index], error.message) from error


def _driven(equation: Equation, m: np.ndarray, params: Params, shares: _Shares) -> Iterator[tuple[int, FilmResult]]:
    """Let films settle and the driver run, and measure every film that it hands out."""
    settled = np.zeros((len(m), 3), int)
    if params["settle_time"] > 0:
        for i, found in series(equation, m, [params["settle_time"]]):
            m[i], settled[i] = found.m, (found.evaluations, found.steps, found.rejected)
    run = {"relax": _relaxed, "hysteresis": _looped, "series": _followed}[params["driver"]]
    for i, film in run(equation, m, params, shares):
        evaluations, steps, rejected = (int(count) for count in settled[i])
        yield (
            i,
            replace(
                film,
                evaluations=film.evaluations + evaluations,
                steps=film.steps + steps,
                rejected=film.rejected + rejected,
            ),
        )


def _relaxed(equation: Equation, m: np.ndarray, params: Params, shares: _Shares) -> Iterator[tuple[int, FilmResult]]:
    films = equation.films
    for i, found in relax(equation, m, **_criterion(params)):
        counts = (found.evaluations, found.steps, found.rejected)
        rest = (found.m, found.energies, found.torque_T, found.status, counts, shares.of(i))
        yield i, measured(films.mesh, films.films[i], *rest)


def _criterion(params: Params) -> dict[str, Any]:
    return {name: params[name] for name in ("method", "torque_T", "max_evaluations")} | {"angle": params["kick"]}


def _looped(equation: Equation, m: np.ndarray, params: Params, shares: _Shares) -> Iterator[tuple[int, FilmResult]]:
    films, steps = equation.films, loop_fields(params)
    for i, found in hysteresis(equation, m, steps, **_criterion(params)):
        film = films.films[i]
        records = Records(np.full(len(found.B), np.nan), found.B, found.mean)
        energies, torque_T = _last(equation, i, found.m, steps[-1])
        counts = (found.evaluations, found.steps, found.rejected)
        fields = (found.coercive_T, found.saturation_T, found.knee_T)
        yield (
            i,
            measured(
                films.mesh, film, found.m, energies, torque_T, found.status, counts, shares.of(i), records, fields
            ),
        )


def _followed(equation: Equation, m: np.ndarray, params: Params, shares: _Shares) -> Iterator[tuple[int, FilmResult]]:
    films, times = equation.films, np.linspace(0.0, params["series_time"], params["series_samples"])
    for i, found in series(equation, m, times, dt=params["dt"] if params["temperature"] > 0 else None):
        film = films.films[i]
        B = np.broadcast_to(np.asarray(film.B, float), found.mean.shape)
        energies, torque_T = _last(equation, i, found.m)
        counts = (found.evaluations, found.steps, found.rejected)
        records = Records(found.t, B, found.mean)
        yield (
            i,
            measured(films.mesh, film, found.m, energies, torque_T, "finished", counts, shares.of(i), records),
        )


def _last(
    equation: Equation, i: int, m: np.ndarray, B: Sequence[float] = (0.0, 0.0, 0.0)
) -> tuple[dict[str, float], float]:
    """Energies in J by term and largest torque in T of one film's last state, in a field B in T beside its own."""
    chosen = np.arange(len(equation.films.films)) == i
    alone, xp = equation.keep(chosen), equation.xp
    alone.term("zeeman").set_uniform(np.array([B], float))
    state, t = xp.asarray(m[None]), np.zeros(1)
    H = xp.empty_like(state)
    alone.field(state, t, H, np.ones(1, bool))
    turning = xp.cross(state.astype(np.float64), H.astype(np.float64), axis=1)
    energies = {name: float(values[0]) for name, values in alone.energies(state, t).items()}
    return energies, MU0 * float(xp.sqrt((turning**2).sum(axis=1)).max())


def _fitting(params: Params, count: int, device: str) -> int:
    """All: what does not fit is found out by trying."""
    return count


def _size(params: Params) -> str:
    return f"{params['layers']} × {params['ny']} × {params['nx']} cells in {params['precision']}"


def simulate(
    films: Sequence[tuple[Params, int]], device: str = "cpu", threads: int = 1, batch: int | None = None
) -> Iterator[tuple[int, FilmResult]]:
    """Simulate films as their driver says.

    Parameters
    ----------
    films : sequence of (params, seed)
        Parameters as in a point of a study (see config/README.md), and the seed of its grains, noise and initial state.
    device, threads, batch
        See `weiss.batches.simulate`.

    Yields
    ------
    index : int
        Position in `films`.
    film : FilmResult
        In the order in which films finish.

    Raises
    ------
    SimulationError
        If a field stops being finite, or a time step collapses.
    UserError
        If memory does not hold a single film; a batch it does not hold is split.
    """
    kind = batches.Kind(_together, _run_whole, _fitting, _size)
    return batches.simulate(kind, films, device, threads, batch)
