"""The convolutional network that reads σ and τ off a dispersion relation; its two parts serve the other networks, too.

Four convolutions, 1×5, 1×5, 1×3 and 1×3, to 64, 128, 256 and 128 channels, each with batch normalisation and ReLU, the
first three with max-pooling by 2; averages over 4 parts of what is left of the curve (128 × 4 = 512 features); dense
layers of 512, 256 and 64 with ReLU and dropout, and one for the answer.

A curve is an image of one row in channels-last order, which is the fastest form on a CPU, and pooling comes before
ReLU: the result is the same, from half as many values.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from weiss.errors import UserError
from weiss.learn.curves.networks.base import Band, CurveNetwork, Shapes

WIDTHS = (64, 128, 256, 128)
KERNELS = (5, 5, 3, 3)
POOLED = 3
"""Blocks, from the first, that end in max-pooling by 2."""

PLACES = 4
FEATURES = WIDTHS[-1] * PLACES
DENSE = (512, 256, 64)


class Features(nn.Module):
    """The four convolution blocks and the averages: (N, C, L) to (N, 512).

    Parameters
    ----------
    channels, length : int
        Channels that enter, and places of a curve.
    """

    def __init__(self, channels: int, length: int) -> None:
        super().__init__()
        places = length >> POOLED
        if places < 1:
            raise UserError(f"a curve of {length} places is too short for a network, at least {1 << POOLED} are needed")
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number, (width, kernel) in enumerate(zip(WIDTHS, KERNELS, strict=True), start=1):
            # Batch normalisation has an offset of its own, so the convolution needs none.
            layers[f"conv{number}"] = nn.Conv2d(channels, width, (1, kernel), padding=(0, kernel // 2), bias=False)
            layers[f"norm{number}"] = nn.BatchNorm2d(width)
            if number <= POOLED:
                layers[f"pool{number}"] = nn.MaxPool2d((1, 2))
            layers[f"relu{number}"] = nn.ReLU(inplace=True)
            channels = width
        self.blocks = nn.Sequential(layers)
        # The parts of adaptive average pooling, whose own backward pass is not reproducible on a GPU.
        self.parts = [(i * places // PLACES, -(-(i + 1) * places // PLACES)) for i in range(PLACES)]

    def forward(self, curves: Tensor) -> Tensor:
        """Map (N, C, L) to (N, 512), the parts of a channel side by side."""
        images = self.blocks(curves.unsqueeze(2).contiguous(memory_format=torch.channels_last))
        return torch.stack([images[..., start:end].mean((2, 3)) for start, end in self.parts], 2).flatten(1)


def dense(features: int, outputs: int, dropout: float) -> nn.Sequential:
    """Layers of 512, 256 and 64 with ReLU and dropout, and one of `outputs`: (N, features) to (N, outputs)."""
    layers: list[nn.Module] = []
    for width in DENSE:
        layers += [nn.Linear(features, width), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, outputs))


class CurveCNN(CurveNetwork):
    """Curves in, parameters out.

    Parameters
    ----------
    shapes : Shapes
    dropout : float
        Share of the dense layers' values that a training step leaves out.
    """

    def __init__(self, shapes: Shapes, dropout: float) -> None:
        super().__init__(shapes)
        self.features = Features(shapes.channels, shapes.length)
        self.dense = dense(FEATURES, shapes.outputs, dropout)

    def forward(self, curves: Tensor, numbers: Tensor) -> Tensor:
        """Map (N, C, L) to (N, T) parameters in multiples of their scales; there are no numbers, (N, 0)."""
        return self.leave(self.dense(self.features(self.enter_curves(curves))))


def build(shapes: Shapes, dropout: float, band: Band | None) -> CurveCNN:
    """The network; it has no use for a band."""
    return CurveCNN(shapes, dropout)


BUILDERS = {"curve_cnn": build}
