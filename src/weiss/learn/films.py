"""The films a training sees, read once and kept on its device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from weiss.errors import UserError
from weiss.gather import good, open_dataset, require_good
from weiss.learn.scales import learned

AGAIN = "gather the films again (`weiss gather`)"


@dataclass(frozen=True)
class Films:
    """Some films of a dataset.

    Attributes
    ----------
    patterns : Tensor, (F, ny, nx) int8
        ±1, on the training's device.
    targets : Tensor, (F, T) float32
        True parameters as networks learn them, in multiples of their scales, on the training's device.
    values : ndarray, (F, T) float64
        True parameters in their units, as the dataset holds them.
    points : tuple of str
        Point ids.
    seeds : tuple of int
        Seeds.
    units : tuple of str
        Unit of every target.
    scales : tuple of float
        What every target is learned in multiples of (`weiss.models.learned_in`), in its unit.
    left_out : int
        Films asked for that did not come to their end (`weiss.variables.Ending`).
    """

    patterns: Tensor
    targets: Tensor
    values: np.ndarray
    points: tuple[str, ...]
    seeds: tuple[int, ...]
    units: tuple[str, ...]
    scales: tuple[float, ...]
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.points)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a film, pixels."""
        return self.patterns.shape[-2], self.patterns.shape[-1]


def load(
    path: Path,
    points: Sequence[str],
    targets: Sequence[str],
    window: int,
    device: torch.device,
    leave_out: bool = False,
    scales: Sequence[float] | None = None,
) -> Films:
    """Read films by point id, in the order asked for.

    Parameters
    ----------
    path : Path
        Dataset of a group: `pattern` (film, y, x), with `point`, `seed` and the parameters along film.
    points : sequence of str
        Ids to read.
    targets : sequence of str
        Parameters to learn.
    window : int
        Edge of the crops to be cut, pixels.
    device : torch.device
        Where patterns and targets are kept.
    leave_out : bool
        Leave films out that did not come to their end, rather than stop.
    scales : sequence of float, optional
        What the targets are learned in multiples of; 1 without.

    Raises
    ------
    UserError
        The dataset is missing, damaged, lacks a film or a target, holds a pattern that is not ±1 or of a film that
        did not come to its end, or its films are smaller than the window.
    """
    try:
        with open_dataset(path) as dataset:
            found = _pick(dataset, str(path), points, targets, window, leave_out, scales or (1.0,) * len(targets))
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise UserError(f"the dataset cannot be read ({type(error).__name__}: {error})", str(path), AGAIN) from error
    # Not in there: a full GPU would pass for a broken dataset.
    return replace(found, patterns=found.patterns.to(device), targets=found.targets.to(device))


def _pick(
    dataset: xr.Dataset,
    where: str,
    points: Sequence[str],
    targets: Sequence[str],
    window: int,
    leave_out: bool,
    scales: Sequence[float],
) -> Films:
    if absent := [name for name in (*targets, "seed", "point", "status", "pattern") if name not in dataset.variables]:
        raise UserError(f"the dataset lacks {', '.join(absent)}", where, AGAIN)
    row_of = {str(point): row for row, point in enumerate(dataset["point"].values.astype(str))}
    if absent := [point for point in points if point not in row_of]:
        raise UserError(
            f"{len(absent)} of {len(points)} films are not in the dataset, {absent[0]} among them", where, AGAIN
        )
    asked = len(points)
    if leave_out:
        usable = good(dataset)
        points = [point for point in points if usable[row_of[point]]]
        if not points:
            raise UserError(f"none of {asked} films came to its end", where, "use other parameters or seeds")
    rows = np.array([row_of[point] for point in points], dtype=np.int64)
    require_good(dataset, rows, Path(where))
    ny, nx = dataset.sizes["y"], dataset.sizes["x"]
    if window > min(ny, nx):
        raise UserError(
            f"films of {ny} x {nx} pixels are smaller than the window of {window}", where, "use a smaller window"
        )
    # HDF5 reads in rising order far faster than in any other.
    rising, back = np.unique(rows, return_inverse=True)
    patterns = dataset["pattern"].isel(film=rising).values.astype(np.int8)[back]
    if not (np.abs(patterns) == 1).all():
        raise UserError("a pattern holds values other than +1 and -1", where, AGAIN)
    values = np.stack([dataset[name].values[rows].astype(np.float64) for name in targets], axis=1)
    if not np.isfinite(values).all():
        raise UserError("a target is not a finite number", where, AGAIN)
    return Films(
        patterns=torch.from_numpy(patterns),
        targets=torch.from_numpy(learned(values, scales).astype(np.float32)),
        values=values,
        points=tuple(points),
        seeds=tuple(int(seed) for seed in dataset["seed"].values[rows]),
        units=tuple(str(dataset[name].attrs.get("units", "1")) for name in targets),
        scales=tuple(scales),
        left_out=asked - len(points),
    )
