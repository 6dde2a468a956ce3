"""A study's jobs on Slurm, found by their names."""

from __future__ import annotations

import getpass
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from weiss.errors import UserError

JOB_PREFIX = "weiss-"

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_COMMENT = re.compile(r"rule_(?P<rule>[A-Za-z0-9]+)(?:_wildcards_(?P<job>.+))?")
_FIELDS = ("%i", "%T", "%M", "%R", "%Z", "%k", "%j")
_SECONDS = 60


@dataclass(frozen=True)
class Job:
    """One pending or running Slurm job.

    Attributes
    ----------
    id : str
        Slurm's job id.
    state : str
        PENDING, RUNNING, …
    elapsed : str
        Time since it started, as Slurm writes it.
    where : str
        Nodes it runs on, or in parentheses why it waits.
    rule, name : str
        What it does: the workflow's rule, and which shard, group, training or figure.
    """

    id: str
    state: str
    elapsed: str
    where: str
    rule: str
    name: str


def job_prefix(study: str) -> str:
    """Start of the name of every Slurm job of a study; Snakemake's plugin appends ``_`` and the id of the run."""
    return f"{JOB_PREFIX}{study}"


def available() -> bool:
    """Whether Slurm's commands are here at all."""
    return shutil.which("squeue") is not None and shutil.which("scancel") is not None


def jobs_of(study: str, folder: Path) -> list[Job]:
    """List the user's own pending and running jobs of a study that were submitted from a folder.

    Parameters
    ----------
    study : str
        Name of the study. Only jobs whose name is this study's prefix and a run id are listed; studies whose names
        begin alike do not mix.
    folder : Path
        Working directory of the run. The same study run from another clone is left alone.

    Returns
    -------
    list of Job

    Raises
    ------
    UserError
        If Slurm is not here or does not answer.
    """
    ours = re.compile(re.escape(job_prefix(study)) + "_" + _UUID)
    listing = _ask(["squeue", "--noheader", "--user", getpass.getuser(), "--format", "\x1f".join(_FIELDS)])
    jobs = []
    for line in listing.splitlines():
        identifier, state, elapsed, where, directory, comment, name = line.split("\x1f")
        if ours.fullmatch(name.strip()) and _same_folder(Path(directory), folder):
            said = _COMMENT.fullmatch(comment.strip())
            rule, job = (said["rule"], said["job"] or "") if said else ("?", comment.strip())
            jobs.append(Job(identifier.strip(), state, elapsed.strip(), where.strip(), rule, job))
    return jobs


def cancel(jobs: Sequence[Job]) -> None:
    """Cancel jobs by their ids.

    Parameters
    ----------
    jobs : sequence of Job

    Raises
    ------
    UserError
        If Slurm does not take the order.
    """
    chunk = 500
    for start in range(0, len(jobs), chunk):
        _ask(["scancel", *(job.id for job in jobs[start : start + chunk])])


def _same_folder(one: Path, other: Path) -> bool:
    return one == other or one.resolve() == other.resolve()


def _ask(command: list[str]) -> str:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except FileNotFoundError as error:
        raise UserError(
            f"no command {command[0]!r} here", fix="run this where Slurm is, for example on a login node"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{command[0]} gave no answer within {_SECONDS} s", fix="try again later") from error
    if answer.returncode:
        raise UserError(
            f"{command[0]} failed: {answer.stderr.strip() or answer.returncode}", fix="is the Slurm controller up?"
        )
    return answer.stdout
