"""From the parameters of a point of a study to a film and its state before the driver starts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from weiss.llg import states
from weiss.llg.film import Film
from weiss.llg.grains import Ku1_per_cell, Ku1_per_grain, voronoi
from weiss.llg.mesh import Mesh

Params = Mapping[str, Any]

FILM_PARAMETERS = (
    "Ms",
    "A",
    "Ku1",
    "Ku2",
    "D_bulk",
    "D_interfacial",
    "sigma",
    "alpha",
    "temperature",
    "Bx",
    "By",
    "Bz",
)
"""What may differ between films that run in one batch; all other settings are shared."""


def mesh_of(params: Params) -> Mesh:
    """The mesh of a point."""
    return Mesh(
        (params["nx"], params["ny"], params["layers"]),
        tuple(params["cell"]),
        (params["boundary_x"] == "periodic", params["boundary_y"] == "periodic", False),
    )


def film_of(params: Params, seed: int) -> Film:
    """The film of a point. Its seed draws the grains, the dispersion of Ku1, the random state and the thermal field."""
    mesh = mesh_of(params)
    grains = voronoi(mesh, params["grain_size"], seed) if params["grain_size"] else None
    Ku1 = params["Ku1"]
    if params["sigma"]:
        drawn = (Ku1, params["sigma"], seed)
        Ku1 = Ku1_per_cell(mesh, *drawn) if grains is None else Ku1_per_grain(grains, *drawn)
    return Film(
        Ms=params["Ms"],
        A=params["A"],
        Ku1=Ku1,
        Ku2=params["Ku2"],
        axis=tuple(params["axis"]),
        D_bulk=params["D_bulk"],
        D_interfacial=params["D_interfacial"],
        alpha=params["alpha"],
        B=(params["Bx"], params["By"], params["Bz"]),
        temperature=params["temperature"],
        intergrain=params["intergrain"],
        grains=grains,
        seed=seed,
        gamma0=params["gamma0"],
    )


def start_of(params: Params, seed: int) -> np.ndarray:
    """State of a point before its driver starts, (3, nz, ny, nx) float64."""
    mesh, start, size, wall = mesh_of(params), params["start"], params["start_size"], params["start_wall"]
    if start == "random":
        return states.random(mesh, seed)
    if start == "stripes":
        return states.stripes(mesh, size, wall, kind=params["start_wall_kind"])
    if start == "vortex":
        return states.vortex(mesh, size)
    if start == "skyrmion":
        return states.skyrmion(mesh, size, wall, helicity=math.pi / 2 if params["start_wall_kind"] == "bloch" else 0.0)
    return states.uniform(mesh, params["start_direction"])


def loop_fields(params: Params) -> np.ndarray:
    """Fields of the hysteresis loop in T, (2 loop_steps + 1, 3): from +loop_B to −loop_B and back."""
    way = np.linspace(1.0, -1.0, params["loop_steps"] + 1)
    direction = np.asarray(params["loop_direction"], float)
    return np.outer(np.concatenate([way, way[-2::-1]]), params["loop_B"] * direction / np.linalg.norm(direction))
