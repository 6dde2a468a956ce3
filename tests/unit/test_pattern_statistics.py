"""Statistics of domain patterns against patterns whose numbers are known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from weiss.patterns.statistics import (
    domain_areas,
    pattern_statistics,
    radial_average,
    structure_factor,
    wavenumbers,
)

FIELDS = [
    "domain_density",
    "domain_area",
    "perimeter",
    "peak_wavenumber",
    "mean_wavenumber",
]


def stripes(period, shape=(48, 96)):
    """Equal black and white stripes that run down the film, `period` cells from one white stripe to the next."""
    return np.where(np.arange(shape[1]) % period < period // 2, 1, -1) * np.ones((shape[0], 1), int)


def disk(radius, shape=(64, 64), centre=(32, 32)):
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.where(np.hypot(y - centre[0], x - centre[1]) <= radius, 1, -1)


def labyrinth(shape=(64, 80), seed=0):
    """A random pattern with one length, 12 cells."""
    k = wavenumbers(shape)
    noise = np.random.default_rng(seed).standard_normal(shape)
    return np.where(
        np.fft.ifft2(np.fft.fft2(noise) * np.exp(-((k / (2 * np.pi / 12) - 1) ** 2) / 0.02)).real < 0, -1, 1
    )


def same(one, other):
    for name in FIELDS:
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-9), name


def test_every_statistic_is_tested():
    assert [field.name for field in dataclasses.fields(pattern_statistics(stripes(8)))] == FIELDS


@pytest.mark.parametrize("period", [4, 8, 24])
def test_stripes(period):
    found = pattern_statistics(stripes(period))
    assert found.perimeter == pytest.approx(2 / period)
    assert found.peak_wavenumber == pytest.approx(2 * np.pi / period)
    assert found.domain_density * 48 * 96 == 2 * 96 / period
    assert found.domain_area == 48 * period / 2


def test_peak_of_oblique_stripes_is_not_rounded_to_a_shell():
    """Wave vector (3, 5): its length, 5.83 smallest wavenumbers, lies between two shells."""
    y, x = np.ogrid[:64, :64]
    wave = np.where(np.sin(2 * np.pi * (3 * y + 5 * x + 0.3) / 64) < 0, -1, 1)
    assert pattern_statistics(wave).peak_wavenumber == pytest.approx(2 * np.pi * np.hypot(3, 5) / 64, rel=1e-3)


def test_checkerboard():
    """Every cell is a domain of its own: cells that touch at a corner are not connected."""
    found = pattern_statistics(np.where(np.indices((16, 24)).sum(axis=0) % 2, 1, -1))
    assert (found.domain_density, found.domain_area, found.perimeter) == (1, 1, 2)
    assert found.peak_wavenumber == pytest.approx(np.pi * np.sqrt(2))
    assert found.mean_wavenumber == pytest.approx(np.pi * np.sqrt(2))


@pytest.mark.parametrize("centre", [(32, 32), (0, 32), (32, 63), (0, 0)])
def test_a_disk_is_one_domain_wherever_it_lies(centre):
    """Also across an edge and across a corner. Along its edge a disk of radius R has 4(2R + 1) sides of cells."""
    pattern = np.roll(disk(10), (centre[0] - 32, centre[1] - 32), (0, 1))
    found = pattern_statistics(pattern)
    area = int((disk(10) > 0).sum())
    assert domain_areas(pattern > 0).tolist() == [area]
    assert domain_areas(pattern < 0).tolist() == [64 * 64 - area]
    assert found.domain_density * 64 * 64 == 2
    assert found.perimeter * 64 * 64 == 4 * 21
    assert found.domain_area == pytest.approx((area**2 + (4096 - area) ** 2) / 4096)


def test_structure_factor_of_a_disk():
    """S = (4/N)(2πR J1(kR)/k)², Airy's pattern: its first dark ring lies at kR = 3.83."""
    radius, shape = 20.0, (256, 256)
    y, x = np.ogrid[:256, :256]
    pattern = np.where(np.hypot(y - 128, x - 128) <= radius, 1, -1)
    k, average = radial_average(structure_factor(pattern), wavenumbers(shape))
    within = k * radius < 5
    assert k[within][average[within].argmin()] * radius == pytest.approx(3.83, abs=0.3)
    assert average[0] == pytest.approx(4 / 256**2 * (np.pi * radius**2) ** 2, rel=0.1)


def test_structure_factor_sums_to_the_variance():
    pattern = labyrinth()
    assert structure_factor(pattern).mean() == pytest.approx(1 - pattern.mean() ** 2)


def test_length_of_a_labyrinth():
    assert 2 * np.pi / pattern_statistics(labyrinth()).peak_wavenumber == pytest.approx(12, rel=0.1)


@pytest.mark.parametrize(
    "pattern", [labyrinth(), stripes(8), disk(9, (40, 64), (20, 5))], ids=("lab", "stripes", "disk")
)
def test_nothing_depends_on_where_the_film_is_cut_or_on_names(pattern):
    """Rolled, transposed, mirrored, or with black and white exchanged, a film is the same film."""
    found = pattern_statistics(pattern)
    for shift in ((1, 0), (0, 7), (13, 31)):
        same(pattern_statistics(np.roll(pattern, shift, (0, 1))), found)
    same(pattern_statistics(pattern.T), found)
    same(pattern_statistics(pattern[::-1]), found)
    same(pattern_statistics(-pattern), found)


def test_a_film_twice_as_wide_has_the_same_statistics():
    """Densities are per cell: two copies side by side are one film, but for domains that run around it."""
    pattern = disk(9, (40, 40), (20, 20))
    one, two = pattern_statistics(pattern), pattern_statistics(np.tile(pattern, (1, 2)))
    assert two.perimeter == one.perimeter
    # The white disk is there twice, the black background once.
    assert two.domain_density * 40 * 80 == 3
    assert two.mean_wavenumber == pytest.approx(one.mean_wavenumber)


def test_domains_joined_only_by_way_of_the_edges_are_one():
    """A spiral staircase: each step meets the next only across the left and right edges."""
    rows = np.zeros((8, 12), bool)
    rows[1, :6] = rows[1, 10:] = True
    rows[2, 10:] = rows[3, 10:] = True
    rows[3, :3] = True
    assert domain_areas(rows).tolist() == [8 + 4 + 3]
    assert domain_areas(np.zeros((4, 4), bool)).size == 0


def test_a_film_of_one_sign_has_one_domain_and_no_length():
    found = pattern_statistics(np.ones((8, 8), int))
    assert (found.domain_density, found.domain_area, found.perimeter) == (1 / 64, 64, 0)
    assert np.isnan(found.peak_wavenumber) and np.isnan(found.mean_wavenumber)


@pytest.mark.parametrize("pattern", [np.zeros((4, 4)), np.ones(5), np.ones((1, 5)), np.full((3, 3), np.nan)])
def test_what_is_no_binarised_film_is_refused(pattern):
    with pytest.raises(ValueError, match=r"a (binarised )?film h"):
        pattern_statistics(pattern)
