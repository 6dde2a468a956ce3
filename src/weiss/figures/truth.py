"""Predicted against true values on test films (Fig. 8 of Mamada et al., arXiv 2305.14764)."""

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
    """Draw a panel per target and network with a box of predictions at each true value.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: training, network, n_data, repeat, point, rotation, target, true, predicted.
    """
    table = read.predictions(study, results)
    table = table[table["n_data"] == table["n_data"].max()].reset_index(drop=True)
    targets = list(dict.fromkeys(table["target"]))
    networks = list(dict.fromkeys(table["network"]))
    side = min(2.9, style.WIDTH / max(len(networks), 2))
    grid = (1, len(targets)) if len(networks) == 1 else (len(targets), len(networks))
    figure, axes = style.canvas(*grid, side * grid[1] + 0.4, side * grid[0] + 0.5)
    panels = [(target, network) for target in targets for network in networks]
    for axis, (target, network) in zip(axes.ravel(), panels, strict=True):
        chosen = table[(table["target"] == target) & (table["network"] == network)]
        everything = table[table["target"] == target]
        _panel(axis, chosen, everything)
        axis.set_title(network if len(targets) * len(networks) > 1 else "")
        axis.set_xlabel(f"true {style.symbol(target)} (dimensionless)")
        axis.set_ylabel(f"predicted {style.symbol(target)}")
    figure.suptitle(rf"$N_\mathrm{{data}}$ = {table['n_data'].max()}", fontsize=9)
    return figure, table


def _panel(axis: Axes, rows: pd.DataFrame, everything: pd.DataFrame) -> None:
    values = np.unique(rows["true"])
    gap = np.diff(values).min() if values.size > 1 else 1.0
    boxes = [rows["predicted"][rows["true"] == value] for value in values]
    axis.boxplot(
        boxes,
        positions=values,
        widths=0.6 * gap,
        manage_ticks=False,
        patch_artist=True,
        boxprops={"facecolor": style.PALETTE[0], "alpha": 0.55, "linewidth": 0.8},
        medianprops={"color": "black", "linewidth": 1.2},
        flierprops={"marker": ".", "markersize": 3, "markeredgecolor": "0.4"},
    )
    across = (values.min() - 0.5 * gap, values.max() + 0.5 * gap)
    both = np.concatenate([everything["predicted"], across])
    pad = 0.04 * np.ptp(both)
    axis.plot(across, across, color=style.TRUTH, linewidth=1.2, zorder=0)
    axis.set_xlim(across)
    axis.set_ylim(both.min() - pad, both.max() + pad)
    axis.set_box_aspect(1)
