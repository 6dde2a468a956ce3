"""What figures of chains share: their settings, their units, and the numbers a source prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from weiss import gather, paths
from weiss.figures import groups, read
from weiss.spsll.settings import Settings, settings_of

if TYPE_CHECKING:
    import xarray as xr

    from weiss.study import Group, Study

NM = 1e9
"""nm in a m."""


def settings(group: Group) -> Settings:
    """Settings that all chains of a group share."""
    return settings_of(group.points[0].params)


def read_all(study: Study, results: Path, figure: str) -> list[tuple[Group, xr.Dataset]]:
    """Every group that a figure shows, with its gathered chains."""
    return [
        (group, read.read_dataset(paths.dataset(results, study.name, group.name)))
        for group in groups.every(study, figure)
    ]


def solved(data: xr.Dataset) -> xr.Dataset:
    """Chains with a result."""
    return data.isel(film=np.flatnonzero(gather.good(data)))


def pair(sigma: float, tau: float) -> str:
    """Lengths in m as words."""
    return f"σ {sigma * NM:g}, τ {tau * NM:g} nm"


def origin(group: Group) -> str:
    """Where the window of a group's chains has its origin, in words."""
    params = group.points[0].params
    place = params["wall_window_origin" if params["what"] == "wall" else "dispersion_window_origin"]
    words = {"edge": "origin at the edge", "excitation": "origin at the excitation"}
    return words[place] if isinstance(place, str) else f"origin {place * NM:g} nm from the excitation"


def printed(study: Study, quantity: str, condition: str | dict[str, float]) -> float | None:
    """A number that the study's source prints, or None."""
    return study.published.value(quantity, condition=condition) if study.published else None
