"""Domain patterns of one condition and several seeds (Fig. 4 of Mamada et al., arXiv 2305.14764)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss.figures import panels, style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from weiss.study import Study

MOST = 6


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw the films of the condition nearest the middle of the parameter space, by seed.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: point, seed, status, parameters, share of white cells, field at the crossing if there is
        one.
    """
    group, data = panels.films(study, results, "seeds")
    films = _middle(data, group.parameters)
    films = films.isel(film=np.argsort(films["seed"].values, kind="stable")[:MOST])
    figure, axes = panels.grid(1, films.sizes["film"], group.grid, titles=1)
    rows = []
    for index, axis in enumerate(axes[0]):
        film = films.isel(film=index)
        panels.draw(axis, film)
        axis.set_title(f"seed {int(film['seed'])}")
        rows.append(
            {"point": str(film["point"].values), "seed": int(film["seed"]), "status": str(film["status"].values)}
            | {name: float(film[name]) for name in group.parameters}
            | {"white_share": float((film["pattern"].values > 0).mean())}
            | {name: float(film[name]) for name in ("h_crossing",) if name in film}
        )
    panels.scale_bar(axes[0], films)
    figure.supxlabel(
        style.condition({name: rows[0][name] for name in group.parameters}, panels.units(films)), fontsize=9
    )
    return figure, pd.DataFrame(rows)


def _middle(data: xr.Dataset, parameters: tuple[str, ...]) -> xr.Dataset:
    """Films of the condition nearest the middle of the ranges, among those with the most seeds."""
    values = np.stack([data[name].values.astype(float) for name in parameters], axis=1)
    conditions, member, counts = np.unique(values, axis=0, return_inverse=True, return_counts=True)
    low, high = conditions.min(axis=0), conditions.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    distance = np.abs((conditions - (low + high) / 2) / span).sum(axis=1)
    distance[counts < counts.max()] = np.inf
    return data.isel(film=np.flatnonzero(member.ravel() == int(distance.argmin())))
