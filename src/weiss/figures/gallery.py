"""Domain patterns over the parameter space for one seed (Fig. 3 of Mamada et al., arXiv 2305.14764)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss.figures import names, read, style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from weiss.study import Study

MOST = 6


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw patterns on a grid of the first two parameters, or one by one if hardly any lies on one (a random space).

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
    places = {
        (i, j): film
        for i, line in enumerate(lines)
        for j, column in enumerate(columns)
        if (film := _first(data, {across: column} | ({down: line} if down else {}))) is not None
    }
    if 4 * len(places) < len(lines) * len(columns):
        return _scattered(data, parameters, seed)
    side = (style.WIDTH - 0.5) / max(len(columns), 3)
    figure, axes = style.canvas(len(lines), len(columns), side * len(columns) + 0.5, side * len(lines) + 0.3)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
    rows = []
    for i, line in enumerate(lines):
        for j, column in enumerate(columns):
            axis = axes[i, j]
            if (i, j) in places:
                film = data.isel(film=places[i, j])
                style.domains(axis, film["pattern"].values)
                rows.append(_row(film, parameters, seed, i, j))
            else:
                style.bare(axis)
                axis.set_facecolor("0.93")
            if i == len(lines) - 1:
                axis.set_xlabel(style.condition({across: column}))
            if j == 0 and down:
                axis.set_ylabel(style.condition({down: line}))
    _bar(axes, data.sizes["x"])
    return figure, pd.DataFrame(rows)


def _first(data: xr.Dataset, values: dict[str, float]) -> int | None:
    """Position of the first film with these parameters."""
    match = np.logical_and.reduce([data[name].values == value for name, value in values.items()])
    return int(match.argmax()) if match.any() else None


def _scattered(data: xr.Dataset, parameters: tuple[str, ...], seed: int) -> tuple[Figure, pd.DataFrame]:
    """Draw films of conditions that lie on no grid, evenly picked in the order of their parameters."""
    count = data.sizes["film"]
    chosen = np.unique(np.linspace(0, count - 1, min(count, 2 * MOST)).round().astype(int))
    columns = min(MOST, chosen.size)
    lines = -(-chosen.size // columns)
    side = style.WIDTH / max(columns, 3)
    figure, axes = style.canvas(lines, columns, side * columns, (side + 0.35) * lines)
    for axis in axes.ravel()[chosen.size :]:
        axis.set_visible(False)
    rows = []
    for number, (axis, index) in enumerate(zip(axes.ravel(), chosen, strict=False)):
        film = data.isel(film=int(index))
        style.domains(axis, film["pattern"].values)
        axis.set_title("\n".join(f"{style.symbol(name)} = {float(film[name]):.3g}" for name in parameters), fontsize=8)
        rows.append(_row(film, parameters, seed, *divmod(number, columns)))
    _bar(axes, data.sizes["x"])
    return figure, pd.DataFrame(rows)


def _row(film: xr.Dataset, parameters: tuple[str, ...], seed: int, row: int, column: int) -> dict:
    return (
        {"point": str(film["point"].values), "seed": seed, "row": row, "column": column}
        | {name: float(film[name]) for name in parameters}
        | {"white_share": float((film["pattern"].values > 0).mean())}
    )


def _bar(axes: np.ndarray, width: int) -> None:
    """Put the scale into the first panel, in row order, that holds a film."""
    shown = next(axis for axis in axes.ravel() if axis.images)
    style.scale_bar(shown, width // 4, width)
