"""Polycrystalline films: Voronoi grains, and anisotropies that differ from grain to grain or from cell to cell.

Everything depends on the mesh, the seed and the numbers given here only.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from weiss.arrays import random_stream
from weiss.errors import UserError
from weiss.llg.geometry import centres
from weiss.llg.mesh import Mesh


def voronoi(mesh: Mesh, grain_size: float, seed: int) -> np.ndarray:
    """Columnar grains: every cell belongs to the nearest of N points that lie at random in the film plane.

    N is the area of the film over `grain_size`², rounded, so that the mean area of a grain is `grain_size`². The
    points are independent (Poisson–Voronoi: areas scatter by 53 %, Gilbert, Ann. Math. Stat. 33, 958 (1962)).

    Parameters
    ----------
    mesh : Mesh
        Grains go across the ends of its periodic axes.
    grain_size : float
        In m; not smaller than a cell.
    seed : int

    Returns
    -------
    (nz, ny, nx) ndarray of int32
        Number of the grain, 0 to N − 1; a small grain may have no cell.

    Raises
    ------
    UserError
        If the grain size is smaller than a cell or not finite.
    """
    if not max(mesh.cell[:2]) <= grain_size < np.inf:
        raise UserError(
            f"grains of {grain_size * 1e9:.4g} nm in cells of {max(mesh.cell[:2]) * 1e9:.4g} nm",
            fix="take grains larger than a cell, or a dispersion from cell to cell",
        )
    lengths = np.array(mesh.size[:2])
    number = max(1, round(float(lengths.prod()) / grain_size**2))
    points = random_stream("llg", "grains", seed).random((number, 2)) * lengths
    # A box size of 0 means open. Rounding may carry a point onto the far end, which a periodic tree refuses.
    box = np.where(mesh.periodic[:2], lengths, 0.0)
    points = np.where(mesh.periodic[:2], points % lengths, points)
    x, y = np.meshgrid(centres(mesh, "x"), centres(mesh, "y"))
    _, nearest = cKDTree(points, boxsize=box).query(np.stack([x.ravel(), y.ravel()], axis=1))
    layer = nearest.astype(np.int32).reshape(1, *x.shape)
    return np.repeat(layer, mesh.shape[0], axis=0)


def Ku1_per_cell(mesh: Mesh, Ku1: float | np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """Ku1 (1 + σ n) with n standard normal and independent in every cell.

    Parameters
    ----------
    mesh : Mesh
    Ku1 : float or (nz, ny, nx) ndarray
        In J/m³.
    sigma : float
        Relative standard deviation ΔK_u/K_u. Cells of negative Ku1 are left as they come out.
    seed : int

    Returns
    -------
    (nz, ny, nx) ndarray of float64
        In J/m³.
    """
    return Ku1 * (1 + sigma * random_stream("llg", "Ku1", seed).standard_normal(mesh.shape))


def Ku1_per_grain(grains: np.ndarray, Ku1: float | np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """Ku1 (1 + σ n) with n standard normal and independent in every grain; otherwise as `Ku1_per_cell`.

    Parameters
    ----------
    grains : (nz, ny, nx) ndarray of int
        From `voronoi`.
    """
    return Ku1 * (1 + sigma * random_stream("llg", "Ku1 of grains", seed).standard_normal(_count(grains))[grains])


def axis_per_grain(grains: np.ndarray, axis: tuple[float, float, float], sigma: float, seed: int) -> np.ndarray:
    """Easy axes that tilt from grain to grain.

    The axis of a grain is turned about two directions perpendicular to `axis` by angles that are normal with standard
    deviation σ: their density per solid angle falls as exp(−tilt²/2σ²), a Gaussian texture.

    Parameters
    ----------
    grains : (nz, ny, nx) ndarray of int
        From `voronoi`.
    axis : (float, float, float)
        Mean axis; of any length but 0.
    sigma : float
        In rad.
    seed : int

    Returns
    -------
    (3, nz, ny, nx) ndarray of float64
        Unit vectors.

    Raises
    ------
    UserError
        If the axis has no length.
    """
    mean = np.asarray(axis, float)
    if not np.linalg.norm(mean) > 0:
        raise UserError("an anisotropy axis has no length", fix="give a vector that is not zero")
    mean = mean / np.linalg.norm(mean)
    first = np.cross(mean, np.eye(3)[np.argmin(np.abs(mean))])
    first /= np.linalg.norm(first)
    second = np.cross(mean, first)
    turns = sigma * random_stream("llg", "axis of grains", seed).standard_normal((2, _count(grains)))
    tilt = np.hypot(*turns)
    sideways = np.outer(first, turns[0]) + np.outer(second, turns[1])
    # sin(tilt)/tilt, also where the tilt is 0.
    axes = np.outer(mean, np.cos(tilt)) + sideways * np.sinc(tilt / np.pi)
    return axes[:, grains]


def _count(grains: np.ndarray) -> int:
    return int(grains.max()) + 1
