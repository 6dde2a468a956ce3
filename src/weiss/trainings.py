"""From the sections ``learn`` and ``maps`` of a study to its pretrainings, trainings and maps, each with its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from weiss.checks import check_learn, check_maps
from weiss.digests import digest_of, file_digest
from weiss.errors import UserError
from weiss.learn.networks import PRETRAINED
from weiss.learn.networks.names import WITH_IMAGENET_WEIGHTS
from weiss.learn.version import LEARN_VERSION, PRETRAIN_VERSION
from weiss.maps.version import MAPS_VERSION
from weiss.models import learned_in
from weiss.spaces import canonical, expand_seeds
from weiss.yamlfile import Document

if TYPE_CHECKING:
    from weiss.curve_trainings import CurveTraining
    from weiss.study import Group

_NOT_RECIPE = ("network", "repeats", "pretraining")


@dataclass(frozen=True)
class Pretraining:
    """One network pretrained on images that formulas made.

    Attributes
    ----------
    id : str
        ``<name>-<architecture>``.
    name : str
        Key under ``learn.pretraining``.
    architecture : str
        Network of the zoo.
    seed : int
        Seed of formulas, images and initial weights.
    window : int
        Side of the images in cells: that of the study's crops.
    settings : dict
        Kind, categories, images of an epoch, epochs and the numbers of the optimiser.
    digest : str
    """

    id: str
    name: str
    architecture: str
    seed: int
    window: int
    settings: dict[str, Any]
    digest: str


@dataclass(frozen=True)
class Training:
    """One network trained once.

    Attributes
    ----------
    id : str
        ``<network>-n<n_data>-r<repeat>``.
    network : str
        Label: key under ``learn.networks``.
    architecture : str
        Network of the zoo.
    n_data : int
        How many seeds are trained on.
    repeat : int
        From 1.
    seed : int
        Seed of initial weights, order and crops.
    data : str
        Group of films.
    targets : tuple of str
        Parameters predicted, in this order.
    window : int
        Side of the crop in cells.
    recipe : dict
        Complete recipe of this network; ``weights`` is None, "pretrained" or an absolute path.
    pretraining : str or None
        Id of the pretraining whose weights it starts from.
    train_seeds, validate_seeds, test_seeds : tuple of int
    points : dict of str to tuple of str
        Point ids for ``train``, ``validate`` and ``test``.
    digest : str
    """

    id: str
    network: str
    architecture: str
    n_data: int
    repeat: int
    seed: int
    data: str
    targets: tuple[str, ...]
    window: int
    recipe: dict[str, Any]
    pretraining: str | None
    train_seeds: tuple[int, ...]
    validate_seeds: tuple[int, ...]
    test_seeds: tuple[int, ...]
    points: dict[str, tuple[str, ...]] = field(repr=False)
    digest: str

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups of films whose datasets it reads."""
        return (self.data,)


@dataclass(frozen=True)
class TrainingJob:
    """Trainings done by one job.

    Attributes
    ----------
    id : str
        That of its training if jobs hold one each, else ``<network>-n<n_data>-b<block>``.
    trainings : tuple of Training or of CurveTraining
        All of one kind.
    digest : str
    """

    id: str
    trainings: tuple[Training, ...] | tuple[CurveTraining, ...]
    digest: str


@dataclass(frozen=True)
class MapJob:
    """Maps of all films of a group by one training.

    Attributes
    ----------
    id : str
        That of the training.
    training : Training
    films : str
        Group of films.
    points : tuple of str
        Ids of the films mapped.
    stride : int
        Cells between two windows.
    precision : str
        "float32", "tf32", "float16" or "bfloat16".
    batch : int
        Windows at once; not part of the digest.
    digest : str
    """

    id: str
    training: Training
    films: str
    points: tuple[str, ...] = field(repr=False)
    stride: int
    precision: str
    batch: int
    digest: str


def draw_seeds(study_seed: int, repeat: int, pool: Sequence[int], count: int) -> tuple[int, ...]:
    """Draw the training seeds of one repeat: the lowest of the pool, ranked by a hash of each.

    The draw is the same for every network; a smaller count draws a subset; a larger pool replaces a seed only where a
    new one ranks below it.
    """

    def rank(seed: int) -> bytes:
        return hashlib.sha256(f"weiss training seeds|{study_seed}|{repeat}|{seed}".encode()).digest()

    return tuple(sorted(sorted(pool, key=rank)[:count]))


def _seed(kind: str, *place: object) -> int:
    text = "|".join(map(str, (f"weiss {kind}", *place)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def pretrainings(document: Document, config: dict[str, Any]) -> dict[str, Pretraining]:
    """Expand the pretrainings that some network of a study starts from.

    Parameters
    ----------
    document : Document
        The study file, for messages.
    config : dict
        The same with every default filled in.

    Returns
    -------
    dict of str to Pretraining
        By id.

    Raises
    ------
    weiss.errors.UserError
        If a network names one that is not there.
    """
    learn = config["learn"]
    found = {}
    for label, entry in (learn["networks"] if learn else {}).items():
        name, architecture = entry["pretraining"], entry["network"] or label
        if name is None:
            continue
        if name not in learn["pretraining"]:
            raise UserError(
                f"no pretraining named {name!r}",
                document.where("learn", "networks", label, "pretraining"),
                f"learn.pretraining has: {', '.join(learn['pretraining']) or 'none'}",
            )
        if repeats_of(learn, label) == 0:
            continue
        settings = {key: canonical(value) for key, value in learn["pretraining"][name].items()}
        if settings["warmup_epochs"] > settings["epochs"]:
            raise UserError(
                f"a warm-up of {settings['warmup_epochs']} epochs is longer than the {settings['epochs']} in all",
                document.where("learn", "pretraining", name),
            )
        if settings["images"] // -(-settings["images"] // settings["batch"]) < 2:
            raise UserError(
                f"a step would see one image only ({settings['images']} in batches of {settings['batch']})",
                document.where("learn", "pretraining", name),
                "use batch >= 2 and more images",
            )
        identity = {
            "pretrain_version": PRETRAIN_VERSION,
            "architecture": architecture,
            "seed": _seed("pretraining", config["seed"], name, architecture),
            "window": learn["window"],
            "settings": settings,
        }
        key = f"{name}-{architecture}"
        found[key] = Pretraining(
            id=key,
            name=name,
            architecture=architecture,
            seed=identity["seed"],
            window=learn["window"],
            settings=settings,
            digest=digest_of(identity),
        )
    return found


def trainings(
    document: Document, config: dict[str, Any], groups: dict[str, Group], pretrained: dict[str, Pretraining]
) -> dict[str, Training]:
    """Expand every network × n_data × repeat of a study.

    Parameters
    ----------
    document : Document
    config : dict
    groups : dict of str to weiss.study.Group
    pretrained : dict of str to Pretraining

    Returns
    -------
    dict of str to Training
        By id.

    Raises
    ------
    weiss.errors.UserError
        With file, line and key, if the parts do not fit together.
    """
    learn = config["learn"]
    if learn is None:
        return {}
    seeds = {
        role: expand_seeds(document, ("learn", "seeds", role), learn["seeds"][role])
        for role in ("train", "validate", "test")
    }
    check_learn(document, learn, groups, seeds)
    scales = learned_in(groups[learn["data"]].model, learn["targets"])
    ids: dict[int, list[str]] = {}
    for point in groups[learn["data"]].points:
        ids.setdefault(point.seed, []).append(point.id)
    found = {}
    for network, entry in learn["networks"].items():
        architecture = entry["network"] or network
        if repeats_of(learn, network) == 0:
            continue
        start = f"{entry['pretraining']}-{architecture}" if entry["pretraining"] else None
        recipe, recipe_identity = _recipe(document, network, architecture, learn["recipe"], entry)
        for n_data in sorted(learn["n_data"]):
            for repeat in range(1, repeats_of(learn, network) + 1):
                drawn = draw_seeds(config["seed"], repeat, seeds["train"], n_data)
                roles = {"train": drawn, "validate": tuple(seeds["validate"]), "test": tuple(seeds["test"])}
                points = {role: tuple(i for seed in roles[role] for i in ids[seed]) for role in roles}
                seed = _seed("training", config["seed"], network, n_data, repeat)
                identity = {
                    "learn_version": LEARN_VERSION,
                    "network": architecture,
                    "n_data": n_data,
                    "repeat": repeat,
                    "seed": seed,
                    "targets": learn["targets"],
                    "window": learn["window"],
                    "recipe": recipe_identity,
                    "points": points,
                }
                identity |= {"pretraining": pretrained[start].digest} if start else {}
                # Left out where nothing is scaled: studies of numbers of order one are what they were.
                identity |= {"scales": scales} if set(scales) != {1.0} else {}
                training = Training(
                    id=f"{network}-n{n_data}-r{repeat:02d}",
                    network=network,
                    architecture=architecture,
                    n_data=n_data,
                    repeat=repeat,
                    seed=seed,
                    data=learn["data"],
                    targets=tuple(learn["targets"]),
                    window=learn["window"],
                    recipe=recipe,
                    pretraining=start,
                    train_seeds=drawn,
                    validate_seeds=roles["validate"],
                    test_seeds=roles["test"],
                    points=points,
                    digest=digest_of(identity),
                )
                found[training.id] = training
    return found


def repeats_of(learn: Mapping[str, Any], network: str) -> int:
    """Trainings of each kind of one network."""
    own = learn["networks"][network]["repeats"]
    return learn["repeats"] if own is None else own


def training_jobs(config: dict[str, Any], every: Mapping[str, Training]) -> dict[str, TrainingJob]:
    """Put the trainings of one network and number of seeds together, ``learn.trainings_per_job`` to a job.

    A block of repeats is a job, so that more repeats leave the full blocks alone.

    Parameters
    ----------
    config : dict
    every : mapping of str to Training

    Returns
    -------
    dict of str to TrainingJob
        By id.
    """
    size = config["learn"]["trainings_per_job"] if config["learn"] else 1
    members: dict[str, list[Training]] = {}
    for training in every.values():
        block = f"{training.network}-n{training.n_data}-b{(training.repeat - 1) // size + 1:02d}"
        members.setdefault(training.id if size == 1 else block, []).append(training)
    return {
        key: TrainingJob(key, tuple(jobs), digest_of({training.id: training.digest for training in jobs}))
        for key, jobs in members.items()
    }


def _recipe(
    document: Document, network: str, architecture: str, common: Mapping[str, Any], entry: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Recipe of a network, and the same with a weights file named by its contents rather than its place."""
    own = {name: value for name, value in entry.items() if name not in _NOT_RECIPE}
    recipe = {name: canonical(value) for name, value in {**common, **own}.items()}
    weights = recipe["weights"]
    if weights is None:
        return recipe, recipe
    if entry["pretraining"] is not None:
        raise UserError(
            "a network starts from weights or from a pretraining, not both",
            document.where("learn", "networks", network),
            "remove one",
        )
    if weights == PRETRAINED:
        if architecture not in WITH_IMAGENET_WEIGHTS:
            raise UserError(
                f"there are no ImageNet weights for the network {architecture}",
                document.where("learn", "networks", network, "weights"),
                f"expected null or a file; {', '.join(WITH_IMAGENET_WEIGHTS)} have some",
            )
        return recipe, recipe
    path = (document.path.parent / weights).resolve()
    if not path.is_file():
        raise UserError(
            f"no such weights file: {path}",
            document.where("learn", "networks", network, "weights"),
            f"expected null, {PRETRAINED}, or a file (relative to the study file)",
        )
    return {**recipe, "weights": str(path)}, {**recipe, "weights": f"sha256:{file_digest(path)}"}


def maps(
    document: Document, config: dict[str, Any], groups: dict[str, Group], every: Mapping[str, Training]
) -> dict[str, MapJob]:
    """Expand the maps of a study.

    Parameters
    ----------
    document : Document
    config : dict
    groups : dict of str to weiss.study.Group
    every : mapping of str to Training

    Returns
    -------
    dict of str to MapJob
        By id, that of the training.

    Raises
    ------
    weiss.errors.UserError
        With file, line and key, if the parts do not fit together.
    """
    section = config["maps"]
    if section is None:
        return {}
    check_maps(document, section, config["learn"], groups)
    wanted, points = section["trainings"], tuple(point.id for point in groups[section["films"]].points)
    jobs = {}
    for training in every.values():
        place = {"networks": training.network, "n_data": training.n_data, "repeats": training.repeat}
        if all(wanted[name] is None or value in wanted[name] for name, value in place.items()):
            identity = {
                "maps_version": MAPS_VERSION,
                "training": training.digest,
                "points": points,
                "stride": section["stride"],
                "precision": section["precision"],
            }
            jobs[training.id] = MapJob(
                id=training.id,
                training=training,
                films=section["films"],
                points=points,
                stride=section["stride"],
                precision=section["precision"],
                batch=section["batch"],
                digest=digest_of(identity),
            )
    return jobs
