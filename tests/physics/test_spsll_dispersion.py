"""Dispersion relations of the statistical chain.

References: Eq. 6 of Eagan et al. scaled by γ µ0 Ms plus the gap of the local field; eigenvectors of the linear problem.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from weiss.spsll import Settings, dispersions
from weiss.spsll.chain import medium
from weiss.spsll.dispersion import _on_cpu, excitation, record, ridge, samples
from weiss.spsll.spectrum import window

SETTINGS = Settings()
BIN_THZ = 0.1


@pytest.fixture(scope="module")
def found():
    """The ideal chain, the pair of Fig. 3a, a point that cannot run, and the pair of Fig. 3b."""
    return dispersions(np.array([22.9, 22.9, 0.0, 15.1]) * 1e-9, np.array([0.0, 3.0, 3.0, 12.4]) * 1e-9)


def test_ideal_chain_is_eq_6_plus_the_gap_within_a_bin_at_every_k(found) -> None:
    """The gap is γ µ0 (Hk − Ms), that of the local field; with Eq. 8's γ µ0 Hk the ridge would be up to 0.83 bins off
    its curve, with it half a bin."""
    rate = 1.760859630e11 * 4e-7 * np.pi
    lambda_squared = 2 * 5.1e-12 / (4e-7 * np.pi * 950e3**2)
    omega = 2 * lambda_squared / 0.339e-9**2 * (1 - np.cos(0.339e-9 * found.k))
    expected = rate * (950e3 * omega + 7e6 - 950e3) / (2e12 * np.pi)
    assert np.abs(found.ridge_THz[0] - expected).max() <= BIN_THZ
    assert found.X_THz[0] == pytest.approx(5.237, abs=0.01)
    assert found.k[0] == pytest.approx(-9.26e9, rel=1e-3)
    assert np.diff(found.k) == pytest.approx(np.full(499, 37.07e6), rel=1e-3)


def test_defects_lower_the_band(found) -> None:
    """Fig. 3: below the ideal dispersion at the zone boundary, the more the more vacancies there are."""
    low = [found.X_THz[0], found.X_THz[1], found.X_THz[3]]
    assert low[0] > low[1] + 0.3 > low[2] + 1


def test_a_point_that_cannot_run_leaves_the_others_alone(found) -> None:
    assert list(found.status) == ["ok", "ok", "no material", "ok"]
    assert "sigma = 0" in found.reason[2]
    assert np.isnan(found.ridge_THz[2]).all() and np.isnan(found.X_THz[2])
    alone = dispersions(np.array([15.1]) * 1e-9, np.array([12.4]) * 1e-9)
    for name in ("ridge_THz", "X_THz", "norm_drift", "energy_change"):
        assert np.array_equal(getattr(alone, name)[0], getattr(found, name)[3])


def test_norm_holds_and_damping_takes_energy(found) -> None:
    assert np.nanmax(found.norm_drift) < 1e-9
    assert (found.energy_change[[0, 1, 3]] < -0.1).all()


def test_far_from_the_origin_the_band_is_the_ideal_one_times_the_window() -> None:
    """With the origin at the edge the waves run in the window's flat part: a chain with s times the exchange."""
    edge = dataclasses.replace(SETTINGS, dispersion_window_origin="edge")
    s = window(15.1 / 0.339, 12.4 / 0.339, 500, 1.0)
    got = dispersions(np.array([15.1e-9]), np.array([12.4e-9]), edge)
    assert got.X_THz[0] == pytest.approx(SETTINGS.X_THz * s[250], rel=0.01)


def test_small_waves_are_those_of_the_linear_problem() -> None:
    """ψ' = i L ψ with L = h + J (s_{j−1} + s_{j+1}) − J s_{j±1} (Eqs. 1–6 to first order in m_x, m_y, α = 0). s L is
    symmetric, so √s L /√s has real eigenvalues and orthogonal eigenvectors."""
    settings = Settings(cells=64, excitation_amplitude=1e-4, dispersion_alpha=0.0, duration_s=1e-12, coarsest_kT=10.0)
    s = window(22.9 / 0.339, 3 / 0.339, 64, 1.0, 32)
    near = np.roll(np.eye(64), 1, 1) + np.roll(np.eye(64), -1, 1)
    L = np.diag(settings.h + settings.J * near @ s) - settings.J * near * s
    root = np.sqrt(s)
    values, vectors = np.linalg.eigh(root[:, None] * L / root)
    start = vectors.T @ (root * excitation(settings)[0])
    t = np.arange(samples(settings)) * settings.sample_s * settings.rate
    expected = (vectors @ (np.exp(1j * values * t[:, None]) * start).T).T / root
    psi, _ = record(np, s[None], medium(settings, 0.0, True), settings, 3)
    assert np.abs(psi[0] - expected).max() < 1e-5 * settings.excitation_amplitude
    assert np.array_equal(ridge(np, psi, settings), ridge(np, expected[None], settings))


def test_compiled_record_is_the_plain_one() -> None:
    settings = Settings(cells=64, duration_s=0.5e-12, coarsest_kT=10.0)
    s, chain = window(22.9 / 0.339, 3 / 0.339, 64, 1.0, 32), medium(settings, 0.001, True)
    psi, end = record(np, s[None], chain, settings, 2)
    ridge_cpu, end_cpu = _on_cpu(s, chain, settings, 2)
    assert end_cpu == pytest.approx(end[0], abs=1e-12)
    assert np.array_equal(ridge_cpu, ridge(np, psi, settings)[0])


def test_threads_and_batches_change_nothing() -> None:
    settings = Settings(cells=64, duration_s=0.5e-12)
    sigma, tau = np.array([5.0, 10.0, 20.0]) * 1e-9, np.array([1.0, 1.0, 1.0]) * 1e-9
    one, three = dispersions(sigma, tau, settings), dispersions(sigma, tau, settings, threads=3)
    assert np.array_equal(one.ridge_THz, three.ridge_THz)
    assert np.array_equal(one.energy_change, three.energy_change)
