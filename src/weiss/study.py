"""A study: one YAML file → groups of films → points → shards, and the trainings and maps that follow.

Pure and light: reads the file and the tables beside it, imports no solver and no network. The Snakefile imports it.

Identity
--------
A *point* is one film. Its id is a hash of the model, its parameters (numerics included), the seed and the model's
version, and of nothing else. Every job has a *digest*, a hash of the very values it uses: what changes a digest makes
that job run again, and nothing else does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from weiss import trainings as learning
from weiss.checks import (
    check_calibration,
    check_compute,
    check_group_keys,
    check_inner,
    check_name,
    check_parameters,
    check_settings,
    check_shard,
    check_size,
    seeds_text,
)
from weiss.curve_trainings import CurveTraining, curve_jobs, curve_trainings
from weiss.digests import canonical_json, check_digest, digest_of, file_digest
from weiss.errors import UserError
from weiss.figures import groups as figure_groups
from weiss.figures import names as figure_names
from weiss.limits import doubts
from weiss.models import sim_version
from weiss.published import Published, read_published
from weiss.schema import fill, models, parameter_defaults, study_schema, suggest, validate
from weiss.spaces import Condition, canonical, expand_seeds, expand_space, table_path
from weiss.trainings import MapJob, Pretraining, Training, TrainingJob
from weiss.yamlfile import Document, read_yaml

__all__ = [
    "Calibration",
    "Group",
    "MapJob",
    "Point",
    "Pretraining",
    "Shard",
    "Study",
    "Training",
    "TrainingJob",
    "canonical_json",
    "check_digest",
    "digest_of",
    "load_study",
]

NO_SEEDS = [1]
"""Seeds of films of a model that draws nothing at random."""


@dataclass(frozen=True)
class Point:
    """One film.

    Attributes
    ----------
    id : str
        16 hexadecimal digits; hash of model, params, seed and the model's version.
    model : str
        Model that simulates it: ``tdgl``, ``llg``, ``spsll``.
    params : dict
        Everything the solver uses: the condition, the model's other parameters at their defaults, ``ny``, ``nx``
        (films with a grid only), ``inner_margin`` (nonuniform films only) and every setting of the model.
    seed : int
        Draws the initial state and the noise of the material.
    group : str
        Group of films it belongs to.
    condition : dict of str to float
        The parameters that the group gives: J, D, …
    """

    id: str
    model: str
    params: dict[str, Any]
    seed: int
    group: str
    condition: dict[str, float]


@dataclass(frozen=True)
class Shard:
    """Films simulated together as one job.

    Attributes
    ----------
    id : str
        ``<group>-<10 hexadecimal digits>``; depends on which values and seeds it covers, not on how many there are yet.
    group : str
    points : tuple of Point
        Ordered by parameters, then seed.
    digest : str
        Hash of the ids of the points.
    label : str
        For people: ``uniform J=2.0 seeds 1-4``.
    """

    id: str
    group: str
    points: tuple[Point, ...]
    digest: str
    label: str


@dataclass(frozen=True)
class Group:
    """Films of one grid and one model that are gathered into one dataset.

    Attributes
    ----------
    name, model : str
    grid : (int, int) or None
        Cells along y and x; None for a model whose films are no pictures.
    inner_margin : int or None
        Distance in cells of the inner region from the edges; None for uniform films.
    parameters : tuple of str
        Names of the parameters of a condition, in the model's order.
    points : tuple of Point
        Ordered by parameters, then seed.
    shards : tuple of Shard
    digest : str
        Hash of what the dataset holds: the points, their group and the study's title.
    """

    name: str
    model: str
    grid: tuple[int, int] | None
    inner_margin: int | None
    parameters: tuple[str, ...]
    points: tuple[Point, ...] = field(repr=False)
    shards: tuple[Shard, ...] = field(repr=False)
    digest: str


@dataclass(frozen=True)
class Calibration:
    """Films held against a table of the conditions that must work.

    Attributes
    ----------
    groups : tuple of str
        Groups of films, one for each setting of the model.
    parameters : tuple of str
        Parameters of their conditions.
    listed : frozenset of tuple of float
        Conditions that must work, as values of `parameters`.
    """

    groups: tuple[str, ...]
    parameters: tuple[str, ...]
    listed: frozenset[tuple[float, ...]] = field(repr=False)


@dataclass(frozen=True)
class Study:
    """Everything one study file describes.

    Attributes
    ----------
    name, title : str
    path : Path
        The study file, as given.
    config : dict
        The file with every default filled in.
    groups, pretrainings, trainings, curve_trainings, training_jobs, maps : dict
        By name or id; the jobs are those of both kinds of trainings.
    published : Published or None
        Numbers of a source to set beside those found.
    calibration : Calibration or None
        What the films are held against.
    figures : tuple of str
        Names of the figures to draw, in the order of the report.
    compute : dict
        How each stage runs: ``compute["simulate"]["device"]`` and so on.
    digest : str
        Hash of the whole config but what only says how jobs run: ``compute`` and its like in ``learn``.
    """

    name: str
    title: str
    path: Path
    config: dict[str, Any] = field(repr=False)
    groups: dict[str, Group]
    pretrainings: dict[str, Pretraining] = field(repr=False)
    trainings: dict[str, Training] = field(repr=False)
    curve_trainings: dict[str, CurveTraining] = field(repr=False)
    training_jobs: dict[str, TrainingJob] = field(repr=False)
    maps: dict[str, MapJob] = field(repr=False)
    published: Published | None = field(repr=False)
    calibration: Calibration | None
    figures: tuple[str, ...]
    compute: dict[str, dict[str, Any]] = field(repr=False)
    digest: str

    @cached_property
    def shards(self) -> dict[str, Shard]:
        """Shards of all groups by id."""
        return {shard.id: shard for group in self.groups.values() for shard in group.shards}

    @cached_property
    def points(self) -> dict[str, Point]:
        """Points of all groups by id."""
        return {point.id: point for group in self.groups.values() for point in group.points}

    @cached_property
    def job_of(self) -> dict[str, TrainingJob]:
        """The job that does a training, by the training's id."""
        return {training.id: job for job in self.training_jobs.values() for training in job.trainings}

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What is doubtful about the films, a line each; nothing of it stops a run."""
        return tuple(
            f"films.{group.name}: {line}"
            for group in self.groups.values()
            for line in doubts(group.model, [point.params for point in group.points])
        )

    def figure_digest(self, name: str) -> str:
        """Digest of one figure: the text of its own source and the shared style, and the data it shows.

        Parameters
        ----------
        name : str
            A figure known to `weiss.figures.names`.
        """
        needs = figure_names.FIGURES[name].needs
        if needs == "films":
            shown = [group.digest for group in figure_groups.every(self, name)]
            data = {"films": shown if name in figure_groups.EVERY else shown[0]}
        elif needs == "calibration":
            data = {name: self.groups[name].digest for name in self.calibration.groups}
            data["listed"] = sorted(self.calibration.listed)
        elif needs == "learn":
            data = {job.id: job.digest for job in self.trainings.values()}
        elif needs == "curves":
            data = {key: job.digest for key, job in figure_names.curve_trainings(self, name).items()}
        else:
            data = {job.id: job.digest for job in self.maps.values()}
        if (needs in ("learn", "maps") or name in figure_names.PUBLISHED) and self.published:
            data["published"] = self.published.digest
        return digest_of({"data": data, "sources": _sources_digest(figure_names.sources(name))})

    def report_digest(self) -> str:
        """Digest of the report page: its templates and source, every figure, and the config it prints."""
        from weiss import report

        return digest_of(
            {
                "study": self.digest,
                "figures": {name: self.figure_digest(name) for name in self.figures},
                "published": self.published.digest if self.published else None,
                "sources": report.sources_digest(),
            }
        )


def load_study(path: str | Path) -> Study:
    """Read, validate and expand a study.

    Parameters
    ----------
    path : str or Path
        The study file.

    Returns
    -------
    Study

    Raises
    ------
    weiss.errors.UserError
        With file, line and key, for anything in the file that is wrong.
    """
    document = read_yaml(Path(path))
    validate(document)
    schema = study_schema()
    config = fill(document.value, schema, schema)
    config["films"] = {name: _without_other_models(section) for name, section in config["films"].items()}
    check_name(document, config["name"])
    check_compute(document, config["compute"])
    _check_figure_names(document, config["report"]["figures"])
    groups = {name: _group(document, config, name) for name in config["films"]}
    _refuse_shared_films(document, groups)
    pretrainings = learning.pretrainings(document, config)
    trainings = learning.trainings(document, config, groups, pretrainings)
    labels = config["learn"]["networks"] if config["learn"] else {}
    on_curves = curve_trainings(document, config, groups, labels)
    study = Study(
        name=config["name"],
        title=config["title"],
        path=document.path,
        config=config,
        groups=groups,
        pretrainings=pretrainings,
        trainings=trainings,
        curve_trainings=on_curves,
        training_jobs=learning.training_jobs(config, trainings) | curve_jobs(config, on_curves),
        maps=learning.maps(document, config, groups, trainings),
        published=_published(document, config["report"]["published"]),
        calibration=_calibration(document, config, groups),
        figures=(),
        compute=config["compute"],
        digest=_config_digest(config),
    )
    return dataclasses.replace(study, figures=_figures(document, config["report"]["figures"], study))


def _config_digest(config: dict[str, Any]) -> str:
    described = {key: part for key, part in config.items() if key != "compute"}
    if described["learn"]:
        running = ("trainings_per_job", "weights_folder")
        described["learn"] = {key: part for key, part in described["learn"].items() if key not in running}
    described["curves"] = {
        name: {key: part for key, part in task.items() if key != "trainings_per_job"}
        for name, task in described["curves"].items()
    }
    return digest_of(described)


def _published(document: Document, name: str | None) -> Published | None:
    return read_published(table_path(document, ("report", "published"), name)) if name else None


# --- films ------------------------------------------------------------------------------------------------------------


def _group(document: Document, config: dict[str, Any], name: str) -> Group:
    section, key = config["films"][name], ("films", name)
    model, inner = section["model"], section["inner"]
    check_group_keys(document, key, model)
    grid = tuple(section["grid"]) if "grid" in section else None
    for other in models():
        if other != model and other in document.value["films"][name]:
            raise UserError(
                f"settings of {other}, but the model is {model}", document.where(*key, other), "remove them"
            )
    conditions = expand_space(document, (*key, "space"), section["space"])
    seeds = expand_seeds(document, (*key, "seeds"), section.get("seeds", NO_SEEDS))
    check_size(document, key, len(conditions), len(seeds))
    check_parameters(document, (*key, "space"), model, conditions, inner)
    if grid is not None:
        check_inner(document, key, grid, inner)
    cells = {} if grid is None else {"ny": grid[0], "nx": grid[1]}
    settings = {part: _canonical(value) for part, value in section[model].items()}
    check_settings(document, key, model, settings | cells, conditions)
    known = models()[model]["$defs"]["parameters"]["properties"]
    parameters = tuple(parameter for parameter in known if parameter in conditions[0][0])
    check_shard(document, key, section["shard"], parameters)

    fixed = parameter_defaults(model) | settings | cells
    fixed |= {"inner_margin": inner["margin"]} if inner else {}
    version = sim_version(model)
    rows = sorted(tuple(condition[parameter] for parameter in parameters) for condition, _ in conditions)
    points = tuple(
        _point(name, model, version, dict(zip(parameters, row, strict=True)), fixed, seed)
        for row in rows
        for seed in seeds
    )
    return Group(
        name=name,
        model=model,
        grid=grid,
        inner_margin=inner["margin"] if inner else None,
        parameters=parameters,
        points=points,
        shards=_shards(name, points, _blocks(section["shard"], parameters, conditions), section["shard"]["seeds"]),
        digest=digest_of(
            {"title": config["title"], "group": name, "parameters": parameters, "points": [p.id for p in points]}
        ),
    )


def _without_other_models(section: dict[str, Any]) -> dict[str, Any]:
    """A group of films without the sections that the defaults of other models made."""
    return {name: part for name, part in section.items() if name not in models() or name == section["model"]}


def _canonical(value: Any) -> Any:
    return [_canonical(item) for item in value] if isinstance(value, list) else canonical(value)


def _point(
    group: str, model: str, version: int, condition: dict[str, float], fixed: Mapping[str, Any], seed: int
) -> Point:
    params = {**fixed, **condition}
    identity = {"model": model, "params": params, "seed": seed, "sim_version": version}
    return Point(digest_of(identity), model, params, seed, group, condition)


def _blocks(
    shard: Mapping[str, Any], parameters: Sequence[str], conditions: Sequence[tuple[Condition, str]]
) -> Callable[[Condition], dict[str, float]]:
    """What tells the jobs of a group apart, for a condition: values of parameters, or the last of a block of conditions
    in the order of the space, which a larger random draw leaves as they are."""
    if "conditions" not in shard:
        by = shard["by"] or parameters
        return lambda condition: {name: condition[name] for name in by}
    places = {tuple(condition.items()): place for place, (condition, _) in enumerate(conditions)}
    names, size = tuple(conditions[0][0]), shard["conditions"]

    def block(condition: Condition) -> dict[str, float]:
        place = places[tuple((name, condition[name]) for name in names)]
        return {"conditions to": (place // size + 1) * size}

    return block


def _shards(
    group: str, points: Sequence[Point], of: Callable[[Condition], dict[str, float]], block: int
) -> tuple[Shard, ...]:
    members: dict[tuple, list[Point]] = {}
    for point in points:
        place = (tuple(of(point.condition).values()), (point.seed - 1) // block)
        members.setdefault(place, []).append(point)
    shards = []
    for (_, index), chosen in sorted(members.items()):
        where = of(chosen[0].condition)
        identity = {"group": group, "by": where, "block": index, "seeds": block}
        seeds = seeds_text(sorted({point.seed for point in chosen}))
        shards.append(
            Shard(
                id=f"{group}-{digest_of(identity)[:10]}",
                group=group,
                points=tuple(chosen),
                digest=digest_of({"group": group, "points": [point.id for point in chosen]}),
                label=" ".join([group, *(f"{name}={value}" for name, value in where.items()), f"seeds {seeds}"]),
            )
        )
    return tuple(shards)


def _refuse_shared_films(document: Document, groups: dict[str, Group]) -> None:
    owner: dict[str, str] = {}
    for group in groups.values():
        for point in group.points:
            if owner.setdefault(point.id, group.name) != group.name:
                values = ", ".join(f"{name} {value:g}" for name, value in point.condition.items())
                raise UserError(
                    f"the film {values}, seed {point.seed} is also in films.{owner[point.id]}",
                    document.where("films", group.name),
                    "give each film to one group",
                )


# --- calibration ------------------------------------------------------------------------------------------------------


def _calibration(document: Document, config: dict[str, Any], groups: dict[str, Group]) -> Calibration | None:
    section = config["calibration"]
    if section is None:
        return None
    names = tuple(section["films"] or groups)
    rows = expand_space(document, ("calibration",), {"table": section["table"]})
    check_calibration(document, names, groups, rows)
    parameters = groups[names[0]].parameters
    return Calibration(names, parameters, frozenset(tuple(row[name] for name in parameters) for row, _ in rows))


# --- figures ----------------------------------------------------------------------------------------------------------


def _check_figure_names(document: Document, wanted: Iterable[str] | None) -> None:
    for index, name in enumerate(wanted or ()):
        if name not in figure_names.FIGURES:
            raise UserError(
                f"no figure named {name!r}",
                document.where("report", "figures", index),
                suggest(name, figure_names.FIGURES),
            )


def _figures(document: Document, wanted: Sequence[str] | None, study: Study) -> tuple[str, ...]:
    possible = figure_names.applicable(study)
    for index, name in enumerate(wanted or ()):
        if name not in possible:
            raise UserError(
                f"the figure {name} shows what this study does not have",
                document.where("report", "figures", index),
                f"possible here: {', '.join(possible)}",
            )
    return tuple(name for name in possible if wanted is None or name in wanted)


def _sources_digest(files: Sequence[Path]) -> dict[str, str]:
    """Contents of source files by name: touching a file changes nothing, editing it does."""
    return {path.name: file_digest(path) for path in files}
