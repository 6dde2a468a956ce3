"""How often intervals around what networks read hold the true value, and how wide they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss.figures import chains, curve_tasks, style
from weiss.learn.curves.intervals import METHODS, coverage_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from weiss.study import Study

MARKERS = "osD"
APART = 0.02
"""Between the dots of two methods at one level."""


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw a row for each task that answers parameters: for each parameter measured coverage and width of intervals.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: task, n_data, and the columns of `weiss.learn.curves.intervals.coverage_table`; widths in m.
    """
    tasks = curve_tasks.tasks(study, "coverage")
    tables = []
    for jobs in tasks.values():
        columns = tuple(f"{target}_pred" for target in jobs[0].targets)
        rows = curve_tasks.predictions(study, results, jobs, (*jobs[0].targets, *columns), None)
        table = coverage_table([mine for _, mine in rows.groupby("repeat")], jobs[0].targets)
        tables.append(table.assign(task=jobs[0].task, n_data=jobs[0].n_data))
    table = pd.concat(tables, ignore_index=True)
    targets = list(dict.fromkeys(table["target"]))
    figure, axes = style.canvas(len(tasks), 2 * len(targets), max(4.0 * len(targets), 5.5), 2.3 * len(tasks) + 0.5)
    for line, (task, jobs) in zip(axes, tasks.items(), strict=True):
        for place, target in enumerate(targets):
            rows = table[(table["task"] == task) & (table["target"] == target)]
            pair = line[2 * place : 2 * place + 2]
            for axis in pair:
                axis.set_visible(len(rows) > 0)
            if len(rows):
                _coverage(pair[0], rows, target)
                _widths(pair[1], rows, target)
                pair[0].set_title(curve_tasks.title(jobs), fontsize=8)
                pair[1].set_title(
                    f"{rows['n_calibrate'].iloc[0]:,} set aside,\n{rows['n_test'].iloc[0]:,} test", fontsize=8
                )
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure, table[["task", "n_data", *table.columns.drop(["task", "n_data"])]]


def _coverage(axis: Axes, rows: pd.DataFrame, target: str) -> None:
    """Share of the test chains inside their interval over the share that is asked for, and where it may well lie."""
    low, high = (rows.groupby("level")[f"expected_{end}"].first() for end in ("low", "high"))
    axis.bar(low.index, high - low, 4 * APART, low, color="0.85", zorder=0, label="range of a valid method")
    axis.plot([0, 1], [0, 1], color="black", lw=0.8, label="as asked for")
    for method, mine, at, look in _methods(rows):
        errors = np.abs(mine[["low", "high"]].to_numpy().T - mine["coverage"].to_numpy())
        axis.errorbar(at, mine["coverage"], errors, label=method, **look)
    axis.set(ylabel=f"share with true {style.symbol(target)} inside", ylim=(0, 1.03))
    _levels(axis, rows)


def _widths(axis: Axes, rows: pd.DataFrame, target: str) -> None:
    """Mean width of the intervals; one that is infinite, for want of chains to calibrate with, is not drawn."""
    for _, mine, at, look in _methods(rows):
        axis.errorbar(at, mine["width_mean"] * chains.NM, **look)
    axis.set(ylabel=f"mean width, {style.symbol(target)} (nm)")
    axis.set_ylim(bottom=0)
    _levels(axis, rows)


def _levels(axis: Axes, rows: pd.DataFrame) -> None:
    axis.set(xlabel="share asked for", xlim=(rows["level"].min() - 0.12, 1.03))
    axis.set_xticks(sorted(rows["level"].unique()))


def _methods(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, pd.Series, dict[str, object]]]:
    """Every method's rows, where its dots stand, moved apart so that their bars can be seen, and how they look."""
    for index, method in enumerate(METHODS):
        mine = rows[rows["method"] == method]
        look = {"color": style.PALETTE[index], "marker": MARKERS[index], "ms": 3.5, "ls": "", "lw": 0.9, "capsize": 2}
        if len(mine):
            yield method, mine, mine["level"] + APART * (index - (len(METHODS) - 1) / 2), look
