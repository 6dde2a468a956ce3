"""Square crops of films and their quarter turns, cut by indexing wherever the films lie (CPU or GPU)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """Which crops to cut: four (N,) int64 tensors.

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

    def to(self, device: torch.device) -> Draws:
        """The same draws on another device."""
        return Draws(*(part.to(device) for part in (self.film, self.top, self.left, self.turns)))

    def split(self, parts: int) -> list[Draws]:
        """Cut into `parts` pieces whose sizes differ by one at most."""
        columns = [torch.tensor_split(part, parts) for part in (self.film, self.top, self.left, self.turns)]
        return [Draws(*piece) for piece in zip(*columns, strict=True)]


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
        N crops, on the device of `films`.
    window : int
        Edge of the crops, pixels.

    Returns
    -------
    Tensor, (N, window, window)
        Crop n equals `rot90(films[film, top:top + window, left:left + window], turns)`.
    """
    along = torch.arange(window, device=films.device)
    i, j = along[None, :, None], along[None, None, :]
    last, turns = window - 1, draws.turns[:, None, None]
    # Turning the index pattern costs one gather for a batch of mixed turns.
    row = torch.where(turns == 0, i, torch.where(turns == 1, j, torch.where(turns == 2, last - i, last - j)))
    column = torch.where(turns == 0, j, torch.where(turns == 1, last - i, torch.where(turns == 2, last - j, i)))
    return films[draws.film[:, None, None], draws.top[:, None, None] + row, draws.left[:, None, None] + column]


def quarter_turns(images: Tensor) -> Tensor:
    """Every square image under 0, 90, 180 and 270 degrees counter-clockwise: (N, w, w) to (4, N, w, w)."""
    return torch.stack([torch.rot90(images, k, dims=(-2, -1)) for k in range(4)])
