"""Stabilised time steps: second-order Runge–Kutta–Chebyshev, a batch of films, each with its own step and stage
count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np

from weiss.arrays import Array
from weiss.tdgl.chebyshev import coefficients
from weiss.tdgl.rhs import Medium, add, kernels


@dataclass
class Workspace:
    """Arrays a step writes into, allocated once for a batch."""

    stage_a: tuple[Array, Array]
    stage_b: tuple[Array, Array]
    dipole: Array
    increments: list[Array]
    m_last: Array
    low_last: Array
    rate_last: Array

    @classmethod
    def like(cls, m: Array, xp: ModuleType) -> Workspace:
        """Allocate for fields shaped like `m`."""
        return cls(
            stage_a=(xp.empty_like(m), xp.empty_like(m)),
            stage_b=(xp.empty_like(m), xp.empty_like(m)),
            dipole=xp.empty_like(m),
            increments=[xp.zeros_like(m) for _ in range(3)],
            m_last=xp.empty_like(m),
            low_last=xp.zeros_like(m),
            rate_last=xp.empty_like(m),
        )


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

    def rate(self, m: Array, low: Array, t: np.ndarray, dipole: Array, out: Array, live: np.ndarray) -> None:
        """Write dm/dt of the live films at m + low and their times `t` into `out`; `dipole` is scratch."""
        self.convolve(m, dipole, live)
        self.kernels.rate(self.xp, m, low, dipole, self.medium, self.h_of(t), out, live)


def _tables(t: np.ndarray, tau: np.ndarray, stages: np.ndarray, equation: Equation, dtype: np.dtype) -> np.ndarray:
    """Coefficients of every stage and film: (most stages + 1, films, 5) in the fields' precision."""
    most = int(stages.max())
    tables = np.zeros((most + 1, len(t), 5))
    for film, s in enumerate(stages):
        table, abscissae, _ = coefficients(int(s))
        tables[: s + 1, film, :4] = table
        tables[: s + 1, film, 2:4] *= tau[film]
        # Stage j uses the rate at stage j - 1.
        tables[1 : s + 1, film, 4] = equation.h_of(t[film] + abscissae[:s] * tau[film])
    return tables.astype(dtype)


def step(
    equation: Equation,
    work: Workspace,
    m0: Array,
    low0: Array,
    rate0: Array,
    t: np.ndarray,
    tau: np.ndarray,
    stages: np.ndarray,
) -> None:
    """Advance every film by one step; the end state goes to `work.m_last` and `low_last`, its rate to `rate_last`.

    Parameters
    ----------
    m0, low0, rate0 : (films, ny, nx) array
        State at the start (the pair of `rhs`), left untouched, and dm/dt there.
    t, tau : (films,) ndarray
        Time and step of each film.
    stages : (films,) int ndarray
        Stages of each film's step, at least 2; `coefficients(stages)[2]` must cover tau × stiffness.
    """
    xp, run = equation.xp, equation.kernels
    tables = _tables(t, tau, stages, equation, np.dtype(m0.dtype))
    first = xp.asarray(tables[1, :, 2])[:, None, None]
    d2, d1, d_out = work.increments
    d2[...] = 0
    xp.multiply(rate0, first, out=d1)
    (m, low), (m_out, low_out) = work.stage_a, work.stage_b
    m[...], low[...] = add(m0, d1 + low0)
    for j in range(2, len(tables)):
        live = stages >= j
        equation.convolve(m, work.dipole, live)
        run.stage(
            xp,
            j,
            stages,
            tables[j],
            equation.medium,
            m0,
            low0,
            rate0,
            m,
            low,
            work.dipole,
            d1,
            d2,
            d_out,
            m_out,
            low_out,
            work.m_last,
            work.low_last,
        )
        (m, low), (m_out, low_out) = (m_out, low_out), (m, low)
        d1, d2, d_out = d_out, d1, d2
    everyone = np.ones(len(t), bool)
    run.clip(xp, work.m_last, work.low_last, equation.medium.m_most, everyone)
    equation.rate(work.m_last, work.low_last, t + tau, work.dipole, work.rate_last, everyone)
