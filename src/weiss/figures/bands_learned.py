"""Bands that networks answer, over the spectra of chains (Figs. 3a and 3b of Eagan et al.)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss import paths
from weiss.errors import UserError
from weiss.figures import chains, curve_tasks, read, style
from weiss.learn.curves.form import form

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from weiss.study import Study

MOST = 4
"""Most chains of a group."""
HIGHEST = 1.25
"""Highest frequency shown, over the top of the ideal band."""
IDEAL = {"color": "red", "lw": 1.1, "ls": ":"}
PREDICTED = {"color": "magenta", "lw": 1.3, "ls": "--"}


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw a row for each task and group that it predicts besides; bands are means over the repeats.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: task, group, point, sigma, tau (m), k (rad/m), ridge, ideal, predicted, lowest, highest (of the repeats,
        THz; NaN where nothing was predicted), X (mean over the repeats), X_fitted (to the ridge), X_printed (THz).
    """
    shown = [
        (jobs, group, _chains(study, results, group))
        for jobs in curve_tasks.tasks(study, "bands_learned").values()
        for group in jobs[0].also
    ]
    columns = max(data.sizes["film"] for *_, data in shown)
    if not columns:
        raise UserError("no chain that is predicted besides gave a result", str(study.path))
    size = (max(style.WIDTH * columns / MOST, 6.0), 2.2 * len(shown) + 0.5)
    figure, axes = style.canvas(len(shown), columns, *size, sharex=True, sharey="row")
    tables = []
    for line, (jobs, group, data) in zip(axes, shown, strict=True):
        rows = curve_tasks.predictions(study, results, jobs, curve_tasks.COEFFICIENTS, group)
        for axis in line[data.sizes["film"] :]:
            axis.set_visible(False)
        for axis, film in zip(line, (data.isel(film=row) for row in range(data.sizes["film"])), strict=False):
            mine = rows[rows["point"] == str(film["point"].values)]
            table = _bands(study, group, film, mine[list(curve_tasks.COEFFICIENTS)].to_numpy(float))
            tables.append(table.assign(task=jobs[0].task))
            _panel(axis, film, table)
        line[0].set_ylabel(f"{jobs[0].task}\n{_origin(study, group)}\nfrequency (THz)")
    for axis in axes[-1]:
        axis.set_xlabel("k (rad/nm)")
    named: dict[str, object] = {}
    for axis in axes.ravel():
        handles, labels = axis.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=2 if columns < MOST else 4)
    table = pd.concat(tables, ignore_index=True)
    return figure, table[["task", *table.columns.drop("task")]]


def _chains(study: Study, results: Path, group: str) -> xr.Dataset:
    data = chains.solved(read.read_dataset(paths.dataset(results, study.name, group)))
    return data.isel(film=slice(MOST))


def _origin(study: Study, group: str) -> str:
    return chains.origin(study.groups[group])


def _bands(study: Study, group: str, film: xr.Dataset, coefficients: NDArray) -> pd.DataFrame:
    """Bands of one chain: simulated, ideal, and predicted by the repeats, whose `coefficients` are (repeats, 6)."""
    k = film["k"].values
    band = curve_tasks.band(study, group, k)
    values = {name: float(film[name]) for name in ("sigma", "tau")}
    ideal = band.gap + band.X * (1 - np.cos(np.asarray(band.ka)))
    curves = form(coefficients, band) if len(coefficients) else np.full((1, k.size), np.nan)
    return pd.DataFrame(
        {"group": group, "point": str(film["point"].values)}
        | values
        | {"k": k, "ridge": film["ridge_THz"].values, "ideal": ideal, "predicted": curves.mean(axis=0)}
        | {"lowest": curves.min(axis=0), "highest": curves.max(axis=0)}
        | {"X": coefficients[:, 0].mean() if len(coefficients) else np.nan, "X_fitted": float(film["X_THz"])}
        | {"X_printed": chains.printed(study, "X_THz", values)}
    ).astype({"X_printed": float})


def _panel(axis: Axes, film: xr.Dataset, table: pd.DataFrame) -> None:
    k, top = table["k"] / chains.NM, HIGHEST * table["ideal"].max()
    if "amplitude" in film:
        f, amplitude = film["frequency"].values, film["amplitude"].values
        level = np.log10(np.maximum(amplitude[f <= top] / amplitude.max(axis=0), 1e-6))
        axis.pcolormesh(k, f[f <= top], level, vmin=-1.5, vmax=0, cmap="Greys", shading="nearest", rasterized=True)
    else:
        axis.plot(k, table["ridge"], color="0.3", lw=1, label="simulated: brightest frequency")
    axis.plot(k, table["ideal"], label="ideal", **IDEAL)
    axis.fill_between(k, table["lowest"], table["highest"], color="magenta", alpha=0.3, lw=0)
    axis.plot(k, table["predicted"], label="predicted, mean and range of the repeats", **PREDICTED)
    axis.set_ylim(0, top)
    first = table.iloc[0]
    words = [f"X predicted {first['X']:.2f}"] if np.isfinite(first["X"]) else ["nothing predicted"]
    words += [f"fitted {first['X_fitted']:.2f}"]
    words += [f"printed {first['X_printed']:g}"] if np.isfinite(first["X_printed"]) else []
    where = {"transform": axis.transAxes, "ha": "center", "va": "top"}
    axis.text(
        0.5, 0.97, "\n".join(words), fontsize=7, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5}, **where
    )
    axis.set_title(chains.pair(first["sigma"], first["tau"]), fontsize=8)
