"""What a GPU must get right: `pytest -m gpu` on a machine that has one."""

from __future__ import annotations

import numpy as np
import pytest

from physics.films import film
from weiss.arrays import select_device
from weiss.errors import UserError
from weiss.tdgl import simulate

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module", autouse=True)
def gpu() -> None:
    """Skip, saying why, where CuPy has no GPU."""
    try:
        select_device("gpu", "simulate")
    except UserError as error:
        pytest.skip(str(error))


PAIRS = [(2.0, 0.2), (2.0, 1.0), (1.0, 1.2), (0.5, 1.6)]


def test_films_agree_with_the_cpu() -> None:
    """float64, so that only the order of the transforms' additions differs."""
    films = [(film(J, D, 32, quarter=500.0, precision="float64", loop_samples=101), 1) for J, D in PAIRS]
    here, there = dict(simulate(films)), dict(simulate(films, device="gpu"))
    for i in range(len(films)):
        assert there[i].status == here[i].status == "crossed"
        assert there[i].t_crossing == pytest.approx(here[i].t_crossing, abs=0.5)
        assert ((there[i].m >= 0) == (here[i].m >= 0)).mean() >= 0.999


def test_a_film_does_not_feel_its_batch() -> None:
    """Alone and among 64: the same crossing and pattern to float32 rounding."""
    films = [(film(*PAIRS[i % 4], 32, quarter=500.0, loop_samples=101), 1 + i // 4) for i in range(64)]
    together = dict(simulate(films, device="gpu"))
    for i in (0, 7, 63):
        ((_, alone),) = simulate([films[i]], device="gpu")
        assert alone.t_crossing == pytest.approx(together[i].t_crossing, abs=2)
        assert ((alone.m >= 0) == (together[i].m >= 0)).mean() >= 0.99
        assert np.nanmean(abs(alone.loop_m - together[i].loop_m)) < 5e-3
