"""End the Slurm jobs that a dead run of a study left behind."""

from __future__ import annotations

from pathlib import Path

from weiss import slurm
from weiss.study import Study


def run(study: Study, dry_run: bool = False) -> None:
    """Cancel every pending or running job of a study that this user submitted from this folder.

    A killed Snakemake does not find its jobs again: given the same command it submits them anew. Two jobs on one shard
    do no harm, but the second waits for the first with a GPU in its hand.

    Parameters
    ----------
    study : Study
    dry_run : bool
        List the jobs and leave them alone.

    Raises
    ------
    UserError
        If Slurm is not here or does not answer.
    """
    jobs = slurm.jobs_of(study.name, Path.cwd())
    if not jobs:
        print(f"no Slurm job of study {study.name} from {Path.cwd()}")
        return
    if not dry_run:
        slurm.cancel(jobs)
    for job in jobs:
        done = "would cancel" if dry_run else "cancelled"
        print(f"{done} {job.id}  {job.state:<10}  {job.elapsed:>10}  {job.rule} {job.name}".rstrip())
