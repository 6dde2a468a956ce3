"""Fractals: the shapes that a few shrinking affine maps leave in place, drawn by following random sequences of them.

As pictures to learn from they were introduced by Kataoka et al., "Pre-training without natural images" (ACCV 2020,
arXiv:2101.08515). The maps are drawn as two turns around a stretch, as Anderson and Farrell do in "Improving fractal
pre-training" (WACV 2022, arXiv:2110.03091), because such a map shrinks by the numbers drawn and needs no test of that.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor, nn

from weiss.learn.formula import between, chance

MAPS = 4
"""Most maps of a fractal; the least is two."""

STEPS, PIXELS_PER_WALK = 16, 8
"""Steps of every walk over a fractal, each leaving a point, and pixels for each walk: two points for every pixel."""

FILLED = (0.08, 0.30)
"""Share of a picture that a fractal of usual size must cover: less is dust, more a blot."""

REFERENCE, AT_ONCE = 64, 256
"""Side of the picture in which the covered share is measured, and fractals measured at a time."""

_NUMBERS = (6 * MAPS, MAPS - 1, 3)
_IMAGE = (6 * MAPS, MAPS - 1, 6, 1, 1, STEPS)


def categories(seed: int, count: int) -> Tensor:
    """Draw the formulas. One that covers too little or too much is drawn anew, on its own.

    Parameters
    ----------
    seed : int
    count : int
        Number of categories; the first ones do not depend on it.

    Returns
    -------
    Tensor, (count, 30) float64
        Four maps of six numbers (a, b, c, d, e, f: x to ax + by + e, y to cx + dy + f); three thresholds that share
        [0, 1) among them in proportion to the area each leaves, 1 where there are fewer maps; centre of the fractal
        and half its larger side.
    """
    numbers = torch.zeros(count, sum(_NUMBERS), dtype=torch.float64)
    missing, attempt = torch.arange(count), 0
    while len(missing):
        rejected = []
        for block in missing.split(AT_ONCE):
            tried, covered = _measured(torch.stack([_draw(seed, category, attempt) for category in block.tolist()]))
            good = (covered >= FILLED[0]) & (covered <= FILLED[1])
            numbers[block[good]] = tried[good]
            rejected.append(block[~good])
        missing, attempt = torch.cat(rejected), attempt + 1
    return numbers


def _measured(numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Fill in centre and half side of fractals, and tell what share of a picture they cover."""
    maps, thresholds, _ = numbers.split(_NUMBERS, dim=1)
    points = _walk(maps, thresholds, numbers.new_zeros(len(numbers), STEPS), REFERENCE)
    low, high = points.amin(dim=2), points.amax(dim=2)
    measured = torch.cat([maps, thresholds, (low + high) / 2, (high - low).amax(dim=1, keepdim=True) / 2], dim=1)
    upright = numbers.new_tensor([[0.0, 0.0, 0.9, 1.0, 0.0, 1.0]]).expand(len(numbers), 6)
    return measured, _hit(points, _placed(measured, upright), REFERENCE).mean(dim=(1, 2))


def _draw(seed: int, category: int, attempt: int) -> Tensor:
    draws = torch.rand(1 + 7 * MAPS, generator=chance("fractals", seed, category, attempt), dtype=torch.float64)
    maps = 2 + int(draws[0] * (MAPS - 1))
    first, second, large, small, flip, right, up = draws[1:].view(7, MAPS)
    first, second = between(first, 0.0, 2 * math.pi), between(second, 0.0, 2 * math.pi)
    large = between(large, 0.4, 0.85)
    small = large * between(small, 0.3, 1.0) * torch.where(flip < 0.5, -1.0, 1.0)
    cos1, sin1, cos2, sin2 = torch.cos(first), torch.sin(first), torch.cos(second), torch.sin(second)
    numbers = torch.zeros(sum(_NUMBERS), dtype=torch.float64)
    numbers[: 6 * MAPS] = torch.stack(
        [
            large * cos1 * cos2 - small * sin1 * sin2,
            -large * cos1 * sin2 - small * sin1 * cos2,
            large * sin1 * cos2 + small * cos1 * sin2,
            -large * sin1 * sin2 + small * cos1 * cos2,
            between(right, -1.0, 1.0),
            between(up, -1.0, 1.0),
        ],
        dim=1,
    ).flatten()
    area = (large * small).abs()
    area[maps:] = 0
    thresholds = torch.cumsum(area, 0)[:-1] / area.sum()
    thresholds[maps - 1 :] = 1
    numbers[6 * MAPS : 6 * MAPS + MAPS - 1] = thresholds
    return numbers


def vary(numbers: Tensor, generator: torch.Generator) -> Tensor:
    """Draw images of given categories.

    Parameters
    ----------
    numbers : Tensor, (N, 30)
        Rows of `categories`, one per image.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    Tensor, (N, 51) float64
        Maps, a little off, and thresholds; the affine map to the window (six numbers, in half windows: place, size,
        turn, mirror); extra thickness of the points in pixels (0 or 1); sign; one shift for each step of the walks.
    """
    count = len(numbers)
    uniform = torch.rand(count, 7, generator=generator, dtype=torch.float64).unbind(1)
    off = 1 + 0.05 * torch.randn(count, 6 * MAPS, generator=generator, dtype=torch.float64).clamp(-2, 2)
    shifts = torch.rand(count, STEPS, generator=generator, dtype=torch.float64)
    turn = between(uniform[0], 0.0, 2 * math.pi)
    place = torch.stack(
        [
            between(uniform[1], -0.2, 0.2),
            between(uniform[2], -0.2, 0.2),
            between(uniform[3], 0.75, 1.1),
            torch.cos(turn),
            torch.sin(turn),
            torch.where(uniform[4] < 0.5, -1.0, 1.0).double(),
        ],
        dim=1,
    )
    thicker = torch.floor(2 * uniform[5])
    sign = torch.where(uniform[6] < 0.5, -1.0, 1.0).double()
    maps, thresholds, _ = numbers.split(_NUMBERS, dim=1)
    return torch.cat([maps * off, thresholds, _placed(numbers, place), thicker[:, None], sign[:, None], shifts], dim=1)


def _placed(numbers: Tensor, place: Tensor) -> Tensor:
    """The affine map (N, 6) that brings a fractal to a place in the window: its centre, size, turn and mirror."""
    middle_x, middle_y, half_side = numbers[:, -3:].unbind(1)
    across, down, size, cosine, sine, mirror = place.unbind(1)
    scale = size / half_side
    a, b = scale * cosine * mirror, -scale * sine
    c, d = scale * sine * mirror, scale * cosine
    return torch.stack([a, b, c, d, across - a * middle_x - b * middle_y, down - c * middle_x - d * middle_y], dim=1)


def render(images: Tensor, window: int) -> Tensor:
    """Draw images.

    Parameters
    ----------
    images : Tensor, (N, 51)
        From `vary`.
    window : int
        Side of the images, pixels.

    Returns
    -------
    Tensor, (N, window, window) float32
        Values ±1.
    """
    maps, thresholds, place, thicker, sign, shifts = images.split(_IMAGE, dim=1)
    drawn = _hit(_walk(maps, thresholds, shifts, window), place, window)
    # A point of two by two pixels.
    grown = nn.functional.max_pool2d(nn.functional.pad(drawn, (1, 0, 1, 0)), 2, stride=1)
    drawn = torch.where(thicker[:, :, None] > 0, grown, drawn)
    return torch.where(drawn > 0, sign[:, :, None], -sign[:, :, None]).float()


def _walk(maps: Tensor, thresholds: Tensor, shifts: Tensor, window: int) -> Tensor:
    """Points of fractals: (N, 2, STEPS · walks).

    All walks start at the point that the first map leaves where it is, which belongs to the fractal, and so do all
    points after it. The draws that choose the maps are the same for every image but for a shift of each step.
    """
    walks = max(1, window * window // PIXELS_PER_WALK)
    choices = _choices(walks).to(maps.device)
    a, b, c, d, e, f = maps[:, :6, None].unbind(1)
    left = (1 - a) * (1 - d) - b * c
    x, y = ((1 - d) * e + b * f) / left, (c * e + (1 - a) * f) / left
    table = maps.reshape(-1, 6)
    first_map = MAPS * torch.arange(len(maps), device=maps.device)[:, None]
    points = []
    for step in range(STEPS):
        choice = torch.remainder(choices[step] + shifts[:, step, None], 1.0)
        chosen = first_map + (choice[:, :, None] >= thresholds[:, None, :]).sum(dim=2)
        a, b, c, d, e, f = table[chosen].unbind(2)
        x, y = a * x + b * y + e, c * x + d * y + f
        points.append(torch.stack([x, y], dim=1))
    return torch.cat(points, dim=2)


@cache
def _choices(walks: int) -> Tensor:
    return torch.rand(STEPS, walks, generator=chance("walks", walks), dtype=torch.float64)


def _hit(points: Tensor, place: Tensor, window: int) -> Tensor:
    """Mark the pixels that points fall on: (N, window, window) float32 of 0 and 1."""
    x, y = points.unbind(1)
    a, b, c, d, e, f = place[:, :, None].unbind(1)
    column = torch.floor((a * x + b * y + e + 1) * (window / 2)).long()
    row = torch.floor((c * x + d * y + f + 1) * (window / 2)).long()
    inside = (column >= 0) & (column < window) & (row >= 0) & (row < window)
    image = torch.arange(len(points), device=points.device)[:, None]
    # Points outside go to a cell of their own behind the images.
    cell = torch.where(inside, (image * window + row) * window + column, len(points) * window * window)
    cells = torch.zeros(len(points) * window * window + 1, device=points.device)
    cells[cell.flatten()] = 1
    return cells[:-1].view(len(points), window, window)
