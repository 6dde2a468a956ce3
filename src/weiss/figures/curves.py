"""Numbers of films over their parameters: a line for each value of another parameter, with means over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from weiss.figures import groups, read, style

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
    """Draw numbers over each parameter, a line for each value of another.

    Of two parameters: over the second with lines for the first, then the other way round. Of more: over each of them in
    turn, with lines for the first (over the first: the second), while those that are neither keep the value of
    `weiss.figures.groups.reference`, written below. Conditions that share no values are drawn as dots, over each
    parameter.

    Parameters
    ----------
    study : Study
    rows : DataFrame
        As `table` makes it.
    parameters : sequence of str
        Those that vary.
    labels : mapping
        Name → label of the axis, and a factor.
    """
    if rows.empty:
        figure, axes = style.canvas(1, 1, style.WIDTH, 1.0)
        axes[0, 0].set_axis_off()
        axes[0, 0].text(0.5, 0.5, "no film came to its end", ha="center", va="center")
        return figure
    ways = _ways(parameters)
    fixed: dict[str, float] = {}
    if len(parameters) > 2:
        fixed = groups.reference(rows, ways, parameters)
        if all(len(_shown(rows, fixed, way)) < 2 for way in ways):
            fixed, ways = {}, [(name, None) for name in parameters]
    lonely = len(parameters) > 1 and ways[0][1] is None
    figure, axes = style.canvas(len(ways), len(labels), style.WIDTH, 2.5 * len(ways) + 0.2, sharey="col")
    for line, (over, by) in zip(axes, ways, strict=True):
        chosen = _shown(rows, fixed, (over, by))
        shown = style.spread(chosen[by], MOST) if by else [None]
        units = {} if by is None else {by: read.units(study, by)}
        for axis, (name, (label, factor)) in zip(line, labels.items(), strict=True):
            for value, colour in zip(shown, style.series_colours(len(shown)), strict=True):
                points = (chosen if value is None else chosen[chosen[by] == value]).sort_values(over)
                axis.errorbar(
                    points[over],
                    factor * points[name],
                    factor * points[f"{name}_error"],
                    color=colour,
                    marker="o",
                    markersize=3,
                    linestyle="none" if lonely else "-",
                    elinewidth=0.8,
                    label=None if value is None else style.condition({by: value}, units),
                )
            power = read.power(study, over, rows[over])
            style.ticks(axis.xaxis, power)
            axis.set_xlabel(f"{style.symbol(over)} ({read.unit(study, over, power)})")
            axis.set_ylabel(label)
            if (rows[name].dropna() >= 0).all():
                axis.set_ylim(bottom=0)
        if by:
            line[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.2)
    if fixed:
        values = style.lines(fixed, {name: read.units(study, name) for name in fixed}, abreast=4)
        figure.supxlabel("\n".join(["A parameter that is neither axis nor line keeps its value:", *values]), fontsize=9)
    return figure


def _ways(parameters: Sequence[str]) -> list[tuple[str, str | None]]:
    """Parameter along the axis, and the one of the lines, of each row of panels."""
    first, *others = parameters
    if not others:
        return [(first, None)]
    if len(others) == 1:
        return [(others[0], first), (first, others[0])]
    return [(first, others[0]), *((name, first) for name in others)]


def _shown(rows: pd.DataFrame, fixed: Mapping[str, float], way: Sequence[str | None]) -> pd.DataFrame:
    """Conditions that a row of panels shows."""
    return groups.sharing(rows, {name: value for name, value in fixed.items() if name not in way})
