"""Use a trained network of curves: load it, and predict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weiss.errors import UserError
from weiss.learn.curves.networks import build
from weiss.learn.curves.networks.base import Band, CurveNetwork, Shapes
from weiss.learn.curves.networks.tfc import TFC
from weiss.learn.networks.regressor import read_tensors
from weiss.learn.reproducible import full_precision

BATCH = 256
"""Films at a time; it bounds the memory in use."""

BLOCK = 32
"""Batches are filled up to a multiple of this: a lone film would take another matrix routine and round differently."""


def forward(network: CurveNetwork, curves: Tensor, numbers: Tensor) -> Tensor:
    """Run a network that is in evaluation mode over films, a batch at a time: what it learned to answer, (N, …)."""
    return _batches(network, network, curves, numbers)


def coefficients(network: TFC, curves: Tensor, numbers: Tensor) -> Tensor:
    """What a network that predicts a curve makes it of, (N, 6)."""
    return _batches(network, network.coefficients, curves, numbers)


def _batches(network: CurveNetwork, answer: Callable[..., Tensor], curves: Tensor, numbers: Tensor) -> Tensor:
    if network.training:
        raise ValueError("predictions need the network in evaluation mode")
    found = []
    with torch.inference_mode(), full_precision():
        for start in range(0, len(curves), BATCH):
            pieces = [part[start : start + BATCH] for part in (curves, numbers)]
            missing = -len(pieces[0]) % BLOCK
            filled = [torch.cat([part, part[-1:].expand(missing, *part.shape[1:])]) for part in pieces]
            found.append(answer(*filled)[: len(pieces[0])])
    return torch.cat(found)


@dataclass(frozen=True)
class Reader:
    """A trained network of curves with what is needed to use it.

    Attributes
    ----------
    network : CurveNetwork
        In evaluation mode, on the CPU.
    curves, numbers : tuple of str
        What it reads.
    targets : tuple of str
        Parameters it answers; none where it answers a curve.
    answers : str or None
        Variable that it answers.
    scales : tuple of float
        What its outputs are multiplied by to be the targets in their own units.
    digest : str
        Digest of its training.
    """

    network: CurveNetwork
    curves: tuple[str, ...]
    numbers: tuple[str, ...]
    targets: tuple[str, ...]
    answers: str | None
    scales: tuple[float, ...]
    digest: str

    def read(self, films: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Predict.

        Parameters
        ----------
        films : mapping of str to ndarray
            (N, L) for every name in `curves`, (N,) for every name in `numbers`, in the units of the dataset.

        Returns
        -------
        ndarray, (N, T) or (N, L)
            Targets in their own units, or the curve in its unit.

        Raises
        ------
        UserError
            Something it reads is missing, not finite, or of another length.
        """
        if absent := [name for name in (*self.curves, *self.numbers) if name not in films]:
            raise UserError(f"this network reads {', '.join(absent)}, too", fix="give all that it reads")
        given = {name: np.asarray(films[name], dtype=np.float64) for name in (*self.curves, *self.numbers)}
        count = max((len(values) for values in given.values() if values.ndim), default=0)
        length = self.network.shapes.length
        for name, values in given.items():
            shape = (count, length) if name in self.curves else (count,)
            if values.shape != shape or not np.isfinite(values).all():
                raise UserError(f"{name}: expected finite numbers of shape {shape}, got {values.shape}")
        curves = np.stack([given[name] for name in self.curves], 1) if self.curves else np.zeros((count, 0, length))
        numbers = np.stack([given[name] for name in self.numbers], 1) if self.numbers else np.zeros((count, 0))
        parts = [torch.from_numpy(values.astype(np.float32)) for values in (curves, numbers)]
        if not count:
            return np.zeros((0, length if self.answers else len(self.targets)))
        found = forward(self.network, *parts).double().numpy()
        return found if self.answers else found * np.asarray(self.scales)


def load(path: Path | str) -> Reader:
    """Load ``best.pt`` of a training on curves.

    Raises
    ------
    UserError
        The file is missing, unreadable or not such a checkpoint.
    """
    if not Path(path).is_file():
        raise UserError("no such trained network", str(path), "train it first (`weiss train`)")
    content = read_tensors(path)
    needed = {"state_dict", "network", "shapes", "curves", "numbers", "targets", "answers", "scales", "band", "digest"}
    if absent := needed - set(content):
        raise UserError(
            f"not a trained network of curves: {', '.join(sorted(absent))} missing", str(path), "train it again"
        )
    try:
        band = content["band"] and Band(**content["band"] | {"ka": tuple(content["band"]["ka"])})
        network = build(content["network"], Shapes(**content["shapes"]), band=band)
        network.load_state_dict(content["state_dict"])
    except (TypeError, RuntimeError, KeyError, AttributeError, UserError) as error:
        raise UserError("this checkpoint is of another network", str(path), "train it again") from error
    return Reader(
        network=network.eval(),
        curves=tuple(content["curves"]),
        numbers=tuple(content["numbers"]),
        targets=tuple(content["targets"]),
        answers=content["answers"],
        scales=tuple(content["scales"]),
        digest=content["digest"],
    )
