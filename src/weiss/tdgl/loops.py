"""Hysteresis loops: ⟨m⟩ on an even time grid, filled while films evolve, and what a finished film is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from weiss.tdgl import sweep
from weiss.tdgl.model import Params

CROSSED, NOT_CROSSED = "crossed", "not crossed"


@dataclass(frozen=True)
class FilmResult:
    """One simulated film.

    Attributes
    ----------
    m : (ny, nx) ndarray, float32
        Magnetisation at the crossing, or at the end of the sweep without one.
    loop_h, loop_m : (samples,) ndarray
        Hysteresis loop on an even time grid over the whole sweep; NaN in loop_m after the crossing.
    t_crossing, h_crossing : float
        When and at which field ⟨m⟩ passed zero; NaN without a crossing.
    status : str
        "crossed" or "not crossed".
    evaluations, steps, rejected : int
        Evaluations of the right-hand side, those of a window counting by its share of the film's cells; accepted and
        rejected steps of the film.
    avalanches : int
        With `avalanches: film` and in Euler's method, which looks at every tenth step only: runs of accepted steps in
        which at least one cell changed sign. With `avalanches: windows`: the windows of all accepted steps, so that an
        avalanche counts once in each step that it lasts, and avalanches that share a window count as one; a step
        without a window counts as one if a cell changed sign in it and none did in the step before.
    seconds : float
        Wall time of the film's batch, shared evenly among its films by evaluations.
    """

    m: np.ndarray
    loop_h: np.ndarray
    loop_m: np.ndarray
    t_crossing: float
    h_crossing: float
    status: str
    evaluations: int
    steps: int
    rejected: int
    avalanches: int
    seconds: float


class Loops:
    """Mean magnetisation on an even time grid, filled as steps are accepted."""

    def __init__(self, films: int, settings: Params) -> None:
        quarter = float(settings["quarter"])
        self.t = np.linspace(0, 5 * quarter, int(settings["loop_samples"]))
        self.h = sweep.field(self.t, float(settings["H"]), quarter)
        self.m = np.full((films, self.t.size), np.nan)

    def record(
        self,
        film: int,
        t: tuple[float, float],
        mean: tuple[float, float],
        rate: tuple[float, float],
        jumps: Sequence[tuple[np.ndarray, np.ndarray]] = (),
    ) -> None:
        """Fill the samples in [t0, t1] with the cubic Hermite polynomial through both ends, plus what avalanches add.

        A jump is times since t0 and what ⟨m⟩ has gained by then; the polynomial's end leaves all jumps out.
        """
        first, last = np.searchsorted(self.t, t[0], "left"), np.searchsorted(self.t, t[1], "right")
        if last > first:
            samples = self.t[first:last]
            gained = sum(np.interp(samples - t[0], *jump) for jump in jumps)
            # Jumps ride on the line through the step, the rest on a cubic: together they may pass saturation a little.
            self.m[film, first:last] = np.clip(hermite(samples, t, mean, rate) + gained, -1, 1)


def hermite(
    at: np.ndarray, t: tuple[float, float], value: tuple[float, float], rate: tuple[float, float]
) -> np.ndarray:
    """Cubic Hermite interpolation between two ends, with slopes limited so that it never leaves their range.

    The limit is Fritsch and Carlson's (SIAM J. Numer. Anal. 17, 238, 1980): the sign of the secant and at most
    three times it.
    """
    length = t[1] - t[0]
    secant = (value[1] - value[0]) / length
    slopes = [np.clip(r, min(0, 3 * secant), max(0, 3 * secant)) for r in rate]
    s = (at - t[0]) / length
    return (
        (1 + 2 * s) * (1 - s) ** 2 * value[0]
        + s**2 * (3 - 2 * s) * value[1]
        + length * s * (1 - s) * ((1 - s) * slopes[0] - s * slopes[1])
    )


def branch(crossing: int, quarter: float) -> tuple[float, float]:
    """Where the wanted crossing may lie, and the sign ⟨m⟩ has after it: 1 is on the falling branch, 2 on the
    rising one."""
    return (quarter, -1.0) if crossing == 1 else (3 * quarter, 1.0)
