"""Magnetisation of films over the parameter space, with the direction in the plane as a hue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from weiss.figures import gallery, panels, style

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from weiss.study import Study


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw the middle layer of every film, placed as in `weiss.figures.gallery`.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table as of `weiss.figures.gallery.build`.
    """
    return gallery.over_space(study, results, "magnetisation", _draw)


def _draw(axes: Axes, film: xr.Dataset) -> None:
    layers = film["m"].sizes["z"]
    style.vectors(axes, film["m"].values[:, layers // 2])
    panels.mark(axes, film)
