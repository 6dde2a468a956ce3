"""Predicted against true values on test films (Fig. 8 of Mamada et al., arXiv 2305.14764)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss.figures import bins, read, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from weiss.study import Study

MOST_COLUMNS = 4


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw a row per target in alphabetical order, a panel per network, a box of predictions at each true value.

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
    targets = sorted(set(table["target"]))
    networks = list(dict.fromkeys(table["network"]))
    if len(networks) == 1:
        columns, panels = len(targets), [(target, networks[0]) for target in targets]
    else:
        columns = min(len(networks), MOST_COLUMNS)
        lines = -(-len(networks) // columns)
        empty = [None] * (lines * columns - len(networks))
        panels = [(target, network) for target in targets for network in [*networks, *empty]]
    lines = len(panels) // columns
    side = min(3.6, style.WIDTH / columns)
    figure, axes = style.canvas(lines, columns, max(side * columns, 5.5), (side + 0.25) * lines + 0.35)
    for place, (axis, (target, network)) in enumerate(zip(axes.ravel(), panels, strict=True)):
        if network is None:
            axis.set_visible(False)
            continue
        chosen = table[(table["target"] == target) & (table["network"] == network)]
        everything = table[table["target"] == target]
        _panel(axis, chosen, everything)
        power = read.power(study, target, everything["true"])
        style.ticks(axis.xaxis, power)
        style.ticks(axis.yaxis, power)
        axis.set_title(network)
        axis.set_xlabel(f"true {style.symbol(target)} ({read.unit(study, target, power)})")
        if place % columns == 0 or len(networks) == 1:
            axis.set_ylabel(f"predicted {style.symbol(target)} ({read.unit(study, target, power)})")
    figure.suptitle(rf"$N_\mathrm{{data}}$ = {table['n_data'].max()}", fontsize=9)
    return figure, table


def _panel(axis: Axes, rows: pd.DataFrame, everything: pd.DataFrame) -> None:
    places, member = bins.binned(rows["true"].to_numpy())
    predicted = rows["predicted"].to_numpy()
    gaps = np.diff(places) if places.size > 1 else np.ones(1)
    # Where values are scattered a box takes the room it has, within reason; on a grid all are equally wide.
    room = np.minimum(np.append(gaps, np.inf), np.insert(gaps, 0, np.inf))[: places.size]
    widths = 0.6 * np.clip(room, 0.5 * gaps.mean(), 2 * gaps.mean())
    axis.boxplot(
        [predicted[member == index] for index in range(places.size)],
        positions=places,
        widths=widths,
        manage_ticks=False,
        patch_artist=True,
        boxprops={"facecolor": style.PALETTE[0], "alpha": 0.55, "linewidth": 0.7},
        medianprops={"color": "black", "linewidth": 1.2},
        whiskerprops={"linewidth": 0.7},
        capprops={"linewidth": 0.7},
        flierprops={"marker": ".", "markersize": 2.5, "markerfacecolor": "0.4", "markeredgecolor": "none"},
    )
    across = (places[0] - widths[0], places[-1] + widths[-1])
    both = np.concatenate([everything["predicted"], across])
    pad = 0.04 * np.ptp(both)
    axis.plot(across, across, color=style.TRUTH, linewidth=1.2, zorder=0)
    axis.set_xlim(across)
    axis.set_ylim(both.min() - pad, both.max() + pad)
    axis.set_box_aspect(1)
