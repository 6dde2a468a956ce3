"""Does the tolerance favour a branch? Films that saturate and reverse from few sites, over seeds and tolerances.

    python benchmarks/tdgl_branches.py        # benchmarks/tables/tdgl_branches.md; three minutes on one core

Such a film can take another path at another tolerance. What must not depend on the tolerance is the distribution
over seeds. A film is on the path of another if more than 99 % of their cells have the same sign.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from shared import TABLES, film_of, settings, write_table

HEAD = (
    "| tolerance | mean crossing | standard error | films on the path of the smallest tolerance | evaluations a film |"
)


def main() -> None:
    """Run the films and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--J", type=float, default=1.5)
    parser.add_argument("--D", type=float, default=0.6)
    parser.add_argument("--n", type=int, default=64, help="cells along each side (default 64)")
    parser.add_argument("--seeds", type=int, default=12, help="how many seeds (default 12)")
    parser.add_argument("--tolerances", type=float, nargs="+", default=[1e-3, 3e-5, 1e-5])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=TABLES / "tdgl_branches.md")
    arguments = parser.parse_args()

    base = {**settings(), "ny": arguments.n, "nx": arguments.n, "J": arguments.J, "D": arguments.D}
    seeds = range(1, arguments.seeds + 1)
    jobs = [({**base, "tolerance": tolerance}, seed) for tolerance in arguments.tolerances for seed in seeds]
    with ProcessPoolExecutor(arguments.processes) as pool:
        results = np.array(list(pool.map(film_of, jobs)), dtype=object).reshape(len(arguments.tolerances), len(seeds))
    finest = results[int(np.argmin(arguments.tolerances))]
    rows = []
    for tolerance, films in zip(arguments.tolerances, results, strict=True):
        crossings = np.array([film.t_crossing for film in films])
        same = sum(((a.m >= 0) == (b.m >= 0)).mean() > 0.99 for a, b in zip(films, finest, strict=True))
        evaluations = np.mean([film.evaluations for film in films])
        error = crossings.std(ddof=1) / np.sqrt(len(seeds))
        rows.append(
            f"| {tolerance:g} | {crossings.mean():.0f} | {error:.0f} | {same} of {len(seeds)} | {evaluations:.2e} |"
        )
    write_table(arguments.out, HEAD, rows, f"J {arguments.J:g}, D {arguments.D:g}, {arguments.n}² films")


if __name__ == "__main__":
    main()
