r"""The chain's equation of motion in plain array operations: what every faster form is tested against.

.. math:: \partial_t m = -\,[\,m\times H + \alpha\, m\times(m\times H)\,],\qquad
          H = h\,m_z\hat z - \mathcal F^{-1}\{\omega(k)\,\mathcal F\{s\,m\}\}

(Eagan et al., Eqs. 1, 2, 4, 5), fields in units of Ms, time in units of 1/(γ µ0 Ms). With Eq. 6 and sites one lattice
constant apart, F⁻¹ ω F is exactly the second difference −J (w_{j+1} − 2 w_j + w_{j−1}) of w = s m, so no transform is
needed. A part of H along m does nothing: −2 J s_j m_j is left out.

s_j H_j = −∂E/∂m_j for the energy of `energy`, so that with weights s_j the equation conserves E at α = 0 and lowers it
otherwise, although H itself is not a gradient.

Fields are (points, 3, cells), windows (points, cells).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from weiss.arrays import Array
from weiss.spsll.settings import Settings


@dataclass(frozen=True)
class Medium:
    """What all chains of a batch share.

    Attributes
    ----------
    J, h : float
        Exchange between neighbours and local field, in units of Ms.
    alpha : float
        Damping of Eq. 1.
    periodic : bool
        Whether the last site is the first one's neighbour; free ends otherwise.
    """

    J: float
    h: float
    alpha: float
    periodic: bool


def medium(settings: Settings, alpha: float, periodic: bool) -> Medium:
    """The medium of these settings."""
    return Medium(settings.J, settings.h, alpha, periodic)


def neighbours(xp: ModuleType, w: Array, periodic: bool) -> Array:
    """w_{j−1} + w_{j+1} along the last axis; nothing beyond a free end."""
    total = xp.roll(w, 1, -1) + xp.roll(w, -1, -1)
    if not periodic:
        total[..., 0] = w[..., 1]
        total[..., -1] = w[..., -2]
    return total


def field(xp: ModuleType, m: Array, s: Array, medium: Medium) -> Array:
    """H in units of Ms, (points, 3, cells), but for the part along m that does nothing."""
    H = medium.J * neighbours(xp, s[:, None] * m, medium.periodic)
    H[:, 2] += medium.h * m[:, 2]
    return H


def cross(xp: ModuleType, a: Array, b: Array) -> Array:
    """a × b along the second axis."""
    return xp.stack(
        [
            a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1],
            a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2],
            a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0],
        ],
        axis=1,
    )


def rate(xp: ModuleType, m: Array, s: Array, medium: Medium) -> Array:
    """Right-hand side of Eq. 1, per unit of 1/(γ µ0 Ms)."""
    turning = cross(xp, m, field(xp, m, s, medium))
    return -(turning + medium.alpha * cross(xp, m, turning))


def torque(xp: ModuleType, m: Array, s: Array, medium: Medium) -> Array:
    """Largest |m × H| of each chain, (points,), in units of Ms."""
    turning = cross(xp, m, field(xp, m, s, medium))
    return xp.sqrt((turning**2).sum(1).max(-1))


def energy(xp: ModuleType, m: Array, s: Array, medium: Medium) -> Array:
    """E = (J/2) Σ s_j s_{j+1} |m_{j+1} − m_j|² + (h/2) Σ s_j (m_x² + m_y²) of each chain, (points,), in units of
    µ0 Ms² a; zero for a chain along z."""
    bond = s[:, :-1] * s[:, 1:] * ((m[:, :, 1:] - m[:, :, :-1]) ** 2).sum(1)
    total = medium.J / 2 * bond.sum(-1) + medium.h / 2 * (s * (m[:, 0] ** 2 + m[:, 1] ** 2)).sum(-1)
    if medium.periodic:
        total += medium.J / 2 * s[:, -1] * s[:, 0] * ((m[:, :, 0] - m[:, :, -1]) ** 2).sum(-1)
    return total


def fastest(s: np.ndarray, medium: Medium) -> np.ndarray:
    """Bound on the largest rate of each chain, (points,), in units of γ µ0 Ms: Gershgorin's disc of the exchange term
    (twice the sum of a site's neighbours) plus the local field."""
    return 2 * medium.J * neighbours(np, np.abs(s), True).max(-1) + abs(medium.h)
