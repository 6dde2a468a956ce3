"""Networks that read film parameters off domain patterns: the zoo, the training loop, prediction.

Importing this package is cheap; torch is imported by the first function that needs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from weiss.learn.version import LEARN_VERSION

if TYPE_CHECKING:
    from weiss.study import Study

__all__ = ["LEARN_VERSION", "run"]


def run(study: Study, job_id: str, results: Path, device: str = "cpu", threads: int = 1) -> None:
    """Do one job of trainings, or go on where it was interrupted. See `weiss.learn.jobs.run`."""
    from weiss.learn import jobs

    jobs.run(study, job_id, results, device=device, threads=threads)
