"""Binarising, windows on a periodic film, and the regions of a nonuniform one."""

from __future__ import annotations

import numpy as np
import pytest

from weiss.patterns.binarise import binarise
from weiss.patterns.regions import REGIONS, inner_mask, region_masks
from weiss.patterns.windows import centre, grid_of, window_at, wrap


def test_binarise_takes_zero_as_up():
    pattern = binarise([[-0.2, -0.0], [1e-9, 0.7]])
    assert pattern.dtype == np.int8
    assert pattern.tolist() == [[-1, 1], [1, 1]]


def test_binarise_at_another_threshold():
    assert binarise(np.array([0.1, 0.3]), threshold=0.2).tolist() == [-1, 1]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_binarise_refuses_what_has_no_sign(bad):
    with pytest.raises(ValueError, match="NaN or infinite"):
        binarise([0.5, bad])


@pytest.mark.parametrize("window", [1, 2, 5, 8])
def test_window_starting_at_a_cell_of_the_wrapped_film_is_the_window_around_it(window):
    film = np.arange(8 * 11).reshape(8, 11)
    padded = wrap(film, window)
    assert padded.shape == (8 + window - 1, 11 + window - 1)
    for i in range(8):
        for j in range(11):
            assert (padded[i : i + window, j : j + window] == window_at(film, i, j, window)).all()


def test_window_of_algorithm_1():
    """Rows i-32 to i+31 of the periodically continued film, for a window of 64."""
    film = np.arange(100)[:, None] * 1000 + np.arange(100)[None, :]
    window = window_at(film, 3, 98, 64)
    assert window[:, 0].tolist() == [(row % 100) * 1000 + (98 - 32) % 100 for row in range(3 - 32, 3 + 32)]
    assert window[32, 32] == film[3, 98]


@pytest.mark.parametrize("window", [0, -1, 9])
def test_window_that_does_not_fit_is_refused(window):
    with pytest.raises(ValueError, match="does not fit"):
        wrap(np.zeros((8, 12)), window)


def test_film_must_have_two_dimensions():
    with pytest.raises(ValueError, match="two dimensions"):
        wrap(np.zeros((2, 8, 8)), 4)


def test_grid_of_a_stride():
    assert grid_of(10, 1).tolist() == list(range(10))
    assert grid_of(10, 4).tolist() == [0, 4, 8]
    with pytest.raises(ValueError, match="at least 1"):
        grid_of(10, 0)


def test_centre_of_images():
    images = np.arange(2 * 6 * 8).reshape(2, 6, 8)
    assert (centre(images, 4) == images[:, 1:5, 2:6]).all()
    with pytest.raises(ValueError, match="does not fit"):
        centre(images, 7)


def test_inner_region_of_the_paper():
    """512 cells, the outer region within 192 cells from the boundary: the inner one has a side of 128."""
    inner = inner_mask((512, 512), 192)
    assert inner.sum() == 128**2
    assert inner[192, 192] and inner[319, 319] and not inner[191, 256] and not inner[256, 320]


@pytest.mark.parametrize("margin", [-1, 32, 40])
def test_margin_without_inner_region_is_refused(margin):
    with pytest.raises(ValueError, match="no inner region"):
        inner_mask((64, 80), margin)


def test_regions_of_the_paper():
    """R1 the central 64², R2 the rest of the inner 128², R3 the 32-cell ring outside, R4 the rest of 512²."""
    masks = region_masks((512, 512), 192, 64)
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {
        "R1": 64**2,
        "R2": 128**2 - 64**2,
        "R3": 192**2 - 128**2,
        "R4": 512**2 - 192**2,
    }
    assert masks["R1"][224:288, 224:288].all()


@pytest.mark.parametrize(("shape", "margin", "window"), [((60, 80), 10, 16), ((64, 64), 20, 40), ((50, 50), 4, 20)])
def test_regions_divide_the_film(shape, margin, window):
    masks = region_masks(shape, margin, window)
    assert tuple(masks) == REGIONS
    assert (sum(mask.astype(int) for mask in masks.values()) == 1).all()
    assert ((masks["R1"] | masks["R2"]) == inner_mask(shape, margin)).all()


def test_regions_may_be_empty():
    assert not region_masks((64, 64), 20, 40)["R2"].any()
    assert not region_masks((50, 50), 4, 20)["R4"].any()
