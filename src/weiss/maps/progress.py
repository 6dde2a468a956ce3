"""Progress on stderr: a bar in a terminal, a few plain lines in a log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Protocol, TextIO

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 30.0


class Tick(Protocol):
    """Called with the amount of work just done."""

    def __call__(self, done: int) -> None: ...


class _Lines:
    """Counts work and prints a line now and then, so that a log stays short."""

    def __init__(self, total: int, what: str, unit: str, stream: TextIO) -> None:
        self.total, self.what, self.unit, self.stream = total, what, unit, stream
        self.done, self.start = 0, monotonic()
        self.last = self.start

    def tick(self, done: int) -> None:
        self.done += done
        now = monotonic()
        if now - self.last >= SECONDS_BETWEEN_LINES or self.done >= self.total:
            self.last = now
            rate = self.done / max(now - self.start, 1e-9)
            print(f"{self.what}: {self.done}/{self.total} {self.unit}, {rate:.0f}/s", file=self.stream, flush=True)


@contextmanager
def progress(total: int, what: str, unit: str, stream: TextIO | None = None) -> Iterator[Tick]:
    """Show how far a long computation is.

    Parameters
    ----------
    total : int
        Amount of work to come.
    what, unit : str
        What is done, and the name of one unit of work.
    stream : text file, optional
        Default stderr.

    Yields
    ------
    callable
        To be told the amount of work done since the last call.
    """
    stream = stream or sys.stderr
    if stream.isatty():
        with tqdm(total=total, desc=what, unit=unit, unit_scale=True, file=stream) as bar:
            yield lambda done: bar.update(done)
    else:
        yield _Lines(total, what, unit, stream).tick
