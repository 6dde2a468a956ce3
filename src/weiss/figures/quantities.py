"""Values with their units and prefixes, as text. Light to import: what trains and what writes the report asks, too."""

from __future__ import annotations

import math

PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}


WITH_PREFIX = ("THz",)
"""Units that have a prefix already, and get no other."""


def power_of(value: float, unit: str) -> int:
    """Power of ten of the prefix that suits a value; 0 for one without unit, or whose unit has a prefix."""
    if unit == "1" or unit in WITH_PREFIX or not value or not math.isfinite(value):
        return 0
    return min(max(3 * math.floor(math.log10(abs(value)) / 3 + 1e-9), min(PREFIXES)), max(PREFIXES))


def prefixed(unit: str, power: int = 0) -> str:
    """Write a unit with the prefix of a power of ten."""
    return "dimensionless" if unit == "1" else f"{PREFIXES[power]}{unit}".replace("^2", "²").replace("^3", "³")


def spread(mean: float, deviation: float, unit: str, digits: int = 3) -> str:
    """Write a mean and what it is scattered by with one prefix and to the same place, ``−12.3 ± 4.1 mT``.

    That is the second digit of the scatter, or the last of `digits` of the mean; a dash where there is no mean.
    """
    if not math.isfinite(mean):
        return "–"
    if not math.isfinite(deviation):
        return quantity(mean, unit, digits).replace("-", "−")
    largest = float(f"{max(abs(mean), deviation):.{digits}g}")
    power = power_of(largest, unit)
    last = [
        most - 1 - math.floor(math.log10(value / 10.0**power) + 1e-9)
        for value, most in ((largest, digits), (float(f"{deviation:.2g}"), 2))
        if value
    ]
    places = max(min(last, default=0), 0)
    values = (f"{value / 10.0**power:.{places}f}" for value in (mean, deviation))
    return f"{' ± '.join(values)} {prefixed(unit, power)}".replace("-", "−")


def quantity(value: float, unit: str = "1", digits: int = 4) -> str:
    """Write a value with its unit and the prefix that suits it, ``1.1 MA/m``; a dimensionless one alone."""
    if unit == "1":
        return f"{value:g}"
    # Rounded first: 999.6 µJ/m² is 1 mJ/m².
    value = float(f"{value:.{digits}g}")
    power = power_of(value, unit)
    return f"{value / 10.0**power:.{digits}g} {prefixed(unit, power)}"
