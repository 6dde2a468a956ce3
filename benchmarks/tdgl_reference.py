"""The default integrator against the paper's, at the paper's sweep: crossing, pattern, loop and cost.

    python benchmarks/tdgl_reference.py                      # four films; 10 to 20 minutes each
    python benchmarks/tdgl_reference.py --pairs 2,1 --n 32   # one film, smaller

Settings are those of config/mamada2023.yaml. (The films of docs/tdgl.md, with all of the noise, come with the tests:
tests/physics/test_tdgl_reference.py.) Both sides start from the same float32 noise and initial state. The reference is
float64 explicit Euler; see docs/tdgl.md for why its time step is a column of the table.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from shared import TABLES, film_of, pair, settings, write_table

from weiss.tdgl.loops import FilmResult

PAIRS = ((2.0, 0.2), (2.0, 1.0), (1.5, 0.6), (1.0, 1.2))
HEAD = (
    "| J | D | dt of Euler | t of crossing, Euler | rkc | same sign | loop, mean difference "
    "| evaluations, Euler | rkc | fewer |"
)


def _row(J: float, D: float, dt: float, slow: FilmResult, fast: FilmResult) -> str:
    both = np.isfinite(slow.loop_m) & np.isfinite(fast.loop_m)
    same = ((slow.m >= 0) == (fast.m >= 0)).mean()
    loop = abs(slow.loop_m - fast.loop_m)[both].mean()
    return (
        f"| {J:g} | {D:g} | {dt:g} | {slow.t_crossing:.1f} | {fast.t_crossing:.1f} | {same:.2%} | {loop:.1e} "
        f"| {slow.evaluations:.2e} | {fast.evaluations:.2e} | {slow.evaluations / fast.evaluations:.0f} × |"
    )


def main() -> None:
    """Run the comparison and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=pair, nargs="+", default=PAIRS, metavar="J,D")
    parser.add_argument("--n", type=int, default=64, help="cells along each side (default 64)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dt", type=float, default=0.1, help="time step of the reference (default 0.1, the paper's)")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=TABLES / "tdgl_reference.md")
    arguments = parser.parse_args()

    pairs = arguments.pairs
    base = {**settings(), "ny": arguments.n, "nx": arguments.n}
    slow = {"integrator": "euler", "precision": "float64", "dt": arguments.dt}
    jobs = [({**base, "J": J, "D": D, **kind}, arguments.seed) for J, D in pairs for kind in (slow, {})]
    with ProcessPoolExecutor(arguments.processes) as pool:
        results = list(pool.map(film_of, jobs))
    rows = [_row(J, D, arguments.dt, results[2 * i], results[2 * i + 1]) for i, (J, D) in enumerate(pairs)]
    write_table(arguments.out, HEAD, rows, f"{arguments.n}² films, seed {arguments.seed}")


if __name__ == "__main__":
    main()
