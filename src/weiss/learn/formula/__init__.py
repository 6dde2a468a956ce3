"""Images drawn by formulas, for learning to see before there is anything to look at.

A category is a formula with numbers of its own; its images differ in what must not matter. One file per kind, each with

* `categories(seed, count)`: the numbers of every category, a (C, P) tensor;
* `vary(numbers, generator)`: the numbers of N images out of those of their categories, (N, P) to (N, Q);
* `render(images, window)`: the images, (N, Q) to (N, window, window) of ±1, on the device of the numbers.

All numbers are float64 and are drawn on the CPU. In double precision another batch size or another device, which round
differently in the last bit, do not move a pixel across an edge.
"""

from __future__ import annotations

import hashlib
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from weiss.errors import UserError

if TYPE_CHECKING:
    import torch

KINDS = ("contours", "fractals")


def kind_of_images(name: str) -> ModuleType:
    """The module that makes one kind of images.

    Raises
    ------
    UserError
        There is no such kind.
    """
    if name not in KINDS:
        raise UserError(f"unknown kind of images {name!r}", "learn.pretraining", f"known kinds: {', '.join(KINDS)}")
    return import_module(f"weiss.learn.formula.{name}")


def chance(*place: object) -> torch.Generator:
    """A CPU generator seeded by a hash of what it is for, so that no draw depends on those made before it."""
    import torch

    text = "|".join(map(str, ("weiss formula", *place)))
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
    return torch.Generator().manual_seed(seed)


def between(draws: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """Spread uniform draws in [0, 1) over [low, high)."""
    return low + (high - low) * draws
