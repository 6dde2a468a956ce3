"""Mean lengths of material and of vacancies, as networks read them off curves, against those put in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss.figures import chains, curve_tasks, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from weiss.curve_trainings import CurveTraining
    from weiss.study import Study


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw a row for each task that answers parameters, a panel for each parameter, a dot for each test chain.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: task, n_data, point, target, true, predicted, lowest, highest (m; mean and range of the repeats).
    """
    tasks = curve_tasks.tasks(study, "defects_read")
    columns = max(len(jobs[0].targets) for jobs in tasks.values())
    figure, axes = style.canvas(len(tasks), columns, max(4.0 * columns, 5.5), 2.75 * len(tasks))
    tables = []
    for line, jobs in zip(axes, tasks.values(), strict=True):
        targets = jobs[0].targets
        predicted = tuple(f"{target}_pred" for target in targets)
        rows = curve_tasks.predictions(study, results, jobs, (*targets, *predicted))
        for axis in line[len(targets) :]:
            axis.set_visible(False)
        for axis, target in zip(line, targets, strict=False):
            by_chain = rows.groupby("point", sort=False)
            values = by_chain[f"{target}_pred"].agg(["mean", "min", "max"])
            columns_of = {"true": by_chain[target].first(), "predicted": values["mean"]}
            table = pd.DataFrame(columns_of | {"lowest": values["min"], "highest": values["max"]}).reset_index()
            table.insert(1, "target", target)
            _panel(axis, table, target)
            lines = _errors(study, results, jobs, target, table)
            axis.annotate("\n".join(lines), (1.04, 1.0), xycoords="axes fraction", va="top", fontsize=7.5)
            axis.set_title(f"{curve_tasks.title(jobs)}, {len(table):,} test")
            who = {"task": jobs[0].task, "n_data": jobs[0].n_data}
            tables.append(pd.concat([pd.DataFrame(who, index=table.index), table], axis=1))
    return figure, pd.concat(tables, ignore_index=True)


def _panel(axis: Axes, table: pd.DataFrame, target: str) -> None:
    true, predicted = (table[name].to_numpy() * chains.NM for name in ("true", "predicted"))
    size = float(np.clip(3000 / max(len(true), 1), 2, 12))
    axis.scatter(true, predicted, s=size, color=curve_tasks.COLOURS["network"], alpha=0.5, lw=0, rasterized=True)
    ends = [min(true.min(), 0.0), true.max()]
    axis.plot(ends, ends, color="black", lw=1)
    pad = 0.04 * np.ptp([*ends, *predicted])
    axis.set_xlim(ends[0] - pad, ends[1] + pad)
    axis.set_ylim(min(ends[0], predicted.min()) - pad, max(ends[1], predicted.max()) + pad)
    axis.set_box_aspect(1)
    axis.set(xlabel=f"true {style.symbol(target)} (nm)", ylabel=f"predicted {style.symbol(target)} (nm)")


def _errors(study: Study, results: Path, jobs: list[CurveTraining], target: str, table: pd.DataFrame) -> list[str]:
    """Mean absolute errors on the test chains, a line each."""
    one = curve_tasks.mean_score(study, results, jobs, f"test_mae_{target}")
    mean = float((table["predicted"] - table["true"]).abs().mean())
    lines = ["error (MAE, nm)", f"network: {curve_tasks.nm(one)}"]
    if len(jobs) > 1:
        lines += [f"mean of {len(jobs)}: {curve_tasks.nm(mean)}"]
    for prefix, words in curve_tasks.BASELINES.items():
        found = curve_tasks.mean_score(study, results, jobs, f"{prefix}_mae_{target}")
        lines.append(f"{words}: {curve_tasks.nm(found)}")
    return lines
