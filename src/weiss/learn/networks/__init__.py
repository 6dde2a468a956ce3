"""Networks by name; `names` says which there are, one file per family builds them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from weiss.errors import UserError
from weiss.learn.networks.names import MODULES, NAMES

if TYPE_CHECKING:
    from weiss.learn.networks.regressor import Regressor

__all__ = ["PRETRAINED", "build", "weights_file"]

PRETRAINED = "pretrained"
"""In place of a weights file: the ImageNet weights torchvision publishes."""


def build(name: str, n_targets: int, seed: int = 0, weights: str | Path | None = None) -> Regressor:
    """Make a network that reads ±1 images and returns `n_targets` numbers.

    Parameters
    ----------
    name : str
        One of `names.NAMES`.
    n_targets : int
        Number of outputs, one per target, in the targets' own units.
    seed : int
        Seed of the initial weights. The global random state is left as it was.
    weights : path, optional
        What to start from, see `weights_file`. The last layer is always fresh; everything else must fit exactly.

    Returns
    -------
    Regressor
        On the CPU, in training mode, in channels-last memory order.

    Raises
    ------
    UserError
        Unknown name; a weights file that is missing, unreadable or of another network.
    """
    import torch

    file = weights_file(name, weights)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        regressor = _family(name).BUILDERS[name](n_targets)
    if file is not None:
        regressor.load_all_but_head(file)
    return regressor.to(memory_format=torch.channels_last)


def weights_file(name: str, weights: str | Path | None) -> Path | None:
    """The file a network starts from.

    Parameters
    ----------
    name : str
        Network.
    weights : path, "pretrained" or None
        A file with a state dict (`torch.save(net.state_dict(), path)`, or a `best.pt` of this package); the ImageNet
        weights in torch's cache; or none.

    Raises
    ------
    UserError
        The file is not there. Nothing is ever downloaded: compute nodes rarely can, and should not.
    """
    if weights is None:
        return None
    if weights == PRETRAINED:
        family = _family(name)
        if not hasattr(family, "imagenet_file"):
            raise UserError(f"there are no ImageNet weights for the network {name}", "weights", "use null or a file")
        path, url = family.imagenet_file(name)
        fix = f"download {url} to that place, or name a weights file instead"
    else:
        path, fix = Path(weights), "check the path (a relative one starts at the study file)"
    if not path.is_file():
        raise UserError("no such weights file", str(path), fix)
    return path


def _family(name: str) -> ModuleType:
    if name not in MODULES:
        raise UserError(f"unknown network {name!r}", fix=f"known networks: {', '.join(NAMES)}")
    return import_module(f"weiss.learn.networks.{MODULES[name]}")
