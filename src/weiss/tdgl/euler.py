"""The reference integrator: explicit Euler with a fixed step, by default the paper's 0.1. Slow, and the yardstick of
the fast one."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from weiss.arrays import Array, namespace, to_host
from weiss.errors import SimulationError
from weiss.tdgl.loops import CROSSED, NOT_CROSSED, FilmResult, Loops, branch
from weiss.tdgl.model import Films
from weiss.tdgl.rhs import State
from weiss.tdgl.rkc import Equation, equation_of

FLIP_CHECK = 10
"""Avalanches are looked for every so many steps."""


def step(equation: Equation, state: State, t: float, dt: float, dipole: Array) -> np.ndarray:
    """Advance every film by one step, in place.

    Parameters
    ----------
    state : State
        Films at time `t`; m and low are overwritten.
    t, dt : float
        Time and time step, shared by the films.
    dipole : array shaped like the fields
        Scratch.

    Returns
    -------
    (films,) ndarray
        Mean dm/dt at the start: not finite as soon as one cell is not.
    """
    equation.evaluate(state, np.full(len(state.m), t), dipole)
    mean_rate = to_host(state.rate.mean(axis=(1, 2), dtype=np.float64))
    state.rate *= state.m.dtype.type(dt)
    which = np.zeros(len(state.m), int)
    equation.kernels.finish(equation.xp, state, [state.rate] * 3, which, equation.medium.m_most, state)
    return mean_rate


def run(films: Films, device: str) -> Iterator[tuple[int, FilmResult]]:
    """Explicit Euler through the sweep, with the crossing interpolated between the two steps around it."""
    xp, settings = namespace(device), films.settings
    equation, began = equation_of(films, xp), time.perf_counter()
    quarter, dt = float(settings["quarter"]), float(settings["dt"])
    opens, sign = branch(int(settings["crossing"]), quarter)
    state = State.like(films.m, xp)
    m = state.m
    m[...] = xp.asarray(films.m)
    before, dipole = m.copy(), xp.empty_like(m)
    loops, pending = Loops(len(m), settings), np.ones(len(m), bool)
    mean = to_host(m.mean(axis=(1, 2), dtype=np.float64)).astype(float)
    positive, avalanche, avalanches = m >= 0, np.zeros(len(m), bool), np.zeros(len(m), int)

    def result(film: int, pattern: Array, t: float, status: str, steps: int) -> FilmResult:
        h = float(equation.h_of(t)) if status == CROSSED else np.nan
        seconds = (time.perf_counter() - began) / len(m)
        m_end = to_host(pattern).astype(np.float32)
        t_end = t if status == CROSSED else np.nan
        loop = (loops.h.copy(), loops.m[film].copy())
        return FilmResult(m_end, *loop, t_end, h, status, steps, steps, 0, int(avalanches[film]), seconds)

    count = round(5 * quarter / dt)
    for k in range(count):
        before[...] = m
        mean_rate = step(equation, state, k * dt, dt, dipole)
        mean_before, mean = mean, to_host(m.mean(axis=(1, 2), dtype=np.float64)).astype(float)
        if k % FLIP_CHECK == 0:
            now = m >= 0
            flipped = to_host((now != positive).any(axis=(1, 2)))
            positive = now
            avalanches += flipped & ~avalanche
            avalanche = flipped
        for film in np.flatnonzero(pending):
            if not np.isfinite(mean_rate[film]):
                raise SimulationError(int(film), f"m is not finite at t = {k * dt:.6g}")
            share = 1.0
            crosses = k * dt >= opens and sign * mean_before[film] <= 0 < sign * mean[film]
            if crosses:
                share = mean_before[film] / (mean_before[film] - mean[film])
            slope = (mean[film] - mean_before[film]) / dt
            ends = (k * dt, (k + share) * dt)
            if ends[1] > ends[0]:
                value = (mean_before[film], mean_before[film] + share * (mean[film] - mean_before[film]))
                loops.record(film, ends, value, (slope, slope))
            if crosses:
                at_crossing = before[film] + m.dtype.type(share) * (m[film] - before[film])
                pending[film] = False
                yield int(film), result(film, at_crossing, ends[1], CROSSED, k + 1)
        if not pending.any():
            return
    for film in np.flatnonzero(pending):
        yield int(film), result(film, m[film], 5 * quarter, NOT_CROSSED, count)
