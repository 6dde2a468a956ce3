"""Networks on curves by name; `names` says which there are, one file per family builds them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from weiss.errors import UserError
from weiss.learn.curves.networks.names import KINDS

if TYPE_CHECKING:
    from weiss.learn.curves.networks.base import Band, CurveNetwork, Shapes

__all__ = ["build"]


def build(name: str, shapes: Shapes, seed: int = 0, dropout: float = 0.3, band: Band | None = None) -> CurveNetwork:
    """Make a network that reads curves and numbers.

    Parameters
    ----------
    name : str
        Architecture, one of `names.KINDS`.
    shapes : Shapes
        Sizes of what it reads and answers.
    seed : int
        Seed of the initial weights. The global random state is left as it was.
    dropout : float
        Share of the dense layers' values that a training step leaves out.
    band : Band, optional
        The ideal band, for a network that is built around one.

    Returns
    -------
    CurveNetwork
        On the CPU, in training mode, in channels-last memory order, before its `fit_scales`.

    Raises
    ------
    UserError
        Unknown name; more or fewer curves or numbers than the network reads; a curve too short; no band.
    """
    import torch

    if name not in KINDS:
        raise UserError(f"unknown network {name!r}", fix=f"known networks: {', '.join(KINDS)}")
    kind = KINDS[name]
    if (shapes.channels, shapes.numbers) != (len(kind.curves), len(kind.numbers)):
        raise UserError(
            f"network {name!r} reads {len(kind.curves)} curves and {len(kind.numbers)} numbers, "
            f"not {shapes.channels} and {shapes.numbers}",
            fix=f"it reads {', '.join(kind.curves + kind.numbers)}",
        )
    module = import_module(f"weiss.learn.curves.networks.{kind.module}")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = module.BUILDERS[name](shapes, dropout, band)
    return network.to(memory_format=torch.channels_last)
