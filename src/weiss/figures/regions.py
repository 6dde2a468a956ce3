"""Distribution of read values in the regions R1 to R4 (Fig. 11 of Mamada et al., arXiv 2305.14764)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap

from weiss.figures import read, style
from weiss.patterns.regions import REGIONS, region_masks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from weiss.study import Study

_SHADES = ("#a6bddb", "#d0d9ea", "#f6d5b5", "#f7ede2")


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw a row per parameter: a sketch of the regions, then a panel per region with a box per film.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: map, point, seed, target, region, cells, true, mean, mae and quantiles.
    """
    maps = read.maps(study, results)
    films = [film for film in maps.metrics["films"] if film["inner_margin"] is not None]
    targets = maps.metrics["targets"]
    units = read.all_units(study)
    labels = [style.condition(label, units) or f"seed {film['seed']}" for film, label in _labelled(films)]
    figure, axes = style.canvas(
        len(targets),
        1 + len(REGIONS),
        style.WIDTH,
        2.5 * len(targets) + (0.6 if max(map(len, labels)) > 4 else 0.2),
        width_ratios=[1.05, *(1.0 for _ in REGIONS)],
    )
    _sketch(axes[0, 0], maps.data["pattern"].shape[1:], films[0]["inner_margin"], maps.metrics["window"])
    for axis in axes[1:, 0]:
        axis.set_visible(False)
    rows = []
    for line, target in enumerate(targets):
        panels = axes[line, 1:]
        power = read.power(study, target, maps.data[f"{target}_true"].values)
        for axis, region in zip(panels, REGIONS, strict=True):
            statistics = [film["targets"][target]["regions"][region] for film in films]
            _boxes(axis, statistics, labels)
            axis.set_title(region)
            if axis is panels[0]:
                style.ticks(axis.yaxis, power)
                axis.set_ylabel(f"{style.symbol(target)} ({read.unit(study, target, power)})")
            else:
                axis.sharey(panels[0])
                axis.tick_params(labelleft=False)
            rows += [
                {"map": maps.metrics["map"], "point": film["point"], "seed": film["seed"], "target": target}
                | {"region": region}
                | values
                for film, values in zip(films, statistics, strict=True)
            ]
        panels[0].autoscale(axis="y")
    return figure, pd.DataFrame(rows)


def _labelled(films: list[dict]) -> list[tuple[dict, dict[str, float]]]:
    return list(zip(films, read.film_labels(films), strict=True))


def _boxes(axis: Axes, statistics: list[dict], labels: list[str]) -> None:
    positions = np.arange(len(statistics))
    for position, row in zip(positions, statistics, strict=True):
        if not row["cells"]:
            continue
        box = {"q1": row["q25"], "med": row["median"], "q3": row["q75"], "whislo": row["q05"], "whishi": row["q95"]}
        axis.bxp(
            [box],
            positions=[position],
            widths=0.55,
            showfliers=False,
            manage_ticks=False,
            patch_artist=True,
            boxprops={"facecolor": style.PALETTE[0], "alpha": 0.55, "linewidth": 0.8},
            medianprops={"color": "black", "linewidth": 1.2},
        )
        axis.plot([position - 0.42, position + 0.42], [row["true"]] * 2, color=style.TRUTH, linewidth=2.2)
    if not any(row["cells"] for row in statistics):
        axis.text(0.5, 0.5, "no cells", transform=axis.transAxes, ha="center", va="center", color="0.4", fontsize=8)
    axis.set_xlim(-0.6, len(statistics) - 0.4)
    axis.set_xticks(positions, labels, rotation=90 if len(labels) > 1 else 0, fontsize=7.5)


def _sketch(axis: Axes, shape: tuple[int, int], margin: int, window: int) -> None:
    """Draw where the regions lie."""
    masks = region_masks(shape, margin, window)
    number = sum(index * masks[name] for index, name in enumerate(REGIONS))
    axis.imshow(number, cmap=ListedColormap(_SHADES), vmin=-0.5, vmax=3.5, interpolation="nearest")
    style.bare(axis)
    style.inner_border(axis, shape, margin, colour="black")
    middle = shape[1] // 2
    for name, mask in masks.items():
        if mask.any():
            rows = np.flatnonzero(mask[:, middle])
            uppermost = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)[0]
            axis.text(middle, uppermost.mean(), name, ha="center", va="center", fontsize=7)
    axis.set_title("regions")
