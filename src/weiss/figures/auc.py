"""Area under the ROC curve against the difference between inner and outer region, for all networks that map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from weiss.figures import read, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from weiss.study import Study

MOST_TICKS = 12


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw a panel per parameter that differs, a line per network and number of training seeds.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: map, network, n_data, repeat, point, seed, target, inner, outer, difference, auc, published (nan where
        no number is known).
    """
    table = read.areas(study, results)
    targets = list(dict.fromkeys(table["target"]))
    width = min(style.WIDTH, 5.6 * len(targets))
    figure, axes = style.canvas(1, len(targets), width, 4.3, sharey=True)
    kinds = list(dict.fromkeys(zip(table["network"], table["n_data"], strict=True)))
    for axis, target in zip(axes[0], targets, strict=True):
        rows = table[table["target"] == target]
        for (network, n_data), colour in zip(kinds, style.colours(len(kinds)), strict=True):
            chosen = rows[(rows["network"] == network) & (rows["n_data"] == n_data)]
            axis.plot(chosen["difference"], chosen["auc"], "o", color=colour, markersize=3.5, alpha=0.6)
            medians = chosen.groupby("difference")["auc"].median()
            label = rf"{network}, $N_\mathrm{{data}}$ = {n_data}"
            # There is no area where both regions are the same: no line across it.
            for side in (medians[medians.index < 0], medians[medians.index > 0]):
                axis.plot(side.index, side, color=colour)
            axis.plot([], [], color=colour, marker="o", markersize=3.5, label=label)
        _published(axis, rows)
        axis.axhline(0.5, color=style.BASELINE, linestyle="--", linewidth=1.0)
        axis.axvline(0.0, color="0.8", linewidth=0.7, zorder=0)
        axis.set_title(f"threshold on {style.symbol(target)}")
        power = read.power(study, target, rows["difference"])
        style.ticks(axis.xaxis, power)
        axis.set_xlabel(f"{style.symbol(f'{target}_in')} − {style.symbol(target)} ({read.unit(study, target, power)})")
        if rows["difference"].nunique() <= MOST_TICKS:
            axis.set_xticks(sorted({0.0, *rows["difference"]}))
        axis.set_ylim(min(0.45, rows["auc"].min() - 0.03), 1.02)
    axes[0, 0].set_ylabel("area under the ROC curve")
    handles, words = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside lower center", ncols=3)
    return figure, table


def _published(axis: Axes, rows: pd.DataFrame) -> None:
    known = rows[rows["published"].notna()].drop_duplicates("difference")
    if len(known):
        style_ = {"marker": "D", "markersize": 6, "color": style.PALETTE[3], "linestyle": "none", "zorder": 4}
        axis.plot(known["difference"], known["published"], label="published", **style_)
