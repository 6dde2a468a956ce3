"""Spectrum, window and telegraph noise of the statistical chain.

References: Eq. 3 of Eagan et al. written out again, the convolution of Eq. 4 as a double sum, and realisations of
random telegraph noise (their SI 1).
"""

from __future__ import annotations

import numpy as np
import pytest

from weiss.errors import UserError
from weiss.spsll import Settings
from weiss.spsll.spectrum import discrete, wavenumbers, window, windows
from weiss.spsll.telegraph import autocovariance, psd, sample, sampled_lorentzian

SIGMA, TAU, DX = 10.0, 5.0, 0.339


@pytest.mark.parametrize("cells", [500, 501])
def test_without_vacancies_the_window_is_one(cells: int) -> None:
    assert np.abs(window(SIGMA, 0.0, cells, DX) - 1).max() < 4 * np.finfo(float).eps


def test_discrete_spectrum_holds_the_noise_s_mean_square() -> None:
    """∫ S dk = p: the noise is 0 or 1, so its mean square is its mean. The grid ends at π/dx, which costs the tails of
    the Lorentzian, (2/π) arctan(k T) of p (1 − p)."""
    p, T = 2 / 3, 10 / 3
    inside = 2 / np.pi * np.arctan(np.pi / DX * T)
    assert discrete(SIGMA, TAU, 20000, DX).sum() == pytest.approx(p**2 + p * (1 - p) * inside, rel=1e-4)


def test_window_is_the_convolution_of_eq_4_without_a_factor_1_over_n() -> None:
    cells = 24
    S = np.array([(1 / np.pi) * (2 / 9) * (10 / 3) / (1 + (k * 10 / 3) ** 2) for k in wavenumbers(cells, DX)])
    S = S * 2 * np.pi / (cells * DX)
    S[0] += 4 / 9
    m_k = np.fft.fft(np.random.default_rng(1).standard_normal(cells))
    W_k = np.array([sum(np.sqrt(S[q]) * m_k[(k - q) % cells] for q in range(cells)) for k in range(cells)])
    s = window(SIGMA, TAU, cells, DX)
    assert np.fft.ifft(W_k).real == pytest.approx(s * np.fft.ifft(m_k).real, abs=1e-12)
    assert s.argmax() == 0
    assert np.array_equal(window(SIGMA, TAU, cells, DX, 7), np.roll(s, 7))


def test_telegraph_noise_has_the_lengths_asked_for() -> None:
    noise = sample(SIGMA, TAU, 400_000, 0.1, "lengths")
    flips = np.flatnonzero(np.diff(noise))
    lengths = np.diff(flips) * 0.1
    after = noise[flips[:-1] + 1]
    for state, mean in ((1, SIGMA), (0, TAU)):
        found = lengths[after == state]
        assert found.mean() == pytest.approx(mean, abs=5 * mean / np.sqrt(found.size) + 0.05)
        assert found.std() == pytest.approx(mean, rel=0.1)
    assert np.array_equal(noise, sample(SIGMA, TAU, 400_000, 0.1, "lengths"))


@pytest.mark.parametrize(("sigma", "tau"), [(100.0, 5.0), (10.0, 5.0)])
def test_spectrum_of_telegraph_noise_is_eq_3(sigma: float, tau: float) -> None:
    """The two cases of Fig. SI 1: 3,000 nm at dx = 0.3 nm, averaged over records; noise looked at every dx folds
    everything beyond π/dx back, hence `sampled_lorentzian`. Bands of k, within five standard errors."""
    records, lags, dx = 120, 1000, 0.3
    found = []
    for i in range(records):
        k, density = psd(sample(sigma, tau, 10000, dx, "psd", i), dx, lags)
        found.append(density)
    bands = np.array_split(np.arange(20, lags), 6)
    for band in bands:
        ratio = np.array([(one[band] / sampled_lorentzian(k[band], sigma, tau, dx)).mean() for one in found])
        assert ratio.mean() == pytest.approx(1, abs=5 * ratio.std(ddof=1) / np.sqrt(records) + 0.02)
    assert np.mean([sample(sigma, tau, 10000, dx, "psd", i).mean() for i in range(records)]) == pytest.approx(
        sigma / (sigma + tau), abs=5 * np.sqrt(2 * sigma * tau / (sigma + tau) ** 2 * tau / 3000 / records)
    )


def test_sampled_lorentzian_is_eq_3_where_the_grid_is_fine() -> None:
    k, T = np.array([0.0, 0.1, 0.3]), 10 / 3
    eq_3 = (2 / 9) * T / np.pi / (1 + (k * T) ** 2)
    assert sampled_lorentzian(k, SIGMA, TAU, 0.01) == pytest.approx(eq_3, rel=1e-4)


def test_autocovariance_against_the_sum_itself() -> None:
    noise = sample(SIGMA, TAU, 60, DX, "covariance")
    about = noise - noise.mean()
    direct = [sum(about[i] * about[i + r] for i in range(60 - r)) / 60 for r in range(10)]
    assert autocovariance(noise, 10) == pytest.approx(direct, abs=1e-14)


def test_points_without_a_window_say_why_and_leave_the_others_alone() -> None:
    sigma = np.array([22.9, 0.0, 10.0, np.nan, 0.1, 100.0]) * 1e-9
    tau = np.array([3.0, 1.0, 200.0, 1.0, 20.0, 100.0]) * 1e-9
    s, status, reason = windows(sigma, tau, Settings(), 0)
    assert list(status) == [
        "ok",
        "no material",
        "vacancies longer than the chain",
        "not a length",
        "window not positive",
        "k-grid too coarse",
    ]
    assert [bool(text) for text in reason] == [False, True, True, True, True, True]
    assert np.isnan(s[1:]).all()
    assert s[0] == pytest.approx(window(22.9 / 0.339, 3 / 0.339, 500, 1.0), rel=1e-12)


def test_settings_that_mean_nothing_are_refused() -> None:
    for wrong in (
        {"Ms": -1.0},
        {"Hk": 9e5},
        {"cells": 2},
        {"wall_window_origin": "left"},
        {"taper": "boxcar"},
        {"ends": "periodic"},
        {"excitation_amplitude": 1.5},
    ):
        with pytest.raises(UserError):
            Settings(**wrong)
