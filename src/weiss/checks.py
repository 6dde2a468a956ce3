"""Checks of a study that a schema cannot make: whether its parts fit together.

Every function returns nothing, or raises `weiss.errors.UserError` with file, line, key, and how to mend it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weiss.errors import UserError
from weiss.learn.networks.names import NAMES as NETWORKS
from weiss.limits import GROUP_FAULT, LEARN_FAULT, SETTINGS_FAULT
from weiss.models import variables
from weiss.schema import models, number_fault, parameter_defaults, suggest
from weiss.spaces import MOST_POINTS, Condition
from weiss.yamlfile import Document, Key

RESERVED_NAMES = ("points",)


def seeds_text(seeds: Sequence[int]) -> str:
    """Write ascending whole numbers shortly: ``1-4, 7``."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)


def check_name(document: Document, name: str) -> None:
    """The study's folder must not be one that all studies share."""
    if name in RESERVED_NAMES:
        raise UserError(f"{name!r} is the folder that all studies share", document.where("name"), "choose another name")


def check_parameters(
    document: Document, key: Key, model: str, conditions: Sequence[tuple[Condition, str]], inner: dict | None
) -> None:
    """Conditions must give the model's parameters, within its limits; inner values and the inner region go together."""
    schema = models()[model]["$defs"]["parameters"]
    known, required = schema["properties"], schema["required"]
    inner_names = [name for name, part in known.items() if "x-inner-of" in part]
    names, first = list(conditions[0][0]), conditions[0][1]
    if inner is not None and not inner_names:
        raise UserError(
            f"the films of the model {model} have no inner region", document.where(*key[:-1], "inner"), "remove inner"
        )
    for name in names:
        if name not in known:
            raise UserError(f"the model {model} has no parameter {name!r}", first, suggest(name, known))
        if name in inner_names and inner is None:
            group = key[:-1]
            raise UserError(
                f"{name} needs an inner region",
                first,
                f"add {document_key(group)}.inner: {{margin: …}} or remove {name}",
            )
    for name in required:
        if name not in names:
            raise UserError(f"the parameter {name} of the model {model} is missing", first)
    if inner is not None and not set(names) & set(inner_names):
        raise UserError(
            f"an inner region needs a value that differs there ({' or '.join(inner_names)})",
            document.where(*key[:-1], "inner"),
            "add one to the space or remove inner",
        )
    for condition, where in conditions:
        for name, value in condition.items():
            fault = number_fault(value, known[name])
            if fault:
                raise UserError(f"{name}: {fault}", where)


def document_key(key: Key) -> str:
    """Dotted spelling of a key path."""
    return ".".join(map(str, key))


def check_group_keys(document: Document, key: Key, model: str) -> None:
    """A group gives those of grid and seeds that its model takes (``x-group`` of its schema), and no other."""
    group = document.value
    for name in key:
        group = group[name]
    for name in ("grid", "seeds"):
        taken = name in models()[model]["x-group"]
        if taken and name not in group:
            raise UserError(f"the key {name!r} is missing", document.where(*key))
        if name in group and not taken:
            raise UserError(f"films of the model {model} have no {name}", document.where(*key, name), "remove it")


def check_inner(document: Document, key: Key, grid: Sequence[int], inner: dict | None) -> None:
    """The inner region must not be empty."""
    if inner is not None and 2 * inner["margin"] >= min(grid):
        raise UserError(
            f"a margin of {inner['margin']} leaves no inner region on a {grid[0]} × {grid[1]} film",
            document.where(*key, "inner", "margin"),
            f"expected less than {min(grid) / 2:g}",
        )


def check_settings(
    document: Document, key: Key, model: str, settings: dict[str, Any], conditions: Sequence[tuple[Condition, str]]
) -> None:
    """Settings of a model must suit its conditions."""
    settings_fault, defaults = SETTINGS_FAULT.get(model), parameter_defaults(model)
    for condition, where in conditions if settings_fault else ():
        fault = settings_fault(settings, defaults | condition)
        if fault:
            name, what, fix = fault
            raise UserError(what, where if name in condition else document.where(*key, model, name), fix)
    group_fault = GROUP_FAULT.get(model)
    fault = group_fault(settings, [defaults | condition for condition, _ in conditions]) if group_fault else None
    if fault:
        name, what, fix = fault
        raise UserError(what, document.where(*key, model, name), fix)


def check_size(document: Document, key: Key, conditions: int, seeds: int) -> None:
    """A group must be small enough to plan."""
    if conditions * seeds > MOST_POINTS:
        raise UserError(
            f"{conditions} conditions × {seeds} seeds are more than {MOST_POINTS} films", document.where(*key)
        )


def check_shard(document: Document, key: Key, shard: dict[str, Any], parameters: Sequence[str]) -> None:
    """Shards go by parameters that the group has, or by so many conditions."""
    if shard["by"] and "conditions" in shard:
        raise UserError(
            "a job holds one value of some parameters (by) or a block of conditions, not both",
            document.where(*key, "shard", "conditions"),
            "remove one of the two",
        )
    for index, name in enumerate(shard["by"] or ()):
        if name not in parameters:
            raise UserError(
                f"{name!r} is not a parameter of this group",
                document.where(*key, "shard", "by", index),
                suggest(name, parameters),
            )


def check_learn(document: Document, learn: dict[str, Any], groups: dict[str, Any], seeds: dict[str, list[int]]) -> None:
    """What is learned must be there to learn from, and no seed may serve twice.

    Parameters
    ----------
    document : Document
    learn : dict
        The section ``learn`` with its defaults.
    groups : dict of str to weiss.study.Group
    seeds : dict of str to list of int
        Expanded ``learn.seeds``.
    """
    where = document.where
    if learn["data"] not in groups:
        raise UserError(
            f"no group of films named {learn['data']!r}", where("learn", "data"), suggest(learn["data"], groups)
        )
    group = groups[learn["data"]]
    if group.inner_margin is not None:
        raise UserError(
            f"the films of {group.name} are nonuniform: a crop of them has no one value to learn",
            where("learn", "data"),
            "name a group without inner",
        )
    if "pattern" not in variables(group.model, group.points[0].params):
        raise UserError(
            f"the films of {group.name} have no pattern to learn from", where("learn", "data"), "name another group"
        )
    for index, target in enumerate(learn["targets"]):
        if target not in group.parameters:
            raise UserError(
                f"{target!r} is not a parameter of films.{group.name}",
                where("learn", "targets", index),
                suggest(target, group.parameters),
            )
    if learn["window"] > min(group.grid):
        raise UserError(
            f"a window of {learn['window']} is larger than the {group.grid[0]} × {group.grid[1]} films of {group.name}",
            where("learn", "window"),
        )
    _check_learn_seeds(document, group, seeds)
    _check_learn_films(document, group, learn["targets"])
    for index, count in enumerate(learn["n_data"]):
        if count > len(seeds["train"]):
            raise UserError(
                f"asks for {count} training seeds, the pool learn.seeds.train has {len(seeds['train'])}",
                where("learn", "n_data", index),
            )
    for label, entry in learn["networks"].items():
        name = entry["network"] or label
        if name not in NETWORKS:
            place = ("network",) if entry["network"] else ()
            fix = suggest(name, NETWORKS) + ("" if place else f"; or give {label} a key network")
            raise UserError(f"no network named {name!r}", where("learn", "networks", label, *place), fix)
    if all((learn["repeats"] if e["repeats"] is None else e["repeats"]) == 0 for e in learn["networks"].values()):
        raise UserError("every network has 0 repeats: nothing would be trained", where("learn", "networks"))


def _check_learn_seeds(document: Document, group: Any, seeds: dict[str, list[int]]) -> None:
    existing = sorted({point.seed for point in group.points})
    for role, numbers in seeds.items():
        missing = sorted(set(numbers) - set(existing))
        if missing:
            raise UserError(
                f"films.{group.name} has no seed {seeds_text(missing)}, it has {seeds_text(existing)}",
                document.where("learn", "seeds", role),
            )
    roles = list(seeds)
    for index, role in enumerate(roles):
        for other in roles[:index]:
            shared = sorted(set(seeds[role]) & set(seeds[other]))
            if shared:
                raise UserError(
                    f"seed {seeds_text(shared)} is also in learn.seeds.{other}; a film may serve for one thing only",
                    document.where("learn", "seeds", role),
                )


def _check_learn_films(document: Document, group: Any, targets: Sequence[str]) -> None:
    """Films of other seeds must be other films, and depend on what is learned."""
    learn_fault = LEARN_FAULT.get(group.model)
    for point in group.points if learn_fault else ():
        fault = learn_fault(point.params, targets)
        if fault:
            target, what, fix = fault
            place = ("targets", targets.index(target)) if target else ("data",)
            raise UserError(f"films.{group.name}: {what}", document.where("learn", *place), fix)


def check_maps(document: Document, maps: dict[str, Any], learn: dict[str, Any] | None, groups: dict[str, Any]) -> None:
    """Maps need trainings of this study and films large enough to slide a window over."""
    where = document.where
    if learn is None:
        raise UserError("maps need trained networks, and this study has no learn section", where("maps"))
    if maps["films"] not in groups:
        raise UserError(
            f"no group of films named {maps['films']!r}", where("maps", "films"), suggest(maps["films"], groups)
        )
    group = groups[maps["films"]]
    if group.grid is None:
        raise UserError(f"the films of {group.name} are no pictures to map", where("maps", "films"))
    for target in learn["targets"]:
        if target not in group.parameters:
            raise UserError(f"films.{group.name} has no parameter {target!r} to compare with", where("maps", "films"))
    if learn["window"] > min(group.grid):
        raise UserError(
            f"the window of {learn['window']} (learn.window) is larger than "
            f"the {group.grid[0]} × {group.grid[1]} films of {group.name}",
            where("maps", "films"),
        )
    if maps["stride"] > min(group.grid):
        raise UserError(
            f"a stride of {maps['stride']} is larger than the {group.grid[0]} × {group.grid[1]} films of {group.name}",
            where("maps", "stride"),
        )
    if group.inner_margin is not None and any(
        (length - group.inner_margin - 1) // maps["stride"] * maps["stride"] < group.inner_margin
        for length in group.grid
    ):
        raise UserError(
            f"a stride of {maps['stride']} reads no cell of the inner region of {group.name}",
            where("maps", "stride"),
            "take a smaller one",
        )
    offered = {
        "networks": list(learn["networks"]),
        "n_data": learn["n_data"],
        "repeats": list(range(1, max(learn["repeats"], *(e["repeats"] or 0 for e in learn["networks"].values())) + 1)),
    }
    for name, values in offered.items():
        for index, value in enumerate(maps["trainings"][name] or ()):
            if value not in values:
                known = seeds_text(sorted(values)) if name != "networks" else ", ".join(values)
                raise UserError(
                    f"no training with {name} {value}", where("maps", "trainings", name, index), f"learn has {known}"
                )


def check_calibration(
    document: Document, names: Sequence[str], groups: dict[str, Any], rows: Sequence[tuple[Condition, str]]
) -> None:
    """Films held against a table must be uniform and have its parameters, and it must list some of their conditions.

    Parameters
    ----------
    document : Document
    names : sequence of str
        Groups to compare.
    groups : dict of str to weiss.study.Group
    rows : sequence of (condition, where)
        The table.
    """
    row, first = rows[0]
    listed = [condition for condition, _ in rows]
    for index, name in enumerate(names):
        where = document.where("calibration", "films", index)
        if name not in groups:
            raise UserError(f"no group of films named {name!r}", where, suggest(name, groups))
        group = groups[name]
        if "h_crossing" not in variables(group.model, group.points[0].params):
            raise UserError(f"the films of {name} have no crossing to reach", where, "leave the group out")
        if group.inner_margin is not None:
            raise UserError(f"the films of {name} are nonuniform: no table lists them", where, "leave the group out")
        if set(row) != set(group.parameters):
            raise UserError(
                f"the table has the columns {', '.join(row)}, the films of {name} the parameters "
                f"{', '.join(group.parameters)}",
                first,
                "name the columns like the parameters",
            )
        if not any(point.condition in listed for point in group.points):
            raise UserError(
                f"no condition of films.{name} is in the table",
                document.where("calibration", "table"),
                "is it the one?",
            )


def check_compute(document: Document, compute: dict[str, dict[str, Any]]) -> None:
    """A stage that insists on a GPU must ask Slurm for one."""
    for stage, settings in compute.items():
        if settings["device"] == "gpu" and settings["gpus"] == 0:
            raise UserError(
                "device is gpu, but gpus is 0, so that Slurm would give none",
                document.where("compute", stage),
                "set gpus: 1 or device: cpu",
            )
