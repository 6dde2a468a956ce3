"""Domain patterns over the parameter space for one seed (Fig. 3 of Mamada et al., arXiv 2305.14764)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss.figures import groups, panels, style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from weiss.study import Study

MOST = 7
"""Most values of a parameter shown, the two ends among them."""

MOST_SCATTERED, COLUMNS = 12, 6


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw patterns on a grid of the first two parameters that vary, or one by one if hardly any lies on one.

    Where more vary, the others keep one value (`weiss.figures.groups.reference`), written below.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: point, seed, status, panel row and column, parameters, and the share of white cells.
    """
    return over_space(study, results, "gallery", panels.draw)


def over_space(
    study: Study, results: Path, figure_name: str, draw: Callable[[Axes, xr.Dataset], None]
) -> tuple[Figure, pd.DataFrame]:
    """Draw films of one seed as `build` does, each by ``draw(axes, film)``."""
    group, data = panels.films(study, results, figure_name)
    parameters, units = groups.varied(group), panels.units(data)
    data = data.isel(film=np.flatnonzero(data["seed"].values == data["seed"].values.min()))
    down = parameters[0] if len(parameters) > 1 else None
    across = parameters[1] if len(parameters) > 1 else parameters[0]
    conditions = pd.DataFrame({name: data[name].values for name in parameters})
    way = [name for name in (down, across) if name]
    fixed = groups.reference(conditions, [way], parameters)
    lines = style.spread(data[down].values, MOST)[::-1] if down else [None]
    columns = style.spread(data[across].values, MOST)
    places = {
        (i, j): film
        for i, line in enumerate(lines)
        for j, column in enumerate(columns)
        if (film := _first(data, fixed | {across: column} | ({down: line} if down else {}))) is not None
    }
    if 4 * len(places) < len(lines) * len(columns):
        return _scattered(data, parameters, draw)
    note = style.lines(fixed, units)
    figure, axes = panels.grid(len(lines), len(columns), group.grid, notes=len(note))
    if note:
        figure.supxlabel("all panels: " + "\n".join(note), fontsize=9)
    rows = []
    for i, line in enumerate(lines):
        for j, column in enumerate(columns):
            axis = axes[i][j]
            if (i, j) in places:
                film = data.isel(film=places[i, j])
                draw(axis, film)
                rows.append(_row(film, group.parameters, i, j))
            else:
                style.bare(axis)
                axis.set_facecolor("0.93")
            if i == len(lines) - 1:
                axis.set_xlabel(style.condition({across: column}, units))
            if j == 0 and down:
                axis.set_ylabel(style.condition({down: line}, units))
    panels.scale_bar(figure.axes, data)
    return figure, pd.DataFrame(rows)


def _first(data: xr.Dataset, values: dict[str, float]) -> int | None:
    """Position of the first film with these parameters."""
    match = np.logical_and.reduce([data[name].values == value for name, value in values.items()])
    return int(match.argmax()) if match.any() else None


def _scattered(
    data: xr.Dataset, parameters: tuple[str, ...], draw: Callable[[Axes, xr.Dataset], None]
) -> tuple[Figure, pd.DataFrame]:
    """Draw films of conditions that lie on no grid, evenly picked in the order of their parameters."""
    count, units = data.sizes["film"], panels.units(data)
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_SCATTERED)).round().astype(int))
    columns = min(COLUMNS, chosen.size)
    lines = -(-chosen.size // columns)
    figure, axes = panels.grid(lines, columns, (data.sizes["y"], data.sizes["x"]), titles=len(parameters))
    rows = []
    for number in range(lines * columns):
        row, column = divmod(number, columns)
        axis = axes[row][column]
        if number >= chosen.size:
            axis.set_visible(False)
            continue
        film = data.isel(film=int(chosen[number]))
        draw(axis, film)
        axis.set_title(
            "\n".join(style.condition({name: float(f"{float(film[name]):.3g}")}, units) for name in parameters),
            fontsize=8,
        )
        rows.append(_row(film, parameters, row, column))
    panels.scale_bar(figure.axes, data)
    return figure, pd.DataFrame(rows)


def _row(film: xr.Dataset, parameters: tuple[str, ...], row: int, column: int) -> dict:
    identity = {"point": str(film["point"].values), "seed": int(film["seed"]), "status": str(film["status"].values)}
    values = {name: float(film[name]) for name in parameters}
    share = {"white_share": float((film["pattern"].values > 0).mean())}
    return identity | {"row": row, "column": column} | values | share
