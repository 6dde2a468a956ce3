"""Which model settings suit which conditions, one function per model: faults of two values together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Fault = tuple[str, str, str]


def tdgl_fault(settings: Mapping[str, Any], condition: Mapping[str, float]) -> Fault | None:
    """Say why a Ginzburg–Landau film cannot be simulated with these settings.

    Explicit Euler is stable while dt times the largest eigenvalue is below 2. That of −J∇², five-point on unit cells,
    is 8 J, so dt·8J/2 must be below 1. Necessary, not sufficient: cells of strong anisotropy are stiffer still.

    Parameters
    ----------
    settings : mapping
        Settings of the model, complete.
    condition : mapping
        Parameters of the film: J, D, and J_in, D_in where it has an inner region.

    Returns
    -------
    (key, what, fix) or None
        The setting at fault, the message and the remedy.
    """
    if settings["integrator"] == "euler":
        largest = max(condition["J"], condition.get("J_in", 0.0))
        if settings["dt"] * 8.0 * largest / 2.0 >= 1.0:
            what = f"explicit Euler with dt {settings['dt']:g} is unstable at J {largest:g}"
            return "dt", what, f"take dt below {1.0 / (4.0 * largest):g}"
    return None


SETTINGS_FAULT: dict[str, Callable[[Mapping[str, Any], Mapping[str, float]], Fault | None]] = {"tdgl": tdgl_fault}
