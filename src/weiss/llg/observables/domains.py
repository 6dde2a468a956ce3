"""Mean width of domains, measured in two ways: from the length of their walls, and from the period of the pattern.

Both give half the period of equal stripes. In a labyrinth the first counts every bend and bubble, the second asks for
the most common period.
"""

from __future__ import annotations

import math

import numpy as np

from weiss.errors import UserError
from weiss.llg.mesh import Mesh
from weiss.llg.observables.walls import wall_density

DOMAIN = 0.1
"""A film whose m_z is smaller than this is magnetised in its plane: where its sign changes is no wall."""

_PEAK_SHARE = 0.5
"""Wavenumbers around the peak of the structure factor count while it exceeds this share of its maximum."""


def width_from_walls(m: np.ndarray, mesh: Mesh) -> float:
    """Area over wall length, in m; infinite without domains: where m_z does not exceed ±`DOMAIN` on both sides.

    A test line of random direction meets 2/π walls for every wall length per area, so that this is the domain width
    W = (2/π) (length of test lines)/(walls met) of Bodenberger and Hubert, Phys. Stat. Sol. A 44, K7 (1977).
    """
    if m[2].max() < DOMAIN or m[2].min() > -DOMAIN:
        return math.inf
    density = wall_density(m, mesh)
    return 1 / density if density > 0 else math.inf


def width_from_spectrum(m: np.ndarray, mesh: Mesh) -> float:
    """π/k, in m, with k where the structure factor |FFT(m_z − ⟨m_z⟩)|² peaks; infinite for a uniform film.

    The structure factor is averaged over the layers and over the directions of k in shells as wide as the coarser step
    of k; k is its first moment over the shells around the highest one that exceed half of it. Open films and
    vacuum are taken as they are, with 0 for m_z − ⟨m_z⟩ outside: ends smear the peak by about one shell.

    Raises
    ------
    UserError
        If the mesh has a single cell in x and y.
    """
    nx, ny, _ = mesh.cells
    if nx * ny == 1:
        raise UserError("a mesh of one cell in the plane has no domains", fix="give more cells")
    m = np.asarray(m, float)
    material = m.any(axis=0)
    mean = m[2].sum(axis=(1, 2)) / np.maximum(material.sum(axis=(1, 2)), 1)
    deviation = np.where(material, m[2] - mean[:, None, None], 0.0)
    if not np.ptp(deviation) > 1e-12:
        return math.inf
    power = (np.abs(np.fft.fft2(deviation)) ** 2).sum(axis=0)
    k_x, k_y = (2 * math.pi * np.fft.fftfreq(count, edge) for count, edge in zip((nx, ny), mesh.cell, strict=False))
    k = np.hypot(k_x[None, :], k_y[:, None])
    lengths = [size for size, count in zip(mesh.size, (nx, ny), strict=False) if count > 1]
    step = 2 * math.pi / min(lengths)
    shell = np.round(k / step).astype(int).ravel()
    modes = np.bincount(shell)
    total = np.bincount(shell, power.ravel())
    moment = np.bincount(shell, (power * k).ravel())
    average = total / np.maximum(modes, 1)
    peak = int(average.argmax())
    strong = average > _PEAK_SHARE * average[peak]
    first, last = peak, peak
    while first > 0 and strong[first - 1]:
        first -= 1
    while last + 1 < len(strong) and strong[last + 1]:
        last += 1
    around = slice(first, last + 1)
    mean_k = moment[around] / np.maximum(total[around], np.finfo(float).tiny)
    return math.pi * float(average[around].sum() / (average[around] * mean_k).sum())
