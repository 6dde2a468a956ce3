"""What figures of networks on curves share: their trainings by task, what these left behind, names, colours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from weiss import paths
from weiss.errors import UserError
from weiss.figures import chains, names, read, style
from weiss.learn.curves.form import COEFFICIENTS as COEFFICIENTS
from weiss.learn.curves.form import Band

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from weiss.curve_trainings import CurveTraining
    from weiss.study import Study

BASELINES = {"median": "median", "linear": "linear regression", "neighbours": "nearest neighbours"}
"""Ways to read parameters without a network, by the first word of their errors' names."""
BANDS = {
    "": "network",
    "ideal_": "ideal band",
    "linear_": "linear regression",
    "neighbours_": "nearest neighbours",
    "form_": "best fit of the form",
}
"""Ways to answer a band, by the prefix of their errors."""
COLOURS = {
    "network": style.PALETTE[0],
    "ideal band": style.BASELINE,
    "median": style.BASELINE,
    "linear regression": style.PALETTE[1],
    "nearest neighbours": style.PALETTE[4],
    "best fit of the form": style.PALETTE[3],
}


def tasks(study: Study, figure: str) -> dict[str, list[CurveTraining]]:
    """Trainings that a figure shows by their task, in the order of the study, then of the repeats."""
    found: dict[str, list[CurveTraining]] = {}
    for job in names.curve_trainings(study, figure).values():
        found.setdefault(job.task, []).append(job)
    return {task: sorted(jobs, key=lambda job: job.repeat) for task, jobs in found.items()}


def title(jobs: list[CurveTraining]) -> str:
    """What a task is called in a figure: its name, and below its network and how many chains it learns from."""
    return f"{jobs[0].task}\n{jobs[0].architecture}, {jobs[0].n_data:,} chains"


def result(study: Study, results: Path, job: CurveTraining) -> dict:
    """Summary of one finished training."""
    return read.training_result(study, results, job.id)


def score(study: Study, results: Path, job: CurveTraining, name: str) -> float:
    """One number of the summary of a training.

    Raises
    ------
    UserError
        If the training's summary is missing or lacks that number.
    """
    found = result(study, results, job)
    try:
        return float(found[name])
    except (KeyError, TypeError, ValueError):
        raise _damaged(study, results, job, f"no number {name}") from None


def mean_score(study: Study, results: Path, jobs: list[CurveTraining], name: str) -> float:
    """One number of the summaries, mean over the repeats of a task."""
    return float(np.mean([score(study, results, job, name) for job in jobs]))


def epochs(study: Study, results: Path, figure: str) -> pd.DataFrame:
    """Loss by epoch of every training that a figure shows.

    Returns
    -------
    DataFrame
        Columns task, training, n_data, repeat, epoch, train_loss, validate_loss (in the loss of the task), kept
        (whether the weights are those of that epoch), stop_reason.
    """
    tables = []
    for jobs in tasks(study, figure).values():
        for job in jobs:
            path = paths.training(results, study.name, job.id) / "epochs.csv"
            columns = ["epoch", "train_loss", "validate_loss"]
            table = read.read_csv(path, tuple(columns))[columns]
            found = result(study, results, job)
            try:
                kept, reason = int(found["best_epoch"]), str(found["stop_reason"])
            except (KeyError, TypeError, ValueError):
                raise _damaged(study, results, job, "no best_epoch or stop_reason") from None
            who = {"task": job.task, "training": job.id, "n_data": job.n_data, "repeat": job.repeat}
            table = table.assign(kept=table["epoch"] == kept, stop_reason=reason)
            tables.append(pd.concat([pd.DataFrame(who, index=table.index), table], axis=1))
    return pd.concat(tables, ignore_index=True)


def predictions(
    study: Study, results: Path, jobs: list[CurveTraining], columns: tuple[str, ...], role: str | None = "test"
) -> pd.DataFrame:
    """Read what the repeats of a task predicted.

    Parameters
    ----------
    study : Study
    results : Path
    jobs : list of CurveTraining
        The repeats of one task.
    columns : tuple of str
        Those asked for beside sigma and tau (m).
    role : str, optional
        Of which chains: ``test``, ``calibrate`` or a group; all without it.

    Returns
    -------
    DataFrame
        Columns task, training, repeat, point, role, sigma, tau, and `columns`.

    Raises
    ------
    UserError
        If a file is missing or damaged, has no test chains, or has other ones than the first repeat.
    """
    tables: list[pd.DataFrame] = []
    first: list[str] = []
    for job in jobs:
        path = paths.training(results, study.name, job.id) / "predictions.csv"
        wanted = ["point", "role", "sigma", "tau", *(name for name in columns if name not in ("sigma", "tau"))]
        table = read.read_csv(path, tuple(wanted))[wanted].astype({"point": str, "role": str})
        tested = sorted(table.loc[table["role"] == "test", "point"])
        if not tested:
            raise UserError("no chain has the role test", str(path), "train with test chains left out")
        if tables and tested != first:
            raise UserError(
                f"the test chains are not those of {jobs[0].id}", str(path), "delete it and run snakemake again"
            )
        first = tested
        if role is not None:
            table = table[table["role"] == role]
        who = {"task": job.task, "training": job.id, "repeat": job.repeat}
        tables.append(pd.concat([pd.DataFrame(who, index=table.index), table], axis=1))
    return pd.concat(tables, ignore_index=True)


def dataset(study: Study, results: Path, group: str, points: NDArray) -> dict[str, NDArray]:
    """Wavenumbers and ridges of chains.

    Parameters
    ----------
    study : Study
    results : Path
    group : str
        Name of the group that holds them.
    points : ndarray of str, shape (N,)

    Returns
    -------
    dict
        ``k`` (rad/m), shape (K,), and ``ridge`` (THz), shape (N, K).

    Raises
    ------
    UserError
        If the file is missing or damaged, or holds no such chain.
    """
    path = paths.dataset(results, study.name, group)
    data = read.read_dataset(path)
    place = {point: index for index, point in enumerate(data["point"].values.astype(str))}
    absent = [point for point in points if point not in place]
    if absent:
        raise UserError(f"the predicted chain {absent[0]} is not in this dataset", str(path), "run snakemake again")
    return {"k": data["k"].values, "ridge": data["ridge_THz"].values[[place[point] for point in points]]}


def band(study: Study, group: str, k: NDArray) -> Band:
    """Band of a group's chains; `k` in rad/m, shape (K,)."""
    settings = chains.settings(study.groups[group])
    return Band(gap=settings.gap_THz, X=settings.X_THz, ka=tuple((k * settings.a).tolist()))


def corner(axis: Axes, lines: list[str]) -> None:
    """Write lines of text into the upper right corner of a panel, on white."""
    back = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5}
    where = {"va": "top", "ha": "right", "transform": axis.transAxes}
    axis.text(0.97, 0.97, "\n".join(lines), fontsize=7, bbox=back, zorder=5, **where)


def logarithmic(axis: Axes, which: str, room: float = 0.0) -> None:
    """Make an axis logarithmic, with plain numbers at 1, 2 and 5 of every decade, or at 1 of many decades.

    Parameters
    ----------
    axis : Axes
    which : {"x", "y"}
    room : float
        Share of the height of the curves that is left free above them.
    """
    set_scale, direction = (axis.set_xscale, axis.xaxis) if which == "x" else (axis.set_yscale, axis.yaxis)
    set_scale("log", nonpositive="clip")
    low, high = axis.get_xlim() if which == "x" else axis.get_ylim()
    if room:
        axis.set_ylim(low, high * (high / low) ** room)
    subs = (1.0, 2.0, 5.0) if high < 1000 * low else (1.0,)
    direction.set_major_locator(LogLocator(subs=subs, numticks=20))
    direction.set_minor_locator(NullLocator() if len(subs) > 1 else LogLocator(subs="auto", numticks=20))
    direction.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    direction.set_minor_formatter(NullFormatter())


def nm(value: float, digits: int = 3) -> str:
    """A length in m as a number of nm with a few digits."""
    return f"{float(f'{value * chains.NM:.{digits}g}'):g}".replace("-", "−")


def _damaged(study: Study, results: Path, job: CurveTraining, what: str) -> UserError:
    path = paths.training(results, study.name, job.id) / "result.json"
    return UserError(f"this result is damaged: {what}", str(path), "delete it and run snakemake again")
