"""Figures: one module each, results on disk in, a matplotlib figure and the table of what it shows out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weiss.study import Study

__all__ = ["run"]


def run(study: Study, figure: str, results: Path, expected_digest: str | None = None) -> None:
    """Draw one figure and save its data beside it; see `weiss.figures.draw.run`."""
    from weiss.figures import draw

    draw.run(study, figure, results, expected_digest)
