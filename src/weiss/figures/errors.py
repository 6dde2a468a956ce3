"""Test error of each network against the number of training seeds (Fig. 7 of Mamada et al., arXiv 2305.14764)."""

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


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw a box per network and number of training seeds, one panel per target.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: training, network, n_data, repeat, target, mae, baseline_mae.
    """
    table = read.test_errors(study, results)
    targets = list(dict.fromkeys(table["target"]))
    networks = list(dict.fromkeys(table["network"]))
    sizes = sorted(table["n_data"].unique())
    width = min(style.WIDTH, len(targets) * (1.6 + 0.9 * len(networks)) + 1.0)
    figure, axes = style.canvas(1, len(targets), max(width, 5.5), 3.4)
    for axis, target in zip(axes[0], targets, strict=True):
        rows = table[table["target"] == target]
        _boxes(axis, rows, networks, sizes)
        baseline = rows["baseline_mae"].mean()
        axis.axhline(baseline, color=style.BASELINE, linestyle="--", linewidth=1.0)
        axis.set_ylim(0, 1.1 * max(rows["mae"].max(), rows["baseline_mae"].max()))
        axis.set_title(f"reading {style.symbol(target)}\n(dashed: median predictor, {baseline:.3g})")
        axis.set_xlabel("network")
        axis.set_ylabel(f"mean absolute error of {style.symbol(target)} (dimensionless)")
    axes[0, 0].legend(title=r"seeds $N_\mathrm{data}$", title_fontsize=8)
    return figure, table


def _boxes(axis: Axes, rows: pd.DataFrame, networks: list[str], sizes: list[int]) -> None:
    """Draw a group of boxes per network, one per number of training seeds, and every repeat as a dot on its box."""
    step = 0.8 / len(sizes)
    for number, (size, colour) in enumerate(zip(sizes, style.colours(len(sizes)), strict=True)):
        positions = np.arange(len(networks)) + (number - (len(sizes) - 1) / 2) * step
        groups = [rows["mae"][(rows["network"] == name) & (rows["n_data"] == size)] for name in networks]
        axis.boxplot(
            groups,
            positions=positions,
            widths=0.8 * step,
            manage_ticks=False,
            showfliers=False,
            patch_artist=True,
            boxprops={"facecolor": colour, "alpha": 0.7, "linewidth": 0.8},
            medianprops={"color": "black", "linewidth": 1.2},
        )
        dots = np.concatenate([np.full(len(group), at) for at, group in zip(positions, groups, strict=True)])
        axis.plot(
            dots,
            np.concatenate(groups),
            linestyle="none",
            marker="o",
            markersize=3.5,
            color=colour,
            markeredgecolor="black",
            markeredgewidth=0.5,
            label=str(size),
        )
    axis.set_xticks(np.arange(len(networks)), networks)
    axis.set_xlim(-0.6, len(networks) - 0.4)
