"""Energies, domain width and topological charge of micromagnetic films over the parameter space."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss import gather
from weiss.figures import curves, groups, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from weiss.study import Study

LABELS = {
    "domain_width": ("domain width (nm)", 1e9),
    "energy_total": ("energy density (kJ/m³)", 1e-3),
    "energy_demag": ("demagnetising energy\ndensity (kJ/m³)", 1e-3),
}
"""The numbers drawn, their axis labels, and factors."""


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw numbers over one parameter, a line for each value of another: first over the second, then over the first.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: a row for each condition: parameters, films (those that came to their end), and the means over seeds,
        with ``<name>_error``, of domain_width (m; NaN where no film has a wall), topological_charge, and the energies,
        here in J/m³ of the film. domain_width is the mean of the films that have walls.
    """
    group, data = panels.films(study, results, "energies")
    chosen = data.isel(film=np.flatnonzero(gather.good(data)))
    volume = np.prod([_length(chosen, axis) for axis in "xyz"])
    energies = [str(name) for name in chosen.data_vars if str(name).startswith("energy_")]
    width = chosen["domain_width"].values
    films = pd.DataFrame(
        {name: chosen[name].values for name in group.parameters}
        | {"domain_width": np.where(np.isfinite(width), width, np.nan)}
        | {"topological_charge": chosen["topological_charge"].values}
        | {name: chosen[name].values / volume for name in energies}
    )
    names = ["domain_width", "topological_charge", *energies]
    table = curves.table(films, group.parameters, names)
    return curves.draw(study, table, groups.varied(group), LABELS), table


def _length(data: object, axis: str) -> float:
    """Length of the film along an axis in m; the centre of the first cell lies half a cell from its end."""
    return 2 * float(data[axis][0]) * data.sizes[axis]
