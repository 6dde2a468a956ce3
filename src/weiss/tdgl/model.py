r"""A film of the time-dependent Ginzburg–Landau model: its maps, its noise and its initial state.

.. math:: \partial_t m = (1-m^2)\Big(h(t) + A_0(1+D\eta)\,m - \gamma\,(G*m)\Big) + J\nabla^2 m,\qquad \gamma = 0.095\,J

(Mamada et al. 2023, Eq. 1). m is the out-of-plane magnetisation averaged over a cell, in [-1, 1]; fields are in
units of A0, lengths in cells, time in the equation's own unit. The setting `noise_scale` multiplies D in the anisotropy
and nowhere else: the label of a film stays the D of the paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from weiss.arrays import random_stream
from weiss.errors import SimulationError
from weiss.tdgl.dipole import LATTICE_A0

# What may differ between films that run in one batch; all other settings are shared.
FILM_PARAMETERS = ("J", "D", "J_in", "D_in")

Params = Mapping[str, float | int | str]


@dataclass(frozen=True)
class Films:
    """A batch of films, on the host.

    Attributes
    ----------
    anisotropy : (films, ny, nx) ndarray
        A0 (1 + noise_scale · D η), in units of A0.
    exchange : (films, ny, nx) ndarray
        J, in units of A0 cell².
    m : (films, ny, nx) ndarray
        Initial magnetisation.
    stiffness : (films,) ndarray
        Bound on the spectral radius of the right-hand side's Jacobian, in 1/time.
    settings : mapping
        What all films of the batch share.
    """

    anisotropy: np.ndarray
    exchange: np.ndarray
    m: np.ndarray
    stiffness: np.ndarray
    settings: Params


def _map(params: Params, name: str) -> np.ndarray:
    """A parameter's map: its value, and inside the margin the value of `<name>_in` where there is one."""
    ny, nx = int(params["ny"]), int(params["nx"])
    values = np.full((ny, nx), float(params[name]))
    if f"{name}_in" in params:
        margin = int(params["inner_margin"])
        values[margin : ny - margin, margin : nx - margin] = float(params[f"{name}_in"])
    return values


def d_map(params: Params) -> np.ndarray:
    """True map of the noise coefficient D, (ny, nx) float64, dimensionless, before `noise_scale`."""
    return _map(params, "D")


def j_map(params: Params) -> np.ndarray:
    """True map of the exchange coefficient J, (ny, nx) float64, in units of A0 cell²."""
    return _map(params, "J")


def noise(seed: int, ny: int, nx: int) -> np.ndarray:
    """η(r): standard normal, fixed in time; the same for every (J, D) of a seed, new for every seed."""
    return random_stream("tdgl", "eta", seed).standard_normal((ny, nx))


def initial_state(seed: int, ny: int, nx: int, amplitude: float) -> np.ndarray:
    """m(t = 0): uniform in [-amplitude, amplitude]."""
    return random_stream("tdgl", "m", seed).uniform(-amplitude, amplitude, (ny, nx))


def stiffness_bound(anisotropy: np.ndarray, exchange: np.ndarray, params: Params) -> float:
    """Bound on the spectral radius of the Jacobian of Eq. 1, for the states a film goes through.

    The exchange term and the largest slope of the reaction term, ``2 |A| + 2 (H + γ a0)`` with m at ±1, form a
    symmetric matrix (after scaling by √J) whose largest eigenvalue Lanczos gives; the dipole term adds at most γ a0.
    The dipole field is taken as that of a saturated film: the stronger one of a checkerboard of single cells, which
    exchange does not let form, is left out. Rounded up, so that the last bits of a linear algebra library do not
    decide a step size.

    Parameters
    ----------
    anisotropy, exchange : (ny, nx) ndarray
        A0 (1 + noise_scale · D η) and J.

    Returns
    -------
    float
        In 1/time.
    """
    ny, nx = anisotropy.shape
    root_j = np.sqrt(exchange)
    a0 = float(params["a0"]) if params["kernel"] == "cutoff" else LATTICE_A0
    dipole = float(params["gamma_per_J"]) * float(exchange.max()) * a0
    slope = 2 * np.abs(anisotropy) + 2 * (float(params["H"]) + dipole)

    def apply(vector: np.ndarray) -> np.ndarray:
        v = vector.reshape(ny, nx)
        w = root_j * v
        neighbours = np.roll(w, 1, 0) + np.roll(w, -1, 0) + np.roll(w, 1, 1) + np.roll(w, -1, 1)
        return (slope * v + root_j * (4 * w - neighbours)).ravel()

    operator = LinearOperator((ny * nx, ny * nx), matvec=apply, dtype=float)
    largest = eigsh(operator, k=1, which="LA", v0=np.ones(ny * nx), tol=1e-3, return_eigenvectors=False)[0]
    return float(np.ceil(4 * (1.01 * largest + dipole)) / 4)


def prepare(films: Sequence[tuple[Params, int]]) -> Films:
    """Build the batch from (params, seed) pairs that share every setting but FILM_PARAMETERS.

    Raises
    ------
    SimulationError
        If a map is not finite in the fields' precision.
    """
    first = films[0][0]
    ny, nx, dtype = int(first["ny"]), int(first["nx"]), np.dtype(str(first["precision"]))
    anisotropy = np.empty((len(films), ny, nx), dtype)
    exchange, m = np.empty_like(anisotropy), np.empty_like(anisotropy)
    stiffness = np.empty(len(films))
    for i, (params, seed) in enumerate(films):
        anisotropy[i] = float(params["A0"]) * (1 + float(params["noise_scale"]) * d_map(params) * noise(seed, ny, nx))
        exchange[i] = j_map(params)
        m[i] = initial_state(seed, ny, nx, float(params["m_init"]))
        if not (np.isfinite(anisotropy[i]).all() and np.isfinite(exchange[i]).all()):
            raise SimulationError(i, f"A0 (1 + noise_scale D η) or J is not finite in {dtype}")
        stiffness[i] = stiffness_bound(anisotropy[i].astype(float), exchange[i].astype(float), params)
    settings = {key: value for key, value in first.items() if key not in FILM_PARAMETERS}
    return Films(anisotropy, exchange, m, stiffness, settings)
