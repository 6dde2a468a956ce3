"""From σ and τ to a band that obeys its constraints whatever the weights: the theory of functional connections.

Three blocks. The convolutions of `curve_cnn` read the ideal band, σ and τ, the latter as channels that are constant
along k. Its dense layers make six numbers z of that. And the third, without weights, makes a band of these, that of
`weiss.learn.curves.form` with

    X = 1.05 X_ideal sigmoid(z_0), c_n = 0.1 THz tanh(z_n).

`tfc_echo` reads the chain's own ridge in place of
the ideal band: it knows the answer, and tells how far the form can go.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from weiss.errors import UserError
from weiss.learn.curves.form import COEFFICIENTS, Band, bounds, columns
from weiss.learn.curves.networks.base import CurveNetwork, Shapes
from weiss.learn.curves.networks.curve_cnn import FEATURES, Features, dense


class TFC(CurveNetwork):
    """Numbers in, or a curve and numbers; a band out.

    Parameters
    ----------
    shapes : Shapes
        Without channels the ideal band is read in place of a curve.
    dropout : float
        Share of the dense layers' values that a training step leaves out.
    band : Band
    """

    def __init__(self, shapes: Shapes, dropout: float, band: Band) -> None:
        super().__init__(shapes)
        self.features = Features(max(shapes.channels, 1) + shapes.numbers, shapes.length)
        self.dense = dense(FEATURES, len(COEFFICIENTS), dropout)
        forms = np.ascontiguousarray(columns(band).T)
        highest = _not_above(bounds(band)[1])
        self.register_buffer("gap", torch.tensor(band.gap, dtype=torch.float32))
        self.register_buffer("forms", torch.tensor(forms, dtype=torch.float32))
        self.register_buffer("highest", torch.from_numpy(highest))
        # The same for all chains, so that nothing would be left of it if their mean were taken off.
        self.register_buffer("ideal", torch.tensor(forms[0] - 1, dtype=torch.float32))

    def coefficients(self, curves: Tensor, numbers: Tensor) -> Tensor:
        """X and c_1…c_5 in THz, (N, 6), within their bounds, of curves (N, C, L) and numbers (N, M)."""
        outputs = self.dense(self.features(self._channels(curves, numbers)))
        if not self.training:
            # Finite weights can overflow to inf − inf. While a network learns, that must show in its loss.
            outputs = outputs.nan_to_num(nan=0.0)
        return self.highest * torch.cat([outputs[:, :1].sigmoid(), outputs[:, 1:].tanh()], 1)

    def curve(self, coefficients: Tensor) -> Tensor:
        """The band in THz, (N, L), of coefficients (N, 6)."""
        return self.gap + coefficients @ self.forms

    def forward(self, curves: Tensor, numbers: Tensor) -> Tensor:
        """Map (N, C, L) and (N, M) to bands (N, L) in THz."""
        return self.curve(self.coefficients(curves, numbers))

    def _channels(self, curves: Tensor, numbers: Tensor) -> Tensor:
        """What the convolutions read, (N, channels, L): a curve, and each number along all of k."""
        read = self.enter_curves(curves) if self.shapes.channels else self.ideal.expand(len(numbers), 1, -1)
        return torch.cat([read, self.enter_numbers(numbers)[..., None].expand(-1, -1, self.shapes.length)], 1)


def _not_above(values: np.ndarray) -> np.ndarray:
    """The largest float32 numbers that are not above positive float64 `values`."""
    nearest = values.astype(np.float32)
    return np.where(nearest > values, np.nextafter(nearest, np.float32(0)), nearest)


def build(shapes: Shapes, dropout: float, band: Band | None) -> TFC:
    """The network around an ideal band.

    Raises
    ------
    UserError
        There is no band, or it has not as many places as the curves.
    """
    if band is None or len(band.ka) != shapes.length:
        found = "none" if band is None else f"one of {len(band.ka)}"
        raise UserError(f"this network needs an ideal band of {shapes.length} places, and has {found}")
    return TFC(shapes, dropout, band)


BUILDERS = {"tfc": build, "tfc_echo": build}
