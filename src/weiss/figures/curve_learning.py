"""Loss by epoch of networks on curves (Figs. 3c and 5c of Eagan et al.)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from weiss.figures import curve_tasks, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from weiss.curve_trainings import CurveTraining
    from weiss.study import Study

MOST_COLUMNS = 3

_REASONS = {"patience": "no improvement", "overfitting": "overfitting", "max_epochs": "all epochs done"}


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw a panel for each task, with all repeats of the largest number of training chains.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: task, training, n_data, repeat, epoch, train_loss, validate_loss (in the loss of the task), kept,
        stop_reason.
    """
    table = curve_tasks.epochs(study, results, "curve_learning")
    tasks = curve_tasks.tasks(study, "curve_learning")
    columns = 2 if len(tasks) == 4 else min(len(tasks), MOST_COLUMNS)
    lines = -(-len(tasks) // columns)
    figure, axes = style.canvas(lines, columns, style.WIDTH if columns > 1 else 5.5, 2.9 * lines + 0.3)
    for axis in axes.ravel()[len(tasks) :]:
        axis.set_visible(False)
    for axis, (task, jobs) in zip(axes.ravel(), tasks.items(), strict=False):
        rows = table[table["task"] == task]
        for _, curve in rows.groupby("training", sort=False):
            axis.plot(curve["epoch"], curve["train_loss"], color=style.PALETTE[0], lw=0.7, ls="--", label="training")
            axis.plot(curve["epoch"], curve["validate_loss"], color=style.PALETTE[1], lw=0.9, label="validation")
            kept = curve[curve["kept"]]
            dot = {"marker": "o", "ls": "", "ms": 4, "mec": "black", "mew": 0.6, "zorder": 3}
            axis.plot(kept["epoch"], kept["validate_loss"], color=style.PALETTE[1], label="kept", **dot)
        curve_tasks.logarithmic(axis, "y", room=0.3)
        axis.set(xlabel="epoch", ylabel=_loss(jobs[0]), title=curve_tasks.title(jobs))
        reasons = rows.drop_duplicates("training")["stop_reason"].value_counts()
        ends = [f"{_REASONS.get(reason, reason)}: {count} of {len(jobs)}" for reason, count in reasons.items()]
        curve_tasks.corner(axis, ["ended by", *ends])
    named = dict(zip(*reversed(axes[0, 0].get_legend_handles_labels()), strict=True))
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=3)
    return figure, table


def _loss(job: CurveTraining) -> str:
    """What stands on the axis of a task's loss."""
    squared = job.recipe.get("loss", "mse") == "mse"
    kind = "mean squared error" if squared else "mean absolute error"
    if job.answers is not None:
        return f"{kind} ({'THz²' if squared else 'THz'})"
    return f"{kind} (scaled)"
