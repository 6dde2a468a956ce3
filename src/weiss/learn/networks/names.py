"""Networks by name and the module of this folder that builds each. Light to import: studies are checked against it.

A new network is a file in this folder with a table `BUILDERS` (name -> function of the number of targets), and its line
here.
"""

from __future__ import annotations

MODULES: dict[str, str] = {
    "mod": "mod",
    "reg": "torchvision_nets",
    "mob": "torchvision_nets",
    "eff": "torchvision_nets",
    "mna": "torchvision_nets",
    "res": "torchvision_nets",
}

NAMES: tuple[str, ...] = tuple(MODULES)

IMAGENET: dict[str, str] = {
    "reg": "https://download.pytorch.org/models/regnet_x_16gf-2007eb11.pth",
    "mob": "https://download.pytorch.org/models/mobilenet_v3_large-8738ca79.pth",
    "eff": "https://download.pytorch.org/models/efficientnet_b3_rwightman-b3899882.pth",
    "mna": "https://download.pytorch.org/models/mnasnet1.0_top1_73.512-f206786ef8.pth",
    "res": "https://download.pytorch.org/models/resnext50_32x4d-7cdf4587.pth",
}
"""Where the ImageNet weights that torchvision publishes come from: the first set (IMAGENET1K_V1), of the accuracies the
source prints. A file's name ends in the first digits of its SHA-256."""

WITH_IMAGENET_WEIGHTS: tuple[str, ...] = tuple(IMAGENET)
"""Networks that may start from published weights (`weights: pretrained`)."""


def imagenet_name(name: str) -> str:
    """File name of the ImageNet weights of a network."""
    return IMAGENET[name].rpartition("/")[2]
