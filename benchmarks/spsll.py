"""What walls and dispersion relations of the statistical chain cost, against a plain NumPy loop in the same run.

    python benchmarks/spsll.py                   # 3,000 walls and 40 dispersions, one core and all; a few minutes
    python benchmarks/spsll.py --quick --json    # fewer, within a minute; ends with one line of JSON
    python benchmarks/spsll.py --device gpu      # the same on a GPU

The loop is Eq. 1 as one would write it down, one chain after the other: classical Runge–Kutta, the exchange field as a
second difference (cheaper than a transform), the largest stable step for walls and one as accurate as ours for
dispersions. A wall's loop stops as soon as the torque is below the same limit as ours; the paper's full 100 ps are
given beside it.
"""

from __future__ import annotations

import os

# One core means one thread; libraries look at this when they are loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numba
import numpy as np
from shared import TABLES, origin, processor, write_table

from weiss import __version__
from weiss.arrays import random_stream, select_device
from weiss.errors import UserError
from weiss.spsll import SIM_VERSION, Settings, dispersions, planar, walls
from weiss.spsll.chain import fastest, medium
from weiss.spsll.dispersion import excitation, samples, substeps
from weiss.spsll.settings import MU0
from weiss.spsll.spectrum import windows
from weiss.spsll.wall import start

SETTINGS = Settings()
SOLVER = f"weiss {__version__} (chain solver version {SIM_VERSION}), NumPy {np.__version__}, numba {numba.__version__}"

WALL_STEP = 2.6
"""Loop's step × fastest rate × √2 at α = 1: classical Runge–Kutta is stable up to 2.7 on that ray."""
DISPERSION_STEP = 0.25
"""Loop's step × fastest rate for dispersions: an error of 5·10⁻⁴ to 10⁻³, where ours is at most 4·10⁻⁴."""
CHECK_S = 0.25e-12
"""How often the loop looks at the torque."""
LOOP_SECONDS = 2.0
"""Processor time after which the loop's step is timed well enough."""

# What the work needs at least, counting one operation for each of + − × ÷ and twenty for a sine, cosine or root.
FLOP_RATE = 9 + 6 + 2 + 9 + 9 + 6
"""A site's share of one right-hand side of Eq. 1: s m, its neighbours, the local field, two products, the sum."""
FLOP_STAGE = 3 * 2 * 5
"""A site's share of a stage's state, with five rates before it on the average."""
FLOP_IMPLICIT = 4 * 20 + 16 + 26
"""A site's share of an implicit step: two sines and cosines, forces and couplings, the elimination."""


def points(count: int) -> tuple[np.ndarray, np.ndarray]:
    """σ and τ in m, uniform in the paper's ranges but for σ < 5 nm, where walls shrink to a few sites."""
    stream = random_stream("spsll", "benchmark", count)
    return stream.uniform(5e-9, 100e-9, count), stream.uniform(0, 20e-9, count)


def plain_rate(m: np.ndarray, s: np.ndarray, J: float, h: float, alpha: float, periodic: bool) -> np.ndarray:
    """Right-hand side of Eq. 1 of one chain, (3, cells), in plain NumPy."""
    w = J * s * m
    H = np.zeros_like(m)
    H[:, 1:] += w[:, :-1]
    H[:, :-1] += w[:, 1:]
    if periodic:
        H[:, 0] += w[:, -1]
        H[:, -1] += w[:, 0]
    H[2] += h * m[2]
    x, y, z = m
    c = np.array([y * H[2] - z * H[1], z * H[0] - x * H[2], x * H[1] - y * H[0]])
    return -(c + alpha * np.array([y * c[2] - z * c[1], z * c[0] - x * c[2], x * c[1] - y * c[0]]))


def plain_step(m: np.ndarray, rate: Callable[[np.ndarray], np.ndarray], dt: float) -> np.ndarray:
    """One classical Runge–Kutta step."""
    k1 = rate(m)
    k2 = rate(m + dt / 2 * k1)
    k3 = rate(m + dt / 2 * k2)
    k4 = rate(m + dt * k3)
    return m + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def loop_wall(s: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Relax one wall by the loop.

    Returns
    -------
    core_s, core_s_full : float
        Processor time to the torque limit, and that of the paper's full time at the same cost a step.
    mz : (cells,) ndarray
    """
    chain, theta = medium(SETTINGS, SETTINGS.wall_alpha, periodic=False), start(SETTINGS)
    m = np.array([np.sin(theta), np.zeros_like(theta), np.cos(theta)])
    dt = WALL_STEP / (np.sqrt(2) * float(fastest(s[None], chain)[0]))
    total = int(np.ceil(SETTINGS.wall_duration_s * SETTINGS.rate / dt))
    every = max(1, round(CHECK_S * SETTINGS.rate / dt))
    limit = SETTINGS.torque_T / (MU0 * SETTINGS.Ms)

    def rate(m: np.ndarray) -> np.ndarray:
        return plain_rate(m, s, chain.J, chain.h, chain.alpha, False)

    began, done = time.process_time(), 0
    while done < total:
        m = plain_step(m, rate, dt)
        m /= np.sqrt((m**2).sum(0))
        done += 1
        # |m × H| is |dm/dt| / √(1 + α²), m × H and m × (m × H) being of one length and normal to each other
        if done % every == 0 and np.sqrt((rate(m) ** 2).sum(0).max() / (1 + chain.alpha**2)) <= limit:
            break
    spent = time.process_time() - began
    return spent, spent / done * total, m[2]


def loop_dispersion(s: np.ndarray) -> float:
    """Processor time that the loop would take for one dispersion relation, from as many steps as fill LOOP_SECONDS."""
    chain, m = medium(SETTINGS, SETTINGS.dispersion_alpha, periodic=True), excitation(SETTINGS)
    steps = int(np.ceil(SETTINGS.duration_s * SETTINGS.rate * float(fastest(s[None], chain)[0]) / DISPERSION_STEP))
    dt = SETTINGS.duration_s * SETTINGS.rate / steps
    began, done, spent = time.process_time(), 0, 0.0
    while spent < LOOP_SECONDS / 4:
        m = plain_step(m, lambda m: plain_rate(m, s, chain.J, chain.h, chain.alpha, True), dt)
        done, spent = done + 1, time.process_time() - began
    return spent / done * steps


def timed(job: Callable[[], object]) -> tuple[float, float, object]:
    """Wall and processor seconds of a call, and what it returned."""
    wall, core = time.perf_counter(), time.process_time()
    found = job()
    return time.perf_counter() - wall, time.process_time() - core, found


def measure(count_walls: int, count_dispersions: int, loops: int, device: str, threads: int) -> dict[str, object]:
    """Everything the table and the JSON line say."""
    sigma, tau = points(max(count_walls, count_dispersions))
    walls(sigma[:2], tau[:2], SETTINGS, device)  # compiles
    dispersions(sigma[:1], tau[:1], SETTINGS, device)
    few = slice(0, count_dispersions)
    wall_s, wall_core_s, found = timed(lambda: walls(sigma[:count_walls], tau[:count_walls], SETTINGS, device))
    all_s, _, _ = timed(lambda: walls(sigma[:count_walls], tau[:count_walls], SETTINGS, device, threads))
    print(f"{count_walls} walls: {wall_s:.2f} s, with {threads} threads {all_s:.2f} s", flush=True)
    ring_s, ring_core_s, rung = timed(lambda: dispersions(sigma[few], tau[few], SETTINGS, device))
    ring_all_s, _, _ = timed(lambda: dispersions(sigma[few], tau[few], SETTINGS, device, threads))
    print(f"{count_dispersions} dispersions: {ring_s:.2f} s, with {threads} threads {ring_all_s:.2f} s", flush=True)
    s, _, _ = windows(sigma[:loops], tau[:loops], SETTINGS, SETTINGS.origin_cell("wall_window_origin"))
    rows = [loop_wall(one) for one in s]
    away = max(float(np.abs(row[2] - mz).max()) for row, mz in zip(rows, found.mz, strict=False))
    s, _, _ = windows(sigma[:loops], tau[:loops], SETTINGS, SETTINGS.origin_cell("dispersion_window_origin"))
    ring_loop_s = float(np.mean([loop_dispersion(one) for one in s]))
    loop_s, full_s = (float(np.mean([row[c] for row in rows])) for c in (0, 1))
    print(f"loop: {loop_s:.2f} s a wall ({full_s:.1f} s for 100 ps), {ring_loop_s:.2f} s a dispersion", flush=True)
    chain = medium(SETTINGS, SETTINGS.dispersion_alpha, periodic=True)
    cells = SETTINGS.cells
    evaluations = 12 * samples(SETTINGS) * float(np.mean(substeps(s, chain, SETTINGS)))
    fft = 5 * samples(SETTINGS) * cells * np.log2(samples(SETTINGS) * cells)
    flat, _, _ = windows(sigma[:64], tau[:64], SETTINGS, SETTINGS.origin_cell("wall_window_origin"))
    theta = np.repeat(start(SETTINGS)[None], len(flat), 0)
    duration = SETTINGS.wall_duration_s * SETTINGS.rate * SETTINGS.wall_alpha
    limit = SETTINGS.torque_T / (MU0 * SETTINGS.Ms)
    steps = float(np.mean(planar.relax(theta, flat, SETTINGS.J, SETTINGS.h, duration, limit)[3]))
    return {
        "walls_per_s": count_walls / all_s,
        "walls_per_core_s": count_walls / (wall_core_s if device == "cpu" else wall_s),
        "dispersions_per_s": count_dispersions / ring_all_s,
        "dispersions_per_core_s": count_dispersions / (ring_core_s if device == "cpu" else ring_s),
        "ratio_vs_loop": loop_s * count_walls / all_s,
        "ratio_vs_loop_core": loop_s * count_walls / (wall_core_s if device == "cpu" else wall_s),
        "ratio_vs_loop_100ps": full_s * count_walls / all_s,
        "dispersion_ratio_vs_loop": ring_loop_s * count_dispersions / ring_all_s,
        "dispersion_ratio_vs_loop_core": ring_loop_s * count_dispersions / (ring_core_s if device == "cpu" else ring_s),
        "loop_s_per_wall": loop_s,
        "loop_s_per_wall_100ps": full_s,
        "loop_s_per_dispersion": ring_loop_s,
        "largest_difference_mz": away,
        "walls_ok": int((found.status == "ok").sum()),
        "dispersions_ok": int((rung.status == "ok").sum()),
        "walls": count_walls,
        "dispersions": count_dispersions,
        "threads": threads,
        "device": device,
        "steps_per_wall": steps,
        "flop_per_wall": steps * cells * FLOP_IMPLICIT,
        "bytes_per_wall": 8 * cells + 16,
        "flop_per_dispersion": evaluations * cells * (FLOP_RATE + FLOP_STAGE) + fft,
        "bytes_per_dispersion": 16 * samples(SETTINGS) * cells,
        "processor": processor(),
        "origin": origin(SOLVER),
    }


def table(found: dict[str, object]) -> list[str]:
    """Rows for walls and dispersions."""
    rows = []
    for name, per in (("walls", ""), ("dispersions", "dispersion_")):
        one = name[:-1]
        flop, bytes_ = float(found[f"flop_per_{one}"]), float(found[f"bytes_per_{one}"])
        core = float(found[f"{name}_per_core_s"])
        rows.append(
            f"| {name} | {found[name]} | {core:.0f} | {float(found[f'{name}_per_s']):.0f} "
            f"| {float(found[f'loop_s_per_{one}']):.2f} | {float(found[f'{per}ratio_vs_loop_core']):.0f} × "
            f"| {float(found[f'{per}ratio_vs_loop']):.0f} × | {flop / 1e6:.1f} | {flop * core / 1e9:.1f} "
            f"| {bytes_ / 1e3:.0f} |"
        )
    return rows


HEAD = (
    "| | points | a core-second | a second, all threads | loop, s each | × loop, one core | × loop, all threads "
    "| Mflop each, at least | Gflop/s a core | kB each, at least |"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write the table, end with JSON if asked; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="within a minute")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--walls", type=int, help="default 3000, quick 600")
    parser.add_argument("--dispersions", type=int, help="default 40, quick 8")
    parser.add_argument("--loops", type=int, help="points that the loop does, default 8, quick 3")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--out", type=Path, help="where the table goes (default benchmarks/tables)")
    arguments = parser.parse_args(argv)
    try:
        device = select_device(arguments.device, "simulate")
    except UserError as error:
        print(f"benchmarks/spsll.py: {error}", file=sys.stderr)
        return 2
    quick = arguments.quick
    found = measure(
        arguments.walls or (600 if quick else 3000),
        arguments.dispersions or (8 if quick else 40),
        arguments.loops or (3 if quick else 8),
        device,
        arguments.threads,
    )
    note = (
        f"Walls to a torque of {SETTINGS.torque_T:g} T, {found['walls_ok']} of {found['walls']} relaxed; the loop's "
        f"m_z differs by at most {found['largest_difference_mz']:.1e}; against the loop's full 100 ps "
        f"({found['loop_s_per_wall_100ps']:.1f} s) {found['ratio_vs_loop_100ps']:.0f} ×. "
        f"{found['threads']} threads of {processor()}, other work on the machine"
    )
    out = arguments.out or TABLES / ("spsll_quick.md" if quick else "spsll.md")
    write_table(out, HEAD, table(found), note, SOLVER)
    if arguments.json:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
