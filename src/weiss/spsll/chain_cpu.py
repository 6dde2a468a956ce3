"""Compiled twin of `chain` and `dop853` for the CPU: one chain after the other, every array of it in the near caches.

A chain's rounding does not depend on what else is in the batch. Contraction (fused multiply-add) is the only liberty
given to the compiler.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from weiss.spsll.chain import Medium
from weiss.spsll.dop853 import WEIGHTS

_OPTIONS = {"cache": True, "nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}


@njit(**_OPTIONS)
def _weigh(m, s, J, periodic, w):  # type: ignore[no-untyped-def]
    """J s m with a site more at either end."""
    cells = m.shape[1]
    for c in range(3):
        for j in range(cells):
            w[c, j + 1] = J * s[j] * m[c, j]
        w[c, 0] = w[c, cells] if periodic else 0.0
        w[c, cells + 1] = w[c, 1] if periodic else 0.0


@njit(**_OPTIONS)
def _rate(m, s, J, h, alpha, periodic, w, out):  # type: ignore[no-untyped-def]
    _weigh(m, s, J, periodic, w)
    for j in range(m.shape[1]):
        x, y, z = m[0, j], m[1, j], m[2, j]
        hx, hy = w[0, j] + w[0, j + 2], w[1, j] + w[1, j + 2]
        hz = w[2, j] + w[2, j + 2] + h * z
        cx, cy, cz = y * hz - z * hy, z * hx - x * hz, x * hy - y * hx
        out[0, j] = -(cx + alpha * (y * cz - z * cy))
        out[1, j] = -(cy + alpha * (z * cx - x * cz))
        out[2, j] = -(cz + alpha * (x * cy - y * cx))


@njit(**_OPTIONS)
def _torque(m, s, J, h, periodic, w):  # type: ignore[no-untyped-def]
    _weigh(m, s, J, periodic, w)
    largest = 0.0
    for j in range(m.shape[1]):
        x, y, z = m[0, j], m[1, j], m[2, j]
        hx, hy = w[0, j] + w[0, j + 2], w[1, j] + w[1, j + 2]
        hz = w[2, j] + w[2, j + 2] + h * z
        cx, cy, cz = y * hz - z * hy, z * hx - x * hz, x * hy - y * hx
        largest = max(largest, cx * cx + cy * cy + cz * cz)
    return np.sqrt(largest)


@njit(**_OPTIONS)
def _advance(m, s, J, h, alpha, periodic, dt, steps, w, rates):  # type: ignore[no-untyped-def]
    cells, stages = m.shape[1], WEIGHTS.shape[1]
    state = rates[stages]
    for _ in range(steps):
        _rate(m, s, J, h, alpha, periodic, w, rates[0])
        for i in range(1, stages + 1):
            state[:] = m
            for before in range(i):
                weight = dt * WEIGHTS[i, before]
                if weight != 0:
                    k = rates[before]
                    for c in range(3):
                        for j in range(cells):
                            state[c, j] += weight * k[c, j]
            if i < stages:
                _rate(state, s, J, h, alpha, periodic, w, rates[i])
        m[:] = state


@njit(**_OPTIONS)
def _record(m, s, J, h, alpha, dt, steps, out_x, out_y):  # type: ignore[no-untyped-def]
    cells = m.shape[1]
    w, rates = np.empty((3, cells + 2)), np.empty((WEIGHTS.shape[0], 3, cells))
    for i in range(out_x.shape[0]):
        if i > 0:
            _advance(m, s, J, h, alpha, True, dt, steps, w, rates)
        out_x[i] = m[0]
        out_y[i] = m[1]


@njit(**_OPTIONS)
def _settle(m, s, J, h, alpha, periodic, dt, steps, every, limit):  # type: ignore[no-untyped-def]
    cells = m.shape[1]
    w, rates = np.empty((3, cells + 2)), np.empty((WEIGHTS.shape[0], 3, cells))
    done = 0
    while True:
        found = _torque(m, s, J, h, periodic, w)
        if not found > limit or done >= steps:
            return done, found
        now = min(every, steps - done)
        _advance(m, s, J, h, alpha, periodic, dt, now, w, rates)
        for j in range(cells):
            length = np.sqrt(m[0, j] ** 2 + m[1, j] ** 2 + m[2, j] ** 2)
            if length > 0:  # a vacancy has no direction
                m[0, j] /= length
                m[1, j] /= length
                m[2, j] /= length
        done += now


def record(m: np.ndarray, s: np.ndarray, medium: Medium, dt: float, steps: int, samples: int) -> np.ndarray:
    """Follow one periodic chain, (3, cells), in place: m_x + i m_y at the start and after every `steps` steps of dt,
    (samples, cells)."""
    found = np.empty((2, samples, m.shape[1]))
    _record(m, s, medium.J, medium.h, medium.alpha, dt, steps, found[0], found[1])
    return found[0] + 1j * found[1]


def settle(
    m: np.ndarray, s: np.ndarray, medium: Medium, dt: float, steps: int, every: int, limit: float
) -> tuple[int, float]:
    """Follow one chain, (3, cells), in place for at most so many steps, until its torque is at most `limit`.

    |m| is set to 1 again and the torque looked at after `every` steps.

    Returns
    -------
    steps : int
        Steps taken.
    torque : float
        Largest |m × H| at the end, in units of Ms.
    """
    return _settle(m, s, medium.J, medium.h, medium.alpha, medium.periodic, dt, steps, every, limit)
