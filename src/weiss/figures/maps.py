"""Patterns of nonuniform films and what is read from them (Figs. 10 and 13 of Mamada et al., arXiv 2305.14764)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss.figures import read, style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from weiss.study import Study

MOST = 7
WIDTH = 9.0


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw a row per film: pattern, then for each parameter the map and the truth with the same colour limits.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: map, point, seed, target, colour limits, median of the map inside and outside (R1 and R4), errors.
    """
    maps = read.maps(study, results)
    films = maps.metrics["films"][:MOST]
    targets = maps.metrics["targets"]
    shape = maps.data["pattern"].shape[1:]
    columns = 1 + 2 * len(targets)
    side = WIDTH / columns
    height = side * shape[0] / shape[1] * len(films) + 0.9
    figure, axes = style.canvas(len(films) + 1, columns, WIDTH, height, height_ratios=[1.0] * len(films) + [0.06])
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.02, hspace=0.02)
    axes[-1, 0].set_visible(False)
    axes[0, 0].set_title("pattern")
    images, rows, units = {}, [], read.all_units(study)
    for line, (film, label) in enumerate(zip(films, read.film_labels(films), strict=True)):
        style.domains(axes[line, 0], maps.data["pattern"].values[line])
        axes[line, 0].set_ylabel(style.condition(label, units) if label else f"seed {film['seed']}")
        for number, target in enumerate(targets):
            limits = _limits(maps.data, target, len(films), read.scale(study, target))
            for axis, kind in zip(axes[line, 1 + 2 * number : 3 + 2 * number], ("map", "true"), strict=True):
                values = maps.data[f"{target}_{kind}"].values[line]
                images[target] = style.parameter_map(axis, values, limits, maps.job.stride)
                if film["inner_margin"] is not None and kind == "map":
                    style.inner_border(axis, shape, film["inner_margin"])
                if line == 0:
                    axis.set_title(f"{style.symbol(target)} {'read' if kind == 'map' else 'true'}")
            rows.append(_row(maps.metrics["map"], film, target, limits))
    for number, (target, image) in enumerate(images.items()):
        power = read.power(study, target, image.get_clim())
        _colour_bar(
            figure, axes, 1 + 2 * number, image, f"{style.symbol(target)} ({read.unit(study, target, power)})", power
        )
    style.scale_bar(axes[0, 0], maps.metrics["window"], shape[1], f"window {maps.metrics['window']}")
    return figure, pd.DataFrame(rows)


def _colour_bar(figure: Figure, axes: np.ndarray, column: int, image: AxesImage, text: str, power: int) -> None:
    """Put one colour bar below the columns of a map and its truth."""
    grid = axes[-1, column].get_gridspec()
    for axis in axes[-1, column : column + 2]:
        axis.remove()
    bar = figure.colorbar(
        image, cax=figure.add_subplot(grid[-1, column : column + 2]), orientation="horizontal", extend="both"
    )
    style.ticks(bar.ax.xaxis, power)
    bar.set_label(text)
    bar.outline.set_linewidth(0.5)


def _limits(data: xr.Dataset, target: str, films: int, scale: float) -> tuple[float, float]:
    """Colour limits that hold every true value and all but the most extreme read ones; `scale` is their size."""
    read_values, true = data[f"{target}_map"].values[:films], data[f"{target}_true"].values[:films]
    low = min(float(np.quantile(read_values, 0.01)), float(true.min()))
    high = max(float(np.quantile(read_values, 0.99)), float(true.max()))
    return (low, high) if high > low else (low - 0.5 * scale, high + 0.5 * scale)


def _row(name: str, film: dict, target: str, limits: tuple[float, float]) -> dict:
    metrics = film["targets"][target]
    regions = metrics["regions"] or {}
    return {
        "map": name,
        "point": film["point"],
        "seed": film["seed"],
        **film["condition"],
        "target": target,
        "colour_low": limits[0],
        "colour_high": limits[1],
        "median_R1": regions.get("R1", {}).get("median"),
        "median_R4": regions.get("R4", {}).get("median"),
        **{key: metrics[key] for key in ("mae", "mae_inner", "mae_outer", "baseline_mae", "auc")},
    }
