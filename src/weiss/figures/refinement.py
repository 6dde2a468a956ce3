"""Do domains get finer with the parameters? Statistics of the patterns over the parameter space.

Mamada et al., arXiv 2305.14764, describe their Fig. 3 in words; these are numbers for it.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss.figures import panels, read, style
from weiss.patterns.statistics import PatternStatistics, pattern_statistics

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from weiss.study import Study

MOST = 7
"""Most lines of a panel."""

LABELS = {
    "domain_density": ("domains per 1000 cells", 1000),
    "perimeter": ("wall per area (1 per cell)", 1),
    "peak_wavenumber": ("peak of $S(k)$ (radians per cell)", 1),
}
"""The statistics drawn, their axis labels, and factors."""


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw statistics over one parameter, a line for each value of another: first over the second, then over the first.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: a row for each condition: parameters, films (those that crossed), and for each statistic of
        `weiss.patterns.statistics.PatternStatistics` its mean over seeds and ``<name>_error``, the standard error
        (NaN for one seed).
    """
    group, data = panels.films(study, results, "refinement")
    table = conditions(data, group.parameters)
    first, *others = group.parameters
    ways = [(others[0], first), (first, others[0])] if others else [(first, None)]
    figure, axes = style.canvas(len(ways), len(LABELS), style.WIDTH, 2.5 * len(ways) + 0.2, sharey="col")
    for line, (over, by) in zip(axes, ways, strict=True):
        shown = style.spread(table[by], MOST) if by else [None]
        for axis, (name, (label, factor)) in zip(line, LABELS.items(), strict=True):
            for value, colour in zip(shown, style.series_colours(len(shown)), strict=True):
                rows = (table if value is None else table[table[by] == value]).sort_values(over)
                label_of = None if value is None else style.condition({by: value})
                axis.errorbar(
                    rows[over],
                    factor * rows[name],
                    factor * rows[f"{name}_error"],
                    color=colour,
                    marker="o",
                    markersize=3,
                    elinewidth=0.8,
                    label=label_of,
                )
            axis.set_xlabel(f"{style.symbol(over)} ({read.unit(study, over)})")
            axis.set_ylabel(label)
            axis.set_ylim(bottom=0)
        if by:
            line[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.2)
    return figure, table


def conditions(data: xr.Dataset, parameters: tuple[str, ...]) -> pd.DataFrame:
    """Mean and standard error of every statistic over the seeds of each condition, films without a crossing left out.

    Parameters
    ----------
    data : xarray.Dataset
        Films of a group.
    parameters : tuple of str

    Returns
    -------
    DataFrame
        As returned by `build`.
    """
    crossed = np.flatnonzero(data["status"].values.astype(str) == "crossed")
    names = [field.name for field in dataclasses.fields(PatternStatistics)]
    rows = [
        {name: float(data[name].values[film]) for name in parameters}
        | dataclasses.asdict(pattern_statistics(data["pattern"].values[film]))
        for film in crossed
    ]
    grouped = pd.DataFrame(rows, columns=[*parameters, *names]).groupby(list(parameters))
    means, errors = grouped.mean(), grouped.sem().add_suffix("_error")
    ordered = [column for name in names for column in (name, f"{name}_error")]
    return pd.concat([grouped.size().rename("films"), means, errors], axis=1)[["films", *ordered]].reset_index()
