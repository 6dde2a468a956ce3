"""Demagnetising tensor of a film: periodic without end along x and y, open along z.

The sum over all lateral copies of a cell is split as Ewald did, 1/r = erfc(αr)/r + erf(αr)/r. The first part reaches
a few cells and is summed in real space: the tensor of two cells (`newell`) less its smooth part, which quadrature gives
(`far.rule`). The second part is smooth and is summed in Fourier space. With ⟨⟩ the mean over the thickness of both
layers, for a, b = x, y,

    N_ab(k) = dz Σ_G S(G) G_a G_b ⟨φ_G⟩,   N_az = −i dz Σ_G S(G) G_a ⟨φ_G'⟩,   N_zz = −dz Σ_G S(G) ⟨φ_G''⟩,

where G runs over k + 2π (n/dx, m/dy), S = sinc²(G_x dx/2) sinc²(G_y dy/2) is the mean over both cells in the plane,
and φ_G(z) is the transform of erf(αr)/(4πr) along x and y, as in any Ewald sum for a slab (D. E. Parry, Surf. Sci. 49,
433 (1975)):

    φ_G(z) = (1/4G) [exp(Gz) erfc(G/2α + αz) + exp(−Gz) erfc(G/2α − αz)]
    φ_G'(z) = ¼ [exp(Gz) erfc(G/2α + αz) − exp(−Gz) erfc(G/2α − αz)]
    φ_G''(z) = G² φ_G(z) − (α/√π) exp(−α²z² − G²/4α²)
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from scipy import fft, special

from weiss.errors import UserError
from weiss.llg.demag import far, newell
from weiss.llg.demag.symmetry import COMPONENTS, clear_odd, odd, wrap
from weiss.llg.mesh import Mesh

SPLIT = 1.0
"""α times the longest edge of a cell. The sum does not depend on it; the work does."""

REACH = 6.2
"""Where the split parts end: at αr in real space, at G/2α in Fourier space. erfc(6.2) = 2·10⁻¹⁸."""

SMOOTH_ERROR = 1e-17
"""Error asked of the quadrature of the smooth part; see `smooth_points`."""


def layers(mesh: Mesh) -> np.ndarray:
    """Demagnetising tensor of a film in k-space along x and y.

    Parameters
    ----------
    mesh : Mesh
        Periodic along x and y, open along z.

    Returns
    -------
    (6, nz, ny, nx//2+1) ndarray
        Σ N exp(−ik·r) for the order of k of an rfft2 and a field point 0, 1, … nz − 1 layers above the source: xx, yy,
        zz, xy, which are real, and the imaginary parts of xz, yz, which have no other. Field points below: the same
        for xx, yy, zz, xy, minus it for xz, yz.

    Raises
    ------
    UserError
        If the mesh is not periodic along x and y, or is along z.
    """
    if mesh.periodic != (True, True, False):
        raise UserError(
            f"the demagnetising field of a film on a mesh periodic along x, y, z: {mesh.periodic}",
            fix='make it periodic along x and y and open along z, or take "images" or "open"',
        )
    tensor = ewald(mesh)
    # Uniform sheets of charge: no field outside a layer, −M_z inside it. Ewald's sum has it to rounding.
    tensor[:, :, 0, 0] = 0
    tensor[2, 0, 0, 0] = 1
    return tensor


def ewald(mesh: Mesh, alpha: float = SPLIT) -> np.ndarray:
    """The sum as it comes out, for `layers`: right to rounding at k = 0 too. `alpha` is in 1/longest edge."""
    nx, ny, nz = mesh.cells
    edges = np.asarray(mesh.cell) / max(mesh.cell)
    smooth = _fourier_part(mesh.cells, edges, alpha)
    rest = _real_part(mesh.cells, edges, alpha)
    out = np.empty((6, nz, ny, nx // 2 + 1))
    for index, component in enumerate(COMPONENTS):
        for layer in range(nz):
            transform = fft.rfft2(rest[index, layer])
            out[index, layer] = transform.imag if odd(component, "z") else transform.real
        out[index] += wrap(smooth[index], odd(component, "y"), ny, 1)
    return out


def _real_part(cells: tuple[int, int, int], edges: np.ndarray, alpha: float) -> np.ndarray:
    """−V ⟨∂∂ erfc(αr)/(4πr)⟩ summed over lateral copies: (6, nz, ny, nx) for field points 0 … nz − 1 layers above."""
    nx, ny, nz = cells
    reach = [math.ceil(REACH / (alpha * edge)) + 2 for edge in edges]
    counts = (reach[0], reach[1], min(nz, reach[2]))
    octant = newell.block(counts, edges) - _smooth(counts, edges, alpha)
    total = np.zeros((6, *cells[::-1]))
    steps = [np.arange(1 - count, count) for count in counts[:2]]
    for index, component in enumerate(COMPONENTS):
        for layer in range(counts[2]):
            plane = octant[index, layer]
            plane = np.concatenate([(-1 if odd(component, "y") else 1) * plane[:0:-1], plane])
            plane = np.concatenate([(-1 if odd(component, "x") else 1) * plane[:, :0:-1], plane], axis=1)
            np.add.at(total[index, layer], (steps[1][:, None] % ny, steps[0] % nx), plane)
    clear_odd(total, (True, True, False), cells)
    return total


def smooth_points(edge: float) -> int:
    """Points that integrate exp(−α²u²) along an edge, given as α edge: they leave about edge^2p / (2^(2p−1) p!)."""
    for points in range(2, far.LARGEST):
        if edge ** (2 * points) / (2.0 ** (2 * points - 1) * math.factorial(points)) < SMOOTH_ERROR:
            return points
    return far.LARGEST


def _smooth(counts: tuple[int, int, int], edges: np.ndarray, alpha: float) -> np.ndarray:
    """−V ⟨∂∂ erf(αr)/(4πr)⟩ at offsets ≥ 0, as (6, cz, cy, cx)."""
    out = np.zeros((6, *counts[::-1]))
    x, y, z = (far.rule(smooth_points(alpha * edge)) for edge in edges)
    _add_smooth(out, edges, alpha, *x, *y, *z)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _boys(t: float) -> tuple[float, float]:
    """Boys functions F1 and F2 of t = α²r², F_n = ∫ u^2n exp(−t u²) du from 0 to 1."""
    decay = math.exp(-t)
    if t < 4:
        term, total, n = 0.2, 0.2, 7
        while term > 1e-18:
            term *= 2 * t / n
            total += term
            n += 2
        second = decay * total
        return (2 * t * second + decay) / 3, second
    first = (0.5 * math.sqrt(math.pi / t) * math.erf(math.sqrt(t)) - decay) / (2 * t)
    return first, (3 * first - decay) / (2 * t)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_smooth(
    out: np.ndarray,
    edges: np.ndarray,
    alpha: float,
    ux: np.ndarray,
    wx: np.ndarray,
    uy: np.ndarray,
    wy: np.ndarray,
    uz: np.ndarray,
    wz: np.ndarray,
) -> None:
    """Add ⟨δ_ij F1 − 2 α² x_i x_j F2⟩ V α³/π^(3/2), which is −V ⟨∂i∂j erf(αr)/(4πr)⟩, at offsets ≥ 0."""
    dx, dy, dz = edges
    scale = dx * dy * dz * alpha**3 / math.pi**1.5
    twice = 2 * alpha**2
    _, cz, cy, cx = out.shape
    for iz in range(cz):
        for iy in range(cy):
            for ix in range(cx):
                for c in range(len(uz)):
                    z = (iz + uz[c]) * dz
                    for b in range(len(uy)):
                        y = (iy + uy[b]) * dy
                        for a in range(len(ux)):
                            x = (ix + ux[a]) * dx
                            first, second = _boys(alpha**2 * (x * x + y * y + z * z))
                            w = scale * wx[a] * wy[b] * wz[c]
                            first, second = w * first, w * twice * second
                            out[0, iz, iy, ix] += first - second * x * x
                            out[1, iz, iy, ix] += first - second * y * y
                            out[2, iz, iy, ix] += first - second * z * z
                            out[3, iz, iy, ix] -= second * x * y
                            out[4, iz, iy, ix] -= second * x * z
                            out[5, iz, iy, ix] -= second * y * z


def _fourier_part(cells: tuple[int, int, int], edges: np.ndarray, alpha: float) -> np.ndarray:
    """The sum over G for k ≥ 0 along x and y: (6, nz, ny//2+1, nx//2+1), for xz and yz its imaginary part."""
    nx, ny, nz = cells
    dx, dy, dz = edges
    kx = 2 * np.pi / (nx * dx) * np.arange(nx // 2 + 1)
    ky = 2 * np.pi / (ny * dy) * np.arange(ny // 2 + 1)
    out = np.zeros((6, nz, len(ky), len(kx)))
    heights = far.rule(smooth_points(alpha * dz))
    cut = 2 * alpha * REACH
    for m in _aliases(cut, dy):
        gy = ky + 2 * np.pi * m / dy
        for n in _aliases(cut, dx):
            gx = kx + 2 * np.pi * n / dx
            rows, columns = np.nonzero(gx**2 + gy[:, None] ** 2 < cut**2)
            mean = dz * (np.sinc(gy * dy / (2 * np.pi)) ** 2)[rows] * (np.sinc(gx * dx / (2 * np.pi)) ** 2)[columns]
            x, y = gx[columns], gy[rows]
            for layer in range(nz):
                value, slope, bend = (mean * part for part in _thickness(np.hypot(x, y), layer, dz, alpha, *heights))
                parts = (x * x * value, y * y * value, bend, x * y * value, -x * slope, -y * slope)
                for index, part in enumerate(parts):
                    out[index, layer, rows, columns] += part
    clear_odd(out, (True, True, False), cells)
    return out


def _aliases(cut: float, edge: float) -> range:
    """Numbers n for which k + 2πn/edge may be within ±cut for 0 ≤ k ≤ π/edge."""
    period = 2 * math.pi / edge
    return range(-math.ceil(cut / period + 0.5), math.ceil(cut / period) + 1)


def _thickness(
    g: np.ndarray, layer: int, dz: float, alpha: float, nodes: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """⟨φ_G⟩, ⟨φ_G'⟩ and −⟨φ_G''⟩ for a field point so many layers above; at G = 0 without their 1/G."""
    g = np.maximum(g, 1e-150)
    value, slope, bend = np.zeros((3, len(g)))
    for u, w in zip(nodes, weights, strict=True):
        if layer == 0 and u < 0:
            continue
        # In one layer ± u give the same φ and opposite φ'.
        z, w = (layer + u) * dz, w * (2 if layer == 0 and u > 0 else 1)
        gauss = np.exp(-((g / (2 * alpha)) ** 2) - (alpha * z) ** 2)
        rising = gauss * special.erfcx(g / (2 * alpha) + alpha * abs(z))
        falling = np.exp(-g * abs(z)) * special.erfc(g / (2 * alpha) - alpha * abs(z))
        value += w / 4 * (rising + falling) / g
        slope += 0 if layer == 0 else w / 4 * math.copysign(1, z) * (rising - falling)
        bend += w * (alpha / math.sqrt(math.pi) * gauss - g / 4 * (rising + falling))
    return value, slope, bend
