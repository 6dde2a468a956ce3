"""What is kept of a Ginzburg–Landau film."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from weiss.patterns.binarise import binarise
from weiss.variables import Coordinate, Ending, Variable

VARIABLES: dict[str, Variable] = {
    "m": Variable(("y", "x"), "<f4", "1", "magnetisation m_z at the crossing, or at the end without one"),
    "pattern": Variable(("y", "x"), "|i1", "1", "binarised magnetisation: +1 where m >= 0, else -1"),
    "loop_h": Variable(("loop",), "<f8", "1", "applied field h along the loop, in units of A0"),
    "loop_m": Variable(("loop",), "<f8", "1", "mean magnetisation along the loop; nan after the crossing"),
    "t_crossing": Variable((), "<f8", "time units of Eq. 1", "time of the crossing <m> = 0; nan without one"),
    "h_crossing": Variable((), "<f8", "1", "applied field h at the crossing, in units of A0; nan without one"),
    "status": Variable((), "str", "1", "how the simulation ended"),
    "evaluations": Variable((), "<i8", "1", "evaluations of the right-hand side"),
    "steps": Variable((), "<i8", "1", "accepted time steps"),
    "rejected": Variable((), "<i8", "1", "rejected time steps"),
    "avalanches": Variable((), "<i8", "1", "windows of avalanches; without windows, runs of steps that change a sign"),
}
FINITE = ("m",)
ENDING = Ending(("crossed",), "reached their crossing ⟨m⟩ = 0", "did not reach the crossing")


def sizes(params: Mapping[str, Any]) -> dict[str, int]:
    """Lengths of the dimensions that the parameters of a film fix."""
    return {"y": int(params["ny"]), "x": int(params["nx"])}


def picture(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """The pattern of a film, (ny, nx) int8, from its stored arrays."""
    return binarise(arrays["m"])


def coordinates(params: Mapping[str, Any]) -> dict[str, Coordinate]:
    """What stands along the dimensions of a group's films."""
    return {
        axis: Coordinate(np.arange(int(params[count])), "<i4", "cells", f"cell index along {direction}")
        for axis, count, direction in (("y", "ny", "rows"), ("x", "nx", "columns"))
    }
