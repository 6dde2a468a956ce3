"""Mean magnetisation of micromagnetic films along a hysteresis loop or a time series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss.figures import groups, panels, style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from weiss.study import Study

MOST = 6
"""Most films shown, evenly picked in the order of their parameters."""


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw ⟨m⟩ of films of the first seed: along the field of a loop, or its three components in time.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: point, seed, the parameters, t (s), Bx, By, Bz (T), mx, my, mz; a row for each record.
    """
    group, data = panels.films(study, results, "records")
    data = data.isel(film=np.flatnonzero(data["seed"].values == data["seed"].values.min()))
    picked = np.unique(np.linspace(0, data.sizes["film"] - 1, min(data.sizes["film"], MOST)).round().astype(int))
    films = [data.isel(film=int(index)) for index in picked]
    timed = bool(np.isfinite(data["record_t"].values).all())
    names, units = groups.varied(group), panels.units(data)
    figure, axes = style.canvas(1, 3 if timed else 1, style.WIDTH if timed else 5.5, 3.0, sharey=True)
    for film, colour in zip(films, style.series_colours(len(films)), strict=True):
        label = style.condition({name: float(film[name]) for name in names}, units)
        mean = film["record_m"].values
        if timed:
            for axis, values in zip(axes[0], mean.T, strict=True):
                axis.plot(1e9 * film["record_t"].values, values, color=colour, label=label)
        else:
            B = film["record_B"].values
            largest = B[np.argmax(np.linalg.norm(B, axis=1))]
            along = largest / max(np.linalg.norm(largest), 1e-300)
            axes[0, 0].plot(B @ along, mean @ along, color=colour, label=label)
    for axis, component in zip(axes[0], "xyz", strict=False):
        axis.set_xlabel("time (ns)" if timed else "applied field along the largest one (T)")
        axis.set_ylabel(rf"$\langle m_{component}\rangle$" if timed else r"$\langle m\rangle$ along this field")
        axis.axhline(0, color="0.8", linewidth=0.7, zorder=0)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure, pd.concat([_rows(film, group.parameters) for film in films], ignore_index=True)


def _rows(film: xr.Dataset, parameters: tuple[str, ...]) -> pd.DataFrame:
    identity = {"point": str(film["point"].values), "seed": int(film["seed"])}
    values = {name: float(film[name]) for name in parameters}
    columns = {"t": film["record_t"].values}
    for name in ("B", "m"):
        columns |= {
            f"{name}{axis}": column for axis, column in zip("xyz", film[f"record_{name}"].values.T, strict=True)
        }
    return pd.DataFrame(identity | values | columns)
