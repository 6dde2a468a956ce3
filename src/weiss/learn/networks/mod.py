"""Model0-6, the small network: seven 3×3 convolutions, each with batch normalisation and ReLU.

The source gives the number of layers, the largest width (36) and the number of parameters (16,000), not the widths.
Taken here: widths 8, 8, 8, 16, 16, 24, 36 with strides 2, 1, 2, 1, 2, 1, 1, that is 16,218 parameters for two targets.
Strides early keep a 64² window at about two million multiplications, so that sliding windows are affordable on a CPU.
One output cell of the last convolution sees 59 × 59 pixels, nearly a whole 64² window; the average over the
8 × 8 cells (4 × 4 for a 32² window) then makes the answer insensitive to where a domain lies.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from weiss.learn.networks.regressor import Regressor

WIDTHS = (8, 8, 8, 16, 16, 24, 36)
STRIDES = (2, 1, 2, 1, 2, 1, 1)


class Model06(nn.Module):
    """Seven convolutions, the average over the image, a linear layer.

    Parameters
    ----------
    n_targets : int
        Number of outputs.
    """

    def __init__(self, n_targets: int) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        width_in = 1
        for number, (width, stride) in enumerate(zip(WIDTHS, STRIDES, strict=True), start=1):
            # Batch normalisation has an offset of its own, so the convolution needs none.
            layers[f"conv{number}"] = nn.Conv2d(width_in, width, 3, stride=stride, padding=1, bias=False)
            layers[f"norm{number}"] = nn.BatchNorm2d(width)
            layers[f"relu{number}"] = nn.ReLU(inplace=True)
            width_in = width
        self.features = nn.Sequential(layers)
        self.head = nn.Linear(width_in, n_targets)

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, 1, h, w) to (N, n_targets)."""
        # A plain mean, because the backward pass of adaptive pooling is not reproducible on a GPU.
        return self.head(self.features(images).mean(dim=(2, 3)))


def build(n_targets: int) -> Regressor:
    """Model0-6 with `n_targets` outputs."""
    return Regressor(Model06(n_targets), channels=1, head="head")


BUILDERS = {"mod": build}
