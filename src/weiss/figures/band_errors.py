"""Errors of bands that networks answer, over the wavenumber and chain by chain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss.figures import chains, curve_tasks, style
from weiss.learn.curves.baselines import bounded_form
from weiss.learn.curves.form import form
from weiss.learn.curves.networks.names import KINDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from weiss.curve_trainings import CurveTraining
    from weiss.study import Study


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw a row for each task that answers a band: mean error over |k| (left), errors of the test chains (right).

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: task, panel ("over k" or "chains"), method, k (rad/m; of the left panels), repeat, point (of the right
        ones), mae (THz).
    """
    tasks = curve_tasks.tasks(study, "band_errors")
    figure, axes = style.canvas(len(tasks), 2, style.WIDTH, 2.7 * len(tasks) + 0.4)
    printed = [chains.printed(study, "band_mae_THz", end) for end in ("low", "high")]
    tables = []
    for line, jobs in zip(axes, tasks.values(), strict=True):
        over_k, by_chain = _over_k(study, results, jobs), _by_chain(study, results, jobs)
        if None not in printed:
            # It is of errors at single k: of means over k, chain by chain, it says nothing.
            words = f"printed: {printed[0]:g} to {printed[1]:g} THz"
            line[0].axhspan(*printed, color=style.TRUTH, alpha=0.25, lw=0, label=words)
        _curves(line[0], over_k)
        _boxes(line[1], by_chain)
        line[0].set_title(curve_tasks.title(jobs) + (", is shown the curve" if _is_shown(jobs[0]) else ""))
        line[1].set_title(f"{by_chain['point'].nunique():,} test chains, {len(jobs)} repeats")
        both = [over_k.assign(panel="over k"), by_chain.assign(panel="chains")]
        tables.append(pd.concat(both, ignore_index=True).assign(task=jobs[0].task))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    table = pd.concat(tables, ignore_index=True)
    return figure, table[["task", "panel", "method", "k", "repeat", "point", "mae"]]


def _is_shown(job: CurveTraining) -> bool:
    """Whether a network reads the very curve that it answers."""
    kind = KINDS[job.architecture]
    return kind.answers in kind.curves


def _over_k(study: Study, results: Path, jobs: list[CurveTraining]) -> pd.DataFrame:
    """Mean absolute error at every |k|: of the network in every repeat, of the ideal band, of the form's best fit."""
    rows = curve_tasks.predictions(study, results, jobs, curve_tasks.COEFFICIENTS)
    points = rows["point"].unique()
    found = curve_tasks.dataset(study, results, jobs[0].data, points)
    band = curve_tasks.band(study, jobs[0].data, found["k"])
    ideal = band.gap + band.X * (1 - np.cos(np.asarray(band.ka)))
    best = form(bounded_form(found["ridge"], band)[0], band)
    errors = {("ideal band", np.nan): ideal - found["ridge"], ("best fit of the form", np.nan): best - found["ridge"]}
    for repeat, mine in rows.groupby("repeat"):
        coefficients = mine.set_index("point").loc[points, list(curve_tasks.COEFFICIENTS)].to_numpy(float)
        errors[("network", repeat)] = form(coefficients, band) - found["ridge"]
    tables = [
        pd.DataFrame({"method": method, "repeat": repeat, "k": np.abs(found["k"]), "mae": np.abs(error).mean(axis=0)})
        for (method, repeat), error in errors.items()
    ]
    table = pd.concat(tables, ignore_index=True)
    # The two halves of the band hold the same wavenumbers but for the last bits.
    step = np.abs(np.diff(found["k"])).min()
    table["k"] = (table["k"] / step).round() * step
    return (
        table.groupby(["method", "repeat", "k"], sort=False, dropna=False)["mae"]
        .mean()
        .reset_index()
        .sort_values(["method", "repeat", "k"], kind="stable")
    )


def _by_chain(study: Study, results: Path, jobs: list[CurveTraining]) -> pd.DataFrame:
    """Errors of every test chain in every repeat, by all methods."""
    columns = {f"{prefix}mae": method for prefix, method in curve_tasks.BANDS.items()}
    rows = curve_tasks.predictions(study, results, jobs, tuple(columns))
    return rows.rename(columns=columns).melt(
        id_vars=["repeat", "point"], value_vars=list(columns.values()), var_name="method", value_name="mae"
    )


def _curves(axis: Axes, table: pd.DataFrame) -> None:
    for method in ("network", "ideal band", "best fit of the form"):
        rows, colour = table[table["method"] == method], curve_tasks.COLOURS[method]
        mean = rows.groupby("k")["mae"].mean()
        several = rows["repeat"].nunique() > 1
        for _, curve in rows.groupby("repeat") if several else ():
            axis.plot(curve["k"] / chains.NM, curve["mae"], color=colour, lw=0.4, alpha=0.5)
        dashes = ":" if method == "ideal band" else "-"
        label = f"{method}, mean of {rows['repeat'].nunique()} repeats" if several else method
        axis.plot(mean.index / chains.NM, mean, color=colour, ls=dashes, label=label)
    axis.set(xlabel="|k| (rad/nm)", ylabel="mean absolute error (THz)")
    axis.set_xlim(0, table["k"].max() / chains.NM)
    curve_tasks.logarithmic(axis, "y")


def _boxes(axis: Axes, table: pd.DataFrame) -> None:
    methods = list(curve_tasks.BANDS.values())
    values = [table.loc[table["method"] == method, "mae"].dropna().to_numpy() for method in methods]
    drawn = axis.boxplot(
        values,
        orientation="horizontal",
        positions=range(len(methods)),
        widths=0.6,
        whis=(5, 95),
        showfliers=False,
        showmeans=True,
        meanprops={"marker": "D", "markersize": 3.5, "markerfacecolor": "white", "markeredgecolor": "black"},
        medianprops={"color": "black", "linewidth": 1.0},
        patch_artist=True,
    )
    for patch, method in zip(drawn["boxes"], methods, strict=True):
        patch.set(facecolor=curve_tasks.COLOURS[method], alpha=0.6, linewidth=0.7)
    means = [f"{float(f'{part.mean():.3g}'):g}" if part.size else "–" for part in values]
    axis.set_yticks(range(len(methods)), [f"{name}\nmean {mean}" for name, mean in zip(methods, means, strict=True)])
    curve_tasks.logarithmic(axis, "x")
    axis.set_xlabel("mean absolute error of a chain (THz)")
    axis.invert_yaxis()
