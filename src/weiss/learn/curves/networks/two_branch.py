"""The network of two branches that reads σ and τ off a wall: the blocks of `curve_cnn` on its profile, two small dense
layers on its width, and dense layers as there on both.

The source draws the branch of the width without its sizes; 32 and 32 are taken here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from weiss.learn.curves.networks.base import Band, CurveNetwork, Shapes
from weiss.learn.curves.networks.curve_cnn import FEATURES, Features, dense

BRANCH = 32


class TwoBranch(CurveNetwork):
    """Curves and numbers in, parameters out.

    Parameters
    ----------
    shapes : Shapes
    dropout : float
        Share of the dense layers' values, after the branches meet, that a training step leaves out.
    """

    def __init__(self, shapes: Shapes, dropout: float) -> None:
        super().__init__(shapes)
        self.features = Features(shapes.channels, shapes.length)
        self.branch = nn.Sequential(
            nn.Linear(shapes.numbers, BRANCH),
            nn.ReLU(inplace=True),
            nn.Linear(BRANCH, BRANCH),
            nn.ReLU(inplace=True),
        )
        self.dense = dense(FEATURES + BRANCH, shapes.outputs, dropout)

    def forward(self, curves: Tensor, numbers: Tensor) -> Tensor:
        """Map (N, C, L) and (N, M) to (N, T) parameters in multiples of their scales."""
        both = [self.features(self.enter_curves(curves)), self.branch(self.enter_numbers(numbers))]
        return self.leave(self.dense(torch.cat(both, 1)))


def build(shapes: Shapes, dropout: float, band: Band | None) -> TwoBranch:
    """The network; it has no use for a band."""
    return TwoBranch(shapes, dropout)


BUILDERS = {"two_branch": build}
