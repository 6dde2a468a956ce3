"""Domain patterns over the parameter space for one seed (Fig. 3 of Mamada et al., arXiv 2305.14764)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss.figures import names, read, style
from weiss.figures.names import FIGURES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from weiss.study import Study

MOST = 6

NAME = "gallery"
TITLE, CAPTION, CATEGORY = (getattr(FIGURES[NAME], field) for field in ("title", "caption", "category"))


def applies(study: Study) -> bool:
    """Say whether the study holds what this figure shows."""
    return names.applies(study, NAME)


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw patterns on a grid of the first two parameters.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: point, seed, parameters, panel row and column, and the share of white cells.
    """
    data = read.films(study, results)
    parameters = names.film_group(study).parameters
    seed = int(data["seed"].values.min())
    data = data.isel(film=np.flatnonzero(data["seed"].values == seed))
    down = parameters[0] if len(parameters) > 1 else None
    across = parameters[1] if len(parameters) > 1 else parameters[0]
    lines = style.spread(data[down].values, MOST)[::-1] if down else [None]
    columns = style.spread(data[across].values, MOST)
    side = (style.WIDTH - 0.5) / max(len(columns), 3)
    figure, axes = style.canvas(len(lines), len(columns), side * len(columns) + 0.5, side * len(lines) + 0.3)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
    rows = []
    for i, line in enumerate(lines):
        for j, column in enumerate(columns):
            axis = axes[i, j]
            match = data[across].values == column
            if down:
                match &= data[down].values == line
            found = np.flatnonzero(match)
            if found.size:
                film = data.isel(film=int(found[0]))
                style.domains(axis, film["pattern"].values)
                rows.append(
                    {"point": str(film["point"].values), "seed": seed, "row": i, "column": j}
                    | {name: float(film[name]) for name in parameters}
                    | {"white_share": float((film["pattern"].values > 0).mean())}
                )
            else:
                style.bare(axis)
                axis.set_facecolor("0.93")
            if i == len(lines) - 1:
                axis.set_xlabel(style.condition({across: column}))
            if j == 0 and down:
                axis.set_ylabel(style.condition({down: line}))
    _bar(axes, data.sizes["x"])
    return figure, pd.DataFrame(rows)


def _bar(axes: np.ndarray, width: int) -> None:
    """Put the scale into the first panel, in row order, that holds a film."""
    shown = next(axis for axis in axes.ravel() if axis.images)
    style.scale_bar(shown, width // 4, width)
