"""Test error of each network against the number of training seeds (Fig. 7 of Mamada et al., arXiv 2305.14764)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss.figures import read, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from weiss.study import Study

MOST_ABREAST = 4
"""Networks up to which the panels of the targets stand side by side; more need the whole width for one."""

MOST_COLUMNS = 3
"""Panels side by side; more would be narrower than their titles."""


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
    if len(networks) > MOST_ABREAST:
        figure, axes = style.canvas(len(targets), 1, style.WIDTH, 3.1 * len(targets))
    else:
        width = min(style.WIDTH, len(targets) * (1.6 + 0.9 * len(networks)) + 1.0)
        # Values with units are longer.
        least = 5.5 if all(read.units(study, target) == "1" for target in targets) else 6.5
        columns = min(len(targets), MOST_COLUMNS)
        lines = -(-len(targets) // columns)
        figure, axes = style.canvas(lines, columns, max(width, least), 3.4 * lines)
    for axis in axes.ravel()[len(targets) :]:
        axis.set_visible(False)
    median = "median\npredictor" if axes.shape[1] == MOST_COLUMNS else "median predictor"
    for axis, target in zip(axes.ravel(), targets, strict=False):
        rows = table[table["target"] == target]
        groups = [
            [rows["mae"][(rows["network"] == name) & (rows["n_data"] == size)] for name in networks] for size in sizes
        ]
        boxes(axis, groups, networks, style.colours(len(sizes)), [str(size) for size in sizes])
        baseline = rows["baseline_mae"].mean()
        axis.axhline(baseline, color=style.BASELINE, linestyle="--", linewidth=1.0)
        axis.set_ylim(0, 1.1 * max(rows["mae"].max(), rows["baseline_mae"].max()))
        answer = style.quantity(float(f"{baseline:.3g}"), read.units(study, target))
        axis.set_title(f"reading {style.symbol(target)}\n(dashed: {median}, {answer})")
        axis.set_xlabel("network")
        label(axis, study, target, rows)
    axes[0, 0].legend(title=r"seeds $N_\mathrm{data}$", title_fontsize=8, ncols=len(sizes))
    return figure, table


def label(axis: Axes, study: Study, target: str, rows: pd.DataFrame) -> None:
    """Say what stands on the axis of errors, and in which unit; `rows` are those of the target."""
    power = read.power(study, target, [rows["mae"].max(), rows["baseline_mae"].max()])
    style.ticks(axis.yaxis, power)
    axis.set_ylabel(f"mean absolute error of {style.symbol(target)}\n({read.unit(study, target, power)})")


def boxes(
    axis: Axes, groups: Sequence[Sequence[Sequence[float]]], places: list[str], colours: list, labels: list[str]
) -> None:
    """Draw boxes side by side at each place, and every value as a dot on its box.

    Parameters
    ----------
    axis : Axes
    groups : sequence, shape (kinds, places, values)
    places : list of str
        Words below the axis.
    colours : list
        One per kind.
    labels : list of str
        Of the kinds, for a legend; a kind without any value gets none.
    """
    step = 0.8 / len(groups)
    present = np.array([[len(values) > 0 for values in group] for group in groups])
    # Where a kind is missing the others close up, so that boxes stand above their word.
    shift = (np.cumsum(present, axis=0) - 1 - (present.sum(axis=0) - 1) / 2) * step
    for group, offset, colour, label in zip(groups, shift, colours, labels, strict=True):
        positions = np.arange(len(places)) + offset
        axis.boxplot(
            # The box of a single value would be a line across its dot.
            [values if len(values) > 1 else [] for values in group],
            positions=positions,
            widths=0.8 * step,
            manage_ticks=False,
            showfliers=False,
            patch_artist=True,
            boxprops={"facecolor": colour, "alpha": 0.7, "linewidth": 0.8},
            medianprops={"color": "black", "linewidth": 1.2},
        )
        dots = np.concatenate([np.full(len(values), at) for at, values in zip(positions, group, strict=True)])
        values = np.concatenate([np.asarray(values, dtype=float) for values in group])
        axis.plot(
            dots,
            values,
            linestyle="none",
            marker="o",
            markersize=3.5 if len(places) <= MOST_ABREAST else 2.5,
            color=colour,
            zorder=3,
            markeredgecolor="black",
            markeredgewidth=0.5 if len(places) <= MOST_ABREAST else 0.3,
            label=label if values.size else None,
        )
    long = len(places) > MOST_ABREAST and max(map(len, places)) > 6
    axis.set_xticks(np.arange(len(places)), places, rotation=30 if long else 0, ha="right" if long else "center")
    axis.set_xlim(-0.6, len(places) - 0.4)
