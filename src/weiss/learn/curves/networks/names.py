"""Networks on curves by name: what each reads and answers, and the module of this folder that builds it. Light to
import: studies are checked against it.

A new network is a file in this folder with a table `BUILDERS` (name -> function of shapes, dropout and band), and its
line here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """What a network on curves reads and answers.

    Attributes
    ----------
    module : str
        File in this folder.
    curves : tuple of str
        Variables with one dimension that it reads, a channel each.
    numbers : tuple of str
        Variables without a dimension, or parameters, that it reads.
    answers : str or None
        The curve that it predicts; None: the targets of the task, which are parameters.
    band : bool
        Whether it is built around an ideal band.
    """

    module: str
    curves: tuple[str, ...]
    numbers: tuple[str, ...]
    answers: str | None
    band: bool


KINDS: dict[str, Kind] = {
    "curve_cnn": Kind("curve_cnn", ("ridge_THz",), (), None, False),
    "tfc": Kind("tfc", (), ("sigma", "tau"), "ridge_THz", True),
    "tfc_echo": Kind("tfc", ("ridge_THz",), ("sigma", "tau"), "ridge_THz", True),
    "two_branch": Kind("two_branch", ("mz",), ("width_m",), None, False),
}
