"""Domain patterns of the default integrator and of float64 explicit Euler, by their statistics over several films.

The sweep is more than a hundred times faster than the paper's, to be quick; both sides run the same. At the paper's
sweep: benchmarks/tdgl_statistics.py.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from physics.films import film
from weiss.patterns.binarise import binarise
from weiss.patterns.statistics import pattern_statistics
from weiss.tdgl import simulate

SEEDS = range(1, 9)
J, D = 1.2, 0.8

Measured = dict[str, np.ndarray]


def measured(D: float = D, **settings: Any) -> Measured:
    """Statistics of 32² films, one for each seed: (seeds,) values by name."""
    given = [(film(J, D, 32, quarter=800.0, loop_samples=11, **settings), seed) for seed in SEEDS]
    films = dict(simulate(given, batch=len(given)))
    assert {result.status for result in films.values()} == {"crossed"}
    rows = [
        {"crossing": films[i].t_crossing, **dataclasses.asdict(pattern_statistics(binarise(films[i].m)))}
        for i in range(len(given))
    ]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@pytest.fixture(scope="module")
def reference() -> Measured:
    """The largest stiffness among these films is 16.5, so that dt = 0.08 is stable (the limit is 2 / 16.5)."""
    return measured(integrator="euler", precision="float64", dt=0.08)


def shift(one: Measured, reference: Measured, name: str) -> float:
    """Mean difference of films with the same seed, in standard errors of the reference's mean."""
    spread = reference[name].std(ddof=1)
    return float((one[name] - reference[name]).mean() / (spread / np.sqrt(len(SEEDS))))


def test_default_integrator_gives_the_statistics_of_the_reference(reference: Measured) -> None:
    """Both sides run the same seeds, so that the spread over seeds cancels: differences must be well below the sampling
    error of eight films. Measured: at most 0.05 standard errors."""
    fast = measured()
    for name in reference:
        assert abs(shift(fast, reference, name)) < 0.5, name


def test_the_comparison_would_notice_films_that_are_different(reference: Measured) -> None:
    """A fifth less disorder: fewer walls, farther apart, by about two standard errors of eight films."""
    other = measured(D=0.8 * D)
    for name in ("perimeter", "peak_wavenumber", "mean_wavenumber"):
        assert shift(other, reference, name) < -1, name
