"""A small push, so that a film does not stay on an energy's saddle because it stands there exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

from weiss.arrays import random_stream
from weiss.llg.equation import Equation

Array = Any

FEWEST_STEPS = 10
"""Steps that a kicked film makes before it may count as relaxed: on a saddle a small torque grows."""


GONE = 1e-3
"""A torque below this share of what is asked for has gone."""


def kick(equation: Equation, m: Array, angle: float, number: np.ndarray, chosen: np.ndarray) -> None:
    """Turn the states of the chosen films by about `angle` radians, in place.

    A film turns as a whole about a random axis, as in a field that is not quite aligned, and every cell about one of
    its own: m + angle (u + u_cell) × m, brought back to unit length. Without it a film saturated along its axis has no
    torque whatever the field is, and never reverses.

    Parameters
    ----------
    m : (films, 3, nz, ny, nx) array
        Unit vectors.
    number : (films,) ndarray of int
        How many times a film was kicked before: with its seed the key of the random numbers.
    chosen : (films,) boolean ndarray
    """
    xp, films, shape = equation.xp, equation.films.films, m.shape[2:]
    for film in np.flatnonzero(chosen) if angle > 0 else ():
        random = random_stream("llg", "kick", films[film].seed, int(number[film]))
        axis = random.standard_normal(3)
        turn = random.standard_normal((3, *shape)) + (axis / np.linalg.norm(axis))[:, None, None, None]
        turn = xp.asarray((angle * turn).astype(m.dtype))
        m[film] += xp.cross(turn, m[film], axis=0)
    equation.vectors.advance(m, (), (), np.zeros(len(m)), m, chosen)


def at_rest(torque: np.ndarray, torque_T: float, steps: np.ndarray, angle: float) -> np.ndarray:
    """Films whose largest torque in T is small enough, (films,) boolean, so many steps after a kick by `angle`.

    A torque that has all but gone is enough without them: steps from there would follow rounding.
    """
    return (torque <= torque_T) & ((steps >= (FEWEST_STEPS if angle > 0 else 0)) | (torque <= GONE * torque_T))
