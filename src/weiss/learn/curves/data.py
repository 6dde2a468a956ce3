"""The films a training on curves sees, read once and kept on its device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from weiss import paths
from weiss.curve_trainings import HELD_OUT
from weiss.errors import UserError
from weiss.gather import good, open_dataset, require_good
from weiss.learn.curves.networks.names import KINDS
from weiss.learn.films import AGAIN
from weiss.learn.scales import learned

if TYPE_CHECKING:
    from weiss.curve_trainings import CurveTraining


@dataclass(frozen=True)
class Curves:
    """Some films of a dataset, as a network of curves sees them.

    Attributes
    ----------
    curves : Tensor, (N, C, L) float32
        What the network reads along the curves, in their units.
    numbers : Tensor, (N, M) float32
        What it reads besides, in their units.
    targets : Tensor, (N, T) or (N, L) float32
        What it learns: parameters in multiples of their scales, or a curve in its unit.
    values : ndarray, (N, T) or (N, L) float64
        The same in the units of the dataset.
    parameters : dict of str to ndarray, (N,) float64
        All parameters of the films.
    known : ndarray, (N,) float64, or None
        The number that is to be simulated again.
    points : tuple of str
    units : tuple of str
        Of the targets.
    left_out : int
        Films asked for that gave no result.
    """

    curves: Tensor
    numbers: Tensor
    targets: Tensor
    values: NDArray[np.float64]
    parameters: dict[str, NDArray[np.float64]]
    known: NDArray[np.float64] | None
    points: tuple[str, ...]
    units: tuple[str, ...]
    left_out: int

    def __len__(self) -> int:
        return len(self.points)

    def to(self, device: torch.device) -> Curves:
        """The same on a device."""
        return replace(self, **{name: getattr(self, name).to(device) for name in ("curves", "numbers", "targets")})

    def sample(self, count: int) -> Curves:
        """So many films, all if there are fewer, evenly along their order, which is that of their parameters."""
        rows = [place * len(self) // count for place in range(count)] if count < len(self) else list(range(len(self)))
        part = {name: getattr(self, name)[rows] for name in ("curves", "numbers", "targets", "values")}
        parameters = {name: values[rows] for name, values in self.parameters.items()}
        known = None if self.known is None else self.known[rows]
        return replace(self, **part, parameters=parameters, known=known, points=tuple(self.points[row] for row in rows))

    def inputs(self) -> NDArray[np.float64]:
        """What the network reads as one row a film, (N, C·L + M), for simpler predictors."""
        parts = self.curves.flatten(1), self.numbers
        return np.concatenate([part.cpu().numpy().astype(np.float64) for part in parts], axis=1)

    @property
    def widths(self) -> list[int]:
        """How many neighbouring columns of `inputs` belong together: every curve, and every number by itself."""
        _, channels, length = self.curves.shape
        return [length] * channels + [1] * self.numbers.shape[1]


def load_splits(training: CurveTraining, results: Path, study: str, scales: Sequence[float]) -> dict[str, Curves]:
    """The films of a training by role, and those of the groups predicted besides by group.

    Parameters
    ----------
    training : CurveTraining
    results : Path
    study : str
        Its name.
    scales : sequence of float
        What the targets are learned in multiples of.

    Raises
    ------
    UserError
        A dataset is missing or damaged, lacks a film, or holds films without a result where these are not left out.
    """
    found = {}
    for group in training.groups:
        own = [role for role in training.points if (role if role in training.also else training.data) == group]
        found |= load(
            paths.dataset(results, study, group), {role: training.points[role] for role in own}, training, scales
        )
    for role in ("train", *HELD_OUT):
        if not len(found[role]):
            raise UserError(f"no film with a result is left to {role}", f"training {training.id}", "give more films")
    return found


def load(
    path: Path, roles: Mapping[str, Sequence[str]], training: CurveTraining, scales: Sequence[float]
) -> dict[str, Curves]:
    """Read the films of some roles by point id, in the order asked for; raises as `load_splits` does."""
    try:
        with open_dataset(path) as dataset:
            return {role: _pick(dataset, path, points, training, scales) for role, points in roles.items()}
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise UserError(f"the dataset cannot be read ({type(error).__name__}: {error})", str(path), AGAIN) from error


def _pick(
    dataset: xr.Dataset, path: Path, points: Sequence[str], training: CurveTraining, scales: Sequence[float]
) -> Curves:
    kind, asked = KINDS[training.architecture], len(points)
    row_of = {str(point): row for row, point in enumerate(dataset["point"].values.astype(str))}
    if absent := [point for point in points if point not in row_of]:
        raise UserError(
            f"{len(absent)} of {asked} films are not in the dataset, {absent[0]} among them", str(path), AGAIN
        )
    if training.leave_out:
        usable = good(dataset)
        points = [point for point in points if usable[row_of[point]]]
    rows = np.array([row_of[point] for point in points], dtype=np.int64)
    require_good(dataset, rows, path)

    def read(name: str) -> NDArray[np.float64]:
        values = dataset[name].values.astype(np.float64)[rows]
        if not np.isfinite(values).all():
            raise UserError(f"{name} holds values that are no finite numbers", str(path), AGAIN)
        return values

    curves = [read(name) for name in kind.curves]
    numbers = [read(name) for name in kind.numbers]
    if kind.answers:
        values, units = read(kind.answers), (str(dataset[kind.answers].attrs.get("units", "1")),)
        targets = values
    else:
        values = np.stack([read(name) for name in training.targets], axis=1)
        units = tuple(str(dataset[name].attrs.get("units", "1")) for name in training.targets)
        targets = learned(values, scales)
    length = (curves[0] if curves else values).shape[1]
    return Curves(
        curves=_tensor(np.stack(curves, axis=1) if curves else np.zeros((len(points), 0, length))),
        numbers=_tensor(np.stack(numbers, axis=1) if numbers else np.zeros((len(points), 0))),
        targets=_tensor(targets),
        values=values,
        parameters={name: read(name) for name in training.parameters},
        known=read(training.resimulate) if training.resimulate else None,
        points=tuple(points),
        units=units,
        left_out=asked - len(points),
    )


def _tensor(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
