"""Hysteresis loops ⟨m⟩(h) up to the crossing where the pattern is taken (Fig. 2 of Mamada et al., arXiv 2305.14764)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss.figures import names, read, style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from weiss.study import Study

MOST_PANELS = 3
MOST_CURVES = 4


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw loops of one seed: a panel for each value of the first parameter, a curve for each of the second.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: point, seed, the parameters, h, m (the last row of each film is the crossing), h_crossing.
    """
    data = read.films(study, results)
    group = names.film_group(study)
    data = data.isel(film=np.flatnonzero(data["seed"].values == data["seed"].values.min()))
    first, *others = group.parameters
    panels = style.spread(data[first].values, MOST_PANELS)
    figure, axes = style.canvas(1, len(panels), style.WIDTH, 3.2, sharey=True, sharex=True)
    rows = []
    for axis, value in zip(axes[0], panels, strict=True):
        films = data.isel(film=np.flatnonzero(data[first].values == value))
        rows += _panel(axis, films, group.parameters, others)
        axis.set_title(style.condition({first: value}))
        axis.set_xlabel("applied field $h$ (dimensionless)")
    axes[0, 0].set_ylabel(r"mean magnetisation $\langle m\rangle$")
    axes[0, 0].set_ylim(-1.08, 1.08)
    return figure, pd.concat(rows, ignore_index=True)


def _panel(axis: Axes, films: xr.Dataset, parameters: tuple[str, ...], others: list[str]) -> list[pd.DataFrame]:
    second = others[0] if others else None
    shown = style.spread(films[second].values, MOST_CURVES) if second else [None]
    axis.axhline(0, color="0.8", linewidth=0.7, zorder=0)
    axis.axvline(0, color="0.8", linewidth=0.7, zorder=0)
    tables = []
    for value, colour in zip(shown, style.series_colours(len(shown)), strict=True):
        index = 0 if value is None else int(np.flatnonzero(films[second].values == value)[0])
        film = films.isel(film=index)
        h, m = film["loop_h"].values, film["loop_m"].values
        kept = np.isfinite(h) & np.isfinite(m)
        crossing = float(film["h_crossing"])
        curve_h, curve_m = np.append(h[kept], crossing), np.append(m[kept], 0.0)
        axis.plot(curve_h, curve_m, color=colour, label=None if second is None else style.condition({second: value}))
        axis.plot(crossing, 0.0, marker="*", markersize=10, color=colour, markeredgecolor="black", markeredgewidth=0.5)
        tables.append(
            pd.DataFrame(
                {"point": str(film["point"].values), "seed": int(film["seed"])}
                | {name: float(film[name]) for name in parameters}
                | {"h": curve_h, "m": curve_m, "h_crossing": crossing}
            )
        )
    if second:
        axis.legend(loc="upper left", handlelength=1.2)
    return tables
