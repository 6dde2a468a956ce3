"""Which settings suit which conditions, by model: faults of several values together, and what is doubtful."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from weiss.llg.constants import BOLTZMANN, MOST_NOISE, MU0
from weiss.spsll.settings import settings_of
from weiss.spsll.spectrum import OK, check

Fault = tuple[str, str, str]

LEAST_PERIOD = 4
"""Cells in the shortest period of stripes: two up, two down."""

_ROUNDING = 1e-5
"""Share by which lengths may miss a limit: messages give six digits of them."""


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
    faults = (_demag_fault(settings), _grain_fault(settings), _start_fault(settings))
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


def _start_fault(settings: Mapping[str, Any]) -> Fault | None:
    if settings["start"] == "stripes":
        return _stripes_fault(settings)
    if settings["start"] not in ("vortex", "skyrmion"):
        return None
    edges, size = settings["cell"], settings["start_size"]
    least, most = max(edges[:2]), min(settings["nx"] * edges[0], settings["ny"] * edges[1]) / 2
    if least * (1 - _ROUNDING) <= size <= most * (1 + _ROUNDING):
        return None
    what = f"a {settings['start']} of radius {size:g} m in cells of {least:g} m and a film of {2 * most:g} m"
    return "start_size", what, f"take {least:g} to {most:g}"


def _stripes_fault(settings: Mapping[str, Any]) -> Fault | None:
    edge, cells, period, wall = settings["cell"][0], settings["nx"], settings["start_size"], settings["start_wall"]
    length, least = cells * edge, LEAST_PERIOD * edge
    if not least * (1 - _ROUNDING) <= period <= length * (1 + _ROUNDING):
        what = f"stripes of period {period:g} m in cells of {edge:g} m and a film of {length:g} m along x"
        return "start_size", what, f"take {least:g} to {length:g}"
    periods = length / period
    if settings["boundary_x"] == "periodic" and abs(periods - round(periods)) > 1e-6:
        what = f"stripes of period {period:g} m do not fit a film of {length:g} m, periodic along x"
        return "start_size", what, f"take {length / min(round(periods), cells // LEAST_PERIOD):.12g}"
    if wall > period / 2 * (1 + _ROUNDING):
        what = f"walls of {wall:g} m are wider than half the period of the stripes, {period / 2:g} m"
        return "start_wall", what, f"take at most {period / 2:g}"
    return None


def _temperature_fault(settings: Mapping[str, Any], condition: Mapping[str, float]) -> Fault | None:
    if condition["temperature"] > 0 and settings["driver"] != "series":
        what = f"a temperature of {condition['temperature']:g} K with the driver {settings['driver']}, which knows none"
        return "temperature", what, "set driver: series, or leave the temperature out"
    if condition["temperature"] > 0 and condition["alpha"] == 0:
        return "alpha", "without damping there is no thermal field", "take alpha above 0"
    if condition["temperature"] > 0 and settings["settle_time"] > 0:
        what = f"a settle_time of {settings['settle_time']:g} s at {condition['temperature']:g} K: settling knows none"
        return "settle_time", what, "leave it out"
    return None


def llg_step_fault(settings: Mapping[str, Any], conditions: Sequence[Mapping[str, float]]) -> Fault | None:
    """Say why the films of a group cannot share the time step dt: noise turns m too far in it.

    The limit is that of `weiss.llg.drivers.thermal`, which refuses such a step when a film runs.

    Parameters
    ----------
    settings : mapping
        Settings of the model, complete.
    conditions : sequence of mapping
        Parameters of the films, complete.

    Returns
    -------
    (key, what, fix) or None
        For the condition that bears the shortest step.
    """
    if settings["driver"] != "series":
        return None
    turn, worst = max(((_noise_turn(settings, condition), condition) for condition in conditions), key=lambda c: c[0])
    if turn * math.sqrt(settings["dt"]) <= MOST_NOISE:
        return None
    what = (
        f"in a step of {settings['dt']:g} s noise alone turns m by {turn * math.sqrt(settings['dt']):.2g} rad "
        f"({worst['temperature']:g} K, Ms {worst['Ms']:g} A/m, alpha {worst['alpha']:g})"
    )
    return "dt", what, f"take at most {_rounded_down((MOST_NOISE / turn) ** 2)}"


def _noise_turn(settings: Mapping[str, Any], condition: Mapping[str, float]) -> float:
    """γ0 h √Δt/√(1+α²) with the thermal field h of a cell; see `weiss.llg.terms.thermal`. In radians, for 1 s."""
    x, y, z = settings["cell"]
    gamma0, alpha = settings["gamma0"], condition["alpha"]
    square = 2 * alpha * BOLTZMANN * condition["temperature"] / (gamma0 * MU0 * (x * y * z) * condition["Ms"])
    return gamma0 * math.sqrt(square) / math.sqrt(1 + alpha**2)


def _rounded_down(value: float) -> str:
    """A positive number with two digits, not larger than it is."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return f"{math.floor(value / unit) * unit:.1e}"


def llg_learn_fault(params: Mapping[str, Any], targets: Sequence[str]) -> tuple[str | None, str, str] | None:
    """Say why nothing can be learned from a micromagnetic film.

    A uniform film may break up from its kick, whichever way the seed has it; the other starts near a state of rest go
    back to it.

    Parameters
    ----------
    params : mapping
        Parameters of the film, complete.
    targets : sequence of str
        Parameters to learn.

    Returns
    -------
    (target, what, fix) or None
        The target at fault, None where it is the film; the message and the remedy.
    """
    if "alpha" in targets and not _damped(params):
        what = f"films do not depend on alpha with driver {params['driver']!r} and no settle_time"
        return "alpha", what, "leave it out"
    if not (_drawn(params) or (_kicked(params) and params["start"] == "uniform")):
        what = f"seeds make no difference with start {params['start']!r}: films to train on and to test on are the same"
        return None, what, "set start: random, or give sigma (and Ku1), grains with an intergrain, or a temperature"
    return None


def _damped(params: Mapping[str, Any]) -> bool:
    """Whether a film depends on alpha: one that is only relaxed does not."""
    return params["driver"] == "series" or params["settle_time"] > 0


def _kicked(params: Mapping[str, Any]) -> bool:
    return params["kick"] > 0 and params["driver"] != "series"


def _drawn(params: Mapping[str, Any]) -> bool:
    """Whether a film depends on its seed by more than a kick."""
    dispersed = params["sigma"] > 0 and params["Ku1"] != 0
    bounded = params["grain_size"] > 0 and params["intergrain"] != 1 and params["A"] > 0
    return params["start"] == "random" or dispersed or bounded or params["temperature"] > 0


def llg_doubts(films: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is doubtful about micromagnetic films: coarse cells, values that change nothing, and copies; a line each."""
    return [*_coarse(films), *_idle(films), *_copies(films)]


def _coarse(films: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Cells larger than the exchange length √(2A/(µ0 Ms²)), where a wall may stick to the mesh: the worst of them."""
    worst = None
    for params in films:
        counts = (params["nx"], params["ny"], params["layers"])
        edge = max((e for e, count in zip(params["cell"], counts, strict=True) if count > 1), default=0.0)
        length = math.sqrt(2 * params["A"] / MU0) / params["Ms"]
        if params["A"] > 0 and edge > length and (worst is None or edge / length > worst[0] / worst[1]):
            worst = edge, length, params
    if worst is not None:
        edge, length, params = worst
        yield (
            f"cells of {edge * 1e9:.3g} nm are larger than the exchange length of {length * 1e9:.3g} nm "
            f"(Ms {params['Ms']:g} A/m, A {params['A']:g} J/m)"
        )


def _idle(films: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Values that change nothing."""
    if len({params["alpha"] for params in films if not _damped(params)}) > 1:
        yield f"alpha is varied, and films do not depend on it with driver {films[0]['driver']!r} and no settle_time"
    count = sum(params["sigma"] > 0 and params["Ku1"] == 0 for params in films)
    if count:
        yield f"sigma changes nothing in {count} of {len(films)} films: it disperses Ku1, which is 0"
    count = sum(params["grain_size"] > 0 and params["sigma"] == 0 and params["intergrain"] == 1 for params in films)
    if count:
        yield f"grains change nothing in {count} of {len(films)} films: sigma is 0 and intergrain is 1"


def _copies(films: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Films that differ by a seed that draws next to nothing; those of one condition follow one another."""
    count = sum(one == other and not _drawn(one) for one, other in pairwise(films))
    if count:
        copies, drawn = ("near copies", "the kick alone") if _kicked(films[0]) else ("copies", "nothing")
        yield (
            f"{count} of {len(films)} films are {copies} of others: seeds draw {drawn} with start "
            f"{films[0]['start']!r} and neither dispersion, grains nor temperature"
        )


def spsll_fault(settings: Mapping[str, Any], condition: Mapping[str, float]) -> Fault | None:
    """Say why no chain can be solved with these settings; as `tdgl_fault`. What is wrong with a condition alone (σ = 0,
    τ longer than the chain …) is found in solving it, and kept as its status."""
    if not settings["Hk"] > settings["Ms"]:
        return "Hk", "the magnetisation would not stand along z: Hk is not above Ms", "give a larger Hk"
    half = settings["cells"] * settings["a"] / 2
    for name in ("dispersion_window_origin", "wall_window_origin"):
        origin = settings[name]
        if origin not in ("excitation", "edge") and (isinstance(origin, str) or abs(origin) > half):
            fix = f"give excitation, edge, or a distance in m within {half:g}"
            return name, f"{origin!r} is no place on the chain", fix
    if settings["ends"] == "periodic" and settings["relaxation"] == "implicit":
        return "ends", "implicit relaxation has free ends only", "set relaxation: dynamics"
    if not settings["error_harmonics"] < settings["harmonics"] <= 2 * settings["cells"]:
        what = f"{settings['harmonics']} harmonics, the last {settings['error_harmonics']} of them for the error"
        fix = f"take at most {2 * settings['cells']}, and fewer for the error"
        return "harmonics", what, fix
    if settings["duration_s"] < 2 * settings["sample_s"]:
        return "duration_s", "a record of less than two samples", "take a longer one"
    return None


SETTINGS_FAULT: dict[str, Callable[[Mapping[str, Any], Mapping[str, float]], Fault | None]] = {
    "llg": llg_fault,
    "spsll": spsll_fault,
    "tdgl": tdgl_fault,
}
GROUP_FAULT: dict[str, Callable[[Mapping[str, Any], Sequence[Mapping[str, float]]], Fault | None]] = {
    "llg": llg_step_fault
}
LEARN_FAULT: dict[str, Callable[[Mapping[str, Any], Sequence[str]], tuple[str | None, str, str] | None]] = {
    "llg": llg_learn_fault
}


def spsll_doubts(films: Sequence[Mapping[str, Any]]) -> list[str]:
    """Chains that will fail, by what is wrong with them: one line at most."""
    settings = settings_of(films[0])
    found = Counter(check(film["sigma"], film["tau"], settings)[0] for film in films)
    bad = ", ".join(f"{count} × {status}" for status, count in found.items() if status != OK)
    return [f"{len(films) - found[OK]} of {len(films)} chains will fail ({bad})"] if bad else []


_DOUBTS: dict[str, Callable[[Sequence[Mapping[str, Any]]], list[str]]] = {"llg": llg_doubts, "spsll": spsll_doubts}


def doubts(model: str, films: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is doubtful about films of one model, given their parameters: a line each, and nothing that stops them."""
    return _DOUBTS[model](films) if model in _DOUBTS else []
