"""Errors of all networks side by side, by architecture and start (Fig. 14 of Mamada et al., arXiv 2305.14764)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from weiss.figures import errors, labels, read, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from weiss.study import Study


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw a row per target and a column per number of training seeds; boxes by architecture, coloured by start.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: training, network, architecture, start, n_data, repeat, target, mae, baseline_mae.
    """
    known = labels.networks(study)
    table = read.test_errors(study, results)
    for number, name in enumerate(("architecture", "start")):
        table.insert(2 + number, name, [getattr(known[label], name) for label in table["network"]])
    targets, sizes = list(dict.fromkeys(table["target"])), sorted(table["n_data"].unique())
    architectures = list(dict.fromkeys(table["architecture"]))
    starts = sorted(set(table["start"]), key=lambda start: (start != labels.RANDOM, start != labels.IMAGENET, start))
    figure, axes = style.canvas(
        len(targets), len(sizes), style.WIDTH, 2.8 * len(targets) + 0.4, sharex=True, sharey="row"
    )
    for line, target in enumerate(targets):
        rows = table[table["target"] == target]
        for column, size in enumerate(sizes):
            axis = axes[line, column]
            here = rows[rows["n_data"] == size]
            groups = [
                [here["mae"][(here["architecture"] == name) & (here["start"] == start)] for name in architectures]
                for start in starts
            ]
            errors.boxes(axis, groups, architectures, style.colours(len(starts)), starts)
            if len(here):
                axis.axhline(here["baseline_mae"].mean(), color=style.BASELINE, linestyle="--", linewidth=1.0)
            if line == 0:
                axis.set_title(rf"$N_\mathrm{{data}}$ = {size}")
            if line == len(targets) - 1:
                axis.set_xlabel("architecture")
        axes[line, 0].set_ylim(0, 1.1 * max(rows["mae"].max(), rows["baseline_mae"].max()))
        errors.label(axes[line, 0], study, target, rows)
    figure.align_ylabels(axes[:, 0])
    # A start may have results at some sizes only, so no one panel has every entry.
    listed = {
        word: handle for axis in axes.flat for handle, word in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    words = [start for start in starts if start in listed]
    figure.legend(
        [listed[word] for word in words], words, loc="outside upper center", ncols=min(len(words), 3), fontsize=8
    )
    return figure, table
