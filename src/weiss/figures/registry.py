"""From the name of a figure to the module that draws it."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from weiss.errors import UserError
from weiss.figures.names import FIGURES


def module(name: str) -> ModuleType:
    """Import the module of a figure.

    Parameters
    ----------
    name : str
        A key of `weiss.figures.names.FIGURES`.

    Returns
    -------
    module
        With ``build(study, results) -> (Figure, DataFrame)``.

    Raises
    ------
    UserError
        If there is no such figure.
    """
    if name not in FIGURES:
        raise UserError(f"no figure named {name!r}", fix=f"choose from {', '.join(FIGURES)}")
    return import_module(f"weiss.figures.{name}")
