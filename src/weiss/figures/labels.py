"""The networks of a study: what architecture each label stands for, and what weights it starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weiss.study import Study

RANDOM, IMAGENET = "random weights", "ImageNet"


@dataclass(frozen=True)
class Network:
    """A network as a study names it.

    Attributes
    ----------
    label : str
        Key under ``learn.networks``.
    architecture : str
        Network of the zoo.
    start : str
        Where its weights come from: `RANDOM`, `IMAGENET`, ``images made by formulas (<name>)`` or ``a weights file``.
    """

    label: str
    architecture: str
    start: str

    @property
    def plain(self) -> bool:
        """Whether it starts from random weights."""
        return self.start == RANDOM


def networks(study: Study) -> dict[str, Network]:
    """Networks by label, in the order of the study file, those with ``repeats: 0`` among them.

    Parameters
    ----------
    study : Study

    Returns
    -------
    dict of str to Network
        Empty for a study that learns nothing.
    """
    learn = study.config["learn"]
    if learn is None:
        return {}
    found = {}
    for label, entry in learn["networks"].items():
        weights = entry["weights"]
        if entry["pretraining"]:
            start = f"images made by formulas ({entry['pretraining']})"
        elif weights is None:
            start = RANDOM
        else:
            start = IMAGENET if weights == "pretrained" else "a weights file"
        found[label] = Network(label, entry["network"] or label, start)
    return found
