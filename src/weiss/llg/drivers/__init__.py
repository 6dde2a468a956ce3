"""What is done with a batch of films: relaxed, driven through a hysteresis loop, or followed through time.

A driver is a generator of (position in the batch, result). Films finish independently; finished ones are no longer
computed, and are handed out and dropped from the batch when they are a quarter of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from weiss.errors import UserError
from weiss.llg.equation import Equation
from weiss.llg.film import Films

Array = Any


@dataclass(frozen=True)
class Series:
    """One film through time.

    Attributes
    ----------
    t : (times,) ndarray
        In s.
    mean : (times, 3) ndarray
        Mean m over the material, weighted by Ms.
    m : (3, nz, ny, nx) ndarray
        State at the last time.
    states : (times, 3, nz, ny, nx) ndarray or None
        States at all times, if asked for.
    evaluations, steps, rejected : int
        Effective fields computed, steps taken, and steps taken back.
    """

    t: np.ndarray
    mean: np.ndarray
    m: np.ndarray
    states: np.ndarray | None
    evaluations: int
    steps: int
    rejected: int


def take_up(equation: Equation, m: Array) -> Array:
    """States as steppers want them: a copy in the films' precision, |m| = 1, and zero where there is no material.

    Parameters
    ----------
    m : (films, 3, nz, ny, nx) array
        Directions, of any length, on the host or the device.

    Raises
    ------
    UserError
        If the shape is not that of the batch, or m is zero or not finite where there is material.
    """
    xp, films = equation.xp, equation.films
    if m.shape != films.shape:
        raise UserError(f"m has shape {m.shape}, the batch {films.shape}", fix="give (films, 3, nz, ny, nx)")
    m = xp.array(m, dtype=films.dtype, order="C")
    length = xp.sqrt((m.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
    inside = _inside(equation)
    for film in range(len(m)):
        if not bool(((length[film] > 0) & (length[film] < np.inf))[inside[film]].all()):
            where = f"film {film}" if len(m) > 1 else None
            raise UserError("m is zero or not finite where Ms is positive", where, "give every cell a direction")
    m *= inside
    everyone = np.ones(len(m), bool)
    equation.vectors.advance(m, (), (), np.zeros(len(m)), m, everyone)
    return m


def _inside(equation: Equation) -> Array:
    """Cells with material, (films, 1, nz, ny, nx) boolean."""
    films: Films = equation.films
    inside = np.stack([np.broadcast_to(np.asarray(film.Ms) > 0, films.mesh.shape) for film in films.films])
    return equation.xp.asarray(inside[:, None])


def enough_finished(finished: np.ndarray) -> bool:
    """Whether finished films are to leave the batch: a quarter of it."""
    return 4 * np.count_nonzero(finished) >= len(finished)
