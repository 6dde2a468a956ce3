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


def run(study: Study, training_id: str, results: Path, device: str = "cpu", threads: int = 1) -> None:
    """Train one network, or go on where it was interrupted. See `weiss.learn.train.run`."""
    from weiss.learn.train import run as train

    train(study, training_id, results, device=device, threads=threads)
