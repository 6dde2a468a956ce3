"""One job of trainings: one after the other on a CPU; on a GPU each in a process of its own, all sharing the device.

Light to import: torch is loaded where a network is trained. On a GPU that is in the processes, so that each has its own
state and a failure of one cannot spoil another.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from weiss import paths
from weiss.errors import UserError
from weiss.learn.records import is_finished, write_manifest
from weiss.store import remove_manifest

if TYPE_CHECKING:
    from weiss.study import Study

Failures = dict[str, str]
"""By training: the first line of why it failed."""


def run(study: Study, job_id: str, results: Path, device: str = "cpu", threads: int = 1) -> None:
    """Do every training of a job, or go on where it was interrupted, and end with the job's manifest.

    Each training is its own result and resumes by itself; one that fails does not stop the others.

    Parameters
    ----------
    study : Study
    job_id : str
        Which of the study's jobs of trainings; or, by hand, one training of a job of several.
    results : Path
        Results folder.
    device : {"cpu", "gpu"}
    threads : int
        CPU threads of the whole job.

    Raises
    ------
    UserError
        There is no such job, or trainings failed: names them and says why. What finished stays; there is no manifest
        then.
    """
    if job_id in study.trainings | study.curve_trainings and job_id not in study.training_jobs:
        _train(study, job_id, results, device, threads)
        return
    if job_id not in study.training_jobs:
        raise UserError(
            f"no training named {job_id!r} in this study", str(study.path), "see `weiss plan` for the names"
        )
    job = study.training_jobs[job_id]
    remove_manifest(paths.training_job(results, study.name, job_id))
    ids = [training.id for training in job.trainings]
    if len(ids) == 1:
        _train(study, ids[0], results, device, threads)
    else:
        work = all_at_once if device == "gpu" else one_by_one
        if failed := work(study, ids, results, device, threads):
            raise UserError(
                f"{len(failed)} of {len(ids)} trainings failed: "
                + "; ".join(f"{name} ({why})" for name, why in failed.items()),
                f"job {job_id}",
                "what finished is kept: put this right and run the same command again",
            )
    write_manifest(results, study, job)


def one_by_one(study: Study, ids: Sequence[str], results: Path, device: str, threads: int) -> Failures:
    """Train one after the other in this process."""
    failed = {}
    for name in ids:
        if why := _attempt(lambda name=name: _train(study, name, results, device, threads)):
            failed[name] = why
    return failed


def all_at_once(study: Study, ids: Sequence[str], results: Path, device: str, threads: int) -> Failures:
    """Train side by side, each in a process of its own."""
    every = study.trainings | study.curve_trainings
    waiting = [name for name in ids if not is_finished(paths.training(results, study.name, name), every[name].digest)]
    # Spawned, not forked: CUDA does not survive a fork.
    context = multiprocessing.get_context("spawn")
    running, failed = {}, {}
    try:
        for name in waiting:
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(
                target=_apart, args=(study, name, results, device, max(1, threads // len(waiting)), sender), name=name
            )
            process.start()
            # The process holds the only other end: when it dies without a word, reading ends.
            sender.close()
            running[name] = process, receiver
        for name, (process, receiver) in running.items():
            try:
                why = receiver.recv()
            except EOFError:
                process.join()
                why = f"its process ended with exit code {process.exitcode}"
            process.join()
            if why:
                failed[name] = why
    finally:
        for process, _ in running.values():
            process.terminate()
            process.join()
    return failed


def _apart(study: Study, name: str, results: Path, device: str, threads: int, sender: Connection) -> None:
    _end_with_parent()
    sender.send(_attempt(lambda: _train(study, name, results, device, threads)))


def _train(study: Study, name: str, results: Path, device: str, threads: int) -> None:
    if name in study.curve_trainings:
        from weiss.learn.curves.train import run as train
    else:
        from weiss.learn.train import run as train

    train(study, name, results, device=device, threads=threads)


def _attempt(work: Callable[[], None]) -> str:
    """Why the work failed, in one line; empty if it did not."""
    try:
        work()
    except UserError as error:
        return str(error)
    except Exception as error:
        traceback.print_exception(error)
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return ""


def _end_with_parent() -> None:
    """Let this process die with the one that started it, even when that was killed: nobody would read its outcome."""

    def wait() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
