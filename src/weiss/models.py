"""The simulation models this project knows: adding one is an entry here, its package, and its schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

from weiss import schema
from weiss.errors import UserError

Solver = Callable[..., Iterator[tuple[int, Any]]]

PACKAGES: dict[str, str] = {"tdgl": "weiss.tdgl"}
"""Model -> package with `simulate(films, device, threads)` and `version.SIM_VERSION`."""


def _package(model: str) -> str:
    if model not in PACKAGES:
        raise UserError(f"no model named {model!r}", fix=f"known models: {', '.join(sorted(PACKAGES))}")
    return PACKAGES[model]


def solver(model: str) -> Solver:
    """The solver of a model: `solve(films: Sequence[(params, seed)], device, threads)` yields (index, film result).

    Raises
    ------
    UserError
        If there is no such model.
    """
    return import_module(_package(model)).simulate


def sim_version(model: str) -> int:
    """Version of a model's numerics, part of every point id; raises as `solver` does."""
    return import_module(f"{_package(model)}.version").SIM_VERSION


def describe(model: str, parameters: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Units and long name of film parameters, from the model's schema (key `x-units`; "1" without it)."""
    known = schema.models()[model]["$defs"]["parameters"]["properties"]
    return {name: (known[name].get("x-units", "1"), known[name]["description"].rstrip(".")) for name in parameters}
