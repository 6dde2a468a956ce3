"""Images made by formulas: reproducible, ±1, and of categories that can be told apart."""

import itertools

import pytest
import torch

from weiss.errors import UserError
from weiss.learn.formula import KINDS, chance, fractals, kind_of_images

SIZE = 32


@pytest.fixture(autouse=True)
def one_thread():
    """Small arrays are fastest on one thread, above all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def numbers(name, categories=8, each=12, seed=3, draw="test"):
    """Drawn images of every category in turn, and their categories."""
    kind = kind_of_images(name)
    labels = torch.arange(categories).repeat_interleave(each)
    return kind.vary(kind.categories(seed, categories)[labels], chance(draw)), labels


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("window", [24, 33])
def test_images_are_plus_and_minus_one_and_neither_alone(name, window):
    images = kind_of_images(name).render(numbers(name)[0], window)
    assert images.shape == (96, window, window) and images.dtype == torch.float32
    assert set(images.unique().tolist()) == {-1.0, 1.0}
    drawn = torch.minimum((images > 0).float().mean((1, 2)), (images < 0).float().mean((1, 2)))
    assert (drawn > 0.01).all()


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("window", [24, 33])
def test_an_image_does_not_feel_its_batch(name, window):
    """33² is no multiple of what a processor's vectors hold: the last pixels are computed in another way."""
    kind, drawn = kind_of_images(name), numbers(name)[0]
    whole = kind.render(drawn, window)
    for size in (1, 7, 50):
        parts = torch.cat([kind.render(part, window) for part in drawn.split(size)])
        assert torch.equal(parts, whole)


@pytest.mark.parametrize("name", KINDS)
def test_categories_depend_on_seed_and_number_alone(name):
    kind = kind_of_images(name)
    torch.manual_seed(1)
    many = kind.categories(3, 12)
    torch.manual_seed(2)
    assert torch.equal(kind.categories(3, 5), many[:5])
    assert not torch.isclose(kind.categories(4, 12), many).all(dim=1).any()
    assert len(many.unique(dim=0)) == 12


@pytest.mark.parametrize("name", KINDS)
def test_other_draws_are_other_images_of_the_same_categories(name):
    render = kind_of_images(name).render
    first, again, other = (render(numbers(name, draw=draw)[0], SIZE) for draw in ("one", "one", "two"))
    assert torch.equal(first, again)
    assert (first != other).any(dim=2).any(dim=1).all()


@pytest.mark.parametrize("name", KINDS)
def test_both_signs_occur_in_every_category(name):
    images = kind_of_images(name).render(numbers(name, each=30)[0], SIZE)
    bright = (images.mean((1, 2)) > 0).view(8, 30)
    assert bright.any(dim=1).all() and not bright.all()


def outline(images):
    """What a turn, a mirror, a shift, a sign leave as it is: the spectrum of the image averaged over directions."""
    spectrum = torch.fft.fft2(images - images.mean((1, 2), keepdim=True)).abs()
    k = torch.fft.fftfreq(SIZE) * SIZE
    ring = torch.hypot(k[:, None], k[None, :]).round().long().clamp(max=SIZE // 2)
    profile = torch.zeros(len(images), SIZE // 2 + 1).index_add(1, ring.flatten(), spectrum.flatten(1))
    return torch.log1p(profile[:, 1:] / torch.bincount(ring.flatten())[1:])


@pytest.mark.parametrize("name", KINDS)
def test_images_lie_nearest_to_the_mean_of_their_own_category(name):
    """Told by a coarse measure that knows nothing of shape, still three times as often as by chance (1 in 8)."""
    render = kind_of_images(name).render
    learned, labels = numbers(name, each=40, draw="learn")
    asked, truth = numbers(name, each=40, draw="ask")
    means = outline(render(learned, SIZE)).view(8, 40, -1).mean(dim=1)
    found = torch.cdist(outline(render(asked, SIZE)), means).argmin(dim=1)
    assert (found == truth).float().mean() > 3 / 8
    assert len(labels) == len(truth) == 320


@pytest.mark.parametrize("name", KINDS)
def test_variations_change_a_category_less_than_another_category_does(name):
    """The same draw of turn, place, size and sign for two categories: images differ by category."""
    kind = kind_of_images(name)
    table = kind.categories(3, 6)
    for first, second in itertools.combinations(range(6), 2):
        pair = [kind.render(kind.vary(table[[number] * 4], chance("same")), 64) for number in (first, second)]
        assert ((pair[0] != pair[1]).float().mean((1, 2)) > 0.02).all()


def test_fractals_are_neither_dust_nor_blots():
    table = fractals.categories(11, 60)
    upright = torch.tensor([[0.0, 0.0, 0.9, 1.0, 0.0, 1.0]], dtype=torch.float64).expand(60, 6)
    maps, thresholds, _ = table.split((24, 3, 3), dim=1)
    images = torch.cat([maps, thresholds, fractals._placed(table, upright), torch.zeros(60, 1)], dim=1)
    images = torch.cat([images, torch.ones(60, 1), torch.zeros(60, fractals.STEPS)], dim=1)
    covered = (fractals.render(images, fractals.REFERENCE) > 0).double().mean((1, 2))
    assert (covered >= fractals.FILLED[0]).all() and (covered <= fractals.FILLED[1]).all()


def test_points_of_a_fractal_stay_within_its_maps():
    """The maps of half size towards three corners leave Sierpinski's triangle: no point falls into its middle."""
    half = torch.tensor([[0.5, 0, 0, 0.5]], dtype=torch.float64).expand(4, 4)
    corners = torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.0, 0.5], [0.0, 0.0]], dtype=torch.float64)
    maps = torch.cat([half, corners], dim=1).reshape(1, 24)
    thresholds = torch.tensor([[1 / 3, 2 / 3, 1.0]], dtype=torch.float64)
    points = fractals._walk(maps, thresholds, torch.zeros(1, fractals.STEPS, dtype=torch.float64), 64)[0]
    assert (points >= 0).all() and (points.sum(dim=0) <= 1 + 1e-12).all()
    middle = (points[0] < 0.5) & (points[1] < 0.5) & (points.sum(dim=0) > 0.5)
    assert not middle.any()
    thirds = torch.stack([points[0] >= 0.5, points[1] >= 0.5]).double().mean(dim=1)
    assert torch.allclose(thirds, torch.full((2,), 1 / 3, dtype=torch.float64), atol=0.03)


def test_thicker_lines_cover_more_and_smaller_images_less():
    kind = kind_of_images("contours")
    drawn = numbers("contours", each=1)[0]
    drawn[:, 17] = 1.0

    def covered(column, value):
        changed = drawn.clone()
        changed[:, column] = value
        return (kind.render(changed, 64) > 0).float().mean((1, 2))

    assert (covered(16, 0.5) > covered(16, 0.25)).all()
    assert (covered(13, 0.6) < covered(13, 0.9)).all()


def test_an_unknown_kind_is_refused():
    with pytest.raises(UserError, match=r"unknown kind of images 'clouds'.*contours, fractals"):
        kind_of_images("clouds")


@pytest.mark.gpu
@pytest.mark.parametrize("name", KINDS)
def test_a_gpu_draws_the_images_of_the_cpu(name):
    if not torch.cuda.is_available():
        pytest.skip("torch finds no GPU")
    kind, drawn = kind_of_images(name), numbers(name, each=40)[0]
    assert torch.equal(kind.render(drawn.to("cuda"), 64).cpu(), kind.render(drawn, 64))
