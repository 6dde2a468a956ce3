"""Between values of film parameters and the numbers networks learn: value divided by the parameter's scale.

The scale is 1 for parameters of order one, and then nothing is divided or multiplied. That of a parameter in SI units
is about its size (1e-3 J/m² for D_bulk): the learning rate and the initial weights are made for numbers of order one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weiss.errors import UserError


def learned(values: NDArray[np.float64], scales: Sequence[float]) -> NDArray[np.float64]:
    """Values, or errors of values, (…, T) as the numbers networks learn."""
    return values if _ones(scales) else values / np.asarray(scales, dtype=np.float64)


def restorer(scales: Sequence[float], device: torch.device) -> Callable[[Tensor], Tensor]:
    """Give what makes values of the parameters, in their units, of a network's answers (N, T) on a device."""
    if _ones(scales):
        return lambda outputs: outputs
    # Made once: for a copy from the host a GPU would wait.
    factors = torch.tensor(scales, dtype=torch.float32, device=device)
    return lambda outputs: outputs * factors


def entry(scales: Sequence[float]) -> dict[str, list[float]]:
    """What a saved network says of its scales: nothing where all are 1."""
    return {} if _ones(scales) else {"scales": list(scales)}


def of_entry(content: dict, where: str) -> tuple[float, ...]:
    """Scales of a saved network with `content`, from its own `entry`: those it was trained with, whatever holds today.

    Raises
    ------
    UserError
        They are not a positive number for each target.
    """
    scales = content.get("scales", [1.0] * len(content["targets"]))
    sound = isinstance(scales, list) and len(scales) == len(content["targets"])
    if not sound or not all(isinstance(scale, float) and 0 < scale < math.inf for scale in scales):
        raise UserError("the scales of this trained network are no positive numbers", where, "train it again")
    return tuple(scales)


def _ones(scales: Sequence[float]) -> bool:
    return all(scale == 1 for scale in scales)
