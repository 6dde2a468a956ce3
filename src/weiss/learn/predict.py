"""Use a trained network: load its checkpoint, predict parameters of windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from weiss.errors import UserError
from weiss.learn.networks import build
from weiss.learn.networks.regressor import read_tensors
from weiss.learn.reproducible import full_precision, torch_device
from weiss.learn.scales import of_entry, restorer

BLOCK = 32
"""Batches are filled up to a multiple of this: a lone image would take another matrix routine and round differently."""

CPU_BATCH = 256
"""On a CPU larger batches are slower: their layers no longer fit the caches."""

Images = TypeVar("Images", np.ndarray, Tensor)


@dataclass(frozen=True)
class Estimator:
    """A trained network with what is needed to use it.

    Attributes
    ----------
    module : nn.Module
        In evaluation mode; outputs are the targets in multiples of their scales.
    network : str
        Name in the zoo.
    targets : tuple of str
        What the outputs are.
    window : int
        Edge of the windows it was trained on, pixels.
    digest : str
        Digest of its training.
    device : torch.device
        Where it runs.
    scales : tuple of float
        What the outputs are multiplied by to be the targets in their own units (`weiss.learn.scales`).
    """

    module: nn.Module
    network: str
    targets: tuple[str, ...]
    window: int
    digest: str
    device: torch.device
    scales: tuple[float, ...]


def load(path: Path | str, device: str = "cpu") -> Estimator:
    """Load `best.pt` of a training.

    Parameters
    ----------
    path : path
        The checkpoint.
    device : {"cpu", "gpu"}
        Where to run.

    Raises
    ------
    UserError
        The file is missing, unreadable or not such a checkpoint.
    """
    if not Path(path).is_file():
        raise UserError("no such trained network", str(path), "train it first (`weiss train`)")
    content = read_tensors(path)
    if absent := {"state_dict", "network", "targets", "window", "digest"} - set(content):
        raise UserError(f"not a trained network: {', '.join(sorted(absent))} missing", str(path), "train it again")
    scales = of_entry(content, str(path))
    regressor = build(content["network"], len(content["targets"]))
    regressor.load_net(content["state_dict"], str(path))
    target = torch_device(device)
    return Estimator(
        module=regressor.to(target).eval(),
        network=content["network"],
        targets=tuple(content["targets"]),
        window=int(content["window"]),
        digest=content["digest"],
        device=target,
        scales=scales,
    )


def predict(estimator: Estimator, images: Images, batch: int = 256) -> Images:
    """Predict the targets of windows.

    An image's prediction depends neither on the other images nor on how they are batched (bit for bit on a CPU).

    Parameters
    ----------
    estimator : Estimator
        From `load`.
    images : ndarray or Tensor, (N, window, window)
        ±1, any number type, on any device.
    batch : int
        Most windows at a time; it bounds the memory in use (never more than `CPU_BATCH` on a CPU).

    Returns
    -------
    ndarray or Tensor, (N, T) float32
        Targets in their own units, as the kind of array that came in (a Tensor on the estimator's device).

    Raises
    ------
    ValueError
        `images` is not of the stated shape, or `batch` is not positive.
    """
    if images.ndim != 3 or images.shape[1:] != (estimator.window, estimator.window):
        raise ValueError(f"expected images (N, {estimator.window}, {estimator.window}), got {tuple(images.shape)}")
    if batch < 1:
        raise ValueError(f"batch must be positive, got {batch}")
    if estimator.device.type == "cpu":
        batch = min(batch, CPU_BATCH)
    if isinstance(images, Tensor):
        return forward(estimator.module, images, estimator.device, batch, estimator.scales)
    # Windows are often overlapping views of a film: copy one batch at a time, never all of them.
    pieces = [
        forward(
            estimator.module,
            torch.from_numpy(np.ascontiguousarray(images[start : start + batch])),
            estimator.device,
            batch,
            estimator.scales,
        )
        for start in range(0, len(images), batch)
    ]
    if not pieces:
        return np.empty((0, len(estimator.targets)), dtype=np.float32)
    return torch.cat(pieces).cpu().numpy()


def forward(module: nn.Module, images: Tensor, device: torch.device, batch: int, scales: Sequence[float]) -> Tensor:
    """Run a network that is in evaluation mode over (N, h, w) images.

    Returns (N, T) float32 on `device`: the T targets in their own units, by their `scales`.
    """
    if module.training:
        raise ValueError("predictions need the network in evaluation mode")
    outputs = torch.empty((len(images), len(scales)), dtype=torch.float32, device=device)
    with torch.inference_mode(), full_precision():
        for start in range(0, len(images), batch):
            piece = images[start : start + batch].to(device=device, dtype=torch.float32)
            filler = piece.new_zeros((-len(piece) % BLOCK, *piece.shape[1:]))
            outputs[start : start + batch] = module(torch.cat([piece, filler]))[: len(piece)]
        return restorer(scales, device)(outputs)
