"""Which group of films a figure of films shows. Light to import: the study and the workflow ask, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weiss.study import Group, Study


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
        None for ``nonuniform`` if all films are uniform.
    """
    groups = list(study.groups.values())
    if figure == "nonuniform":
        mapped = [study.groups[job.films] for job in study.maps.values()]
        return next((group for group in [*mapped, *groups] if group.inner_margin is not None), None)
    for training in study.trainings.values():
        return study.groups[training.data]
    uniform = [group for group in groups if group.inner_margin is None] or groups
    return max(uniform, key=_seeds if figure == "seeds" else _conditions)


def _conditions(group: Group) -> int:
    return len({tuple(sorted(point.condition.items())) for point in group.points})


def _seeds(group: Group) -> float:
    return len(group.points) / _conditions(group)
