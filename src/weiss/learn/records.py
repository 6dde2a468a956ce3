"""What trainings and jobs of trainings leave on disk, and whether it can be trusted. Light: torch is not needed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weiss import paths
from weiss.atomic import atomic_json, remove_stale_temporaries

if TYPE_CHECKING:
    from weiss.study import Study, TrainingJob

OUTPUTS = ("epochs.csv", "predictions.csv", "best.pt")
"""What a finished training leaves beside result.json, which is written last and vouches for them."""

PRETRAIN_OUTPUTS = ("epochs.csv", "weights.pt")
"""The same of a pretraining."""

RESULT, RESUME = "result.json", "last.pt"


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_finished(folder: Path, digest: str, outputs: Sequence[str] = OUTPUTS) -> bool:
    """Whether the folder holds this very training (or what else left `outputs`), complete, sound and not going on."""
    try:
        result = json.loads((folder / RESULT).read_bytes())
        return (
            result["digest"] == digest
            and not (folder / RESUME).exists()
            and all(result["files"][name] == sha256_of(folder / name) for name in outputs)
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def clear(folder: Path, outputs: Sequence[str] = OUTPUTS) -> None:
    """Take away what an older or broken training left, so that nothing of it can pass for this one."""
    for name in (RESULT, *outputs):
        (folder / name).unlink(missing_ok=True)
    remove_stale_temporaries(folder / name for name in (RESULT, RESUME, *outputs))


def write_manifest(results: Path, study: Study, job: TrainingJob) -> None:
    """Say that every training of a job is finished: with which digest, and the SHA-256 of its files."""
    trainings: dict[str, Any] = {}
    for training in job.trainings:
        result = json.loads((paths.training(results, study.name, training.id) / RESULT).read_bytes())
        trainings[training.id] = {"digest": result["digest"], "files": result["files"]}
    content = {"job": job.id, "digest": job.digest, "trainings": trainings}
    atomic_json(paths.training_job(results, study.name, job.id), content)


def manifest_fault(results: Path, study: Study, job: TrainingJob) -> str | None:
    """Why a job's manifest cannot be trusted, or None. Cheap: of the trainings only the small result.json is read."""
    try:
        content = json.loads(paths.training_job(results, study.name, job.id).read_bytes())
    except FileNotFoundError:
        return "it is missing"
    except (OSError, ValueError) as error:
        return f"it cannot be read ({type(error).__name__})"
    try:
        if content["job"] != job.id:
            return f"it is of job {content['job']}"
        if content["digest"] != job.digest:
            return "the study now has other trainings in this job"
        listed = content["trainings"]
        if listed.keys() != {training.id for training in job.trainings}:
            return "it lists other trainings"
        for training in job.trainings:
            if fault := _training_fault(paths.training(results, study.name, training.id), training.digest):
                return f"training {training.id}: {fault}"
            if listed[training.id]["digest"] != training.digest:
                return f"it lists another digest of training {training.id}"
    except (KeyError, TypeError, AttributeError):
        return "it lacks entries"
    return None


def _training_fault(folder: Path, digest: str) -> str | None:
    try:
        found = json.loads((folder / RESULT).read_bytes())["digest"]
    except FileNotFoundError:
        return f"{RESULT} is missing"
    except (OSError, ValueError, KeyError, TypeError):
        return f"{RESULT} cannot be read"
    if found != digest:
        return f"{RESULT} is of another training"
    missing = [name for name in OUTPUTS if not (folder / name).is_file()]
    return f"{missing[0]} is missing" if missing else None
