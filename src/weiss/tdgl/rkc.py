"""Stabilised time steps: second-order Runge–Kutta–Chebyshev, a batch of films, each with its own step and stage
count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np

from weiss.arrays import Array, convolver, empty
from weiss.tdgl import sweep
from weiss.tdgl.chebyshev import coefficients
from weiss.tdgl.dipole import dipole_kernel
from weiss.tdgl.model import Films
from weiss.tdgl.rhs import Medium, State, kernels


@dataclass
class Workspace:
    """Arrays a step writes into, allocated once for a batch."""

    increments: list[Array]
    dipole: Array
    end: State

    @classmethod
    def like(cls, m: Array, xp: ModuleType) -> Workspace:
        """Allocate for fields shaped like `m`."""
        increments = [empty(xp, m.shape, m.dtype) for _ in range(3)]
        return cls(increments, empty(xp, m.shape, m.dtype), State.like(m, xp))


@dataclass(frozen=True)
class Equation:
    """Eq. 1 for one batch: what a step needs to know.

    Attributes
    ----------
    xp : module
        NumPy or CuPy.
    medium : Medium
        The films' maps.
    convolve : callable
        Dipole convolution, from `weiss.arrays.convolver`.
    h_of : callable
        h(t), vectorised.
    """

    xp: ModuleType
    medium: Medium
    convolve: Callable[[Array, Array, np.ndarray], None]
    h_of: Callable[[np.ndarray], np.ndarray]
    kernels: ModuleType = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kernels", kernels(self.xp))

    def evaluate(self, state: State, t: np.ndarray, dipole: Array) -> None:
        """Fill `state` from its magnetisation at the films' times `t`; `dipole` is scratch."""
        everyone = np.ones(len(t), bool)
        self.convolve(state.m, dipole, everyone)
        self.kernels.evaluate(self.xp, state, dipole, self.medium, self.h_of(t), everyone)


def equation_of(films: Films, xp: ModuleType) -> Equation:
    """Eq. 1 for a batch of films, its arrays in `xp`."""
    settings = films.settings
    ny, nx = films.m.shape[1:]
    kernel = dipole_kernel(str(settings["kernel"]), ny, nx, float(settings["a0"]))
    along_y = films.exchange.std(axis=1).any()
    medium = Medium(
        xp.asarray(films.anisotropy),
        xp.asarray(films.exchange if along_y else np.ascontiguousarray(films.exchange[:, :1])),
        float(settings["gamma_per_J"]),
        # float32 cannot hold 1 - 1e-7; the nearest number below 1 is what it gets.
        float(np.nextafter(films.m.dtype.type(1 - float(settings["m_limit"])), films.m.dtype.type(0))),
    )
    quarter, H = float(settings["quarter"]), float(settings["H"])
    return Equation(xp, medium, convolver(xp, kernel, (ny, nx), films.m.dtype), lambda t: sweep.field(t, H, quarter))


def _tables(t: np.ndarray, tau: np.ndarray, stages: np.ndarray, equation: Equation, dtype: np.dtype) -> np.ndarray:
    """Coefficients of every stage and film: (most stages + 1, films, 5) in the fields' precision."""
    tables = np.zeros((int(stages.max()) + 1, len(t), 5))
    for s in np.unique(stages):
        films = np.flatnonzero(stages == s)
        table, abscissae, _ = coefficients(int(s))
        tables[: s + 1, films, :4] = table[:, None]
        tables[: s + 1, films, 2:4] *= tau[films, None]
        # Stage j uses the rate at stage j - 1.
        tables[1 : s + 1, films, 4] = equation.h_of(t[films] + abscissae[:s, None] * tau[films])
    return tables.astype(dtype)


def step(equation: Equation, work: Workspace, start: State, t: np.ndarray, tau: np.ndarray, stages: np.ndarray) -> None:
    """Advance every film by one step, to `work.end`.

    Parameters
    ----------
    start : State
        Films at the start, evaluated; left untouched.
    t, tau : (films,) ndarray
        Time and step of each film.
    stages : (films,) int ndarray
        Stages of each film's step, at least 2; `coefficients(stages)[2]` must cover tau × stiffness.
    """
    xp, run, d = equation.xp, equation.kernels, work.increments
    tables = _tables(t, tau, stages, equation, np.dtype(start.m.dtype))
    if hasattr(run, "all_stages"):  # on a GPU: one copy to the device a step, and films sorted by their stages
        run.all_stages(xp, equation.convolve, stages, tables, equation.medium, start, work)
        equation.evaluate(work.end, t + tau, work.dipole)
        return
    d[0][...] = 0
    xp.multiply(start.rate, xp.asarray(tables[1, :, 2])[:, None, None], out=d[1])
    # Stage j goes to d[j % 3], where a film whose last stage it is finds it in the end.
    for j in range(2, len(tables)):
        d1, d2, d_out = d[(j - 1) % 3], d[(j - 2) % 3], d[j % 3]
        equation.convolve(d1, work.dipole, stages >= j)
        run.stage(xp, j, stages, tables[j], equation.medium, start, d1, d2, work.dipole, d_out)
    run.finish(xp, start, d, stages % 3, equation.medium.m_most, work.end)
    equation.evaluate(work.end, t + tau, work.dipole)
