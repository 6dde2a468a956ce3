"""Do two ways of solving give the same patterns on average? Domain statistics over many seeds, side by side.

    python benchmarks/tdgl_statistics.py                                     # two tolerances; a few minutes
    python benchmarks/tdgl_statistics.py --sets default euler --quarter 5e3  # against explicit Euler, faster sweep

Single films can take another path at another tolerance (benchmarks/tdgl_branches.py). What must be the same is the
distribution over seeds. A set is `default` (the paper's study as it stands), `euler` (float64 explicit Euler at --dt)
or a tolerance of the default integrator.

Both sets run the same seeds. Differences are given twice: in standard errors of two independent means, which tells
whether the sets could be told apart; and pair by pair, in standard errors of the mean difference, which sees a common
shift far below the spread over seeds. Where one pair alone differs, the latter is ±1 whatever the difference.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp
from shared import TABLES, Settings, film_of, pair, settings, write_table

from weiss.patterns.binarise import binarise
from weiss.patterns.statistics import pattern_statistics
from weiss.tdgl.loops import CROSSED, FilmResult


def set_name(text: str) -> str:
    """Check the name of a set from the command line."""
    if text not in ("default", "euler"):
        float(text)
    return text


def set_of(name: str, dt: float) -> Settings:
    """Settings of a set that differ from the paper's study."""
    if name == "default":
        return {}
    if name == "euler":
        return {"integrator": "euler", "precision": "float64", "dt": dt}
    return {"tolerance": float(name)}


def measured(films: Sequence[FilmResult]) -> dict[str, NDArray[np.float64]]:
    """Every statistic of every film, NaN for a film without a crossing: a mapping of name to (films,) values."""
    rows = []
    for film in films:
        row = {"crossing time": film.t_crossing, "crossing field": film.h_crossing}
        statistics = dataclasses.asdict(pattern_statistics(binarise(film.m)))
        crossed = film.status == CROSSED
        rows.append(row | {name.replace("_", " "): value if crossed else np.nan for name, value in statistics.items()})
    return {name: np.array([row[name] for row in rows], dtype=float) for name in rows[0]}


def mean_and_error(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean over films and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size))


def in_errors(difference: float, error: float) -> str:
    """A difference in units of its standard error; two sets that are the same to the digit differ by none."""
    return f"{difference / error:+.2f}" if error > 0 else ("0" if difference == 0 else "∞")


def comparison(one: NDArray[np.float64], other: NDArray[np.float64]) -> str:
    """Cells of a table row that compare one statistic of two sets, film by film in the same order."""
    a, b = one[np.isfinite(one)], other[np.isfinite(other)]
    (mean_a, error_a), (mean_b, error_b) = mean_and_error(a), mean_and_error(b)
    paired = (other - one)[np.isfinite(one) & np.isfinite(other)]
    return (
        f"{mean_a:.5g} | {error_a:.1g} | {mean_b:.5g} | {error_b:.1g} "
        f"| {in_errors(mean_b - mean_a, np.hypot(error_a, error_b))} | {in_errors(*mean_and_error(paired))} "
        f"| {ks_2samp(a, b).pvalue:.2f}"
    )


def main() -> None:
    """Run the films and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=set_name, nargs=2, default=["default", "1e-5"], metavar="SET")
    parser.add_argument("--pairs", type=pair, nargs="+", default=[(2.0, 1.0)], metavar="J,D")
    parser.add_argument("--n", type=int, default=64, help="cells along each side (default 64)")
    parser.add_argument("--seeds", type=int, default=12, help="how many seeds (default 12)")
    parser.add_argument("--quarter", type=float, help="time units per quarter of the sweep (default: the paper's)")
    parser.add_argument("--dt", type=float, default=0.05, help="time step of euler (default 0.05)")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=TABLES / "tdgl_statistics.md")
    arguments = parser.parse_args()
    if arguments.seeds < 2:
        parser.error("--seeds must be at least 2: one film has no standard error")

    pairs, seeds, names = arguments.pairs, range(1, arguments.seeds + 1), arguments.sets
    base = {**settings(), "ny": arguments.n, "nx": arguments.n}
    if arguments.quarter is not None:
        base["quarter"] = arguments.quarter
    jobs = [
        ({**base, "J": J, "D": D, **set_of(name, arguments.dt)}, seed)
        for J, D in pairs
        for name in names
        for seed in seeds
    ]
    with ProcessPoolExecutor(arguments.processes) as pool:
        results = iter(list(pool.map(film_of, jobs)))
    head = (
        f"| J | D | statistic | mean, {names[0]} | standard error | mean, {names[1]} | standard error "
        "| difference / standard error | pair by pair | Kolmogorov–Smirnov p |"
    )
    rows, notes = [], []
    for J, D in pairs:
        films = [[next(results) for _ in seeds] for _ in names]
        values = [measured(each) for each in films]
        crossed = [sum(film.status == CROSSED for film in each) for each in films]
        same = np.mean([((a.m >= 0) == (b.m >= 0)).mean() for a, b in zip(*films, strict=True)])
        notes.append(
            f"J {J:g}, D {D:g}: {crossed[0]} and {crossed[1]} of {len(seeds)} films crossed, {same:.2%} of cells alike"
        )
        if min(crossed) >= 2:
            rows += [f"| {J:g} | {D:g} | {name} | {comparison(*(v[name] for v in values))} |" for name in values[0]]
    note = f"{'; '.join(notes)}. {arguments.n}² films, quarter {base['quarter']:g}"
    write_table(arguments.out, head, rows, note)


if __name__ == "__main__":
    main()
