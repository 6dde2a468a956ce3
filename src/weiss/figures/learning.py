"""Learning curves: error by epoch of every training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from weiss.figures import read, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from weiss.study import Study

MOST_COLUMNS = 4

MOST_CURVES = 8
"""Trainings of a network beyond which their curves are drawn thin."""


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw a panel per network; training error dashed, validation error solid.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: epoch, train_mae, validate_mae (of one target in its unit, of several their mean, each in multiples of
        its scale), training, network, n_data, repeat, best.
    """
    table = read.epochs(study, results)
    targets = next(iter(study.trainings.values())).targets
    if len(targets) == 1:
        table[["train_mae", "validate_mae"]] *= read.scale(study, targets[0])
    networks = list(dict.fromkeys(table["network"]))
    sizes = sorted(table["n_data"].unique())
    colours = dict(zip(sizes, style.colours(len(sizes)), strict=True))
    columns = min(len(networks), MOST_COLUMNS)
    lines = -(-len(networks) // columns)
    width = style.WIDTH if columns > 1 else 5.5
    figure, axes = style.canvas(lines, columns, width, 3.0 * lines + 0.2, sharey=True)
    for axis in axes.ravel()[len(networks) :]:
        axis.set_visible(False)
    for axis, network in zip(axes.ravel(), networks, strict=False):
        curves = table[table["network"] == network].groupby("training", sort=False)
        thin = 0.5 if len(curves) > MOST_CURVES else 1.0
        for _, curve in curves:
            colour = colours[curve["n_data"].iloc[0]]
            axis.plot(curve["epoch"], curve["train_mae"], color=colour, linestyle="--", linewidth=0.9 * thin, alpha=0.7)
            axis.plot(curve["epoch"], curve["validate_mae"], color=colour, linewidth=1.3 * thin)
            best = curve[curve["best"]]
            axis.plot(
                best["epoch"],
                best["validate_mae"],
                "o",
                color=colour,
                markersize=4 * thin,
                markeredgecolor="black",
                markeredgewidth=thin,
            )
        axis.set_title(network)
        axis.set_xlabel("epoch")
        axis.set_ylim(bottom=0)
    _label(axes[0, 0], study, targets, table["validate_mae"].max())
    _legend(axes[0, 0], colours)
    return figure, table


def _label(axis: Axes, study: Study, targets: tuple[str, ...], largest: float) -> None:
    """Say what the errors are: of one target in its unit, of several in multiples of their scales."""
    scales = {target: read.scale(study, target) for target in targets}
    text = "mean absolute error, all targets"
    if set(scales.values()) != {1.0} and len(targets) == 1:
        power = read.power(study, targets[0], largest)
        style.ticks(axis.yaxis, power)
        text = f"mean absolute error of {style.symbol(targets[0])}\n({read.unit(study, targets[0], power)})"
    elif set(scales.values()) != {1.0}:
        sizes = [f"{style.symbol(t)} of {style.quantity(scale, read.units(study, t))}" for t, scale in scales.items()]
        text = f"{text}\nin multiples: {', '.join(sizes)}"
    axis.set_ylabel(text)


def _legend(axis: object, colours: dict) -> None:
    for size, colour in colours.items():
        axis.plot([], [], color=colour, label=rf"$N_\mathrm{{data}}$ = {size}")
    axis.plot([], [], color="0.3", label="validation")
    axis.plot([], [], color="0.3", linestyle="--", linewidth=0.9, label="training")
    axis.legend(loc="best", ncols=2, handlelength=1.5)
