"""Numbers of films over their parameters: a line for each value of another parameter, with means over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from weiss.figures import read, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from weiss.study import Study

MOST = 7
"""Most lines of a panel."""


def table(films: pd.DataFrame, parameters: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    """Mean and standard error over the seeds of each condition.

    Parameters
    ----------
    films : DataFrame
        A row for each film: the parameters and the numbers named.
    parameters, names : sequence of str

    Returns
    -------
    DataFrame
        A row for each condition: parameters, ``films`` (how many), and for each name its mean and ``<name>_error``
        (NaN for one seed).
    """
    grouped = films.groupby(list(parameters))
    means, errors = grouped.mean(), grouped.sem().add_suffix("_error")
    ordered = [column for name in names for column in (name, f"{name}_error")]
    return pd.concat([grouped.size().rename("films"), means, errors], axis=1)[["films", *ordered]].reset_index()


def draw(
    study: Study, rows: pd.DataFrame, parameters: Sequence[str], labels: Mapping[str, tuple[str, float]]
) -> Figure:
    """Draw numbers over one parameter, a line for each value of another: first over the second, then over the first.

    Parameters
    ----------
    study : Study
    rows : DataFrame
        As `table` makes it.
    parameters : sequence of str
        Those that vary; of more than two, the others are averaged over by the eye alone.
    labels : mapping
        Name → label of the axis, and a factor.
    """
    first, *others = parameters
    ways = [(others[0], first), (first, others[0])] if others else [(first, None)]
    figure, axes = style.canvas(len(ways), len(labels), style.WIDTH, 2.5 * len(ways) + 0.2, sharey="col")
    for line, (over, by) in zip(axes, ways, strict=True):
        shown = style.spread(rows[by], MOST) if by else [None]
        units = {} if by is None else {by: read.units(study, by)}
        for axis, (name, (label, factor)) in zip(line, labels.items(), strict=True):
            for value, colour in zip(shown, style.series_colours(len(shown)), strict=True):
                chosen = (rows if value is None else rows[rows[by] == value]).sort_values(over)
                axis.errorbar(
                    chosen[over],
                    factor * chosen[name],
                    factor * chosen[f"{name}_error"],
                    color=colour,
                    marker="o",
                    markersize=3,
                    elinewidth=0.8,
                    label=None if value is None else style.condition({by: value}, units),
                )
            power = read.power(study, over, rows[over])
            style.ticks(axis.xaxis, power)
            axis.set_xlabel(f"{style.symbol(over)} ({read.unit(study, over, power)})")
            axis.set_ylabel(label)
            if (chosen[name] >= 0).all():
                axis.set_ylim(bottom=0)
        if by:
            line[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.2)
    return figure
