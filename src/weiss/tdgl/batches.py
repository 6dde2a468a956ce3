"""Films into batches, batches onto devices and processes."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import groupby

import numpy as np

from weiss.arrays import namespace
from weiss.errors import SimulationError, UserError
from weiss.tdgl import euler, hysteresis, rhs
from weiss.tdgl.loops import FilmResult
from weiss.tdgl.model import FILM_PARAMETERS, Params, prepare


def _shared(film: tuple[Params, int]) -> str:
    return repr(sorted((key, value) for key, value in film[0].items() if key not in FILM_PARAMETERS))


def _batches(films: Sequence[tuple[Params, int]], size: int) -> Iterator[list[int]]:
    """Indices of films that may share a batch: equal settings, at most `size` of them."""
    order = sorted(range(len(films)), key=lambda i: (_shared(films[i]), i))
    for _, group in groupby(order, key=lambda i: _shared(films[i])):
        indices = list(group)
        yield from (indices[k : k + size] for k in range(0, len(indices), size))


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


def _run_batch(
    films: Sequence[tuple[Params, int]], indices: list[int], device: str
) -> Iterator[tuple[int, FilmResult]]:
    """Run films together; where memory does not hold them, those not finished start again, fewer at a time."""
    size = _fitting(films[indices[0]][0], len(indices), device)
    if size < len(indices):
        _say(f"{len(indices)} films do not fit the memory together: {size} at a time")
    waiting = [indices[k : k + size] for k in range(0, len(indices), size)]
    while waiting:
        part = waiting.pop(0)
        left = list(part)
        try:
            for i, film in _run_whole(films, part, device):
                left.remove(i)
                yield i, film
            continue
        except MemoryError as error:  # CuPy's OutOfMemoryError is one
            reason = " ".join(str(error).split()) or "no memory"
        # Out of the handler: the error holds on to the batch's arrays.
        if len(part) == 1:
            ny, nx, precision = (films[part[0]][0][key] for key in ("ny", "nx", "precision"))
            raise UserError(
                f"a single film of {ny} × {nx} cells in {precision} does not fit the memory ({reason})",
                fix="free memory, or use a machine with more of it",
            )
        size = max(1, len(part) // 2)
        _say(f"{len(part)} films ran out of memory ({reason}): {len(left)} start again, {size} at a time")
        waiting[:0] = [left[k : k + size] for k in range(0, len(left), size)]


def _say(message: str) -> None:
    print(f"weiss: simulate: {message}", file=sys.stderr, flush=True)


def _end_with_parent() -> None:
    """Let a worker die with the process that started it, even when that was killed."""

    def wait() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _run_apart(
    films: Sequence[tuple[Params, int]], device: str
) -> tuple[list[tuple[int, FilmResult]], tuple[int, str] | None]:
    """Run one batch in a worker: the films that finished, and the error that stopped it, if any."""
    done = []
    try:
        for position, film in _run_batch(films, list(range(len(films))), device):
            done.append((position, film))
    except SimulationError as error:
        return done, (error.index, error.message)
    return done, None


def simulate(
    films: Sequence[tuple[Params, int]], device: str = "cpu", threads: int = 1, batch: int | None = None
) -> Iterator[tuple[int, FilmResult]]:
    """Simulate films through the hysteresis sweep.

    Parameters
    ----------
    films : sequence of (params, seed)
        Parameters as in a point of a study (see config/README.md), and the seed of its noise and initial state.
    device : {"cpu", "gpu"}
    threads : int
        CPU only: films simulated side by side, each in a process of its own. (Threads would wait for each other
        between the short compiled pieces: two of them took twice as long as one for 64² films.)
    batch : int, optional
        Films that advance together. Default: 1 on a CPU, where one film at a time stays in the cache; all on a GPU.
        A film's result does not depend on it.

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
    size = batch or (1 if device == "cpu" else len(films))
    batches = list(_batches(films, size))
    if device != "cpu" or threads == 1 or len(batches) == 1:
        for indices in batches:
            yield from _run_batch(films, indices, device)
        return
    # Spawned, not forked: FFTW and numba may hold threads of their own.
    pool = ProcessPoolExecutor(
        min(threads, len(batches)), multiprocessing.get_context("spawn"), initializer=_end_with_parent
    )
    try:
        jobs = [pool.submit(_run_apart, [films[i] for i in indices], device) for indices in batches]
        origin = dict(zip(jobs, batches, strict=True))
        for job in as_completed(jobs):
            done, error = job.result()
            yield from ((origin[job][position], film) for position, film in done)
            if error:
                raise SimulationError(origin[job][error[0]], error[1])
    finally:
        pool.shutdown(cancel_futures=True)
