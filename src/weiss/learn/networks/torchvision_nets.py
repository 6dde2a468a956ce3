"""Image classifiers of torchvision as regressors: the last layer gives the targets, the pattern fills three channels.

| name | network            |
|------|--------------------|
| reg  | RegNetX-16GF       |
| mob  | MobileNetV3-Large  |
| eff  | EfficientNet-B3    |
| mna  | MNASNet 1.0        |
| res  | ResNeXt-50 32×4d   |
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn
from torchvision import models

from weiss.learn.networks.regressor import Regressor

NORM_MOMENTUM = 0.1
"""Share of the newest batch in the running statistics of batch normalisation.

Torchvision sets 0.01 (mob) and 0.0003 (mna) for hundreds of thousands of ImageNet steps. Trainings here last tens to
a few thousand steps: with 0.0003 such averages would still hold much of their initial values, with 0.01 they would
trail by a hundred steps, and the network in evaluation would not be the one that was trained."""


def _regressor(make: Callable[..., nn.Module], head: str, n_targets: int) -> Regressor:
    net = make(weights=None)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = NORM_MOMENTUM
    parent, _, leaf = head.rpartition(".")
    holder = net.get_submodule(parent)
    setattr(holder, leaf, nn.Linear(getattr(holder, leaf).in_features, n_targets))
    return Regressor(net, channels=3, head=head)


BUILDERS = {
    "reg": partial(_regressor, models.regnet_x_16gf, "fc"),
    "mob": partial(_regressor, models.mobilenet_v3_large, "classifier.3"),
    "eff": partial(_regressor, models.efficientnet_b3, "classifier.1"),
    "mna": partial(_regressor, models.mnasnet1_0, "classifier.1"),
    "res": partial(_regressor, models.resnext50_32x4d, "fc"),
}
