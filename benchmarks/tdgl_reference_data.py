"""Make tests/data/tdgl_reference.npz: films by float64 explicit Euler at the paper's sweep, which the tests hold the
default integrator against.

    python benchmarks/tdgl_reference_data.py --processes 4           # all films; hours: 10 to 40 minutes a film
    python benchmarks/tdgl_reference_data.py --films cutoff,2,1,0.1 --out other.npz

A film is kernel,J,D,dt. dt is the paper's 0.1, and half of that at strong disorder, where 0.1 is too long a
step for Euler (docs/tdgl.md). Every setting is written here, so that the data stay the same when defaults change.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from shared import ROOT, Settings, film_of

from weiss.tdgl.loops import FilmResult

SIDE, SEED = 64, 1
SETTINGS: Settings = {
    "ny": SIDE,
    "nx": SIDE,
    "A0": 1.0,
    "gamma_per_J": 0.095,
    "H": 0.3,
    "quarter": 1.0e5,
    "a0": 5.9,
    "noise_scale": 1.0,
    "m_limit": 1.0e-7,
    "m_init": 0.05,
    "crossing": 2,
    "integrator": "euler",
    "precision": "float64",
    "loop_samples": 500,
}

Film = tuple[str, float, float, float]
"""Kernel, J, D and Euler's time step."""

FILMS: tuple[Film, ...] = (
    ("cutoff", 2.0, 0.2, 0.1),
    ("cutoff", 2.0, 1.0, 0.1),
    ("cutoff", 1.5, 0.6, 0.1),
    ("cutoff", 1.0, 1.2, 0.1),
    ("cutoff", 0.5, 1.6, 0.05),
    ("cutoff", 2.0, 1.8, 0.05),
    ("lattice", 2.0, 1.0, 0.1),
    ("lattice", 1.0, 1.2, 0.1),
    ("lattice", 0.5, 1.6, 0.05),
)


def params_of(film: Film) -> Settings:
    """Every setting of one reference film."""
    kernel, J, D, dt = film
    return {**SETTINGS, "kernel": kernel, "J": J, "D": D, "dt": dt}


def write(path: Path, films: Sequence[Film], results: Sequence[FilmResult]) -> None:
    """Write films and what became of them.

    The file holds kernel, J, D, dt, t_crossing and evaluations, (films,) each; loop_m, (films, samples) float32, on an
    even time grid over the sweep, NaN after the crossing; and up, (films, cells / 8) uint8: m >= 0 at the crossing, row
    by row, packed into bits.
    """
    kernel, J, D, dt = zip(*films, strict=True)
    np.savez_compressed(
        path,
        kernel=np.array(kernel),
        J=np.array(J),
        D=np.array(D),
        dt=np.array(dt),
        side=SIDE,
        seed=SEED,
        t_crossing=np.array([result.t_crossing for result in results]),
        evaluations=np.array([result.evaluations for result in results]),
        loop_m=np.array([result.loop_m for result in results], np.float32),
        up=np.packbits([(result.m >= 0).ravel() for result in results], axis=1),
    )


def _film(text: str) -> Film:
    """Read ``kernel,J,D,dt`` from the command line."""
    kernel, *numbers = text.split(",")
    J, D, dt = (float(number) for number in numbers)
    return kernel, J, D, dt


def main() -> None:
    """Simulate the films and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=_film, nargs="+", default=FILMS, metavar="KERNEL,J,D,DT")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "tests" / "data" / "tdgl_reference.npz")
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.processes) as pool:
        results = list(pool.map(film_of, [(params_of(film), SEED) for film in arguments.films]))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    write(arguments.out, arguments.films, results)
    for film, result in zip(arguments.films, results, strict=True):
        print(*film, result.status, f"{result.t_crossing:.1f}", result.evaluations)


if __name__ == "__main__":
    main()
