"""Where everything lies under the results folder. No other module spells a path."""

from __future__ import annotations

from pathlib import Path


def point_file(results: Path, point: str) -> Path:
    """One simulated film; the store is shared by all studies."""
    return Path(results) / "points" / point[:2] / f"{point}.h5"


def manifest(results: Path, study: str, shard: str) -> Path:
    """What a finished shard wrote: ids, digests, timings."""
    return Path(results) / study / "sim" / f"{shard}.json"


def computed_log(results: Path, study: str, shard: str) -> Path:
    """Append-only record of every point this shard ever computed."""
    return Path(results) / study / "sim" / f"{shard}.computed.jsonl"


def dataset(results: Path, study: str, group: str) -> Path:
    """The gathered films of one group."""
    return Path(results) / study / "dataset" / f"{group}.h5"


def dataset_summary(results: Path, study: str, group: str) -> Path:
    """Ids and digests of a gathered group."""
    return dataset(results, study, group).with_suffix(".json")


def training(results: Path, study: str, training_id: str) -> Path:
    """Folder of one training."""
    return Path(results) / study / "train" / training_id


def training_job(results: Path, study: str, job: str) -> Path:
    """What a finished job of trainings did: ids, digests, checksums."""
    return Path(results) / study / "train" / "jobs" / f"{job}.json"


def pretraining(results: Path, study: str, pretraining_id: str) -> Path:
    """Folder of one pretraining."""
    return Path(results) / study / "pretrain" / pretraining_id


def maps(results: Path, study: str, map_id: str) -> Path:
    """Folder of the maps one training made."""
    return Path(results) / study / "infer" / map_id


def figure(results: Path, study: str, name: str, suffix: str = ".png") -> Path:
    """One figure, or (suffix .csv) its data."""
    return Path(results) / study / "report" / "figures" / f"{name}{suffix}"


def report(results: Path, study: str) -> Path:
    """The report page."""
    return Path(results) / study / "report" / "index.html"


def log(results: Path, study: str, rule: str, job: str) -> Path:
    """Log of one job."""
    return Path(results) / study / "logs" / rule / f"{job}.log"


def benchmark(results: Path, study: str, rule: str, job: str) -> Path:
    """Snakemake's timing of one job."""
    return Path(results) / study / "benchmarks" / rule / f"{job}.tsv"
