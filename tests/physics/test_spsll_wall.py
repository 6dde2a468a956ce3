"""Domain walls of the statistical chain.

References: π √(A/K_U) in the continuum; the relaxation of Eq. 1 by the explicit method; the wall of a chain whose
exchange is that of a flat window.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from weiss.errors import UserError
from weiss.spsll import Settings, planar, walls
from weiss.spsll.settings import MU0
from weiss.spsll.spectrum import windows
from weiss.spsll.wall import crossing, sites, start, width

SETTINGS = Settings()
DURATION, LIMIT = 100e-12 * SETTINGS.rate, 1e-6 / (MU0 * SETTINGS.Ms)
SIGMA = np.array([10.0, 22.9, 15.1, 100.0, 2.0]) * 1e-9
TAU = np.array([0.0, 3.0, 12.4, 20.0, 0.1]) * 1e-9


@pytest.fixture(scope="module")
def relaxed():
    return walls(SIGMA, TAU)


def test_width_of_the_continuum_s_wall_is_analytic() -> None:
    """The ansatz is the continuum's exact wall; the cosine series must find its π √(A/K_U), wherever it stands."""
    theta = np.array([2 * np.arctan(np.exp(-(sites(SETTINGS) - shift) * np.pi / 3.7334e-9)) for shift in (0, 1.3e-9)])
    found, error = width(theta, crossing(theta, SETTINGS), SETTINGS)
    assert found == pytest.approx(SETTINGS.wall_width_m, rel=1e-3)
    assert (error < 1e-3 * found).all()


def test_start_is_the_tanh_of_the_methods() -> None:
    K = MU0 * SETTINGS.Ms * (SETTINGS.Hk - SETTINGS.Ms) / 2
    assert np.cos(start(SETTINGS)) == pytest.approx(np.tanh(np.sqrt(K / SETTINGS.A) * sites(SETTINGS)), abs=1e-14)


def test_ideal_width_goes_to_the_analytic_one_as_sites_come_closer() -> None:
    """3.73 nm in the continuum; the lattice makes the wall narrower in proportion to a²."""
    lag = []
    for finer in (1, 2, 4):
        finest = Settings(cells=500 * finer, a=0.339e-9 / finer, harmonics=700 * finer, error_harmonics=100 * finer)
        found = walls(np.array([1e-8]), np.array([0.0]), finest)
        assert found.status[0] == "ok"
        lag.append(1 - found.width_m[0] / SETTINGS.wall_width_m)
    assert lag[0] == pytest.approx(0.0175, abs=5e-4)
    assert lag[0] / lag[1] == pytest.approx(4, rel=0.05)
    assert lag[1] / lag[2] == pytest.approx(4, rel=0.1)


def test_all_walls_are_relaxed_and_narrower_than_the_ideal_one(relaxed) -> None:
    """Fig. 1e: defects make the wall narrower."""
    assert (relaxed.status == "ok").all()
    assert (relaxed.torque_T < 1e-6).all()
    assert (relaxed.width_m[1:] < relaxed.width_m[0]).all()
    assert relaxed.mz[:, 0] == pytest.approx(-1) and relaxed.mz[:, -1] == pytest.approx(1)


def test_implicit_walls_are_those_of_eq_1(relaxed) -> None:
    """Explicit steps of Eq. 1 at α = 1 to the same torque, where m leaves the plane on its way."""
    followed = walls(SIGMA, TAU, dataclasses.replace(SETTINGS, relaxation="dynamics"))
    assert (followed.status == "ok").all()
    assert relaxed.width_m == pytest.approx(followed.width_m, rel=1e-6)
    assert relaxed.mz == pytest.approx(followed.mz, abs=1e-6)


def test_plain_batch_gives_the_compiled_walls(relaxed) -> None:
    s, _, _ = windows(SIGMA, TAU, SETTINGS, 0)
    theta = np.repeat(start(SETTINGS)[None], len(s), 0)
    ended, torque, _, steps = planar.relax_batch(np, theta, s, SETTINGS.J, SETTINGS.h, DURATION, LIMIT)
    assert (ended == planar.RELAXED).all() and (torque <= LIMIT).all() and (steps > 5).all()
    assert np.cos(theta) == pytest.approx(relaxed.mz, abs=1e-6)


def test_flat_window_is_an_ideal_chain_with_that_much_exchange() -> None:
    theta = start(SETTINGS)[None].copy()
    planar.relax(theta, np.full((1, 500), 0.6), SETTINGS.J, SETTINGS.h, DURATION, LIMIT)
    found, _ = width(theta, crossing(theta, SETTINGS), SETTINGS)
    weaker = walls(np.array([1e-8]), np.array([0.0]), Settings(A=0.6 * SETTINGS.A))
    assert found[0] == pytest.approx(weaker.width_m[0], rel=1e-7)


def test_a_wall_on_the_window_s_peak_is_not_taken_for_a_relaxed_one() -> None:
    """A wall's energy goes with s^(3/2): the peak drives it away, and it stood there only because nothing pushed it."""
    on_peak = dataclasses.replace(SETTINGS, wall_window_origin="excitation")
    found = walls(SIGMA, TAU, on_peak)
    assert found.status[0] == "ok"
    assert set(found.status[1:]) <= {"not relaxed", "wall unstable"}
    assert np.isnan(found.width_m[1:]).all() and all(found.reason[1:])


def test_an_unstable_wall_is_pushed_and_settles_between_two_sites() -> None:
    """Few neighbours hold a narrow wall: on a site, where it starts, it is at rest but not stable."""
    sigma, tau = np.array([1.0e-9, 1.5e-9]), np.array([8.0e-9, 12.0e-9])
    found = walls(sigma, tau)
    assert (found.status == "ok").all() and (found.width_m < 1e-9).all()
    assert np.abs(found.position_m) == pytest.approx(SETTINGS.a / 2, rel=1e-3)
    s, _, _ = windows(sigma, tau, SETTINGS, 0)
    theta = np.repeat(start(SETTINGS)[None], 2, 0)
    assert (planar.relax_batch(np, theta, s, SETTINGS.J, SETTINGS.h, DURATION, LIMIT)[0] == planar.RELAXED).all()


def test_periodic_ends_hold_a_second_wall_that_does_not_settle() -> None:
    found = walls(SIGMA[1:2], TAU[1:2], dataclasses.replace(SETTINGS, relaxation="dynamics", ends="periodic"))
    assert found.status[0] == "not relaxed"
    assert "T after 1e-10 s" in found.reason[0]


def test_a_wall_driven_out_of_the_chain_is_lost() -> None:
    """A short chain, the peak close to the wall on one side: it leaves on the other."""
    short = Settings(cells=40, harmonics=56, error_harmonics=8, coarsest_kT=10, wall_window_origin=1.5e-9)
    found = walls(np.array([22.9e-9]), np.array([3e-9]), short)
    assert found.status[0] == "wall lost"
    assert np.isnan(found.width_m[0])


def test_k_grid_and_torque_limits_are_settings() -> None:
    coarse = walls(SIGMA, TAU, dataclasses.replace(SETTINGS, coarsest_kT=0.2))
    assert list(coarse.status) == ["ok", "ok", "k-grid too coarse", "k-grid too coarse", "ok"]
    hurried = walls(SIGMA, TAU, dataclasses.replace(SETTINGS, wall_duration_s=1e-12))
    assert (hurried.status == "not relaxed").all()


def test_more_harmonics_than_the_chain_has_are_refused() -> None:
    for wrong in ({"harmonics": 1001}, {"error_harmonics": 700}, {"cells": 64}):
        with pytest.raises(UserError):
            walls(SIGMA, TAU, dataclasses.replace(SETTINGS, **wrong))


def test_batches_and_threads_change_nothing(relaxed) -> None:
    rng = np.random.default_rng(5)
    sigma, tau = rng.uniform(5e-9, 1e-7, 150), rng.uniform(0, 2e-8, 150)
    sigma[-5:], tau[-5:] = SIGMA, TAU
    many = walls(sigma, tau, threads=3)
    for name in ("mz", "width_m", "error_m", "position_m", "torque_T", "time_s"):
        assert np.array_equal(getattr(many, name)[-5:], getattr(relaxed, name)), name
    alone = walls(SIGMA[2:3], TAU[2:3])
    assert np.array_equal(alone.width_m[0], relaxed.width_m[2])
    assert np.array_equal(alone.error_m[0], relaxed.error_m[2])
