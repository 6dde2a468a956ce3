"""What every network of the zoo is: an image network whose last layer gives one number per target."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from weiss.errors import UserError


class Regressor(nn.Module):
    """A network from (N, h, w) patterns to (N, n_targets) numbers.

    Parameters
    ----------
    net : nn.Module
        Takes (N, channels, h, w), returns (N, n_targets).
    channels : int
        Image channels `net` expects; the one channel of a pattern is repeated as often.
    head : str
        Name of the last linear layer inside `net`.
    """

    def __init__(self, net: nn.Module, channels: int, head: str) -> None:
        super().__init__()
        self.net, self.channels, self.head = net, channels, head

    def forward(self, images: Tensor) -> Tensor:
        """Map images of shape (N, h, w), values ±1, to (N, n_targets)."""
        return self.net(images.unsqueeze(1).expand(-1, self.channels, -1, -1))

    def load_all_but_head(self, path: str | Path) -> None:
        """Start from saved weights, keeping the fresh last layer.

        Parameters
        ----------
        path : path
            A state dict of `net`, or a dict holding one under "state_dict".

        Raises
        ------
        UserError
            Missing or unreadable file, or names or shapes that are not this network's.
        """
        saved = read_tensors(path)
        saved = saved.get("state_dict", saved)
        own = self.net.state_dict()
        merged = {name: value for name, value in saved.items() if not name.startswith(f"{self.head}.")}
        merged |= {name: value for name, value in own.items() if name.startswith(f"{self.head}.")}
        self.load_net(merged, str(path), getattr(saved, "_metadata", None))

    def load_net(self, state: Mapping[str, Tensor], where: str, versions: object | None = None) -> None:
        """Load a complete state dict of `net`.

        Parameters
        ----------
        state : mapping
            Exactly the names and shapes of `net.state_dict()`.
        where : str
            File it comes from, for the message.
        versions : optional
            Layout versions of the modules that wrote it, as torch keeps them beside a state dict; by default the
            present ones. Some torchvision networks refuse to load without.

        Raises
        ------
        UserError
            Names or shapes differ.
        """
        ordered = OrderedDict(state)
        # Of the present versions only the root's: batch norms without one fill in counters that old files lack.
        own = OrderedDict({"": self.net.state_dict()._metadata[""]})
        ordered._metadata = own if versions is None else versions  # type: ignore[attr-defined]
        try:
            self.net.load_state_dict(ordered, strict=True)
        except (RuntimeError, TypeError, AttributeError) as error:
            # Torch lists every key, after a heading: the first line below the heading says enough.
            reason = str(error).splitlines()[1:2] or [str(error)]
            raise UserError(
                f"these weights are of another network: {reason[0].strip()[:200]}",
                where,
                "name a weights file of this network",
            ) from error


def read_tensors(path: str | Path) -> dict:
    """Read a file of tensors and plain values; code in it is never run.

    Raises
    ------
    UserError
        The file cannot be read, is damaged, or holds anything else.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise UserError(
            "not a readable file of tensors (only tensors and plain values are accepted, never pickled code)",
            str(path),
            "save it with torch.save(net.state_dict(), path)",
        ) from error
    if not isinstance(content, dict):
        raise UserError(f"expected a dict of tensors, found {type(content).__name__}", str(path))
    return content
