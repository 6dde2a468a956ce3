"""From the section ``curves`` of a study to its trainings, each with its digest and with what every film serves for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from weiss import models
from weiss.digests import canonical_json, digest_of
from weiss.errors import UserError
from weiss.learn.curves.networks.names import KINDS, Kind
from weiss.learn.version import CURVES_VERSION
from weiss.schema import suggest
from weiss.spaces import canonical
from weiss.trainings import TrainingJob
from weiss.yamlfile import Document, Key

if TYPE_CHECKING:
    from weiss.study import Group, Point

_BAND = ("Ms", "A", "Hk", "a", "gamma", "cells")
"""Settings of chains that decide their ideal band, and where it is sampled."""

HELD_OUT = ("validate", "calibrate", "test")
"""Roles that are not trained on, in the order of their shares."""


@dataclass(frozen=True)
class CurveTraining:
    """One network of curves trained once.

    Attributes
    ----------
    id : str
        ``<task>-n<n_data>-r<repeat>``.
    task : str
        Key under ``curves``.
    architecture : str
        Network, of `weiss.learn.curves.networks.names.KINDS`.
    n_data : int
        How many films are trained on.
    repeat : int
        From 1.
    seed : int
        Seed of initial weights, order and dropout.
    data : str
        Group of films.
    also : tuple of str
        Groups predicted besides.
    parameters : tuple of str
        Of the films.
    targets : tuple of str
        Parameters predicted, in this order; none for a network that predicts a curve.
    target_weights : tuple of float
        What the squared error of each counts.
    answers : str or None
        Variable that is predicted; None where it is parameters.
    resimulate : str or None
        Variable computed again from predicted parameters.
    leave_out : bool
        Leave films without a result out, rather than stop.
    recipe : dict
        Complete recipe.
    points : dict of str to tuple of str
        Point ids for ``train``, the roles of `HELD_OUT`, and the groups of `also`.
    digest : str
    pretraining : None
        Networks of curves start from random weights.
    """

    id: str
    task: str
    architecture: str
    n_data: int
    repeat: int
    seed: int
    data: str
    also: tuple[str, ...]
    parameters: tuple[str, ...]
    targets: tuple[str, ...]
    target_weights: tuple[float, ...]
    answers: str | None
    resimulate: str | None
    leave_out: bool
    recipe: dict[str, Any]
    points: dict[str, tuple[str, ...]] = field(repr=False)
    digest: str
    pretraining: None = None

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups of films whose datasets it reads."""
        return (self.data, *self.also)


def roles(study_seed: int, points: Sequence[Point], split: Mapping[str, float]) -> dict[str, tuple[str, ...]]:
    """Say what every film serves for, by a hash of its condition: more films leave it alone.

    Tasks with the same split agree on it, and so do groups with the same conditions and other settings: what is learned
    from them is tested on the same conditions.

    Parameters
    ----------
    study_seed : int
    points : sequence of Point
    split : mapping of str to float
        Shares of the roles of `HELD_OUT`.

    Returns
    -------
    dict of str to tuple of str
        Ids for ``train`` and the roles of `HELD_OUT`.
    """
    found: dict[str, list[str]] = {"train": []} | {role: [] for role in HELD_OUT}
    for point in points:
        drawn = _rank("split", study_seed, canonical_json(dict(sorted(point.condition.items())))) / 2**64
        bound, role = 0.0, "train"
        for name in HELD_OUT:
            if bound <= drawn < bound + split[name]:
                role = name
            bound += split[name]
        found[role].append(point.id)
    return {role: tuple(ids) for role, ids in found.items()}


def draw(study_seed: int, repeat: int, pool: Sequence[str], count: int) -> tuple[str, ...]:
    """Draw the films of one repeat: the lowest of the pool, ranked by a hash; a smaller count draws a subset."""
    chosen = set(sorted(pool, key=lambda point: _rank("draw", study_seed, repeat, point))[:count])
    return tuple(point for point in pool if point in chosen)


def _rank(kind: str, *place: object) -> int:
    text = "|".join(map(str, (f"weiss curve {kind}", *place)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def curve_trainings(
    document: Document, config: dict[str, Any], groups: dict[str, Group], taken: Mapping[str, object]
) -> dict[str, CurveTraining]:
    """Expand every task × n_data × repeat of a study.

    Parameters
    ----------
    document : Document
        The study file, for messages.
    config : dict
        The same with every default filled in.
    groups : dict of str to weiss.study.Group
    taken : mapping
        Labels of networks that read pictures: the ids of trainings start with them.

    Returns
    -------
    dict of str to CurveTraining
        By id.

    Raises
    ------
    weiss.errors.UserError
        With file, line and key, if the parts do not fit together.
    """
    found = {}
    for name, task in config["curves"].items():
        if name in taken:
            raise UserError(
                f"{name!r} is also a network under learn.networks", document.where("curves", name), "rename one"
            )
        _check(document, name, task, groups)
        group, answers = groups[task["data"]], KINDS[task["network"]].answers
        split = roles(config["seed"], group.points, task["split"])
        _check_split(document, name, task, split)
        others = {other: tuple(point.id for point in groups[other].points) for other in task["also"]}
        weights = tuple(float(task["target_weights"].get(target, 1.0)) for target in task["targets"])
        recipe = {key: canonical(value) for key, value in task["recipe"].items()}
        for n_data in sorted(task["n_data"] or [len(split["train"])]):
            for repeat in range(1, task["repeats"] + 1):
                points = split | {"train": draw(config["seed"], repeat, split["train"], n_data)} | others
                seed = _rank("training", config["seed"], name, n_data, repeat) >> 33
                identity = {
                    "curves_version": CURVES_VERSION,
                    "network": task["network"],
                    "n_data": n_data,
                    "repeat": repeat,
                    "seed": seed,
                    "targets": task["targets"],
                    "target_weights": weights,
                    "scales": models.learned_in(group.model, task["targets"]),
                    "resimulate": task["resimulate"],
                    "failed": task["failed"],
                    "recipe": recipe,
                    "points": points,
                }
                training = CurveTraining(
                    id=f"{name}-n{n_data}-r{repeat:02d}",
                    task=name,
                    architecture=task["network"],
                    n_data=n_data,
                    repeat=repeat,
                    seed=seed,
                    data=task["data"],
                    also=tuple(task["also"]),
                    parameters=group.parameters,
                    targets=tuple(task["targets"]),
                    target_weights=weights,
                    answers=answers,
                    resimulate=task["resimulate"],
                    leave_out=task["failed"] == "leave_out",
                    recipe=recipe,
                    points=points,
                    digest=digest_of(identity),
                )
                found[training.id] = training
    return found


def curve_jobs(config: dict[str, Any], every: Mapping[str, CurveTraining]) -> dict[str, TrainingJob]:
    """Put the trainings of one task and number of films together, ``trainings_per_job`` to a job; by id."""
    members: dict[str, list[CurveTraining]] = {}
    for training in every.values():
        size = config["curves"][training.task]["trainings_per_job"]
        block = f"{training.task}-n{training.n_data}-b{(training.repeat - 1) // size + 1:02d}"
        members.setdefault(training.id if size == 1 else block, []).append(training)
    return {
        key: TrainingJob(key, tuple(jobs), digest_of({training.id: training.digest for training in jobs}))
        for key, jobs in members.items()
    }


def _check(document: Document, name: str, task: dict[str, Any], groups: dict[str, Group]) -> None:
    """The groups, the network and what is asked of it must be there."""
    key: Key = ("curves", name)
    if task["network"] not in KINDS:
        raise UserError(
            f"no network of curves named {task['network']!r}",
            document.where(*key, "network"),
            suggest(task["network"], KINDS),
        )
    kind = KINDS[task["network"]]
    for place, other in [(("data",), task["data"]), *((("also", i), g) for i, g in enumerate(task["also"]))]:
        where = document.where(*key, *place)
        if other not in groups:
            raise UserError(f"no group of films named {other!r}", where, suggest(other, groups))
        _check_group(groups[other], groups[task["data"]], kind, task["network"], where)
        if place[0] == "also" and other in ("train", *HELD_OUT):
            raise UserError(f"a group named {other} cannot be told from the films with this role", where, "rename it")
    if task["data"] in task["also"]:
        raise UserError(f"{task['data']} is learned from already", document.where(*key, "also"), "remove it")
    _check_targets(document, key, task, groups[task["data"]], kind)


def _check_group(group: Group, data: Group, kind: Kind, network: str, where: str) -> None:
    """Films of a group must have what a network reads and answers, and be like those that are learned from."""
    variables = models.variables(group.model, group.points[0].params)
    curves = [*kind.curves, *([kind.answers] if kind.answers else [])]
    absent = [name for name in curves if name not in variables or len(variables[name].dims) != 1]
    absent += [name for name in kind.numbers if name not in group.parameters and name not in variables]
    if absent:
        raise UserError(
            f"the films of {group.name} have no {', '.join(absent)}, which the network {network} needs",
            where,
            "name another group or network",
        )
    if kind.band and group.model != "spsll":
        raise UserError(f"the network {network} is for chains (spsll)", where, "name another network")
    if group.parameters != data.parameters or group.model != data.model:
        raise UserError(f"the films of {group.name} are not like those of {data.name}", where, "name another group")
    if kind.band and (other := [name for name in _BAND if group.points[0].params[name] != data.points[0].params[name]]):
        raise UserError(
            f"the chains of {group.name} have another ideal band than those of {data.name} ({', '.join(other)} differ)",
            where,
            "name another group",
        )
    sizes = [models.stored(group.model).sizes(part.points[0].params) for part in (group, data)]
    dims = {dim for name in curves for dim in variables[name].dims}
    if any(sizes[0][dim] != sizes[1][dim] for dim in dims):
        raise UserError(
            f"the curves of {group.name} have another length than those of {data.name}", where, "name another"
        )


def _check_targets(document: Document, key: Key, task: dict[str, Any], group: Group, kind: Kind) -> None:
    """Targets are parameters, of a network that answers parameters."""
    where = document.where
    if kind.answers and (task["targets"] or task["resimulate"]):
        part = "targets" if task["targets"] else "resimulate"
        raise UserError(f"the network {task['network']} answers {kind.answers}", where(*key, part), "remove it")
    if not kind.answers and not task["targets"]:
        raise UserError("the key 'targets' is missing", where(*key), "name the parameters to predict")
    for index, target in enumerate(task["targets"]):
        if target not in group.parameters:
            raise UserError(
                f"{target!r} is not a parameter of films.{group.name}",
                where(*key, "targets", index),
                suggest(target, group.parameters),
            )
    for target in task["target_weights"]:
        if target not in task["targets"]:
            raise UserError(
                f"{target!r} is not a target", where(*key, "target_weights", target), suggest(target, task["targets"])
            )
    variables = models.variables(group.model, group.points[0].params)
    numbers = [name for name, variable in variables.items() if not variable.dims and variable.dtype != "str"]
    if task["resimulate"] and task["resimulate"] not in numbers:
        raise UserError(
            f"{task['resimulate']!r} is no number of films.{group.name}",
            where(*key, "resimulate"),
            suggest(task["resimulate"], numbers),
        )
    if task["resimulate"] and set(task["targets"]) != set(group.parameters):
        raise UserError(
            "to simulate again, all parameters must be predicted",
            where(*key, "resimulate"),
            f"name {', '.join(group.parameters)} as targets",
        )


def _check_split(document: Document, name: str, task: dict[str, Any], split: Mapping[str, Sequence[str]]) -> None:
    """Every role must have films, and no training ask for more than there are."""
    total = sum(task["split"].values())
    if total >= 1:
        raise UserError(
            f"the shares of validate, calibrate and test add up to {total:g}",
            document.where("curves", name, "split"),
            "leave something to train on: less than 1",
        )
    for role, points in split.items():
        if not points:
            raise UserError(
                f"of {sum(map(len, split.values()))} films none is left to {role}",
                document.where("curves", name, "split"),
                "give more films or a larger share",
            )
    for index, count in enumerate(task["n_data"] or ()):
        if count > len(split["train"]):
            raise UserError(
                f"asks for {count} films to train on, the split leaves {len(split['train'])}",
                document.where("curves", name, "n_data", index),
            )
