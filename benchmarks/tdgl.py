"""What a film costs: one core against plain NumPy in the same run, or a GPU where there is one.

    python benchmarks/tdgl.py                      # 256² films at the paper's sweep; a minute or two a film
    python benchmarks/tdgl.py --avalanches film    # the same with small steps of the whole film
    python benchmarks/tdgl.py --quick --json       # two 64² films, within a minute; ends with one line of JSON
    python benchmarks/tdgl.py --gpu                # benchmarks/tdgl_gpu.py; chosen by itself where a GPU can be used

Core-seconds are processor time, so other work on the machine counts little, and compiling is timed apart. Plain NumPy
is `numpy_step` below, timed between the films; what it would need for a film is that, times the steps to the film's
crossing at the paper's time step.
"""

from __future__ import annotations

import os

# One core means one thread; libraries look at this when they are loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numba
import numpy as np
from shared import TABLES, Settings, film_of, origin, pair, processor, settings, write_table

from weiss.arrays import select_device
from weiss.errors import UserError
from weiss.tdgl.dipole import dipole_kernel
from weiss.tdgl.loops import CROSSED
from weiss.tdgl.model import initial_state, noise
from weiss.tdgl.sweep import field

PAIRS = ((2.0, 0.2), (2.0, 1.8), (1.5, 1.0), (1.2, 0.6), (1.0, 1.5), (0.5, 1.8))
QUICK_PAIRS = ((2.0, 0.2), (0.5, 1.8))
QUICK_CELLS = 64
QUICK_SECONDS = 30.0
"""After this many seconds the quick run begins no other film: on a slow core it has one."""

PAPER_CELLS, PAPER_QUARTER, PAPER_CORE_S = 256, 1e5, 10 * 3600.0
"""Ten hours of one core, for a 256² film."""

NUMPY_SECONDS = 0.5
"""Processor time after which one timing of plain NumPy is long enough."""

HEAD = (
    "| J | D | core-s | evaluations | avalanches | steps | t of crossing | plain NumPy, core-h | times less "
    "| less than the paper |"
)


@dataclass(frozen=True)
class Row:
    """One film.

    Attributes
    ----------
    J, D : float
    core_s : float
        Processor time.
    evaluations, avalanches, steps : int
        As in `FilmResult`; what windows take counts as evaluations of the whole film by its cells.
    t_crossing : float or None
        None without a crossing.
    numpy_steps : int
        Explicit steps to the crossing, or to the end of the sweep without one.
    """

    J: float
    D: float
    core_s: float
    evaluations: int
    avalanches: int
    steps: int
    t_crossing: float | None
    numpy_steps: int


def numpy_step(
    m: np.ndarray,
    h: float,
    dt: float,
    anisotropy: np.ndarray,
    J: float,
    gamma: float,
    kernel_k: np.ndarray,
    most: float,
) -> np.ndarray:
    """One explicit step of Eq. 1, as one would write it down.

    Parameters
    ----------
    m, anisotropy : (n, n) ndarray
        Magnetisation, and A0 (1 + noise_scale · D η).
    h, J, gamma : float
        Field, exchange and dipole coefficient, in units of A0.
    dt : float
        Time step.
    kernel_k : (n, n // 2 + 1) ndarray
        Dipole kernel in Fourier space.
    most : float
        Largest |m|.

    Returns
    -------
    (n, n) ndarray
    """
    dipole = np.fft.irfft2(kernel_k * np.fft.rfft2(m), s=m.shape)
    laplacian = np.roll(m, 1, 0) + np.roll(m, -1, 0) + np.roll(m, 1, 1) + np.roll(m, -1, 1) - 4 * m
    m = m + dt * ((1 - m**2) * (h + anisotropy * m - gamma * dipole) + J * laplacian)
    return np.clip(m, -most, most)


def numpy_seconds(film: Settings, seed: int) -> float:
    """Processor time of one `numpy_step`: the mean over as many as fill `NUMPY_SECONDS`."""
    n, J, dt = int(film["ny"]), float(film["J"]), float(film["dt"])
    m = initial_state(seed, n, n, float(film["m_init"]))
    anisotropy = float(film["A0"]) * (1 + float(film["noise_scale"]) * float(film["D"]) * noise(seed, n, n))
    kernel_k = dipole_kernel(str(film["kernel"]), n, n, float(film["a0"]))
    gamma, most = float(film["gamma_per_J"]) * J, 1 - float(film["m_limit"])
    began, steps, spent = time.process_time(), 0, 0.0
    while spent < NUMPY_SECONDS:
        h = float(field(steps * dt, float(film["H"]), float(film["quarter"])))
        m = numpy_step(m, h, dt, anisotropy, J, gamma, kernel_k, most)
        steps, spent = steps + 1, time.process_time() - began
    return spent / steps


def compile_loops(base: Settings, seed: int) -> float:
    """Wall seconds of a small film in a fast sweep: mostly those of compiling, unless an earlier run has done it."""
    began = time.perf_counter()
    film_of(({**base, "ny": 32, "nx": 32, "quarter": 300.0, "J": 1.0, "D": 1.0}, seed))
    return time.perf_counter() - began


def measure(film: Settings, seed: int) -> Row:
    """Simulate one film."""
    began = time.process_time()
    result = film_of((film, seed))
    core_s = time.process_time() - began
    crossed = result.status == CROSSED
    end = result.t_crossing if crossed else 5 * float(film["quarter"])
    return Row(
        float(film["J"]),
        float(film["D"]),
        core_s,
        result.evaluations,
        result.avalanches,
        result.steps,
        result.t_crossing if crossed else None,
        math.ceil(end / float(film["dt"])),
    )


def _line(row: Row, numpy_s: float, like_paper: bool) -> str:
    crossing = "none" if row.t_crossing is None else f"{row.t_crossing:.1f}"
    plain = row.numpy_steps * numpy_s
    paper = f"{PAPER_CORE_S / row.core_s:.0f} ×" if like_paper else "–"
    return (
        f"| {row.J:g} | {row.D:g} | {row.core_s:.1f} | {row.evaluations:.2e} | {row.avalanches} | {row.steps} "
        f"| {crossing} | {plain / 3600:.2f} | {plain / row.core_s:.0f} × | {paper} |"
    )


def _arguments(argv: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Options of the films on a core, and those left over for the GPU's benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="With a GPU, options other than --json and --out are those of benchmarks/tdgl_gpu.py.",
        allow_abbrev=False,
    )
    device = parser.add_mutually_exclusive_group()
    device.add_argument("--gpu", action="store_true", help="the GPU's benchmark")
    device.add_argument("--cpu", action="store_true", help="one core, even where there is a GPU")
    parser.add_argument("--quick", action="store_true", help="two 64² films on one core, within a minute")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--pairs", type=pair, nargs="+", metavar="J,D")
    parser.add_argument("--n", type=int, help=f"cells along each side (default {PAPER_CELLS})")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quarter", type=float, default=PAPER_QUARTER, help="time units a quarter (default 1e5)")
    parser.add_argument("--dt", type=float, default=0.1, help="time step of plain NumPy (default 0.1, the paper's)")
    parser.add_argument("--avalanches", choices=("windows", "film"), default="windows", help="see config/README.md")
    parser.add_argument("--out", type=Path, help="where the table goes (default benchmarks/tables)")
    arguments, rest = parser.parse_known_args(argv)
    if not (arguments.gpu or arguments.cpu or arguments.quick):
        arguments.gpu = select_device("auto", "simulate") == "gpu"
    if rest and not arguments.gpu:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if arguments.n is None:
        arguments.n = QUICK_CELLS if arguments.quick else PAPER_CELLS
    arguments.pairs = arguments.pairs or (QUICK_PAIRS if arguments.quick else PAIRS)
    return arguments, rest


def run(arguments: argparse.Namespace) -> None:
    """Measure films on one core, write the table, and end with JSON if asked."""
    began = time.perf_counter()
    base = {**settings(), "quarter": arguments.quarter, "dt": arguments.dt, "avalanches": arguments.avalanches}
    compiling = compile_loops(base, arguments.seed)
    print(f"compiled loops, or found them compiled, in {compiling:.1f} s", flush=True)
    base |= {"ny": arguments.n, "nx": arguments.n}
    rows, steps_s = [], []
    for J, D in arguments.pairs:
        if rows and arguments.quick and time.perf_counter() - began > QUICK_SECONDS:
            print(f"{QUICK_SECONDS:.0f} s are over: no other film", flush=True)
            break
        film = {**base, "J": J, "D": D}
        steps_s.append(numpy_seconds(film, arguments.seed))
        rows.append(measure(film, arguments.seed))
        print(
            f"[{len(rows)}/{len(arguments.pairs)}] J {J:g}, D {D:g}: {rows[-1].core_s:.1f} core-s, "
            f"{rows[-1].evaluations} evaluations; one NumPy step {1e3 * steps_s[-1]:.3f} ms",
            flush=True,
        )

    numpy_s, core_s = statistics.median(steps_s), statistics.median(row.core_s for row in rows)
    ratios = [row.numpy_steps * numpy_s / row.core_s for row in rows]
    like_paper = (arguments.n, arguments.quarter) == (PAPER_CELLS, PAPER_QUARTER)
    paper = f", the paper's 10 core-hours are {PAPER_CORE_S / core_s:.0f} times that" if like_paper else ""
    note = (
        f"Median: {core_s:.1f} core-s a film, plain NumPy takes {statistics.median(ratios):.0f} times as long"
        f"{paper}. {arguments.n}² films, seed {arguments.seed}, {arguments.quarter:g} time units a quarter, "
        f"noise_scale {base['noise_scale']:g}, tolerance {base['tolerance']:g}, avalanches: {arguments.avalanches}; "
        f"one NumPy step {1e3 * numpy_s:.3f} ms, × steps of {arguments.dt:g} to the crossing; one core of "
        f"{processor()}, numba {numba.__version__}"
    )
    out = arguments.out or TABLES / ("tdgl_quick.md" if arguments.quick else "tdgl.md")
    write_table(out, HEAD, [_line(row, numpy_s, like_paper) for row in rows], note)
    if arguments.json:
        found = {
            "core_s_per_film": core_s,
            "ratio_vs_numpy": statistics.median(ratios),
            "ratio_vs_paper": PAPER_CORE_S / core_s if like_paper else None,
            "n": arguments.n,
            "quarter": arguments.quarter,
            "pairs": [[row.J, row.D] for row in rows],
            "seed": arguments.seed,
            "avalanches": arguments.avalanches,
            "numpy_s_per_step": numpy_s,
            "numpy_dt": arguments.dt,
            "compile_s": compiling,
            "films": [asdict(row) | {"ratio_vs_numpy": ratio} for row, ratio in zip(rows, ratios, strict=True)],
            "processor": processor(),
            "origin": origin(),
        }
        print(json.dumps(found))


def main(argv: Sequence[str] | None = None) -> int:
    """Run on a core or hand over to the GPU's benchmark; return the exit code."""
    try:
        arguments, rest = _arguments(argv)
    except UserError as error:
        print(f"benchmarks/tdgl.py: {error}", file=sys.stderr)
        return 2
    if not arguments.gpu:
        run(arguments)
        return 0
    import tdgl_gpu

    out = ["--out", str(arguments.out)] if arguments.out else []
    return tdgl_gpu.main([*rest, *out, *(["--json"] if arguments.json else [])])


if __name__ == "__main__":
    sys.exit(main())
