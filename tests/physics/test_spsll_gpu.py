"""The statistical chain on a GPU: `pytest -m gpu` on a machine that has one. The CPU's results are the reference."""

from __future__ import annotations

import numpy as np
import pytest

from weiss.arrays import select_device
from weiss.errors import UserError
from weiss.spsll import dispersions, walls

pytestmark = pytest.mark.gpu

SIGMA = np.array([10.0, 22.9, 0.0, 15.1, 100.0]) * 1e-9
TAU = np.array([0.0, 3.0, 1.0, 12.4, 20.0]) * 1e-9


@pytest.fixture(scope="module", autouse=True)
def gpu() -> None:
    """Skip, saying why, where CuPy has no GPU."""
    try:
        select_device("gpu", "simulate")
    except UserError as error:
        pytest.skip(str(error))


def test_walls() -> None:
    here, there = walls(SIGMA, TAU), walls(SIGMA, TAU, device="gpu")
    assert list(here.status) == list(there.status)
    assert there.width_m == pytest.approx(here.width_m, rel=1e-6, nan_ok=True)
    assert there.mz == pytest.approx(here.mz, abs=1e-6, nan_ok=True)


def test_dispersions() -> None:
    here, there = dispersions(SIGMA, TAU), dispersions(SIGMA, TAU, device="gpu")
    assert list(here.status) == list(there.status)
    assert there.X_THz == pytest.approx(here.X_THz, rel=1e-3, nan_ok=True)
    same = np.isclose(here.ridge_THz, there.ridge_THz, atol=0.01) | np.isnan(here.ridge_THz)
    assert same.mean() > 0.99
