"""Films into batches, batches onto devices and processes: what all models share."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from weiss.errors import SimulationError, UserError

Film = tuple[Mapping[str, Any], int]
"""Parameters and seed, as in a point of a study."""

Results = Iterator[tuple[int, Any]]


@dataclass(frozen=True)
class Kind:
    """How films of one model run; its functions stand in modules, so that other processes find them.

    Attributes
    ----------
    together : Callable
        ``together(params)``: films for which it is equal may share a batch.
    run : Callable
        ``run(films, indices, device)`` simulates the films at these positions as one batch and yields (position,
        result).
    fitting : Callable
        ``fitting(params, count, device)``: how many of so many films to start with, by what the device says of its
        memory.
    size : Callable
        ``size(params)``: a film's size in words, for a message.
    """

    together: Callable[[Mapping[str, Any]], str]
    run: Callable[[Sequence[Film], list[int], str], Results]
    fitting: Callable[[Mapping[str, Any], int, str], int]
    size: Callable[[Mapping[str, Any]], str]


def settings_text(params: Mapping[str, Any], own: Collection[str]) -> str:
    """All parameters of a film but those that are its own, as text."""
    return repr(sorted((key, value) for key, value in params.items() if key not in own))


def batches(films: Sequence[Film], together: Callable[[Mapping[str, Any]], str], size: int) -> Iterator[list[int]]:
    """Indices of films that may share a batch, at most `size` of them."""
    shared = [together(params) for params, _ in films]
    order = sorted(range(len(films)), key=lambda i: (shared[i], i))
    for _, group in groupby(order, key=lambda i: shared[i]):
        indices = list(group)
        yield from (indices[k : k + size] for k in range(0, len(indices), size))


def run_batch(kind: Kind, films: Sequence[Film], indices: list[int], device: str) -> Results:
    """Run films together; where memory does not hold them, those not finished start again, fewer at a time."""
    size = kind.fitting(films[indices[0]][0], len(indices), device)
    if size < len(indices):
        _say(f"{len(indices)} films do not fit the memory together: {size} at a time")
    waiting = [indices[k : k + size] for k in range(0, len(indices), size)]
    while waiting:
        part = waiting.pop(0)
        left = list(part)
        try:
            for i, film in kind.run(films, part, device):
                left.remove(i)
                yield i, film
            continue
        except MemoryError as error:  # CuPy's OutOfMemoryError is one
            reason = " ".join(str(error).split()) or "no memory"
        # Out of the handler: the error holds on to the batch's arrays.
        if len(part) == 1:
            raise UserError(
                f"a single film of {kind.size(films[part[0]][0])} does not fit the memory ({reason})",
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


def _run_apart(kind: Kind, films: Sequence[Film], device: str) -> tuple[list[tuple[int, Any]], tuple[int, str] | None]:
    """Run one batch in a worker: the films that finished, and the error that stopped it, if any."""
    done = []
    try:
        for position, film in run_batch(kind, films, list(range(len(films))), device):
            done.append((position, film))
    except SimulationError as error:
        return done, (error.index, error.message)
    return done, None


def simulate(kind: Kind, films: Sequence[Film], device: str, threads: int, batch: int | None) -> Results:
    """Simulate films of one model.

    Parameters
    ----------
    kind : Kind
    films : sequence of (params, seed)
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
    film
        Its result, in the order in which films finish.

    Raises
    ------
    SimulationError
        If a film cannot be brought to its end.
    UserError
        If memory does not hold a single film; a batch it does not hold is split.
    """
    size = batch or (1 if device == "cpu" else len(films))
    parts = list(batches(films, kind.together, size))
    if device != "cpu" or threads == 1 or len(parts) == 1:
        for indices in parts:
            yield from run_batch(kind, films, indices, device)
        return
    # Spawned, not forked: FFTW and numba may hold threads of their own.
    pool = ProcessPoolExecutor(
        min(threads, len(parts)), multiprocessing.get_context("spawn"), initializer=_end_with_parent
    )
    try:
        jobs = [pool.submit(_run_apart, kind, [films[i] for i in indices], device) for indices in parts]
        origin = dict(zip(jobs, parts, strict=True))
        for job in as_completed(jobs):
            done, error = job.result()
            yield from ((origin[job][position], film) for position, film in done)
            if error:
                raise SimulationError(origin[job][error[0]], error[1])
    finally:
        pool.shutdown(cancel_futures=True)
