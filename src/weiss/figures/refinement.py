"""Do domains get finer with the parameters? Statistics of the patterns over the parameter space.

Mamada et al., arXiv 2305.14764, describe their Fig. 3 in words; these are numbers for it.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss import gather
from weiss.figures import curves, groups, panels
from weiss.patterns.statistics import PatternStatistics, pattern_statistics

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from weiss.study import Study

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
        Table: a row for each condition: parameters, films (those that came to their end), and for each statistic of
        `weiss.patterns.statistics.PatternStatistics` its mean over seeds and ``<name>_error``, the standard error
        (NaN for one seed).
    """
    group, data = panels.films(study, results, "refinement")
    table = conditions(data, group.parameters)
    return curves.draw(study, table, groups.varied(group), LABELS), table


def conditions(data: xr.Dataset, parameters: tuple[str, ...]) -> pd.DataFrame:
    """Mean and standard error of every statistic over the seeds of each condition, of films that came to their end.

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
    good = np.flatnonzero(gather.good(data))
    names = [field.name for field in dataclasses.fields(PatternStatistics)]
    rows = [
        {name: float(data[name].values[film]) for name in parameters}
        | dataclasses.asdict(pattern_statistics(data["pattern"].values[film]))
        for film in good
    ]
    return curves.table(pd.DataFrame(rows, columns=[*parameters, *names]), parameters, names)
