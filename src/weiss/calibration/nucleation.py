r"""Can a saturated film reverse? The linear stability of m = ±1 in Eq. 1, without simulating anything.

Near saturation, m = 1 - ε with small ε(r) > 0, Eq. 1 is linear to first order in ε. The dipole field of a saturated
film is a0, so with a field h along the magnetisation

.. math:: \partial_t\varepsilon = \big(J\nabla^2 - 2A_0 sD\,\eta(\mathbf r)\big)\varepsilon
          - 2\,(h + A_0 - \gamma a_0)\,\varepsilon ,\qquad \gamma = 0.095\,J .

The film is unstable as soon as the largest eigenvalue λ of the first operator, that of a particle in a random
potential, exceeds 2 (h + A0 - γ a0). It is reached at the nucleation field, taken against the magnetisation,

.. math:: h_n = A_0 - \gamma a_0 - \lambda/2 ,

and a film whose h_n lies beyond the largest field of the sweep never leaves saturation. That a film does leave it does
not mean that it reverses: what nucleates must also spread. λ = J Λ(A0 s D / J), where Λ(x), the largest eigenvalue of
∇² - 2xη, is a function of one number for each seed: one table of it serves every J, D, a0 and factor s on D.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.interpolate import PchipInterpolator
from scipy.sparse.linalg import eigsh

from weiss.tdgl.dipole import LATTICE_A0
from weiss.tdgl.model import noise

TABLE_POINTS = 25
"""Values of x at which Λ is computed; between them it is known to 1 % (see the tests)."""


def laplacian(ny: int, nx: int) -> sparse.csc_array:
    """Five-point Laplacian of a periodic film of unit cells, (ny nx, ny nx)."""

    def line(n: int) -> sparse.csr_array:
        first = sparse.eye_array(n, k=1) + sparse.eye_array(n, k=1 - n)
        return first + first.T - 2 * sparse.eye_array(n)

    along_y, along_x = sparse.kron(line(ny), sparse.eye_array(nx)), sparse.kron(sparse.eye_array(ny), line(nx))
    return sparse.csc_array(along_y + along_x)


def softest_modes(eta: np.ndarray, strengths: Sequence[float]) -> np.ndarray:
    """Largest eigenvalues Λ(x) of ∇² - 2xη.

    Lanczos on the inverse, shifted to just above the eigenvalue. Λ is convex and Λ(0) = 0, so that Λ(x) ≤ Λ(x') x/x'
    for x < x': each value bounds the next smaller one.

    Parameters
    ----------
    eta : (ny, nx) ndarray
        The noise η.
    strengths : sequence of float
        x > 0, dimensionless.

    Returns
    -------
    (strengths,) ndarray
        Λ, in 1/cell².
    """
    laplace = laplacian(*eta.shape)
    potential = sparse.diags_array(2 * eta.ravel().astype(float), format="csc")
    found = np.empty(len(strengths))
    slope = 2 * float(-eta.min())  # Λ(x) ≤ 2x max(-η): the Laplacian has no positive eigenvalue
    for index in np.argsort(strengths)[::-1]:
        x = strengths[index]
        above = slope * x + 1e-9 * abs(slope * x) + 1e-12
        value = eigsh(
            laplace - x * potential, k=1, sigma=above, which="LM", v0=np.ones(eta.size), return_eigenvectors=False
        )
        found[index] = value[0]
        slope = found[index] / x
    return found


@dataclass(frozen=True)
class SoftestMode:
    """Λ(x) of one film's noise, tabulated.

    Attributes
    ----------
    mean : float
        Mean of η, which shifts Λ by -2x mean(η).
    strengths, eigenvalues : (points,) ndarray
        x, ascending, and Λ(x) of η less its mean, which is positive.
    """

    mean: float
    strengths: np.ndarray
    eigenvalues: np.ndarray

    @classmethod
    def of_seed(cls, seed: int, shape: tuple[int, int], least: float, most: float) -> SoftestMode:
        """Tabulate the noise of a seed for x from `least` to `most`."""
        strengths = np.geomspace(least, max(most, 1.01 * least), TABLE_POINTS)
        eta = noise(seed, *shape)
        return cls(float(eta.mean()), strengths, softest_modes(eta - eta.mean(), strengths))

    def __call__(self, x: np.ndarray | float) -> np.ndarray:
        """Λ at x within the table, interpolated between logarithms.

        Raises
        ------
        ValueError
            For x outside the table: nothing is known there.
        """
        x = np.asarray(x, float)
        inside = (x >= self.strengths[0] * (1 - 1e-9)) & (x <= self.strengths[-1] * (1 + 1e-9))
        if not inside.all():
            raise ValueError(f"x beyond the table, which goes from {self.strengths[0]:g} to {self.strengths[-1]:g}")
        centred = PchipInterpolator(np.log(self.strengths), np.log(self.eigenvalues))
        return np.exp(centred(np.log(x))) - 2 * x * self.mean


def kernel_constant(kernel: str, a0: float) -> float:
    """G(k = 0) of a dipole kernel by name, see `weiss.tdgl.dipole.dipole_kernel`."""
    return LATTICE_A0 if kernel == "lattice" else a0


def nucleation_field(
    mode: SoftestMode,
    J: np.ndarray | float,
    D: np.ndarray | float,
    a0: float,
    noise_scale: float = 1.0,
    A0: float = 1.0,
    gamma_per_J: float = 0.095,
) -> np.ndarray:
    """Field against the magnetisation at which a saturated film becomes unstable.

    Parameters
    ----------
    mode : SoftestMode
        Of the film's noise.
    J, D : array_like
        Exchange coefficient and strength of the noise, D > 0.
    a0 : float
        G(k = 0) of the dipole kernel, see `kernel_constant`.
    noise_scale, A0, gamma_per_J : float
        Settings of the model.

    Returns
    -------
    ndarray
        In units of A0; negative where the film is unstable without a field.
    """
    J, D = np.asarray(J, float), np.asarray(D, float)
    return A0 - gamma_per_J * J * a0 - J * mode(A0 * noise_scale * D / J) / 2
