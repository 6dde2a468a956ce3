"""Values with their units and prefixes, as text. Light to import: what trains and what writes the report asks, too."""

from __future__ import annotations

import math

PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}


def power_of(value: float, unit: str) -> int:
    """Power of ten of the prefix that suits a value; 0 for one without unit."""
    if unit == "1" or not value or not math.isfinite(value):
        return 0
    return min(max(3 * math.floor(math.log10(abs(value)) / 3 + 1e-9), min(PREFIXES)), max(PREFIXES))


def prefixed(unit: str, power: int = 0) -> str:
    """Write a unit with the prefix of a power of ten."""
    return "dimensionless" if unit == "1" else f"{PREFIXES[power]}{unit}".replace("^2", "²").replace("^3", "³")


def quantity(value: float, unit: str = "1", digits: int = 4) -> str:
    """Write a value with its unit and the prefix that suits it, ``1.1 MA/m``; a dimensionless one alone."""
    if unit == "1":
        return f"{value:g}"
    # Rounded first: 999.6 µJ/m² is 1 mJ/m².
    value = float(f"{value:.{digits}g}")
    power = power_of(value, unit)
    return f"{value / 10.0**power:.{digits}g} {prefixed(unit, power)}"
