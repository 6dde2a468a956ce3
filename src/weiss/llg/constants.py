"""Physical constants in SI units (CODATA 2018; µ0 to the digits that matter here)."""

from __future__ import annotations

import math

MU0 = 4e-7 * math.pi
"""Vacuum permeability, in T m/A."""

BOLTZMANN = 1.380649e-23
"""Boltzmann's constant, in J/K."""

GAMMA0 = 2.211e5
"""Default γ0 = µ0 γ in dm/dt = −γ0 m × H, in m/(A s): the value of µMAG standard problem 4."""
