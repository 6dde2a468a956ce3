"""Read new curves with all repeats of a task: parameters, and intervals that hold them as often as asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from weiss import paths
from weiss.errors import UserError
from weiss.learn.curves.intervals import SCALED, Calibration, stacked
from weiss.learn.curves.predict import Reader
from weiss.learn.curves.predict import load as load_reader
from weiss.learn.records import is_finished

if TYPE_CHECKING:
    from weiss.study import Study


@dataclass(frozen=True)
class Ensemble:
    """The repeats of a task, with what films set aside tell of their errors.

    Attributes
    ----------
    readers : tuple of Reader
    calibration : Calibration
    """

    readers: tuple[Reader, ...]
    calibration: Calibration

    @property
    def targets(self) -> tuple[str, ...]:
        """Parameters that are read."""
        return self.readers[0].targets

    def read(self, films: Mapping[str, NDArray[np.float64]], level: float = 0.8, method: str = SCALED) -> pd.DataFrame:
        """Read parameters off curves, simulated or measured.

        Parameters
        ----------
        films : mapping of str to ndarray
            As for `Reader.read`: every curve (N, L) on the places of the simulated ones, every number (N,).
        level : float
            How often an interval shall hold the parameter.
        method : str
            One of `weiss.learn.curves.intervals.METHODS`.

        Returns
        -------
        DataFrame
            A row a film; for each target its mean over repeats (``sigma``) and the ends of its interval
            (``sigma_low``, ``sigma_high``), in the target's unit.
        """
        predicted = np.stack([reader.read(films) for reader in self.readers])
        low, high = self.calibration.intervals(predicted, level, method)
        parts = {"": predicted.mean(axis=0), "_low": low, "_high": high}
        return pd.DataFrame(
            {f"{name}{end}": part[:, column] for column, name in enumerate(self.targets) for end, part in parts.items()}
        )


def load(study: Study, results: Path, task: str, n_data: int | None = None) -> Ensemble:
    """Load every repeat of a task that answers parameters.

    Parameters
    ----------
    study : Study
    results : Path
    task : str
        Key under ``curves``.
    n_data : int, optional
        With so many training films; the largest number by default.

    Raises
    ------
    UserError
        There is no such task, it answers a curve, or one of its trainings is not finished.
    """
    found = [training for training in study.curve_trainings.values() if training.task == task and training.targets]
    if not found:
        known = dict.fromkeys(t.task for t in study.curve_trainings.values() if t.targets)
        raise UserError(f"no task {task!r} that reads parameters", str(study.path), f"known: {', '.join(known)}")
    wanted = max(training.n_data for training in found) if n_data is None else n_data
    chosen = [training for training in found if training.n_data == wanted]
    if not chosen:
        sizes = sorted({training.n_data for training in found})
        raise UserError(f"{task} has no trainings with {wanted} films", str(study.path), f"it has {sizes}")
    folders = [paths.training(results, study.name, training.id) for training in chosen]
    for training, folder in zip(chosen, folders, strict=True):
        if not is_finished(folder, training.digest):
            raise UserError(f"{training.id} is not finished", str(folder), "train it first (`weiss train`)")
    tables = [pd.read_csv(folder / "predictions.csv", dtype={"point": str}) for folder in folders]
    readers = tuple(load_reader(folder / "best.pt") for folder in folders)
    return Ensemble(readers, Calibration(*stacked(tables, chosen[0].targets, "calibrate")))
