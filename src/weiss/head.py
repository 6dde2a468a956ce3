"""What the workflow's head process does besides building the graph: read the study, mistrust old files, take over.

Only the Snakefile uses this module. It is light to import.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from weiss import paths, slurm
from weiss.errors import UserError
from weiss.study import Study, load_study

_LOCK_FILE = Path(".snakemake") / "weiss.lock"
_SNAKEMAKE_LOCKS = Path(".snakemake") / "locks"

_held_lock: IO[str] | None = None


def read_study(configfiles: Sequence[Path], overrides: Mapping[str, Any], default: Path) -> Study:
    """Load the one study of this run.

    Parameters
    ----------
    configfiles : sequence of Path
        What was given with ``--configfile``.
    overrides : mapping
        What was given with ``--config``.
    default : Path
        Study used when none was given.

    Returns
    -------
    Study

    Raises
    ------
    UserError
        If there is more than one file, a single value was overridden, or the file is not a sound study.
    """
    if overrides:
        key = next(iter(overrides))
        raise UserError(
            "a study is one file and takes no overrides",
            f"--config {key}=…",
            "change the study file, or copy it under a new name",
        )
    if len(configfiles) > 1:
        names = ", ".join(str(path) for path in configfiles)
        raise UserError(
            f"a study is one file, got {len(configfiles)}", f"--configfile {names}", "run them one after the other"
        )
    return load_study(configfiles[0] if configfiles else default)


def put_weiss_on_path() -> None:
    """Let shell lines find the `weiss` beside this interpreter; a job's own conda environment comes before it."""
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    os.environ["PATH"] = os.pathsep.join(folders)


def check_results(study: Study, results: Path, dry_run: bool) -> None:
    """Remove every manifest that does not tell the truth, so that its job runs again; say which on stderr.

    Parameters
    ----------
    study : Study
    results : Path
        Results root.
    dry_run : bool
        Only say what would be removed.

    Raises
    ------
    UserError
        If a manifest cannot be removed.
    """
    from weiss.learn.records import manifest_fault
    from weiss.store import drop_unsound_manifests, remove_manifest

    drop_unsound_manifests(study, results, dry_run)
    for job in study.training_jobs.values():
        path = paths.training_job(results, study.name, job.id)
        if not os.path.lexists(path) or (fault := manifest_fault(results, study, job)) is None:
            continue
        action = "would be removed" if dry_run else "removed"
        print(f"weiss: {path}: {fault}; {action}, the trainings {job.id} run again", file=sys.stderr)
        if not dry_run:
            remove_manifest(path)


def start(study: Study, results: Path, workflow: Any, trains: bool) -> None:
    """Prepare an execution, once the graph of jobs is being built and before any job starts.

    Called for dry runs and ``--report`` too, in which nothing is executed and so nothing is done.

    Parameters
    ----------
    study : Study
    results : Path
        Results root.
    workflow : snakemake.workflow.Workflow
    trains : bool
        Whether networks are among what was asked for.

    Raises
    ------
    UserError
        If weights that an unfinished training starts from are missing: no job may be queued that must fail.
    """
    if workflow.execution_settings is None or workflow.output_settings.dryrun or _held_lock is not None:
        return
    if trains:
        from weiss.learn.weights import require

        require(study, results)
    _take_over()
    settings = workflow.executor_settings
    if hasattr(settings, "jobname_prefix"):
        # the plugin reads its settings when the first job is about to start, after the graph is built
        settings.jobname_prefix = slurm.job_prefix(study.name)


def alive() -> bool:
    """Whether a head process of any study runs in the current folder, as far as this machine can tell."""
    try:
        lock = _LOCK_FILE.open("a", encoding="utf-8") if _LOCK_FILE.exists() else None
    except OSError:
        return False
    if lock is None:
        return False
    with lock:
        return not _alone(lock, attempts=1)


def _alone(lock: IO[str], attempts: int) -> bool:
    """Try to get the lock for this process alone; False while another head shares it."""
    for attempt in range(attempts):
        if attempt:
            time.sleep(0.1)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        except OSError:  # a file system without locks
            return False
        return True
    return False


def _take_over() -> None:
    """Release what a killed head left locked in this folder.

    Snakemake's own locks are files, and outlive it. A lock of the operating system dies with its process. Every head
    shares one; who can have it for itself knows that no other head lives here, and may clear the files. Between
    machines such locks are not always seen: files left by a head on another machine stay, and Snakemake says what to do
    about them.
    """
    global _held_lock
    _LOCK_FILE.parent.mkdir(exist_ok=True)
    _held_lock = _LOCK_FILE.open("a+", encoding="utf-8")
    # more than one attempt: `alive` has the lock for a moment when somebody asks for the status
    if _alone(_held_lock, attempts=5):
        _clear_stale_locks(_held_lock)
    with contextlib.suppress(OSError):
        fcntl.flock(_held_lock, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _clear_stale_locks(lock: IO[str]) -> None:
    lock.seek(0)
    last, here = lock.read().strip(), socket.gethostname()
    stale = list(_SNAKEMAKE_LOCKS.glob("*")) if _SNAKEMAKE_LOCKS.is_dir() else []
    if stale and last != here:
        return
    if stale:
        print("weiss: the last run here was killed; going on where it stopped", file=sys.stderr)
        for path in stale:
            path.unlink(missing_ok=True)
    lock.seek(0)
    lock.truncate()
    lock.write(here + "\n")
    lock.flush()
    os.fsync(lock.fileno())
