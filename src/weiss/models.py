"""The simulation models this project knows: adding one is an entry here, its package, its schema, and its costs.

What its films cost, for `weiss plan`, stands in `weiss.costs`. The package of a model has

* ``simulate(films, device, threads)``, a `Solver`, and ``version.SIM_VERSION``, part of every film's id;
* a module ``stored``, light to import, that says what is kept of a film: ``VARIABLES`` (name →
  `weiss.variables.Variable`; a film result has an attribute of the same name for each, `pattern` excepted), or, where
  films of the model differ in what is kept, ``variables(params)`` that gives the same; ``FINITE``
  (arrays that must be), ``ENDING`` (`weiss.variables.Ending`), ``sizes(params)`` (dimension → length, where the
  parameters fix it) and ``coordinates(params)`` (dimension → `weiss.variables.Coordinate`).

All films of a group keep the same variables: what decides them is a setting of the model, not a parameter.

A model whose films are pictures has a variable ``pattern``, (y, x) int8 of ±1, and ``stored.picture(arrays)`` makes it
from the other arrays: that is what figures of patterns show and networks read. A model without it has neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from weiss import schema
from weiss.errors import UserError
from weiss.variables import Ending, Variable

Solver = Callable[..., Iterator[tuple[int, Any]]]

PACKAGES: dict[str, str] = {"llg": "weiss.llg", "spsll": "weiss.spsll", "tdgl": "weiss.tdgl"}
"""Model -> package."""


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


def stored(model: str) -> ModuleType:
    """What a model keeps of a film (see the top of this module); raises as `solver` does."""
    return import_module(f"{_package(model)}.stored")


def variables(model: str, params: Mapping[str, Any]) -> dict[str, Variable]:
    """What is stored of a film of a model with these parameters, by name; raises as `solver` does."""
    module = stored(model)
    return module.variables(params) if hasattr(module, "variables") else module.VARIABLES


def arrays(model: str, params: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the variables with dimensions."""
    return tuple(name for name, variable in variables(model, params).items() if variable.dims)


def scalars(model: str, params: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the variables that are one number or word."""
    return tuple(name for name, variable in variables(model, params).items() if not variable.dims)


def ending(model: str) -> Ending:
    """Which films of a model may be learned from; raises as `solver` does."""
    return stored(model).ENDING


def describe(model: str, parameters: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Units and long name of film parameters, from the model's schema (key `x-units`; "1" without it)."""
    known = schema.models()[model]["$defs"]["parameters"]["properties"]
    return {name: (known[name].get("x-units", "1"), known[name]["description"].rstrip(".")) for name in parameters}


def learned_in(model: str, parameters: Sequence[str]) -> tuple[float, ...]:
    """What networks learn film parameters in multiples of, so that they learn numbers of order one.

    In the units of `describe`, from the model's schema (key `x-learned-in`; 1 without it).
    """
    known = schema.models()[model]["$defs"]["parameters"]["properties"]
    return tuple(float(known[name].get("x-learned-in", 1.0)) for name in parameters)
