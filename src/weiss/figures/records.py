"""Mean magnetisation of micromagnetic films along a hysteresis loop or a time series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from weiss import paths
from weiss.figures import groups, loop_fields, panels, read, style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from weiss.study import Group, Study

MOST = 6
"""Most films shown of a group, evenly picked in the order of their parameters."""

RECORD = ("t", *(f"{name}{axis}" for name in "Bm" for axis in "xyz"))
"""Columns of a record."""


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw ⟨m⟩ of films of the first seed: along the field of a loop, or its three components in time.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: group, point, seed, the parameters, of a loop the fields of `weiss.figures.loop_fields.FIELDS` (T),
        t (s), Bx, By, Bz (T), mx, my, mz; a row for each record.
    """
    shown = groups.every(study, "records")
    wide = len(shown) > 1 or not groups.is_loop(shown[0])
    figure, _ = style.canvas(1, 1, style.WIDTH if wide else 5.5, 3.3 * len(shown))
    figure.clear()
    tables = []
    for part, group in zip(figure.subfigures(len(shown), 1, squeeze=False)[:, 0], shown, strict=True):
        data = read.read_dataset(paths.dataset(results, study.name, group.name))
        tables.append(_group(part, group, data))
        if len(shown) > 1:
            part.suptitle(f"group {group.name}", fontsize=9)
    table = pd.concat(tables, ignore_index=True)
    # Groups may have parameters of their own.
    leading = [name for name in table if name not in RECORD]
    return figure, table[[*leading, *RECORD]]


def _group(part: SubFigure, group: Group, data: xr.Dataset) -> pd.DataFrame:
    """Draw the films of a group; their rows of the table."""
    data = data.isel(film=np.flatnonzero(data["seed"].values == data["seed"].values.min()))
    picked = np.unique(np.linspace(0, data.sizes["film"] - 1, min(data.sizes["film"], MOST)).round().astype(int))
    films = [data.isel(film=[int(index)]) for index in picked]
    names, units = groups.varied(group), panels.units(data)
    loop = groups.is_loop(group)
    axes = part.subplots(1, 1 if loop else 3, sharey=True, squeeze=False)[0]
    handles, rows = [], []
    for film, colour in zip(films, style.series_colours(len(films)), strict=True):
        fields = loop_fields.films(film)[list(loop_fields.FIELDS)].iloc[0].to_dict() if loop else {}
        film = film.isel(film=0)
        if loop:
            _loop(axes[0], film, fields, colour)
        else:
            for axis, values in zip(axes, film["record_m"].values.T, strict=True):
                axis.plot(1e9 * film["record_t"].values, values, color=colour)
        label = "\n".join(style.lines({name: float(film[name]) for name in names}, units))
        handles.append(Line2D([], [], color=colour, label=label))
        rows.append(_rows(group, film, fields))
    if loop:
        star = {"color": "0.6", "linestyle": "none", "marker": "*", "markersize": 9, "markeredgecolor": "black"}
        handles.append(Line2D([], [], markeredgewidth=0.5, label="coercive field", **star))
    for axis, component in zip(axes, "xyz", strict=False):
        axis.set_xlabel("applied field (T)" if loop else "time (ns)")
        axis.set_ylabel(r"$\langle m\rangle$ along the field" if loop else rf"$\langle m_{component}\rangle$")
        axis.axhline(0, color="0.8", linewidth=0.7, zorder=0)
    part.legend(handles=handles, loc="outside lower center", ncols=2)
    return pd.concat(rows, ignore_index=True)


def _loop(axis: Axes, film: xr.Dataset, fields: dict[str, float], colour: tuple[float, float, float]) -> None:
    """Draw ⟨m⟩ along the largest field, and stars where a branch passes zero."""
    B, mean = film["record_B"].values, film["record_m"].values
    largest = B[np.argmax(np.linalg.norm(B, axis=1))]
    along = largest / max(np.linalg.norm(largest), 1e-300)
    axis.plot(B @ along, mean @ along, color=colour)
    for branch in loop_fields.BRANCHES:
        at = fields[f"coercive_{branch}"]
        if np.isfinite(at):
            axis.plot(at, 0.0, marker="*", markersize=9, color=colour, markeredgecolor="black", markeredgewidth=0.5)


def _rows(group: Group, film: xr.Dataset, fields: dict[str, float]) -> pd.DataFrame:
    identity = {"group": group.name, "point": str(film["point"].values), "seed": int(film["seed"])}
    values = {name: float(film[name]) for name in group.parameters}
    columns = [film["record_t"].values, *film["record_B"].values.T, *film["record_m"].values.T]
    return pd.DataFrame(identity | values | fields | dict(zip(RECORD, columns, strict=True)))
