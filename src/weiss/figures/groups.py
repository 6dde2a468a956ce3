"""Which group of films a figure of films shows. Light to import: the study and the workflow ask, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weiss import models

if TYPE_CHECKING:
    from weiss.study import Group, Study


_PATTERN = {"pattern": ("y", "x")}
SHOWS: dict[str, dict[str, tuple[str, ...]]] = {
    "loops": {"loop_h": ("loop",), "loop_m": ("loop",), "h_crossing": ()},
    "records": {"record_t": ("record",), "record_B": ("record", "component"), "record_m": ("record", "component")},
    "magnetisation": {"m": ("component", "z", "y", "x")},
    "gallery": _PATTERN,
    "refinement": _PATTERN,
    "seeds": _PATTERN,
    "nonuniform": _PATTERN,
    "energies": {"energy_total": (), "domain_width": (), "topological_charge": ()},
}
"""Variables, with their dimensions, that films must have for a figure of films; others are not offered it."""


def holds(group: Group, figure: str) -> bool:
    """Whether the films of a group have what a figure of films shows."""
    variables = models.variables(group.model)
    if any(name not in variables or variables[name].dims != dims for name, dims in SHOWS[figure].items()):
        return False
    if figure == "records":  # a single one is no curve
        return models.stored(group.model).sizes(group.points[0].params)["record"] > 1
    return True


def shown(study: Study, figure: str) -> Group | None:
    """Return the group of films a figure shows.

    Parameters
    ----------
    study : Study
    figure : str
        ``nonuniform``: the group that is mapped, else the first with an inner region. Any other figure: the group
        that is learned from; without learning, the uniform group with the most seeds a condition (``seeds``) or the
        most conditions (all others), the first of equals.

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
    learned = next((study.groups[training.data] for training in study.trainings.values()), None)
    if learned in groups:
        return learned
    uniform = [group for group in groups if group.inner_margin is None] or groups
    return max(uniform, key=_seeds if figure == "seeds" else _conditions, default=None)


def varied(group: Group) -> tuple[str, ...]:
    """Names of the parameters that differ between the films of a group, in the model's order; all where none does."""
    names = (name for name in group.parameters if len({point.condition[name] for point in group.points}) > 1)
    return tuple(names) or group.parameters


def _conditions(group: Group) -> int:
    return len({tuple(sorted(point.condition.items())) for point in group.points})


def _seeds(group: Group) -> float:
    return len(group.points) / _conditions(group)
