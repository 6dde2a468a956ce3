"""What is kept of a chain: of a wall, of a dispersion relation, or of the latter with its whole spectrum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from weiss.spsll.spectrum import OK, wavenumbers
from weiss.variables import Coordinate, Ending, Variable

_END = {
    "status": Variable((), "str", "1", "ok, or what went wrong"),
    "reason": Variable((), "str", "1", "more about what went wrong"),
}
WALL: dict[str, Variable] = {
    "mz": Variable(("x",), "<f8", "1", "m_z of the wall; nan without one"),
    "width_m": Variable((), "<f8", "m", "width of the wall; nan without one"),
    "error_m": Variable((), "<f8", "m", "error of the width, from its last harmonics"),
    "position_m": Variable((), "<f8", "m", "where m_z passes zero"),
    "torque_T": Variable((), "<f8", "T", "largest torque left, mu0 |m x H|"),
    "time_s": Variable((), "<f8", "s", "time until the wall was relaxed, or all that it was given"),
} | _END
DISPERSION: dict[str, Variable] = {
    "ridge_THz": Variable(("k",), "<f8", "THz", "frequency of the largest amplitude; nan without one"),
    "X_THz": Variable((), "<f8", "THz", "least-squares X of gap + X (1 - cos ak)"),
    "misfit_THz": Variable((), "<f8", "THz", "mean distance between the ridge and that curve"),
    "norm_drift": Variable((), "<f8", "1", "largest | |m| - 1 | at the end"),
    "energy_change": Variable((), "<f8", "1", "energy at the end over that at the start, less 1"),
    "steps": Variable((), "<i8", "1", "time steps between two records"),
} | _END
SPECTRUM: dict[str, Variable] = {
    "amplitude": Variable(("frequency", "k"), "<f4", "1", "amplitude of m_x + i m_y; nan without one")
} | DISPERSION
FINITE = ()
"""None: a chain that failed has no numbers, its status says so."""
ENDING = Ending((OK,), "gave a result", "gave no result", "chains")

_KINDS = {"wall": WALL, "dispersion": DISPERSION, "spectrum": SPECTRUM}


def variables(params: Mapping[str, Any]) -> dict[str, Variable]:
    """What is kept of a chain, by its setting ``what``."""
    return _KINDS[params["what"]]


def frequencies(params: Mapping[str, Any]) -> np.ndarray:
    """Positive half of the frequency grid of a record, in THz."""
    samples = round(params["duration_s"] / params["sample_s"])
    return np.fft.fftfreq(samples, params["sample_s"])[: samples // 2] / 1e12


def sizes(params: Mapping[str, Any]) -> dict[str, int]:
    """Lengths of the dimensions of a chain's arrays."""
    cells = int(params["cells"])
    if params["what"] == "wall":
        return {"x": cells}
    return {"k": cells} | ({"frequency": frequencies(params).size} if params["what"] == "spectrum" else {})


def coordinates(params: Mapping[str, Any]) -> dict[str, Coordinate]:
    """What stands along the dimensions of a group's chains: sites, wavenumbers, frequencies."""
    cells = int(params["cells"])
    if params["what"] == "wall":
        x = (np.arange(cells) - cells // 2) * params["a"]
        return {"x": Coordinate(x, "<f8", "m", "site; the wall starts at 0")}
    k = np.fft.fftshift(wavenumbers(cells, params["a"]))
    found = {"k": Coordinate(k, "<f8", "rad/m", "wavenumber")}
    if params["what"] == "spectrum":
        found["frequency"] = Coordinate(frequencies(params), "<f8", "THz", "frequency")
    return found
