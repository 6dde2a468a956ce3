"""Gather what a study has on disk. What is missing, damaged or of an older study is named, not replaced."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from weiss import gather, models, paths, store
from weiss.calibration.outcomes import CRITERIA
from weiss.errors import UserError
from weiss.figures import groups, loop_fields, read
from weiss.figures.bins import binned
from weiss.study import Study


@dataclass(frozen=True)
class GroupResult:
    """What is on disk of one group of films.

    Attributes
    ----------
    name : str
    planned, shards : int
        Films and shards the study asks for.
    shards_done : int
        Shards with a readable manifest.
    timed, reused : int
        Films of these manifests that this study computed, and that it found on disk.
    seconds : float
        Time spent on the former.
    devices : tuple of str
        Where.
    gathered : int or None
        Films in the dataset; None without a readable one.
    evaluations : int or None
        Evaluations of the equation, all films of the dataset together; None where its model does not count them.
    unfinished : tuple of str
        Points that did not come to their end (`weiss.variables.Ending`).
    attributes : dict
        Attributes of the dataset.
    loops : DataFrame or None
        Fields of hysteresis loops, as of `weiss.figures.loop_fields.conditions`; None where the films run through none.
    statuses : dict of str to int
        How these ended, the most frequent first.
    reasoned : bool
        Whether their model knows several ways to end, each with a reason.
    """

    name: str
    planned: int
    shards: int
    shards_done: int
    timed: int
    reused: int
    seconds: float
    devices: tuple[str, ...]
    gathered: int | None
    evaluations: int | None
    unfinished: tuple[str, ...]
    attributes: dict
    loops: pd.DataFrame | None = None
    statuses: dict[str, int] = field(default_factory=dict)
    reasoned: bool = False


@dataclass
class Collected:
    """Everything the page shows.

    Attributes
    ----------
    study : Study
    groups : list of GroupResult
    trainings : dict of str to dict
        ``result.json`` of each training found.
    curve_trainings : dict of str to dict
        The same of each training on curves.
    maps : dict of str to dict
        ``metrics.json`` of each map found.
    figures : dict of str to bytes
        PNG files found.
    benchmarks : DataFrame
        Columns rule, jobs, seconds, max_rss_mb; what the workflow measured, empty without it.
    shown_map : str or None
        The map the figures show.
    calibration : DataFrame or None
        Data of the figure ``calibration``: a row per group of films and condition.
    ends : DataFrame
        Columns training, target, low, high (lowest and highest true value of the test films), predicted_low,
        predicted_high (median predictions there); a row per training and target.
    coverage : DataFrame
        Data of the figure ``coverage``: how often intervals hold the truth; empty without it.
    problems : list of str
        What is missing or damaged.
    """

    study: Study
    groups: list[GroupResult] = field(default_factory=list)
    trainings: dict[str, dict] = field(default_factory=dict)
    curve_trainings: dict[str, dict] = field(default_factory=dict)
    maps: dict[str, dict] = field(default_factory=dict)
    figures: dict[str, bytes] = field(default_factory=dict)
    benchmarks: pd.DataFrame = field(default_factory=pd.DataFrame)
    shown_map: str | None = None
    calibration: pd.DataFrame | None = None
    ends: pd.DataFrame = field(default_factory=pd.DataFrame)
    coverage: pd.DataFrame = field(default_factory=pd.DataFrame)
    problems: list[str] = field(default_factory=list)


def collect(study: Study, results: Path) -> Collected:
    """Read what a study left under a results root.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    Collected
    """
    found = Collected(study)
    found.groups = [_group(found, results, name) for name in study.groups]
    for key, training in study.trainings.items():
        folder = paths.training(results, study.name, key)
        result = _current(found, folder / "result.json", training.digest, f"training {key}")
        needed = [f"{part}_mae_{target}" for target in training.targets for part in ("test", "baseline")]
        if result and all(isinstance(result.get(name), int | float) for name in ("validate_mae", *needed)):
            found.trainings[key] = result
        elif result:
            found.problems.append(f"The training {key} is damaged: its errors are incomplete.")
    for key, on_curves in study.curve_trainings.items():
        folder = paths.training(results, study.name, key)
        if result := _current(found, folder / "result.json", on_curves.digest, f"training {key}"):
            kinds = ("test", "linear", "neighbours", *(("median",) if on_curves.targets else ("ideal", "form")))
            needed = [f"{kind}_mae_{name}" for name in on_curves.targets for kind in kinds]
            if all(isinstance(result.get(name), int | float) for name in needed or [f"{kind}_mae" for kind in kinds]):
                found.curve_trainings[key] = result
            else:
                found.problems.append(f"The training {key} is damaged: its errors are incomplete.")
    found.ends = pd.DataFrame([row for key in found.trainings for row in _ends(found, results, key)])
    for key, job in study.maps.items():
        folder = paths.maps(results, study.name, key)
        if _current(found, folder / "metrics.json", job.digest, f"map {key}"):
            try:
                found.maps[key] = read.map_metrics(study, results, key)
            except UserError:
                found.problems.append(f"The map {key} is damaged.")
    for name in study.figures:
        path = paths.figure(results, study.name, name)
        if path.is_file():
            found.figures[name] = path.read_bytes()
        else:
            found.problems.append(f"Figure {name} is missing; {command(study, 'figure')} {name} draws it.")
    if found.maps and len(found.trainings) == len(study.trainings):
        found.shown_map = read.chosen_map(study, results)
    if "calibration" in study.figures:
        found.calibration = _calibration(found, results)
    if "coverage" in study.figures:
        found.coverage = _coverage(found, results)
    found.benchmarks = benchmarks(paths.benchmark(results, study.name, "rule", "job").parent.parent)
    return found


def command(study: Study, stage: str) -> str:
    """Command line of a stage, with the study file as seen from the working directory."""
    path = study.path.absolute()
    here = Path.cwd()
    shown = path.relative_to(here).as_posix() if path.is_relative_to(here) else path.name
    return f"weiss {stage} {shown}"


def _current(found: Collected, path: Path, digest: str, what: str) -> dict | None:
    """Read a result if it is there, sound, and of the study as it is now; say so if not."""
    try:
        content = read.read_json(path)
    except UserError:
        found.problems.append(f"The {what} is {'damaged' if path.exists() else 'missing'}.")
        return None
    if "digest" not in content:
        found.problems.append(f"The {what} is damaged.")
        return None
    if content["digest"] != digest:
        found.problems.append(f"The {what} on disk is of an earlier version of the study and is left out.")
        return None
    return content


def _ends(found: Collected, results: Path, key: str) -> list[dict]:
    """Give the median predictions of a training at the lowest and the highest true value."""
    try:
        table = read.predictions(found.study, results, [key])
    except UserError:
        found.problems.append(f"The predictions of the training {key} are missing or damaged.")
        return []
    rows = []
    for target, films in table.groupby("target", sort=False):
        places, member = binned(films["true"].to_numpy())
        low, high = (films["predicted"][member == end].median() for end in (0, places.size - 1))
        rows.append(
            {"training": key, "target": target, "low": places[0], "high": places[-1]}
            | {"predicted_low": float(low), "predicted_high": float(high)}
        )
    return rows


def _calibration(found: Collected, results: Path) -> pd.DataFrame | None:
    """Read the data of the figure, which the workflow draws before the page."""
    path = paths.figure(results, found.study.name, "calibration", ".csv")
    try:
        return read.read_csv(path, ("group", "listed", "seeds", *CRITERIA, "saturated", "nucleates"))
    except UserError:
        if path.exists():
            found.problems.append("The data of the figure calibration are damaged.")
        return None


_COVERAGE = ("task", "target", "method", "level", "coverage")


def _coverage(found: Collected, results: Path) -> pd.DataFrame:
    """Read the data of the figure, which the workflow draws before the page."""
    path = paths.figure(results, found.study.name, "coverage", ".csv")
    try:
        return read.read_csv(path, (*_COVERAGE, "expected_low", "expected_high", "width_mean"))
    except UserError:
        if path.exists():
            found.problems.append("The data of the figure coverage are damaged.")
        return pd.DataFrame()


def _group(found: Collected, results: Path, name: str) -> GroupResult:
    import xarray as xr

    study = found.study
    group = study.groups[name]
    manifests = []
    for shard in group.shards:
        if fault := store.manifest_fault(results, study.name, shard):
            found.problems.append(f"The manifest of shard {shard.label}: {fault}.")
        else:
            manifests.append(store.read_manifest(paths.manifest(results, study.name, shard.id)))
    rows = [row for content in manifests for row in content["points"]]
    computed = [row for row in rows if row.get("seconds") is not None]
    gathered, evaluations, unfinished, attributes, loops, statuses = None, None, (), {}, None, {}
    path = paths.dataset(results, study.name, name)
    try:
        with xr.open_dataset(path, engine="h5netcdf") as data:
            gathered = int(data.sizes["film"])
            if "evaluations" in data:
                evaluations = int(data["evaluations"].values.astype(np.int64).sum())
            failed = ~gather.good(data)
            unfinished = tuple(data["point"].values.astype(str)[failed].tolist())
            statuses = dict(Counter(data["status"].values.astype(str)[failed].tolist()).most_common())
            attributes = dict(data.attrs)
            loops = loop_fields.conditions(data, group.parameters) if groups.is_loop(group) else None
    except (OSError, KeyError, ValueError, RuntimeError):
        found.problems.append(f"The dataset of the group {name} is {'damaged' if path.exists() else 'missing'}.")
    return GroupResult(
        name=name,
        planned=len(group.points),
        shards=len(group.shards),
        shards_done=len(manifests),
        timed=len(computed),
        reused=len(rows) - len(computed),
        seconds=float(sum(row["seconds"] for row in computed)),
        devices=tuple(sorted({str(row["device"]) for row in rows if row.get("device")})),
        gathered=gathered,
        evaluations=evaluations,
        unfinished=unfinished,
        attributes=attributes,
        loops=loops,
        statuses=statuses,
        reasoned="reason" in models.variables(group.model, group.points[0].params),
    )


def benchmarks(folder: Path) -> pd.DataFrame:
    """Sum up the workflow's measurements, one tab-separated file per job in a folder per rule.

    Returns
    -------
    DataFrame
        Columns rule, jobs, seconds (all jobs), max_rss_mb (largest); no rows without files.
    """
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        try:
            table = pd.read_csv(path, sep="\t", na_values="-")
            seconds = float(table["s"].iloc[-1])
        except (ValueError, KeyError, IndexError, UnicodeDecodeError):
            continue
        rss = float(table["max_rss"].iloc[-1]) if "max_rss" in table else float("nan")
        rows.append({"rule": path.relative_to(folder).parts[0].removesuffix(".tsv"), "seconds": seconds, "rss": rss})
    if not rows:
        return pd.DataFrame(columns=["rule", "jobs", "seconds", "max_rss_mb"])
    grouped = pd.DataFrame(rows).groupby("rule", sort=False)
    return grouped.agg(jobs=("seconds", "size"), seconds=("seconds", "sum"), max_rss_mb=("rss", "max")).reset_index()
