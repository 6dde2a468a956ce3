"""Fixed steps of Dormand and Prince's method of order 8 (Hairer, Nørsett, Wanner, Solving ODEs I, table of DOP853).

Twelve evaluations a step. Over the 10 ps of a dispersion relation it beat orders 4 and 5 at every accuracy better than
a per cent: see docs/spsll.md.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
from scipy.integrate import DOP853

from weiss.arrays import Array
from weiss.spsll.chain import Medium, rate

STAGES = 12
WEIGHTS = np.ascontiguousarray(np.vstack([DOP853.A[:STAGES, :STAGES], DOP853.B[None, :STAGES]]))
"""(13, 12): row i makes the state of stage i from the rates before it, the last row the end of the step."""

OSCILLATING, DAMPED = 2.0, 6.0
"""Largest step × `chain.fastest` × |1 + i α|: for accuracy where waves run on; where damping ends them, for stability
(the limit is 6.5 on the ray of α = 1)."""


def step(xp: ModuleType, m: Array, s: Array, medium: Medium, dt: Array) -> Array:
    """m after one step, (points, 3, cells); `dt` is (points, 1, 1) in units of 1/(γ µ0 Ms)."""
    rates = [rate(xp, m, s, medium)]
    for row in WEIGHTS[1:]:
        state = m + dt * sum(weight * k for weight, k in zip(row, rates, strict=False) if weight != 0)
        if len(rates) < STAGES:
            rates.append(rate(xp, state, s, medium))
    return state
