"""What every network on curves is: curves and numbers in plain units in, parameters or a curve out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from weiss.errors import UserError
from weiss.learn.curves.form import Band

__all__ = ["Band", "CurveNetwork", "Shapes"]


@dataclass(frozen=True)
class Shapes:
    """Sizes of what a network reads and answers.

    Attributes
    ----------
    channels, length : int
        Curves that enter, which may be none, and the places of a curve.
    numbers : int
        Numbers that enter beside the curves.
    outputs : int
        Parameters that it answers; 0 for a network that answers a curve.
    """

    channels: int
    length: int
    numbers: int
    outputs: int


class CurveNetwork(nn.Module):
    """A network from curves (N, C, L) and numbers (N, M), in THz, m or 1, to (N, T) parameters or (N, L) curves.

    Parameters are answered in multiples of their scales, curves in THz. Everything is brought to order one inside: a
    curve enters as (value − mean at its place) / RMS deviation of its whole channel, so that its form is kept; a number
    as (value − mean) / SD; and parameters leave as mean + SD × (output of the last layer). Means and deviations are
    those of the training chains (`fit_scales`), are saved with the weights, and do nothing before they are known.

    Parameters
    ----------
    shapes : Shapes
    """

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.shapes = shapes
        self.register_buffer("curve_mean", torch.zeros(shapes.channels, shapes.length))
        self.register_buffer("curve_scale", torch.ones(shapes.channels, 1))
        self.register_buffer("number_mean", torch.zeros(shapes.numbers))
        self.register_buffer("number_scale", torch.ones(shapes.numbers))
        self.register_buffer("target_mean", torch.zeros(shapes.outputs))
        self.register_buffer("target_scale", torch.ones(shapes.outputs))

    def fit_scales(self, curves: Tensor, numbers: Tensor, targets: Tensor) -> None:
        """Take means and deviations from the training chains.

        Parameters
        ----------
        curves : (N, C, L) Tensor
        numbers : (N, M) Tensor
            Both in the units in which they enter the network.
        targets : (N, T) Tensor
            In multiples of their scales. Not looked at by a network that answers a curve.

        Raises
        ------
        UserError
            A value is not finite, or there is no chain.
        """
        found = [_statistics(curves, (0, 2)), _statistics(numbers, (0,))]
        if self.shapes.outputs:
            found.append(_statistics(targets, (0,)))
        for name, (mean, scale) in zip(("curve", "number", "target"), found, strict=False):
            getattr(self, f"{name}_mean").copy_(mean)
            getattr(self, f"{name}_scale").copy_(scale)

    def enter_curves(self, curves: Tensor) -> Tensor:
        """Curves (N, C, L) as the layers see them."""
        return (curves - self.curve_mean) / self.curve_scale

    def enter_numbers(self, numbers: Tensor) -> Tensor:
        """Numbers (N, M) as the layers see them."""
        return (numbers - self.number_mean) / self.number_scale

    def leave(self, outputs: Tensor) -> Tensor:
        """Parameters (N, T), in multiples of their scales, of the last layer's outputs."""
        return self.target_mean + self.target_scale * outputs


def _statistics(values: Tensor, dims: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Mean over chains at each place, and RMS deviation from it over `dims`; 1 where nothing varies."""
    # Lengths are of order 1e-9 m, and the mean of a million places is wanted to the last digit of float32.
    exact = values.detach().double()
    if not len(exact) or not torch.isfinite(exact).all():
        raise UserError("no training chains, or a value of one is not a finite number", fix="leave such chains out")
    mean = exact.mean(0)
    if not exact.numel():
        return mean, exact.new_ones(())
    scale = (exact - mean).square().mean(dims, keepdim=True).sqrt()
    # What float32 cannot resolve is rounding, and rounding divided by itself would enter as if it were a signal.
    resolved = scale > torch.finfo(torch.float32).eps * exact.abs().amax(dims, keepdim=True)
    return mean, scale.where(resolved, 1.0)[0]
