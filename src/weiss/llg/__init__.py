"""Micromagnetic films: the Landau–Lifshitz–Gilbert equation of many films at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weiss.llg.version import SIM_VERSION

if TYPE_CHECKING:
    from weiss.llg.result import FilmResult

__all__ = ["SIM_VERSION", "simulate"]


def simulate(
    films: Sequence[tuple[Mapping[str, Any], int]], device: str = "cpu", threads: int = 1, batch: int | None = None
) -> Iterator[tuple[int, FilmResult]]:
    """See `weiss.llg.batches.simulate`; imported on first use, so that planning a study stays light."""
    from weiss.llg.batches import simulate as run

    return run(films, device, threads, batch)
