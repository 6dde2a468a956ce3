"""What of a study is done, what runs, what failed and why."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from weiss import head, paths, slurm
from weiss.errors import UserError
from weiss.learn.records import manifest_fault as training_job_fault
from weiss.store import is_current, manifest_fault
from weiss.study import Study

_SLURM_LOGS = Path(".snakemake") / "slurm_logs"
_ENDED_BY_SLURM = re.compile(r"DUE TO ([A-Z ]+[A-Z])|(oom[_-]kill)", re.IGNORECASE)
_TAIL_BYTES = 65536
_LISTED = 10


@dataclass(frozen=True)
class Unfinished:
    """A job that runs, or that failed.

    Attributes
    ----------
    job : str
        Shard, group, pretraining, job of trainings, map or figure.
    what : str
        How far it is, or why it failed.
    log : str
        Its log.
    """

    job: str
    what: str
    log: str


@dataclass
class Stage:
    """State of all jobs of one kind.

    Attributes
    ----------
    rule : str
        Name of the workflow's rule.
    total, done, waiting : int
        Numbers of jobs. Those neither done, running nor failed wait.
    running, failed : list of Unfinished
    """

    rule: str
    total: int = 0
    done: int = 0
    waiting: int = 0
    running: list[Unfinished] = field(default_factory=list)
    failed: list[Unfinished] = field(default_factory=list)


def run(study: Study, results: Path, as_json: bool = False) -> None:
    """Print the state of a study.

    Parameters
    ----------
    study : Study
    results : Path
        Results root.
    as_json : bool
        For machines.
    """
    films = set(study.points)
    present = sum(paths.point_file(results, point).is_file() for point in films)
    stages = state(study, results)
    if as_json:
        document = {
            "study": study.name,
            "films": {"done": present, "total": len(films)},
            "head": head.alive(),
            "stages": {stage.rule: asdict(stage) for stage in stages},
        }
        print(json.dumps(document, indent=2, sort_keys=True))
        return
    heads = "a run is going on here" if head.alive() else "no run is going on here"
    print(f"{study.name}: {present} of {len(films)} films simulated; {heads}")
    print(f"{'':10}{'done':>12}{'running':>9}{'failed':>8}{'waiting':>9}")
    for stage in stages:
        done = f"{stage.done}/{stage.total}"
        print(f"{stage.rule:<10}{done:>12}{len(stage.running):>9}{len(stage.failed):>8}{stage.waiting:>9}")
    for title, part in (("running", "running"), ("failed", "failed")):
        for stage in stages:
            for line in _lines(getattr(stage, part), f"{title} {stage.rule}"):
                print(line)


def state(study: Study, results: Path) -> list[Stage]:
    """Look at the files, the logs and, where there is one, the Slurm queue.

    Parameters
    ----------
    study : Study
    results : Path
        Results root.

    Returns
    -------
    list of Stage
        In the order in which data flows.
    """
    queued = _queued(study)
    head_lives = head.alive()
    stages = []
    for rule, jobs, finished in _plan(study, results):
        stage = Stage(rule, total=len(jobs))
        for job in jobs:
            log = paths.log(results, study.name, rule, job)
            if finished(job):
                stage.done += 1
                continue
            seen = queued.get((rule, job))
            why = None if seen else _error(log, rule, job, head_lives)
            if seen and seen.state not in ("PENDING", "CONFIGURING"):
                where = f"Slurm job {seen.id} on {seen.where} for {seen.elapsed}"
                stage.running.append(
                    Unfinished(job, "; ".join(filter(None, (where, _progress(study, results, rule, job)))), str(log))
                )
            elif why:
                stage.failed.append(Unfinished(job, why, str(log)))
            elif not seen and head_lives and log.exists():
                stage.running.append(Unfinished(job, _progress(study, results, rule, job) or "started", str(log)))
            else:
                stage.waiting += 1
        stages.append(stage)
    return stages


def _plan(study: Study, results: Path) -> Iterator[tuple[str, list[str], Callable[[str], bool]]]:
    """Every rule with its jobs and how to tell that one is done."""
    name = study.name
    yield (
        "simulate",
        list(study.shards),
        lambda job: (
            paths.manifest(results, name, job).is_file() and manifest_fault(results, name, study.shards[job]) is None
        ),
    )
    yield "gather", list(study.groups), lambda job: paths.dataset(results, name, job).is_file()
    yield (
        "pretrain",
        list(study.pretrainings),
        lambda job: is_current(paths.pretraining(results, name, job) / "result.json", study.pretrainings[job].digest),
    )
    yield (
        "train",
        list(study.training_jobs),
        lambda job: training_job_fault(results, study, study.training_jobs[job]) is None,
    )
    yield (
        "map",
        list(study.maps),
        lambda job: is_current(paths.maps(results, name, job) / "metrics.json", study.maps[job].digest),
    )
    yield "figure", list(study.figures), lambda job: paths.figure(results, name, job).is_file()
    yield "report", ["report"], lambda job: paths.report(results, name).is_file()


def _queued(study: Study) -> dict[tuple[str, str], slurm.Job]:
    if not slurm.available():
        return {}
    try:
        return {(job.rule, job.name or job.rule): job for job in slurm.jobs_of(study.name, Path.cwd())}
    except UserError:
        return {}


def _progress(study: Study, results: Path, rule: str, job: str) -> str:
    if rule == "train":
        trainings = study.training_jobs[job].trainings
        finished = sum(
            is_current(paths.training(results, study.name, t.id) / "result.json", t.digest) for t in trainings
        )
        return f"{finished} of {len(trainings)} trainings" if len(trainings) > 1 else ""
    if rule != "simulate":
        return ""
    points = study.shards[job].points
    present = sum(paths.point_file(results, point.id).is_file() for point in points)
    return f"{present} of {len(points)} films"


def _error(log: Path, rule: str, job: str, head_lives: bool) -> str | None:
    """Say why a job that is not done and not queued stopped; None if it never started or may still run here."""
    if not log.exists():
        return None
    lines = _tail(log)
    own = [line for line in lines if line.startswith("weiss: error:")]
    if own:
        return own[-1].removeprefix("weiss: error:").strip()
    if any(line.startswith("Traceback ") for line in lines):
        return lines[-1]
    by_slurm = _slurm_verdict(rule, job)
    if by_slurm:
        return by_slurm
    if head_lives:
        return None
    return "stopped before it ended" + (f"; its last words: {lines[-1]}" if lines else "")


def _slurm_verdict(rule: str, job: str) -> str | None:
    """Time limit, memory or node failure: Slurm says so in its own log of the job, which is kept when the job fails."""
    logs = [*(_SLURM_LOGS / f"rule_{rule}" / job).glob("*.log")]
    for log in sorted(logs, key=lambda path: path.stat().st_mtime, reverse=True)[:1]:
        for line in reversed(_tail(log)):
            found = _ENDED_BY_SLURM.search(line)
            if found:
                return f"ended by Slurm: {(found[1] or 'out of memory').lower()}"
    return None


def _tail(log: Path) -> list[str]:
    with log.open("rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - _TAIL_BYTES))
        text = stream.read().decode("utf-8", errors="replace")
    # a progress bar rewrites its line: what counts is what it wrote last
    lines = (line.rsplit("\r", 1)[-1].strip() for line in text.split("\n"))
    return [line for line in lines if line]


def _lines(jobs: list[Unfinished], title: str) -> Iterator[str]:
    for job in jobs[:_LISTED]:
        yield f"{title} {job.job}: {job.what} ({job.log})"
    if len(jobs) > _LISTED:
        yield f"{title}: {len(jobs) - _LISTED} more"
