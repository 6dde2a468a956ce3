"""Chains with explicit vacancies.

References: standing waves of a free segment, gap + X (1 − cos(n π / sites)); the ideal chain for τ = 0.
"""

from __future__ import annotations

import numpy as np
import pytest

from weiss.spsll import Settings, chain_cpu, vacancies, walls
from weiss.spsll.chain import medium
from weiss.spsll.dispersion import samples

SETTINGS = Settings()


def test_a_segment_between_vacancies_rings_in_its_standing_waves() -> None:
    settings = Settings(cells=60, duration_s=20e-12, dispersion_alpha=0.0)
    n = np.zeros(60)
    n[10:22] = 1
    m = np.zeros((3, 60))
    m[0, 10] = 1e-3
    m[2] = np.sqrt(n - m[0] ** 2, where=n > 0, out=np.zeros(60))
    psi = chain_cpu.record(m, n, medium(settings, 0.0, True), settings.sample_s * settings.rate, 1, samples(settings))
    assert np.abs(psi[:, n == 0]).max() == 0
    power = np.abs(np.fft.fft(psi[:, 10] * np.hanning(len(psi))))[: len(psi) // 2]
    peaks = np.flatnonzero((power[1:-1] > power[:-2]) & (power[1:-1] > power[2:]) & (power[1:-1] > 0.02 * power.max()))
    expected = settings.gap_THz + settings.X_THz * (1 - np.cos(np.arange(12) * np.pi / 12))
    frequencies = (peaks + 1) / 20e-12 / 1e12
    for one in expected[:-1]:  # the last one hardly moves the segment's end
        assert np.abs(frequencies - one).min() <= 0.05


def test_without_vacancies_the_ensemble_is_the_ideal_chain() -> None:
    found = vacancies.walls(1e-8, 0.0, SETTINGS, 1, seed=0)
    ideal = walls(np.array([1e-8]), np.array([0.0]))
    assert found.width_m == pytest.approx(ideal.width_m[0], rel=1e-6)
    assert found.cut == 0 and found.lost == 0
    assert found.intact_width_m == pytest.approx([ideal.width_m[0]], rel=0.02)  # a chord, not the slope


def test_vacancies_cut_walls_but_do_not_make_them_narrower() -> None:
    """A wall without a vacancy inside is the ideal one; one across a vacancy is a step."""
    found = vacancies.walls(22.9e-9, 3e-9, SETTINGS, 30, seed=1)
    assert 0.1 < found.cut < 0.8
    assert found.intact_width_m.mean() == pytest.approx(3.72e-9, abs=0.05e-9)
    again = vacancies.walls(22.9e-9, 3e-9, SETTINGS, 30, seed=1)
    assert np.array_equal(found.mz, again.mz)
