"""Coercive, saturation and knee fields of hysteresis loops over the parameter space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss import gather
from weiss.figures import curves, groups, panels, quantities

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from weiss.study import Study

KINDS = ("coercive", "saturation", "knee")
BRANCHES = ("falling", "rising")
FIELDS = tuple(f"{kind}_{branch}" for kind in KINDS for branch in BRANCHES)
"""Columns of the fields of both branches."""


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw fields of both branches together as `weiss.figures.curves.draw` does; one that no loop shows is left out.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table as of `conditions`.
    """
    group, data = panels.films(study, results, "loop_fields")
    table = conditions(data, group.parameters)
    largest = np.nanmax(np.append(np.abs(table[list(KINDS)].to_numpy()), 0.0))
    power = quantities.power_of(float(f"{largest:.3g}"), "T")
    unit = quantities.prefixed("T", power)
    found = [kind for kind in KINDS if table[kind].notna().any()] or KINDS
    labels = {kind: (f"{kind} field ({unit})", 10.0**-power) for kind in found}
    return curves.draw(study, table, groups.varied(group), labels), table


def films(data: xr.Dataset) -> pd.DataFrame:
    """Fields of every film in T: of each branch, and of both together.

    Returns
    -------
    DataFrame
        Columns `FIELDS` as stored (`weiss.llg.drivers.hysteresis.Loop`), and coercive (half the distance between the
        branches), saturation and knee (their mean); NaN where a loop does not show it.
    """
    table = pd.DataFrame(
        {f"{kind}_{name}": data[f"{kind}_B"].values[:, k] for kind in KINDS for k, name in enumerate(BRANCHES)}
    )
    together = {"coercive": (table["coercive_rising"] - table["coercive_falling"]) / 2}
    together |= {kind: (table[f"{kind}_falling"] + table[f"{kind}_rising"]) / 2 for kind in ("saturation", "knee")}
    return table.assign(**together)


def conditions(data: xr.Dataset, parameters: Sequence[str]) -> pd.DataFrame:
    """Mean and scatter of the fields over the seeds of each condition, of films that came to their end.

    Parameters
    ----------
    data : xarray.Dataset
        Films of a group.
    parameters : sequence of str

    Returns
    -------
    DataFrame
        A row for each condition: parameters, films, and for each column of `films` its mean in T over the films that
        have it, ``<name>_error`` (standard error) and ``<name>_spread`` (standard deviation; both NaN for one film),
        and ``<name>_films`` (how many have it).
    """
    good = np.flatnonzero(gather.good(data))
    chosen = data.isel(film=good)
    fields = films(chosen)
    rows = pd.DataFrame({name: chosen[name].values for name in parameters}).join(fields)
    table = curves.table(rows, parameters, list(fields))
    grouped = rows.groupby(list(parameters))[list(fields)]
    extra = grouped.std().add_suffix("_spread").join(grouped.count().add_suffix("_films")).reset_index(drop=True)
    return table.join(extra)
