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

WITH_IMAGENET_WEIGHTS: tuple[str, ...] = ("reg", "mob", "eff", "mna", "res")
"""Networks that may start from published weights (`weights: pretrained`)."""
