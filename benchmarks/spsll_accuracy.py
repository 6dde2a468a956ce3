"""Integrators, readings and sizes of the statistical chain: the tables of docs/spsll.md.

    python benchmarks/spsll_accuracy.py        # a minute on one core

Four tables: explicit methods over the 10 ps of a dispersion relation against SciPy's DOP853 at a tolerance of 10⁻¹²;
Eq. 1 at α = 1 for 100 ps against the same; X of the printed pairs under every origin of the window; the window and the
wall for chains of other lengths.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numba
import numpy as np
from scipy.integrate import DOP853, RK45, solve_ivp
from shared import TABLES, write_table

from weiss import __version__
from weiss.spsll import SIM_VERSION, Settings, dispersions, dop853, walls
from weiss.spsll.chain import energy, fastest, medium, rate
from weiss.spsll.chain_cpu import _advance, _rate
from weiss.spsll.dispersion import excitation
from weiss.spsll.spectrum import window
from weiss.spsll.wall import crossing, start, width

SETTINGS = Settings()
SOLVER = f"weiss {__version__} (chain solver version {SIM_VERSION}), NumPy {np.__version__}, numba {numba.__version__}"
PRINTED = {(22.9, 3.0): 3.65, (15.1, 12.4): 2.45}
"""X in THz of Fig. 3, by σ and τ in nm."""
METHODS = {
    "4, classical": (np.diag([0.5, 0.5, 1.0], -1), np.array([1, 2, 2, 1]) / 6, (1.0, 0.5, 0.25)),
    "5, Dormand–Prince": (RK45.A, RK45.B, (1.5, 0.75, 0.375)),
    "8, Dormand–Prince": (DOP853.A[:12, :12], DOP853.B[:12], (3.0, 2.0, 1.5, 1.0)),
}
"""Order: stages, weights, and steps × fastest rate."""


def advancer() -> Callable[..., None]:
    """Explicit steps with any table, compiled."""

    @numba.njit(error_model="numpy", fastmath={"contract"})
    def advance(m, s, J, h, alpha, dt, steps, stages, weights):  # type: ignore[no-untyped-def]
        count = len(weights)
        w, rates, state = np.empty((3, m.shape[1] + 2)), np.empty((count, *m.shape)), np.empty(m.shape)
        for _ in range(steps):
            for i in range(count + 1):
                state[:] = m
                for before in range(i):
                    weight = dt * (stages[i, before] if i < count else weights[before])
                    if weight != 0:
                        for c in range(3):
                            for j in range(m.shape[1]):
                                state[c, j] += weight * rates[before, c, j]
                if i < count:
                    _rate(state, s, J, h, alpha, True, w, rates[i])
            m[:] = state

    return advance


def integrators() -> tuple[list[str], str]:
    """Rows: chain, method, step, evaluations, time, errors of the state, norm and energy."""
    advance, rows = advancer(), []
    end = SETTINGS.duration_s * SETTINGS.rate
    for name, sigma, tau in (("ideal", 10.0, 0.0), ("σ 10, τ 5 nm", 10.0, 5.0)):
        s = window(sigma / 0.339, tau / 0.339, SETTINGS.cells, 1.0, SETTINGS.centre)
        for alpha in (0.001, 0.0):
            chain = medium(SETTINGS, alpha, True)
            begin, fast = excitation(SETTINGS), float(fastest(s[None], chain)[0])
            shape = (1, *begin.shape)
            exact = (
                solve_ivp(
                    lambda t, y, shape=shape, s=s, chain=chain: rate(np, y.reshape(shape), s[None], chain).ravel(),
                    (0, end),
                    begin.ravel(),
                    method="DOP853",
                    rtol=1e-12,
                    atol=1e-14,
                    t_eval=[end],
                )
                .y[:, -1]
                .reshape(begin.shape)
            )
            before, last = (energy(np, m[None], s[None], chain)[0] for m in (begin, exact))
            head = f"{name}, α = {alpha:g}"
            rows.append(f"| {head} | tolerance 10⁻¹² | | | | | | {last / before - 1:+.1e} |")
            for method, (stages, weights, sizes) in METHODS.items():
                stages = np.pad(stages, (0, max(0, len(weights) - len(stages))))[: len(weights), : len(weights)]
                for size in sizes:
                    steps = int(np.ceil(end * fast / size))
                    arguments = (s, chain.J, chain.h, alpha, end / steps, steps, np.ascontiguousarray(stages), weights)
                    spent = np.inf
                    for _ in range(2):  # the first call compiles
                        m, began = begin.copy(), perf_counter()
                        advance(m, *arguments)
                        spent = min(spent, perf_counter() - began)
                    away = np.abs(m - exact)[:2].max() / np.abs(exact[:2]).max()
                    norm = np.abs(np.sqrt((m**2).sum(0)) - 1).max()
                    change = energy(np, m[None], s[None], chain)[0] / before - 1
                    rows.append(
                        f"| {head} | {method} | {size:g} | {steps * len(weights)} | {1e3 * spent:.0f} | {away:.1e} "
                        f"| {norm:.0e} | {change:+.1e} |"
                    )
    note = "Step: × the fastest rate. Error: largest, over m_x and m_y, by their largest value after 10 ps"
    return rows, note


def relaxation() -> tuple[list[str], str]:
    """Rows: a wall that follows Eq. 1 at α = 1 for its whole time, never renormalised, at the step used and half."""
    rows, theta = [], start(SETTINGS)
    end = SETTINGS.wall_duration_s * SETTINGS.rate
    chain = medium(SETTINGS, SETTINGS.wall_alpha, periodic=False)

    def width_nm(m: np.ndarray) -> float:
        angle = np.arctan2(np.hypot(m[0], m[1]), m[2])[None]
        return 1e9 * float(width(angle, crossing(angle, SETTINGS), SETTINGS)[0][0])

    for name, sigma, tau in (("ideal", 10.0, 0.0), ("σ 10, τ 5 nm", 10.0, 5.0), ("σ 22.9, τ 3 nm", 22.9, 3.0)):
        s = window(sigma / 0.339, tau / 0.339, SETTINGS.cells, 1.0)
        begin = np.array([np.sin(theta), np.zeros_like(theta), np.cos(theta)])
        found = solve_ivp(
            lambda t, y, s=s, shape=(1, *begin.shape): rate(np, y.reshape(shape), s[None], chain).ravel(),
            (0, end),
            begin.ravel(),
            method="DOP853",
            rtol=1e-11,
            atol=1e-12,
            t_eval=[end],
        )
        exact = found.y[:, -1].reshape(begin.shape)
        for size in (dop853.DAMPED, dop853.DAMPED / 2):
            steps = int(np.ceil(end * float(fastest(s[None], chain)[0]) * np.hypot(1, chain.alpha) / size))
            m, w, rates = begin.copy(), np.empty((3, SETTINGS.cells + 2)), np.empty((13, 3, SETTINGS.cells))
            _advance(m, s, chain.J, chain.h, chain.alpha, False, end / steps, steps, w, rates)
            before, after = (energy(np, state[None], s[None], chain)[0] for state in (exact, m))
            rows.append(
                f"| {name} | {size:g} | {steps} | {np.abs(m - exact).max():.0e} | {width_nm(m) - width_nm(exact):+.0e} "
                f"| {np.abs(np.sqrt((m**2).sum(0)) - 1).max():.0e} | {after / before - 1:+.0e} |"
            )
    return rows, "Step: × the fastest rate × √2. Differences from SciPy's DOP853 at a tolerance of 10⁻¹¹"


def readings() -> tuple[list[str], str]:
    """Rows: X of the printed pairs under origins of the window and tapers."""
    rows = []
    for (sigma, tau), printed in PRINTED.items():
        for origin in ("excitation", 5e-9, 20e-9, 42e-9, "edge"):
            for taper in ("none", "hann"):
                asked = dataclasses.replace(SETTINGS, dispersion_window_origin=origin, taper=taper)
                found = dispersions(np.array([sigma * 1e-9]), np.array([tau * 1e-9]), asked)
                where = origin if isinstance(origin, str) else f"{1e9 * origin:g} nm away"
                top = (found.ridge_THz[0, 0] - SETTINGS.gap_THz) / 2
                rows.append(
                    f"| {sigma:g} | {tau:g} | {where} | {taper} | {found.X_THz[0]:.2f} | {found.misfit_THz[0]:.2f} "
                    f"| {top:.2f} | {printed:.2f} |"
                )
    return rows, "X fitted over all k, its mean misfit, and half the ridge's height at the zone boundary, in THz"


def sizes() -> tuple[list[str], str]:
    """Rows: the window and the wall on chains of other lengths."""
    rows = []
    for sigma, tau in PRINTED:
        for cells in (250, 500, 1000, 4000, 16000):
            s = window(sigma / 0.339, tau / 0.339, cells, 1.0)
            asked = dataclasses.replace(SETTINGS, cells=cells, harmonics=7 * cells // 5, error_harmonics=cells // 5)
            found = walls(np.array([sigma * 1e-9]), np.array([tau * 1e-9]), asked)
            wide = f"{1e9 * found.width_m[0]:.3f}" if found.status[0] == "ok" else str(found.status[0])
            rows.append(
                f"| {sigma:g} | {tau:g} | {cells} | {cells * 0.339:.1f} | {s[0]:.2f} | {s[cells // 2]:.3f} "
                f"| {sigma / (sigma + tau):.3f} | {wide} |"
            )
    return (
        rows,
        "Window s(x) at its origin and half a chain away, p = σ/(σ+τ), and the wall with the origin at the edge",
    )


def main() -> int:
    """Write the tables; return the exit code."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else TABLES
    for name, head, make in (
        (
            "spsll_integrators",
            "| chain | order | step | evaluations | ms | error | norm | energy, change |",
            integrators,
        ),
        (
            "spsll_relaxation",
            "| wall | step | steps | m, error | width, nm | norm | energy |",
            relaxation,
        ),
        ("spsll_readings", "| σ, nm | τ, nm | origin | taper | X | misfit | top / 2 | printed X |", readings),
        ("spsll_sizes", "| σ, nm | τ, nm | sites | length, nm | s(0) | s far | p | wall, nm |", sizes),
    ):
        rows, note = make()
        write_table(folder / f"{name}.md", head, rows, note, SOLVER)
    return 0


if __name__ == "__main__":
    sys.exit(main())
