"""Widths of walls simulated again from parameters that networks read (Figs. 5a and 5b of Eagan et al.)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss.figures import chains, curve_tasks, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from weiss.curve_trainings import CurveTraining
    from weiss.study import Study

BINS = 81
MOST_DOTS = 4000
"""Most chains drawn over T; of more, evenly chosen ones."""


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw a row for each task whose predictions were simulated again: widths over T (left), their errors (right).

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: task, repeat, point, sigma, tau, T, width, predicted, linear (m; the latter two NaN where the chain
        predicted by the network or by linear regression gave no wall).
    """
    tasks = curve_tasks.tasks(study, "widths_read")
    figure, axes = style.canvas(len(tasks), 2, style.WIDTH, 3.9 * len(tasks))
    tables = []
    for line, jobs in zip(axes, tasks.values(), strict=True):
        rows = curve_tasks.predictions(study, results, jobs, ("width_m", "width_m_pred", "width_m_linear"))
        with np.errstate(divide="ignore"):
            T = 1 / (1 / rows["sigma"].to_numpy() + 1 / rows["tau"].to_numpy())
        table = rows[["task", "repeat", "point", "sigma", "tau"]].assign(
            T=T, width=rows["width_m"], predicted=rows["width_m_pred"], linear=rows["width_m_linear"]
        )
        _over_density(line[0], table[table["repeat"] == table["repeat"].min()])
        line[0].set_title(curve_tasks.title(jobs))
        _errors(line[1], study, results, jobs, table)
        line[1].set_title(f"{table['point'].nunique():,} test chains")
        tables.append(table)
    return figure, pd.concat(tables, ignore_index=True)


def _over_density(axis: Axes, table: pd.DataFrame) -> None:
    """Actual and predicted widths of the test chains of one repeat over T."""
    rows = table.iloc[:: -(-len(table) // MOST_DOTS)]
    size = float(np.clip(3000 / max(len(rows), 1), 3, 14))
    T, width, predicted = (rows[name].to_numpy() * chains.NM for name in ("T", "width", "predicted"))
    axis.scatter(T, width, s=size, color=style.PALETTE[0], lw=0, label="actual", rasterized=True)
    axis.scatter(T, predicted, s=2 * size, fc="none", ec=style.PALETTE[3], lw=0.5, label="predicted", rasterized=True)
    axis.set(xlabel="T = 1/(1/σ + 1/τ) (nm)", ylabel="width of the wall (nm)")
    axis.set_xlim(left=0)
    axis.set_ylim(0, 1.25 * axis.get_ylim()[1])
    axis.legend(loc="upper right", frameon=True, markerscale=1.5)


def _errors(axis: Axes, study: Study, results: Path, jobs: list[CurveTraining], table: pd.DataFrame) -> None:
    """Distribution of predicted less actual widths, of the network and of what needs none, beside what is printed.

    The two are compared on the chains for which both gave a wall.
    """
    both = table.dropna(subset=["predicted", "linear"])
    network, linear = (((both[name] - both["width"]) * chains.NM).to_numpy() for name in ("predicted", "linear"))
    failed = {name: int(table[name].isna().sum()) for name in ("predicted", "linear")}
    # A repeat without any such chain has no scores.
    scored = [job for job in jobs if job.repeat in set(both["repeat"])]
    always, scatter = (
        curve_tasks.mean_score(study, results, scored, f"mean_width_m_error_{part}") * chains.NM if scored else np.nan
        for part in ("mean", "std")
    )
    mean, deviation = (chains.printed(study, f"wall_error_{part}_nm", None) for part in ("mean", "std"))
    far = [np.quantile(np.abs(errors), 0.99) for errors in (network, linear) if errors.size]
    reach = max([0.01, *far, *([3 * scatter] if scored else [])])
    edges = np.linspace(-reach, reach, BINS + 1)
    axis.hist(
        np.clip(network, -reach, reach),
        edges,
        color=curve_tasks.COLOURS["network"],
        alpha=0.7,
        label=f"network: {_mean_sd(network)}; no wall: {failed['predicted']}",
    )
    colour = curve_tasks.COLOURS["linear regression"]
    axis.hist(
        np.clip(linear, -reach, reach),
        edges,
        histtype="step",
        color=colour,
        lw=1.2,
        label=f"linear regression: {_mean_sd(linear)}; no wall: {failed['linear']}",
    )
    x, area = np.linspace(-reach, reach, 401), network.size * (edges[1] - edges[0])
    lines = [(always, scatter, style.BASELINE, ":", "always the mean width")] if scored else []
    if mean is not None and deviation is not None:
        lines.append((mean, deviation, style.TRUTH, "--", "printed"))
    for centre, spread, colour, dashes, words in lines:
        label = f"{words}: {_number(centre)} ± {spread:.3g}"
        axis.plot(x, area * _normal(x, centre, spread), color=colour, ls=dashes, lw=1.2, label=label)
    axis.set_ylim(0.5, 30 * max(network.size, 1))
    axis.set_yscale("log")
    axis.set(xlabel="error: predicted − actual width (nm)", ylabel=f"test chains ({len(jobs)} repeats)")
    axis.legend(
        loc="upper left",
        title=f"mean ± SD in nm where both gave a wall: {len(both):,} of {len(table):,}",
        title_fontsize=7,
        fontsize=7,
        alignment="left",
    )


def _normal(x: NDArray, mean: float, deviation: float) -> NDArray:
    if not deviation > 0:
        return np.full_like(x, np.nan)
    return np.exp(-(((x - mean) / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi))


def _mean_sd(errors: NDArray) -> str:
    return f"{_number(errors.mean())} ± {errors.std():.3g}" if errors.size else "–"


def _number(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}".replace("-", "−")
