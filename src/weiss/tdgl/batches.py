"""Ginzburg–Landau films in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from weiss import batches
from weiss.arrays import namespace
from weiss.errors import SimulationError
from weiss.tdgl import euler, hysteresis, rhs
from weiss.tdgl.loops import FilmResult
from weiss.tdgl.model import FILM_PARAMETERS, Params, prepare


def _together(params: Params) -> str:
    return batches.settings_text(params, FILM_PARAMETERS)


def _run_whole(
    films: Sequence[tuple[Params, int]], indices: list[int], device: str
) -> Iterator[tuple[int, FilmResult]]:
    """Run films as one batch."""
    batch = prepare([films[i] for i in indices])
    run = (euler if batch.settings["integrator"] == "euler" else hysteresis).run(batch, device)
    try:
        for position, film in run:
            yield indices[position], film
    except SimulationError as error:
        raise SimulationError(indices[error.index], error.message) from error


def _fitting(params: Params, count: int, device: str) -> int:
    """How many of `count` films to start with in one batch: all, unless the device knows that they cannot fit."""
    run = rhs.kernels(namespace(device))
    if not hasattr(run, "most_films"):
        return count
    return min(count, run.most_films(int(params["ny"]), int(params["nx"]), np.dtype(str(params["precision"]))))


def _size(params: Params) -> str:
    return f"{params['ny']} × {params['nx']} cells in {params['precision']}"


def simulate(
    films: Sequence[tuple[Params, int]], device: str = "cpu", threads: int = 1, batch: int | None = None
) -> Iterator[tuple[int, FilmResult]]:
    """Simulate films through the hysteresis sweep.

    Parameters
    ----------
    films : sequence of (params, seed)
        Parameters as in a point of a study (see config/README.md), and the seed of its noise and initial state.
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
        If a field stops being finite.
    UserError
        If memory does not hold a single film; a batch it does not hold is split.
    """
    kind = batches.Kind(_together, _run_whole, _fitting, _size)
    return batches.simulate(kind, films, device, threads, batch)
