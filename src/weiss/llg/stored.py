"""What is kept of a micromagnetic film."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from weiss.patterns.binarise import binarise
from weiss.variables import Coordinate, Ending, Variable

ENERGIES = ("exchange", "anisotropy", "dmi", "zeeman", "demag")
"""Energy terms; one that a film does not have is 0."""

VARIABLES: dict[str, Variable] = {
    "m": Variable(("component", "z", "y", "x"), "<f4", "1", "direction of the magnetisation; 0 without material"),
    "pattern": Variable(("y", "x"), "|i1", "1", "sign of m_z averaged over z: +1 where it is >= 0, else -1"),
    "record_t": Variable(("record",), "<f8", "s", "time of a record; nan where the driver knows none"),
    "record_B": Variable(("record", "component"), "<f8", "T", "applied field of a record"),
    "record_m": Variable(("record", "component"), "<f8", "1", "mean magnetisation of a record, over Ms"),
    **{f"energy_{name}": Variable((), "<f8", "J", f"{name} energy of the film") for name in (*ENERGIES, "total")},
    "torque_T": Variable((), "<f8", "T", "largest torque left, mu0 |m x H|"),
    **{f"mean_m{axis}": Variable((), "<f8", "1", f"mean magnetisation along {axis}, over Ms") for axis in "xyz"},
    "topological_charge": Variable((), "<f8", "1", "topological charge, mean of the layers"),
    "domain_width": Variable((), "<f8", "m", "area over length of domain wall; infinite without domains"),
    "coercive_B": Variable(
        ("branch",), "<f8", "T", "coercive field of the falling and the rising branch of a loop; nan without"
    ),
    "saturation_B": Variable(
        ("branch",), "<f8", "T", "saturation field of the falling and the rising branch of a loop; nan without"
    ),
    "knee_B": Variable(
        ("branch",), "<f8", "T", "field of the knee of the falling and the rising branch of a loop; nan without"
    ),
    "status": Variable((), "str", "1", "how the simulation ended"),
    "evaluations": Variable((), "<i8", "1", "evaluations of the effective field"),
    "steps": Variable((), "<i8", "1", "accepted steps"),
    "rejected": Variable((), "<i8", "1", "rejected steps"),
}
FINITE = ("m",)
ENDING = Ending(("relaxed", "finished"), "came to their end", "were not relaxed")


def records(params: Mapping[str, Any]) -> int:
    """How many records the driver makes: one after a relaxation, one at each field of a loop or time of a series."""
    if params["driver"] == "hysteresis":
        return 2 * int(params["loop_steps"]) + 1
    return int(params["series_samples"]) if params["driver"] == "series" else 1


def sizes(params: Mapping[str, Any]) -> dict[str, int]:
    """Lengths of the dimensions of a film's arrays."""
    cells = {"z": int(params["layers"]), "y": int(params["ny"]), "x": int(params["nx"])}
    return {"component": 3, **cells, "record": records(params), "branch": 2}


def picture(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """The pattern of a film, (ny, nx) int8, from its stored arrays."""
    return binarise(arrays["m"][2].mean(axis=0, dtype=np.float64))


def coordinates(params: Mapping[str, Any]) -> dict[str, Coordinate]:
    """What stands along the dimensions of a group's films: the components, and the centres of the cells."""
    counts = (params["nx"], params["ny"], params["layers"])
    found = {"component": Coordinate(["x", "y", "z"], "str", "1", "component of a vector")}
    for axis, count, edge in zip("xyz", counts, params["cell"], strict=True):
        centres = edge * (np.arange(int(count)) + 0.5)
        found[axis] = Coordinate(centres, "<f8", "m", f"centre of a cell along {axis}")
    return found
