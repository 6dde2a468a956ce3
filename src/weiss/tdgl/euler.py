"""The reference integrator: explicit Euler with a fixed step, as in the paper. Slow, and the yardstick of the fast
one."""

from __future__ import annotations

import numpy as np

from weiss.arrays import Array, to_host
from weiss.tdgl.rhs import add
from weiss.tdgl.rkc import Equation


def step(equation: Equation, m: Array, low: Array, t: float, dt: float, dipole: Array, rate: Array) -> np.ndarray:
    """Advance every film by one step, in place.

    Parameters
    ----------
    m, low : (films, ny, nx) array
        State, as the pair of `rhs`; overwritten.
    t, dt : float
        Time and time step, shared by the films.
    dipole, rate : arrays shaped like `m`
        Scratch.

    Returns
    -------
    (films,) ndarray
        Mean dm/dt at the start: not finite as soon as one cell is not.
    """
    live = np.ones(len(m), bool)
    equation.rate(m, low, np.full(len(m), t), dipole, rate, live)
    mean_rate = to_host(rate.mean(axis=(1, 2), dtype=np.float64))
    rate *= m.dtype.type(dt)
    rate += low
    m[...], low[...] = add(m, rate)
    equation.kernels.clip(equation.xp, m, low, equation.medium.m_most, live)
    return mean_rate
