"""Parameter maps: a network that reads a window of a film, slid over all of it (Algorithm 1)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from weiss.maps.version import MAPS_VERSION

if TYPE_CHECKING:
    from weiss.study import Study

__all__ = ["MAPS_VERSION", "run"]


def run(study: Study, map_id: str, results: Path, device: str = "cpu", threads: int = 1) -> None:
    """Make the maps of one training; see `weiss.maps.job.run`."""
    from weiss.maps import job

    job.run(study, map_id, results, device=device, threads=threads)
