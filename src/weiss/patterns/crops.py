"""Square crops of films and their quarter turns, cut by indexing wherever the films lie (CPU or GPU)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

CUT_PIXELS = 2**22
"""Most pixels of crops cut at once; their indices take eight bytes each."""


@dataclass(frozen=True)
class Draws:
    """Which crops to cut: four (N,) int64 tensors, on the CPU.

    Attributes
    ----------
    film : Tensor
        Index of the film.
    top, left : Tensor
        Pixel of the crop's first row and column.
    turns : Tensor
        Quarter turns, counter-clockwise, 0 to 3.
    """

    film: Tensor
    top: Tensor
    left: Tensor
    turns: Tensor

    def split(self, sizes: Sequence[int]) -> list[Draws]:
        """Cut into pieces of these sizes."""
        columns = [part.split(list(sizes)) for part in (self.film, self.top, self.left, self.turns)]
        return [Draws(*piece) for piece in zip(*columns, strict=True)]


def batch_sizes(samples: int, batches: int) -> list[int]:
    """Sizes of `batches` batches of `samples` crops in all; they differ by one at most."""
    return [samples // batches + (batch < samples % batches) for batch in range(batches)]


def draw_crops(generator: torch.Generator, films: int, shape: tuple[int, int], window: int, samples: int) -> Draws:
    """Draw `samples` random crops that lie inside their film.

    Films come in shuffled rounds, each film once per round, so that none is favoured; positions and quarter turns are
    uniform.

    Parameters
    ----------
    generator : torch.Generator
        CPU generator; the only source of chance.
    films : int
        Number of films.
    shape : (int, int)
        Rows and columns of a film, pixels.
    window : int
        Edge of the square crop, pixels; not larger than the film.
    samples : int
        Number of crops.
    """
    rounds = -(-samples // films)
    film = torch.cat([torch.randperm(films, generator=generator) for _ in range(rounds)])[:samples]
    top = torch.randint(shape[0] - window + 1, (samples,), generator=generator)
    left = torch.randint(shape[1] - window + 1, (samples,), generator=generator)
    turns = torch.randint(4, (samples,), generator=generator)
    return Draws(film, top, left, turns)


def cut(films: Tensor, draws: Draws, window: int) -> Tensor:
    """Cut and turn the drawn crops.

    Parameters
    ----------
    films : Tensor, (F, ny, nx)
    draws : Draws
        N crops.
    window : int
        Edge of the crops, pixels.

    Returns
    -------
    Tensor, (N, window, window)
        On the device of `films`. Crop n equals `rot90(films[film, top:top + window, left:left + window], turns)`.
    """
    return _read(films, window, *_places(films.shape, draws, window).to(films.device))


def _places(shape: torch.Size, draws: Draws, window: int) -> Tensor:
    """Index of each crop's first pixel, and the strides from there to the pixel below and to the next: (3, N).

    A turned crop is the same pixels read from another corner with other strides, so that one gather cuts a batch of
    mixed turns.
    """
    ny, nx = shape[-2:]
    turns, last = draws.turns, window - 1
    row = draws.top + last * (turns >= 2)
    column = draws.left + last * ((turns == 1) | (turns == 2))
    sign, odd = 1 - 2 * (turns >= 2).long(), turns % 2 == 1
    below, beside = torch.where(odd, -sign, sign * nx), torch.where(odd, sign * nx, sign)
    return torch.stack([(draws.film * ny + row) * nx + column, below, beside])


def _read(films: Tensor, window: int, first: Tensor, below: Tensor, beside: Tensor) -> Tensor:
    along = torch.arange(window, device=films.device)
    rows = first[:, None] + below[:, None] * along
    return torch.take(films, rows[:, :, None] + (beside[:, None] * along)[:, None, :])


def cut_batches(films: Tensor, draws: Draws, window: int, sizes: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
    """Cut the drawn crops batch by batch.

    Small batches are cut several at a time: on a GPU a gather of a few crops costs its launch, not its work.

    Parameters
    ----------
    films, draws, window
        See `cut`.
    sizes : sequence of int
        Crops of each batch.

    Yields
    ------
    images : Tensor, (N, window, window) float32
    film : Tensor, (N,) int64
        Which film each was cut from.
    """
    together = max(1, CUT_PIXELS // (max(sizes) * window**2))
    groups = [sizes[start : start + together] for start in range(0, len(sizes), together)]
    for group, piece in zip(groups, draws.split([sum(group) for group in groups]), strict=True):
        # In one transfer.
        film, *places = torch.cat([piece.film[None], _places(films.shape, piece, window)]).to(films.device)
        images = _read(films, window, *places).float()
        yield from zip(images.split(list(group)), film.split(list(group)), strict=True)


def quarter_turns(images: Tensor) -> Tensor:
    """Every square image under 0, 90, 180 and 270 degrees counter-clockwise: (N, w, w) to (4, N, w, w)."""
    return torch.stack([torch.rot90(images, k, dims=(-2, -1)) for k in range(4)])
