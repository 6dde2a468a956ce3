"""Read and true parameters along the line through the centre (bottom rows of Figs. 10 and 13 of Mamada et al.)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss.figures import read, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from weiss.study import Study

MOST = 7


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw a column per film and a row per parameter.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: map, point, seed, target, y and x (cells), read, true.
    """
    maps = read.maps(study, results)
    films = maps.metrics["films"][:MOST]
    targets = maps.metrics["targets"]
    shape = maps.data["pattern"].shape[1:]
    y, x = maps.data["y"].values, maps.data["x"].values
    line = int(np.abs(y - shape[0] // 2).argmin())
    width = min(style.WIDTH, 2.8 * len(films) + 0.8)
    figure, axes = style.canvas(len(targets), len(films), width, 1.9 * len(targets) + 0.5, sharex=True, sharey="row")
    tables, units = [], read.all_units(study)
    for column, (film, label) in enumerate(zip(films, read.film_labels(films), strict=True)):
        axes[0, column].set_title(_title(label, units) if label else f"seed {film['seed']}")
        axes[-1, column].set_xlabel("$x$ (cells)")
        for row, target in enumerate(targets):
            axis = axes[row, column]
            values = {kind: maps.data[f"{target}_{kind}"].values[column, line] for kind in ("map", "true")}
            if film["inner_margin"] is not None:
                _strips(axis, shape[1], film["inner_margin"], maps.metrics["window"])
            axis.plot(x, values["true"], color=style.TRUTH, drawstyle="steps-mid", linewidth=1.6, label="true")
            axis.plot(x, values["map"], color=style.PALETTE[0], linewidth=1.1, label="read")
            if column == 0:
                power = read.power(study, target, maps.data[f"{target}_true"].values)
                style.ticks(axis.yaxis, power)
                axis.set_ylabel(f"{style.symbol(target)} ({read.unit(study, target, power)})")
            tables.append(
                pd.DataFrame(
                    {"map": maps.metrics["map"], "point": film["point"], "seed": film["seed"], "target": target}
                    | {"y": int(y[line]), "x": x, "read": values["map"], "true": values["true"]}
                )
            )
    axes[0, 0].legend(loc="best", handlelength=1.4)
    return figure, pd.concat(tables, ignore_index=True)


def _title(label: dict[str, float], units: dict[str, str]) -> str:
    """What tells a film apart; values with units are longer and get a line each."""
    if all(units.get(name, "1") == "1" for name in label):
        return style.condition(label)
    return "\n".join(style.condition({name: value}, units) for name, value in label.items())


def _strips(axis: Axes, width: int, margin: int, window: int) -> None:
    """Shade where a window reaches over the border of the inner region."""
    for border in (margin - 0.5, width - margin - 0.5):
        axis.axvspan(border - window / 2, border + window / 2, color="0.92", linewidth=0, zorder=0)
        axis.axvline(border, color="0.6", linewidth=0.6, linestyle=":", zorder=0)
