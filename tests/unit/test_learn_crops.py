"""Crops and turns against plain NumPy slicing."""

import numpy as np
import pytest
import torch

from weiss.patterns import crops
from weiss.patterns.crops import Draws, batch_sizes, cut, cut_batches, draw_crops, quarter_turns


def test_cut_equals_numpy_slices_turned_by_rot90():
    films = np.random.default_rng(0).integers(0, 100, (3, 20, 26))
    generator = torch.Generator().manual_seed(1)
    draws = draw_crops(generator, 3, (20, 26), 7, 200)
    crops = cut(torch.from_numpy(films), draws, 7).numpy()
    for crop, film, top, left, turns in zip(crops, draws.film, draws.top, draws.left, draws.turns, strict=True):
        assert np.array_equal(crop, np.rot90(films[film, top : top + 7, left : left + 7], int(turns)))
    assert set(draws.turns.tolist()) == {0, 1, 2, 3}


def test_positions_reach_both_edges_and_never_beyond():
    draws = draw_crops(torch.Generator().manual_seed(2), 4, (9, 12), 8, 2000)
    assert set(draws.top.tolist()) == {0, 1}
    assert set(draws.left.tolist()) == {0, 1, 2, 3, 4}


def test_a_window_as_large_as_the_film_is_the_film():
    films = torch.arange(2 * 5 * 5).reshape(2, 5, 5)
    draws = draw_crops(torch.Generator().manual_seed(3), 2, (5, 5), 5, 10)
    still = Draws(draws.film, draws.top, draws.left, torch.zeros_like(draws.turns))
    assert torch.equal(cut(films, still, 5), films[draws.film])


def test_each_round_shows_every_film_once():
    film = draw_crops(torch.Generator().manual_seed(4), 7, (9, 9), 3, 21).film.reshape(3, 7)
    assert (film.sort(dim=1).values == torch.arange(7)).all()
    assert not torch.equal(film[0], film[1])


def test_draws_depend_on_the_generator_alone():
    torch.manual_seed(0)
    first = draw_crops(torch.Generator().manual_seed(5), 7, (30, 30), 8, 50)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    second = draw_crops(torch.Generator().manual_seed(5), 7, (30, 30), 8, 50)
    assert torch.equal(torch.get_rng_state(), before)
    for name in ("film", "top", "left", "turns"):
        assert torch.equal(getattr(first, name), getattr(second, name))


def test_batches_differ_by_one_crop_at_most():
    assert batch_sizes(250, 4) == [63, 63, 62, 62]
    assert batch_sizes(8, 3) == [3, 3, 2]
    assert batch_sizes(8, 4) == [2, 2, 2, 2]


@pytest.mark.parametrize("most", [1, 2 * 6 * 49, 10**6], ids=["one batch", "two batches", "all"])
def test_batches_are_the_crops_in_order_however_many_are_cut_at_once(monkeypatch, most):
    monkeypatch.setattr(crops, "CUT_PIXELS", most)
    films = torch.from_numpy(np.random.default_rng(7).integers(-100, 100, (5, 20, 26)).astype(np.int8))
    draws, sizes = draw_crops(torch.Generator().manual_seed(8), 5, (20, 26), 7, 28), batch_sizes(28, 5)
    batches = list(cut_batches(films, draws, 7, sizes))
    assert [len(images) for images, _ in batches] == [len(film) for _, film in batches] == sizes
    assert torch.equal(torch.cat([film for _, film in batches]), draws.film)
    images = torch.cat([images for images, _ in batches])
    assert images.dtype == torch.float32
    assert torch.equal(images, cut(films, draws, 7).float())


def test_no_more_pixels_are_cut_at_once_than_allowed(monkeypatch):
    seen, original = [], crops._read

    def read(*arguments):
        images = original(*arguments)
        seen.append(images.numel())
        return images

    monkeypatch.setattr(crops, "CUT_PIXELS", 1000)
    monkeypatch.setattr(crops, "_read", read)
    films, draws = torch.ones(3, 9, 9), draw_crops(torch.Generator().manual_seed(9), 3, (9, 9), 8, 40)
    list(cut_batches(films, draws, 8, batch_sizes(40, 8)))
    assert seen == [3 * 5 * 64, 3 * 5 * 64, 2 * 5 * 64]


def test_quarter_turns_against_numpy():
    images = np.random.default_rng(1).integers(0, 100, (5, 6, 6))
    turned = quarter_turns(torch.from_numpy(images)).numpy()
    for turns in range(4):
        assert np.array_equal(turned[turns], np.rot90(images, turns, axes=(1, 2)))
