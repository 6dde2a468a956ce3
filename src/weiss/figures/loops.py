"""Hysteresis loops ⟨m⟩(h) up to the crossing where the pattern is taken (Fig. 2 of Mamada et al., arXiv 2305.14764)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from weiss.figures import groups, panels, style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from weiss.study import Study

MOST_PANELS, COLUMNS = 4, 3
MOST_CURVES = 5


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw loops of one seed: a panel for each value of the first parameter, a colour for each of the second.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: point, seed, the parameters, h, m (the last row of a film is its crossing), h_crossing (NaN without one).
    """
    group, data = panels.films(study, results, "loops")
    data = data.isel(film=np.flatnonzero(data["seed"].values == data["seed"].values.min()))
    first, *others = groups.varied(group)
    values = style.spread(data[first].values, MOST_PANELS)
    films = {value: _chosen(data.isel(film=np.flatnonzero(data[first].values == value)), others) for value in values}
    colours = _colours(films.values(), others)
    columns = len(values) if len(values) <= COLUMNS else -(-len(values) // 2)
    lines = -(-len(values) // columns)
    height = 3.2 if lines == 1 else 2.7 * lines
    figure, axes = style.canvas(lines, columns, style.WIDTH, height, sharey=True, sharex=True)
    tables = []
    for axis, value in zip(axes.ravel(), values, strict=False):
        tables += [_loop(axis, film, group.parameters, colours[_key(film, others)]) for film in films[value]]
        axis.set_title(style.condition({first: value}))
        axis.axhline(0, color="0.8", linewidth=0.7, zorder=0)
        axis.axvline(0, color="0.8", linewidth=0.7, zorder=0)
    for axis in axes.ravel()[len(values) :]:
        axis.set_visible(False)
    for axis in axes[-1]:
        axis.set_xlabel("applied field $h$ (dimensionless)")
    for axis in axes[:, 0]:
        axis.set_ylabel(r"mean magnetisation $\langle m\rangle$")
    axes[0, 0].set_ylim(-1.08, 1.08)
    _legend(figure, colours, others, int(group.points[0].params.get("crossing", 2)))
    return figure, pd.concat(tables, ignore_index=True)


def _key(film: xr.Dataset, others: list[str]) -> float | None:
    return float(film[others[0]]) if others else None


def _chosen(data: xr.Dataset, others: list[str]) -> list[xr.Dataset]:
    """Films of a panel: one for each of a few values of the second parameter."""
    if not others:
        return [data.isel(film=0)]
    values = data[others[0]].values
    return [data.isel(film=int(np.flatnonzero(values == value)[0])) for value in style.spread(values, MOST_CURVES)]


def _colours(films: list[list[xr.Dataset]], others: list[str]) -> dict[float | None, tuple[float, float, float]]:
    """A colour for each value of the second parameter, the same in all panels."""
    keys = sorted({_key(film, others) for panel in films for film in panel}, key=lambda key: (key is not None, key))
    return dict(zip(keys, style.series_colours(len(keys)), strict=True))


def _loop(
    axis: Axes, film: xr.Dataset, parameters: tuple[str, ...], colour: tuple[float, float, float]
) -> pd.DataFrame:
    h, m = film["loop_h"].values, film["loop_m"].values
    kept = np.isfinite(h) & np.isfinite(m)
    h, m, crossing = h[kept], m[kept], float(film["h_crossing"])
    _arrows(axis, h, m, colour)
    if np.isfinite(crossing):
        h, m = np.append(h, crossing), np.append(m, 0.0)
        axis.plot(crossing, 0.0, marker="*", markersize=9, color=colour, markeredgecolor="black", markeredgewidth=0.5)
    axis.plot(h, m, color=colour)
    identity = {"point": str(film["point"].values), "seed": int(film["seed"])}
    values = {name: float(film[name]) for name in parameters}
    return pd.DataFrame(identity | values | {"h": h, "m": m, "h_crossing": crossing})


def _arrows(axis: Axes, h: NDArray, m: NDArray, colour: tuple[float, float, float]) -> None:
    """Show in which direction a loop runs: an arrow halfway along each stretch between turning points of the field."""
    turns = np.flatnonzero(np.diff(np.sign(np.diff(h)))) + 1
    span = max(np.ptp(h), 1e-12)
    for start, end in zip([0, *turns], [*turns, h.size - 1], strict=True):
        way = np.concatenate(
            [[0], np.cumsum(np.hypot(np.diff(h[start : end + 1]) / span, np.diff(m[start : end + 1]) / 2))]
        )
        if way[-1] < 0.1:
            continue
        at = way[-1] / 2 + np.array([-0.01, 0.01])
        tail, head = ((np.interp(x, way, h[start : end + 1]), np.interp(x, way, m[start : end + 1])) for x in at)
        arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": 0, "mutation_scale": 11, "shrinkA": 0, "shrinkB": 0}
        axis.annotate("", head, tail, arrowprops=arrow)


def _legend(
    figure: Figure, colours: dict[float | None, tuple[float, float, float]], others: list[str], crossing: int
) -> None:
    """Name the colours, and say what the star marks."""
    handles = [
        Line2D([], [], color=colour, label=style.condition({others[0]: key}))
        for key, colour in colours.items()
        if key is not None
    ]
    branch = "falling" if crossing == 1 else "rising"
    star = {"color": "0.6", "linestyle": "none", "marker": "*", "markersize": 9, "markeredgecolor": "black"}
    label = rf"$\langle m\rangle = 0$ on the {branch} branch"
    handles.append(Line2D([], [], markeredgewidth=0.5, label=label, **star))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(len(handles), 8), columnspacing=1.2, handlelength=1.4
    )
