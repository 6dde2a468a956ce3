"""Which settings suit which conditions, one function per model: faults of two values together, and what is doubtful."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from weiss.llg.constants import MU0

Fault = tuple[str, str, str]


def tdgl_fault(settings: Mapping[str, Any], condition: Mapping[str, float]) -> Fault | None:
    """Say why a Ginzburg–Landau film cannot be simulated with these settings.

    Explicit Euler is stable while dt times the largest eigenvalue is below 2. That of −J∇², five-point on unit cells,
    is 8 J, so dt·8J/2 must be below 1. Necessary, not sufficient: cells of strong anisotropy are stiffer still.

    Parameters
    ----------
    settings : mapping
        Settings of the model, complete, and ny, nx.
    condition : mapping
        Parameters of the film: J, D, and J_in, D_in where it has an inner region.

    Returns
    -------
    (key, what, fix) or None
        The setting or parameter at fault, the message and the remedy.
    """
    if settings["integrator"] == "euler":
        largest = max(condition["J"], condition.get("J_in", 0.0))
        if settings["dt"] * 8.0 * largest / 2.0 >= 1.0:
            what = f"explicit Euler with dt {settings['dt']:g} is unstable at J {largest:g}"
            return "dt", what, f"take dt below {1.0 / (4.0 * largest):g}"
    return None


def llg_fault(settings: Mapping[str, Any], condition: Mapping[str, float]) -> Fault | None:
    """Say why a micromagnetic film cannot be simulated with these settings; as `tdgl_fault`."""
    for name in ("axis", "start_direction", "loop_direction"):
        if not any(settings[name]):
            return name, "a direction of length 0", "give three numbers that are not all 0"
    faults = (_demag_fault(settings), _grain_fault(settings), _stripes_fault(settings))
    return next(filter(None, faults), None) or _temperature_fault(settings, condition)


def _demag_fault(settings: Mapping[str, Any]) -> Fault | None:
    demag, periodic = settings["demag"], [settings[f"boundary_{axis}"] == "periodic" for axis in "xy"]
    opened = [axis for axis, flag in zip("xy", periodic, strict=True) if not flag]
    if demag == "film" and opened:
        fix = f"set boundary_{opened[0]}: periodic, or take demag: open or images"
        return "demag", f"demag 'film' is of an endless film, and the boundary along {opened[0]} is open", fix
    if demag == "open" and any(periodic):
        axis = "xy"[periodic.index(True)]
        return (
            "demag",
            f"demag 'open' leaves out the copies of a film that is periodic along {axis}",
            f"take demag: film or images, or set boundary_{axis}: open",
        )
    for axis, flag, count in zip("xy", periodic, settings["images"], strict=True):
        if demag == "images" and (count > 0) != flag:
            what = f"{count} images along {axis}, where the boundary is {'periodic' if flag else 'open'}"
            return "images", what, "a periodic direction needs images, an open one has none"
        if demag != "images" and count:
            return (
                "images",
                f"{count} images along {axis} with demag {demag!r}",
                "set demag: images or leave images out",
            )
    return None


def _grain_fault(settings: Mapping[str, Any]) -> Fault | None:
    size, edge = settings["grain_size"], max(settings["cell"][:2])
    if 0 < size < edge:
        return "grain_size", f"grains of {size:g} m are smaller than cells of {edge:g} m", "take larger grains, or 0"
    if size == 0 and settings["intergrain"] != 1:
        return "intergrain", "there are no grains whose boundaries could weaken the exchange", "set grain_size"
    return None


def _stripes_fault(settings: Mapping[str, Any]) -> Fault | None:
    length = settings["nx"] * settings["cell"][0]
    periods = length / settings["start_size"]
    if settings["start"] == "stripes" and settings["boundary_x"] == "periodic" and abs(periods - round(periods)) > 1e-6:
        what = f"stripes of period {settings['start_size']:g} m do not fit a film of {length:g} m, periodic along x"
        return "start_size", what, f"take {length / max(1, round(periods)):g}"
    return None


def _temperature_fault(settings: Mapping[str, Any], condition: Mapping[str, float]) -> Fault | None:
    if condition["temperature"] > 0 and settings["driver"] != "series":
        what = f"a temperature of {condition['temperature']:g} K with the driver {settings['driver']}, which knows none"
        return "temperature", what, "set driver: series, or leave the temperature out"
    if condition["temperature"] > 0 and condition["alpha"] == 0:
        return "alpha", "without damping there is no thermal field", "take alpha above 0"
    return None


def llg_doubts(films: Sequence[Mapping[str, Any]]) -> list[str]:
    """Cells larger than the exchange length √(2A/(µ0 Ms²)), where a wall may stick to the mesh: one line at most."""
    worst = None
    for params in films:
        counts = (params["nx"], params["ny"], params["layers"])
        edge = max((e for e, count in zip(params["cell"], counts, strict=True) if count > 1), default=0.0)
        length = math.sqrt(2 * params["A"] / MU0) / params["Ms"]
        if params["A"] > 0 and edge > length and (worst is None or edge / length > worst[0] / worst[1]):
            worst = edge, length, params
    if worst is None:
        return []
    edge, length, params = worst
    return [
        f"cells of {edge * 1e9:.3g} nm are larger than the exchange length of {length * 1e9:.3g} nm "
        f"(Ms {params['Ms']:g} A/m, A {params['A']:g} J/m)"
    ]


SETTINGS_FAULT: dict[str, Callable[[Mapping[str, Any], Mapping[str, float]], Fault | None]] = {
    "llg": llg_fault,
    "tdgl": tdgl_fault,
}
_DOUBTS: dict[str, Callable[[Sequence[Mapping[str, Any]]], list[str]]] = {"llg": llg_doubts}


def doubts(model: str, films: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is doubtful about films of one model, given their parameters: a line each, and nothing that stops them."""
    return _DOUBTS[model](films) if model in _DOUBTS else []
