"""Nested outlines around a centre: a polygon bent by waves, repeated at several radii.

That outlines alone teach a network to see is the finding of Kataoka et al., "Replacing labeled real-image datasets with
auto-generated contours" (CVPR 2022, arXiv:2206.09132), who draw polygons one inside the other and move their corners
at random. Here every image is one field, the radius divided by the outline's own radius at that angle, and the outlines
are its contour lines, so that a batch takes the same few tensor operations however many outlines it holds.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from weiss.learn.formula import between, chance

CORNERS, OUTLINES, LOBES = (3, 10), (1, 6), (1, 3)
"""Least and most corners, outlines, and lobes of the slow wave."""

THINNEST = 1.2
"""Least thickness of a line, pixels: a thinner one falls apart into dots."""


def categories(seed: int, count: int) -> Tensor:
    """Draw the formulas.

    Parameters
    ----------
    seed : int
    count : int
        Number of categories; the first ones do not depend on it.

    Returns
    -------
    Tensor, (count, 11) float64
        Corners; how far the sides are straight (1: a polygon, below 0: hollowed petals); amplitude of the wave with as
        many lobes as corners; lobes, amplitude and phase of a slow wave; twist from the centre outwards, radians; ratio
        of width to length; number of outlines; innermost radius; exponent of their spacing.
    """
    draws = torch.stack(
        [torch.rand(11, generator=chance("contours", seed, category), dtype=torch.float64) for category in range(count)]
    ).unbind(1)
    return torch.stack(
        [
            _whole(draws[0], CORNERS),
            between(draws[1], -1.0, 1.3),
            between(draws[2], -0.25, 0.25),
            _whole(draws[3], LOBES),
            between(draws[4], 0.0, 0.3),
            between(draws[5], 0.0, 2 * math.pi),
            between(draws[6], -1.2, 1.2),
            between(draws[7], 0.55, 1.0),
            _whole(draws[8], OUTLINES),
            between(draws[9], 0.0, 0.4),
            between(draws[10], 0.6, 1.7),
        ],
        dim=1,
    )


def vary(numbers: Tensor, generator: torch.Generator) -> Tensor:
    """Draw images of given categories.

    Parameters
    ----------
    numbers : Tensor, (N, 11)
        Rows of `categories`, one per image.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    Tensor, (N, 18) float64
        The formula, its amplitudes, phase, twist and ratio a little off; then centre (two numbers) and size in half
        windows, cosine and sine of the turn, thickness of the lines in gaps between outlines, sign. A mirrored image
        has phase and twist mirrored.
    """
    count = len(numbers)
    uniform = torch.rand(count, 7, generator=generator, dtype=torch.float64).unbind(1)
    normal = torch.randn(count, 6, generator=generator, dtype=torch.float64)
    corners, straight, wave, lobes, slow, phase, twist, ratio, outlines, innermost, exponent = numbers.unbind(1)
    turn = between(uniform[0], 0.0, 2 * math.pi)
    mirror = torch.where(uniform[1] < 0.5, -1.0, 1.0).double()
    return torch.stack(
        [
            corners,
            straight * (1 + 0.08 * normal[:, 0]),
            wave * (1 + 0.08 * normal[:, 1]),
            lobes,
            slow * (1 + 0.08 * normal[:, 2]),
            mirror * (phase + 0.1 * normal[:, 3]),
            mirror * (twist + 0.05 * normal[:, 4]),
            ratio * (1 + 0.04 * normal[:, 5]).clamp(0.8, 1.2),
            outlines,
            innermost,
            exponent,
            between(uniform[2], -0.25, 0.25),
            between(uniform[3], -0.25, 0.25),
            between(uniform[4], 0.7, 1.1),
            torch.cos(turn),
            torch.sin(turn),
            between(uniform[5], 0.15, 0.55),
            torch.where(uniform[6] < 0.5, -1.0, 1.0).double(),
        ],
        dim=1,
    )


def render(images: Tensor, window: int) -> Tensor:
    """Draw images.

    Parameters
    ----------
    images : Tensor, (N, 18)
        From `vary`.
    window : int
        Side of the images, pixels.

    Returns
    -------
    Tensor, (N, window, window) float32
        Values ±1.
    """
    (
        (corners, straight, wave, lobes, slow, phase, twist, ratio, outlines, innermost, exponent),
        (across, down, size, cosine, sine, thickness, sign),
    ) = (part[:, :, None, None].unbind(1) for part in images.split((11, 7), dim=1))
    # One pixel more on every side, for the slope of the field.
    pixels = (torch.arange(-1, window + 1, device=images.device, dtype=torch.float64) + 0.5) * (2 / window) - 1
    x, y = pixels - across, pixels[:, None] - down
    along, aside = (cosine * x + sine * y) / size, (cosine * y - sine * x) / (size * ratio)
    radius = torch.sqrt(along * along + aside * aside)
    angle = torch.atan2(aside, along) + twist * radius
    half_side = math.pi / corners
    polygon = torch.cos(half_side) / torch.cos(torch.remainder(angle, 2 * half_side) - half_side)
    outline = 1 + straight * (polygon - 1) + wave * torch.cos(corners * angle) + slow * torch.cos(lobes * angle + phase)
    field = radius / outline.clamp_min(0.2)
    slope = torch.hypot(field[:, 1:-1, 2:] - field[:, 1:-1, :-2], field[:, 2:, 1:-1] - field[:, :-2, 1:-1]) / 2
    field = field[:, 1:-1, 1:-1]
    # Outlines lie where this counts 1, 2, … outlines.
    counted = ((field - innermost) / (1 - innermost)).clamp_min(0) ** (1 / exponent) * outlines
    nearest = torch.minimum(counted.round().clamp_min(1), outlines)
    level = innermost + (1 - innermost) * (nearest / outlines) ** exponent
    gap = size * (1 - innermost) / outlines * (window / 2)
    reach = (thickness * gap).clamp_min(THINNEST) / 2
    return torch.where((field - level).abs() <= reach * slope, sign, -sign).float()


def _whole(draws: Tensor, limits: tuple[int, int]) -> Tensor:
    low, high = limits
    return torch.floor(between(draws, low, high + 1))
