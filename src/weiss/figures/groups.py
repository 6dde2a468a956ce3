"""Which group of films a figure of films shows. Light to import: the study and the workflow ask, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from weiss import models

if TYPE_CHECKING:
    import pandas as pd

    from weiss.study import Group, Study


_PATTERN = {"pattern": ("y", "x")}
_WALL = {"mz": ("x",), "width_m": (), "error_m": ()}
SHOWS: dict[str, dict[str, tuple[str, ...]]] = {
    "loops": {"loop_h": ("loop",), "loop_m": ("loop",), "h_crossing": ()},
    "records": {"record_t": ("record",), "record_B": ("record", "component"), "record_m": ("record", "component")},
    "magnetisation": {"m": ("component", "z", "y", "x")},
    "gallery": _PATTERN,
    "refinement": _PATTERN,
    "seeds": _PATTERN,
    "nonuniform": _PATTERN,
    "energies": {"energy_total": (), "domain_width": (), "topological_charge": ()},
    "loop_fields": {"coercive_B": ("branch",), "saturation_B": ("branch",), "knee_B": ("branch",)},
    "noise_spectrum": {"ridge_THz": ("k",)},
    "telegraph": {"ridge_THz": ("k",)},
    "spectra": {"amplitude": ("frequency", "k"), "ridge_THz": ("k",)},
    "bands": {"X_THz": (), "misfit_THz": ()},
    "wall_profiles": _WALL,
    "wall_widths": _WALL,
    "identifiability": _WALL,
}
"""Variables, with their dimensions, that films must have for a figure of films; others are not offered it."""

EVERY = ("records", "spectra", "bands")
"""Figures that show every group that has what they show; others show one."""

OF_LOOPS = ("records", "loop_fields")
"""Figures that show the way of a hysteresis loop. All others show films as they end, and a loop ends saturated."""


def holds(group: Group, figure: str) -> bool:
    """Whether the films of a group have what a figure of films shows."""
    variables = models.variables(group.model, group.points[0].params)
    if any(name not in variables or variables[name].dims != dims for name, dims in SHOWS[figure].items()):
        return False
    if is_loop(group) and figure not in OF_LOOPS:
        return False
    if figure == "loop_fields":
        return is_loop(group)
    if figure == "records":  # a single one is no curve
        return models.stored(group.model).sizes(group.points[0].params)["record"] > 1
    return True


def is_loop(group: Group) -> bool:
    """Whether the films of a group were simulated by a driver of hysteresis loops."""
    return group.points[0].params.get("driver") == "hysteresis"


def shown(study: Study, figure: str) -> Group | None:
    """Return the group of films a figure shows.

    Parameters
    ----------
    study : Study
    figure : str
        ``nonuniform``: the group that is mapped, else the first with an inner region. Any other figure: the group
        that is learned from; without learning, the uniform group with the most seeds a condition (``seeds``) or the
        most conditions (all others), the first of equals. ``wall_profiles``: the group with the fewest conditions.

    Returns
    -------
    Group or None
        None if no group has films of the kind that the figure shows (`SHOWS`), and for ``nonuniform`` if all films are
        uniform.
    """
    groups = [group for group in study.groups.values() if holds(group, figure)]
    if figure == "nonuniform":
        mapped = [study.groups[job.films] for job in study.maps.values() if study.groups[job.films] in groups]
        return next((group for group in [*mapped, *groups] if group.inner_margin is not None), None)
    if figure == "wall_profiles":
        return min(groups, key=_conditions, default=None)
    learned = next((study.groups[training.data] for training in study.trainings.values()), None)
    if learned in groups:
        return learned
    uniform = [group for group in groups if group.inner_margin is None] or groups
    return max(uniform, key=_seeds if figure == "seeds" else _conditions, default=None)


def every(study: Study, figure: str) -> tuple[Group, ...]:
    """All groups of films that a figure is drawn from: the one it shows (see `shown`), or every one (see `EVERY`)."""
    if figure in EVERY:
        return tuple(group for group in study.groups.values() if holds(group, figure))
    group = shown(study, figure)
    return () if group is None else (group,)


def varied(group: Group) -> tuple[str, ...]:
    """Names of the parameters that differ between the films of a group, in the model's order; all where none does."""
    names = (name for name in group.parameters if len({point.condition[name] for point in group.points}) > 1)
    return tuple(names) or group.parameters


def reference(rows: pd.DataFrame, ways: Sequence[Sequence[str]], parameters: Sequence[str]) -> dict[str, float]:
    """Give the values that parameters keep where a panel does not show them.

    Parameters
    ----------
    rows : DataFrame
        A row for each condition, with a column for each parameter.
    ways : sequence of sequence of str
        The parameters that each panel shows; it can show the conditions that share all others with the reference.
    parameters : sequence of str
        Those that vary.

    Returns
    -------
    dict of str to float
        Of the parameters that some panel does not show. Of the conditions with which the panels show most, those of the
        one nearest the middle of the ranges.
    """
    values = rows[list(parameters)].astype(float)
    count = 0 * values[parameters[0]]
    for way in ways:
        others = [name for name in parameters if name not in way]
        count += rows.groupby(others)[parameters[0]].transform("size") if others else len(rows)
    low, high = values.min(), values.max()
    distance = ((values - (low + high) / 2).abs() / (high - low).where(high > low, 1.0)).sum(axis=1)
    # Rounded, so that the last bits of the values do not decide between conditions that lie equally far.
    chosen = distance[count == count.max()].round(9).idxmin()
    return {name: float(rows[name][chosen]) for name in parameters if any(name not in way for way in ways)}


def sharing(rows: pd.DataFrame, values: dict[str, float]) -> pd.DataFrame:
    """Rows whose parameters have these values."""
    for name, value in values.items():
        rows = rows[rows[name] == value]
    return rows


def _conditions(group: Group) -> int:
    return len({tuple(sorted(point.condition.items())) for point in group.points})


def _seeds(group: Group) -> float:
    return len(group.points) / _conditions(group)
