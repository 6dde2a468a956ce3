r"""Kernel of the dipole term of Eq. 1, in Fourier space.

The continuum integral :math:`\int d\mathbf r' m(\mathbf r')/|\mathbf r-\mathbf r'|^3` diverges at short distance;
with a cut-off it is :math:`G(k) = a_0 - 2\pi |k|` (Jagla, Phys. Rev. B 72, 094406), where the constant a0 depends on
the cut-off. On a square lattice of unit spacing without the site itself, the sum is finite and a0 = 9.0336.
"""

from __future__ import annotations

import numpy as np
from scipy.special import erfc, gamma, gammaincc

LATTICE_A0 = 9.03362168310095
"""Sum of 1/r³ over the square lattice without the origin, 4 ζ(3/2) β(3/2)."""


def _wavevectors(ny: int, nx: int) -> tuple[np.ndarray, np.ndarray]:
    """Wavevectors of a real transform, rad per cell: (ny, 1) and (1, nx // 2 + 1)."""
    return 2 * np.pi * np.fft.fftfreq(ny)[:, None], 2 * np.pi * np.fft.rfftfreq(nx)[None, :]


def cutoff_kernel(ny: int, nx: int, a0: float) -> np.ndarray:
    """G(k) = a0 - 2π|k| on the grid of a real transform.

    Parameters
    ----------
    ny, nx : int
        Cells of the periodic film, of unit size.
    a0 : float
        Short-distance constant, dimensionless.

    Returns
    -------
    (ny, nx // 2 + 1) ndarray, float64
    """
    ky, kx = _wavevectors(ny, nx)
    return a0 - 2 * np.pi * np.hypot(ky, kx)


def lattice_kernel(ny: int, nx: int) -> np.ndarray:
    r"""Lattice sum :math:`G(k)=\sum_{\mathbf r\ne 0} e^{-i\mathbf k\mathbf r}/r^3` over the whole square lattice,
    by Ewald's method.

    With s = 3/2 and the split at unit width (Borwein et al., *Lattice Sums Then and Now*, 2013, ch. 1),

    .. math:: \frac{\pi^{s}}{\Gamma(s)}\Big[-\frac1s + \sum_{\mathbf r\ne0} e^{-i\mathbf k\mathbf r}
              \frac{\Gamma(s,\pi r^2)}{(\pi r^2)^s}+\sum_{\mathbf g} \sqrt{x}\,\Gamma(-\tfrac12, x)\Big],
              \qquad x=\pi|\mathbf g+\mathbf k/2\pi|^2 .

    Summing over every image is the same as using the film's periodic images.

    Returns
    -------
    (ny, nx // 2 + 1) ndarray, float64
    """
    s, reach = 1.5, 5
    ky, kx = _wavevectors(ny, nx)
    total = np.full(np.broadcast_shapes(ky.shape, kx.shape), -1 / s)
    for ry in range(-reach, reach + 1):
        for rx in range(-reach, reach + 1):
            x = np.pi * ((ky / (2 * np.pi) + ry) ** 2 + (kx / (2 * np.pi) + rx) ** 2)
            total += 2 * np.exp(-x) - 2 * np.sqrt(np.pi * x) * erfc(np.sqrt(x))
            if rx or ry:
                u = np.pi * (rx**2 + ry**2)
                total += np.cos(ky * ry + kx * rx) * gamma(s) * gammaincc(s, u) / u**s
    return np.pi**s / gamma(s) * total


def dipole_kernel(kind: str, ny: int, nx: int, a0: float) -> np.ndarray:
    """Kernel by name: "cutoff" (uses a0) or "lattice" (does not).

    Raises
    ------
    ValueError
        For another name.
    """
    if kind == "cutoff":
        return cutoff_kernel(ny, nx, a0)
    if kind == "lattice":
        return lattice_kernel(ny, nx)
    raise ValueError(f"dipole kernel {kind!r}: expected 'cutoff' or 'lattice'")
