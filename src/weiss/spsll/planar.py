r"""A wall in a plane, by implicit steps: how walls are relaxed.

Nothing in the chain prefers a direction in the x–y plane: a wall at rest lies in a plane, m = (sin θ, 0, cos θ), with

.. math:: s_j\,\dot\theta_j = \alpha F_j = -\alpha\,\partial E/\partial\theta_j,\qquad
          E = -J\sum_j s_j s_{j+1}\cos(\theta_j-\theta_{j+1}) - \tfrac h2\sum_j s_j\cos^2\theta_j

(Eq. 1 within the plane; the precession it leaves out turns the plane and moves nothing at rest). −∂F/∂θ is tridiagonal
and symmetric. A step solves (s/Δt − ∂F/∂θ) δ = F, the linearly implicit Euler method, and Δt grows as the torque falls:
first steps follow the motion, last ones are nearly Newton's. A mode that would need longer than the given time is not
hurried, because no step is longer than a twentieth of it and together they never exceed it.

A state at rest may be one that the smallest push destroys. The signs of the pivots tell whether any mode grows by more
than a factor e within the given time. If one does, the wall is pushed a tenth of a site along the chain, once, and goes
on from there: a narrow wall that began on a site then settles between two.

Times are in units of 1/(γ µ0 Ms α), fields in units of Ms; θ and s are (points, cells); ends are free.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
from numba import njit

from weiss.arrays import Array

_OPTIONS = {"cache": True, "nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}

RELAXED, NOT_RELAXED, UNSTABLE = 0, 1, 2
"""How a relaxation ended."""

FIRST = 0.1
"""First step, in units of the local field's time 1/h."""
LARGEST_TURN = 0.3
"""Largest change of an angle in one step, in rad; a step with a larger one is made shorter."""
GROWTH, SHRINK = 3.0, 0.25
"""Most by which a step may grow over the last, and what a refused step is multiplied by."""
LONGEST = 0.05
"""Longest step, as a share of the given time."""
PUSH = 0.1
"""Sites by which an unstable wall is pushed."""
MOST_STEPS = 2000


@njit(**_OPTIONS)
def _forces(theta, s, J, h, cos_bond, force):  # type: ignore[no-untyped-def]
    """F_j and the couplings J s_j s_{j+1} cos(θ_{j+1} − θ_j) at θ; the largest torque |m × H|."""
    cells = theta.size
    for j in range(cells):
        force[j] = -h * s[j] * np.sin(theta[j]) * np.cos(theta[j])
    for j in range(cells - 1):
        bond, turn = J * s[j] * s[j + 1], theta[j + 1] - theta[j]
        pull = bond * np.sin(turn)
        cos_bond[j] = bond * np.cos(turn)
        force[j] += pull
        force[j + 1] -= pull
    largest = 0.0
    for j in range(cells):
        largest = max(largest, abs(force[j]) / s[j])
    return largest


@njit(**_OPTIONS)
def _solve(theta, s, h, cos_bond, force, inverse_dt, pivots, delta):  # type: ignore[no-untyped-def]
    """(s/Δt − ∂F/∂θ) δ = F by elimination; the smallest pivot over s_j, negative if the matrix is not positive."""
    cells = theta.size
    smallest = np.inf
    for j in range(cells):
        pivot = s[j] * (inverse_dt + h * np.cos(2 * theta[j]))
        value = force[j]
        if j < cells - 1:
            pivot += cos_bond[j]
        if j > 0:
            pivot += cos_bond[j - 1]
            ratio = cos_bond[j - 1] / pivots[j - 1]
            pivot -= ratio * cos_bond[j - 1]
            value += ratio * delta[j - 1]
        pivots[j] = pivot
        delta[j] = value
        smallest = min(smallest, pivot / s[j])
    delta[cells - 1] /= pivots[cells - 1]
    for j in range(cells - 2, -1, -1):
        delta[j] = (delta[j] + cos_bond[j] * delta[j + 1]) / pivots[j]
    return smallest


@njit(**_OPTIONS)
def _relax(theta, s, J, h, duration, limit):  # type: ignore[no-untyped-def]
    cells = theta.size
    cos_bond, force, pivots, delta = np.empty(cells), np.empty(cells), np.empty(cells), np.empty(cells)
    trial, trial_bond, trial_force = np.empty(cells), np.empty(cells), np.empty(cells)
    torque = _forces(theta, s, J, h, cos_bond, force)
    t, dt, pushed = 0.0, FIRST / h, False
    for step in range(MOST_STEPS):
        if torque <= limit:
            if _solve(theta, s, h, cos_bond, force, 1 / duration, pivots, delta) > 0:
                return RELAXED, torque, t, step
            if pushed:
                return UNSTABLE, torque, t, step
            pushed, dt = True, FIRST / h
            trial[:] = theta
            for j in range(1, cells - 1):
                theta[j] += PUSH / 2 * (trial[j + 1] - trial[j - 1])
            torque = _forces(theta, s, J, h, cos_bond, force)
        if not t < duration * (1 - 1e-12):
            break
        dt = min(dt, LONGEST * duration, duration - t)
        positive = _solve(theta, s, h, cos_bond, force, 1 / dt, pivots, delta) > 0
        turn = 0.0
        for j in range(cells):
            turn = max(turn, abs(delta[j]))
            trial[j] = theta[j] + delta[j]
        if not positive or not turn <= LARGEST_TURN:
            dt *= SHRINK
            continue
        now = _forces(trial, s, J, h, trial_bond, trial_force)
        if not np.isfinite(now):
            break
        theta[:], cos_bond[:], force[:] = trial, trial_bond, trial_force
        t += dt
        dt *= min(GROWTH, max(1.0, torque / now)) if now > 0 else 1.0
        torque = now
    return NOT_RELAXED, torque, t, step


@njit(**_OPTIONS)
def _relax_each(theta, s, J, h, duration, limit, ended, torque, t, steps):  # type: ignore[no-untyped-def]
    for i in range(theta.shape[0]):
        ended[i], torque[i], t[i], steps[i] = _relax(theta[i], s[i], J, h, duration, limit)


Relaxed = tuple[Array, Array, Array, Array]
"""ended (RELAXED, NOT_RELAXED or UNSTABLE), the largest torque |m × H| at the end in units of Ms, the time that the
steps add up to, and the number of steps: (points,) each."""


def relax(theta: np.ndarray, s: np.ndarray, J: float, h: float, duration: float, limit: float) -> Relaxed:
    """Relax walls, (points, cells), in place, one after the other, each until its torque is at most `limit` or
    `duration` is over."""
    points = len(theta)
    found = np.empty(points, int), np.empty(points), np.empty(points), np.empty(points, int)
    _relax_each(theta, s, J, h, duration, limit, *found)
    return found


def forces(xp: ModuleType, theta: Array, s: Array, J: float, h: float) -> tuple[Array, Array, Array]:
    """F, the couplings of bonds, and each chain's largest torque: (points, cells), (points, cells − 1), (points,)."""
    bond, turn = J * s[:, :-1] * s[:, 1:], theta[:, 1:] - theta[:, :-1]
    force = -h * s * xp.sin(theta) * xp.cos(theta)
    pull = bond * xp.sin(turn)
    force[:, :-1] += pull
    force[:, 1:] -= pull
    return force, bond * xp.cos(turn), (xp.abs(force) / s).max(1)


def solve(
    xp: ModuleType, theta: Array, s: Array, h: float, cos_bond: Array, force: Array, inverse_dt: Array
) -> tuple[Array, Array]:
    """δ of every chain, (points, cells), and whether its matrix is positive, (points,): one site of all chains at a
    time."""
    cells = theta.shape[1]
    diagonal = s * (inverse_dt[:, None] + h * xp.cos(2 * theta))
    diagonal[:, :-1] += cos_bond
    diagonal[:, 1:] += cos_bond
    pivots, delta, bonds = (xp.ascontiguousarray(part.T) for part in (diagonal, force, cos_bond))
    for j in range(1, cells):
        ratio = bonds[j - 1] / pivots[j - 1]
        pivots[j] -= ratio * bonds[j - 1]
        delta[j] += ratio * delta[j - 1]
    delta[-1] /= pivots[-1]
    for j in range(cells - 2, -1, -1):
        delta[j] = (delta[j] + bonds[j] * delta[j + 1]) / pivots[j]
    return xp.ascontiguousarray(delta.T), (pivots > 0).all(0)


def relax_batch(xp: ModuleType, theta: Array, s: Array, J: float, h: float, duration: float, limit: float) -> Relaxed:
    """`relax` in plain array operations, all walls side by side: what a GPU runs."""
    points = len(theta)
    force, cos_bond, torque = forces(xp, theta, s, J, h)
    ended, steps, pushed = xp.full(points, -1), xp.zeros(points, int), xp.zeros(points, bool)
    t, dt = xp.zeros(points), xp.full(points, FIRST / h)
    for step in range(MOST_STEPS):
        steps[ended < 0] = step
        still = (ended < 0) & (torque <= limit)
        if bool(still.any()):
            _, positive = solve(xp, theta, s, h, cos_bond, force, xp.full(points, 1 / duration))
            ended[still & positive] = RELAXED
            ended[still & ~positive & pushed] = UNSTABLE
            push = still & ~positive & ~pushed
            if bool(push.any()):
                theta[:, 1:-1] += xp.where(push[:, None], PUSH / 2 * (theta[:, 2:] - theta[:, :-2]), 0)
                force, cos_bond, torque = forces(xp, theta, s, J, h)
                dt, pushed = xp.where(push, FIRST / h, dt), pushed | push
        ended[(ended < 0) & ~(t < duration * (1 - 1e-12))] = NOT_RELAXED
        live = ended < 0
        if not bool(live.any()):
            return ended, torque, t, steps
        dt = xp.where(live, xp.minimum(xp.minimum(dt, LONGEST * duration), duration - t), 1.0)
        delta, positive = solve(xp, theta, s, h, cos_bond, force, 1 / dt)
        taken = live & positive & (xp.abs(delta).max(1) <= LARGEST_TURN)
        trial = xp.where(taken[:, None], theta + delta, theta)
        trial_force, trial_bond, now = forces(xp, trial, s, J, h)
        lost = taken & ~xp.isfinite(now)
        ended[lost] = NOT_RELAXED
        taken &= ~lost
        theta[...] = xp.where(taken[:, None], trial, theta)
        force = xp.where(taken[:, None], trial_force, force)
        cos_bond = xp.where(taken[:, None], trial_bond, cos_bond)
        t = xp.where(taken, t + dt, t)
        growth = xp.clip(torque / xp.where(now > 0, now, torque), 1.0, GROWTH)
        dt = dt * xp.where(taken, growth, SHRINK)
        torque = xp.where(taken, now, torque)
    ended[ended < 0] = NOT_RELAXED
    return ended, torque, t, steps
