"""Networks by name; `names` says which there are, one file per family builds them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from weiss.errors import UserError
from weiss.learn.networks.names import IMAGENET, MODULES, NAMES

if TYPE_CHECKING:
    from weiss.learn.networks.regressor import Regressor

__all__ = ["PRETRAINED", "build", "weights_file"]

PRETRAINED = "pretrained"
"""In place of a weights file: the ImageNet weights torchvision publishes."""


def build(
    name: str,
    n_targets: int,
    seed: int = 0,
    weights: str | Path | None = None,
    folder: str | Path | None = None,
) -> Regressor:
    """Make a network that reads ±1 images and returns `n_targets` numbers.

    Parameters
    ----------
    name : str
        Architecture, one of `names.NAMES`.
    n_targets : int
        Number of outputs, one per target, in the targets' own units.
    seed : int
        Seed of the initial weights. The global random state is left as it was.
    weights, folder : path, optional
        What to start from, see `weights_file`. The last layer is always fresh; everything else must fit exactly.

    Returns
    -------
    Regressor
        On the CPU, in training mode, in channels-last memory order.

    Raises
    ------
    UserError
        Unknown name; a weights file that is missing, unreadable, damaged or of another network.
    """
    import torch

    file = weights_file(name, weights, folder)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        regressor = _family(name).BUILDERS[name](n_targets)
    if file is not None:
        regressor.load_all_but_head(file)
    return regressor.to(memory_format=torch.channels_last)


def weights_file(name: str, weights: str | Path | None, folder: str | Path | None = None) -> Path | None:
    """The file a network starts from.

    Parameters
    ----------
    name : str
        Architecture.
    weights : path, "pretrained" or None
        A file with a state dict (`torch.save(net.state_dict(), path)`, or a `best.pt` of this package); the ImageNet
        weights in `folder`; or none.
    folder : path, optional
        Where ImageNet weights lie; torch's cache by default.

    Raises
    ------
    UserError
        The file is not there, or is damaged. Nothing is ever downloaded: compute nodes rarely can, and should not.
    """
    if weights is None:
        return None
    if weights == PRETRAINED:
        # Not at the top: that module needs this one.
        from weiss.learn.weights import imagenet_file, state

        path = imagenet_file(name, folder)
        found = state(path)
        fix = f"run `weiss weights STUDY --fetch`, or download {IMAGENET[name]} to that place"
    else:
        path = Path(weights)
        found = "ok" if path.is_file() else "missing"
        fix = "check the path (a relative one starts at the study file)"
    if found != "ok":
        raise UserError("no such weights file" if found == "missing" else "damaged weights file", str(path), fix)
    return path


def _family(name: str) -> ModuleType:
    if name not in MODULES:
        raise UserError(f"unknown network {name!r}", fix=f"known networks: {', '.join(NAMES)}")
    return import_module(f"weiss.learn.networks.{MODULES[name]}")
