r"""Random telegraph noise as a spectrum, and the window it makes of it.

.. math:: S(k) = \frac{1}{\pi}\frac{\sigma\tau}{(\sigma+\tau)^2}\frac{T}{1+(kT)^2}
                 + \Big(\frac{\sigma}{\sigma+\tau}\Big)^2\delta(k),\qquad T = (1/\sigma+1/\tau)^{-1}

(Eagan et al., Eq. 3): the noise is 1 over lengths of mean σ and 0 over lengths of mean τ. On the k-grid of a periodic
chain S becomes S_j = S_Lorentz(k_j) Δk + p² δ_j0 with p = σ/(σ+τ), a pure number whose sum is the mean square of the
noise. The convolution of Eq. 4 is then the product of m with the window

.. math:: s(x) = \sum_j \sqrt{S_j}\,e^{i k_j x}

in real space, without a factor 1/N. Every phase of √S is zero, which places the window's origin.
"""

from __future__ import annotations

import numpy as np

from weiss.spsll.settings import Settings

OK = "ok"
NO_MATERIAL = "no material"
TOO_LONG = "vacancies longer than the chain"
TOO_COARSE = "k-grid too coarse"
NOT_A_LENGTH = "not a length"
NOT_POSITIVE = "window not positive"


def correlation_length(sigma: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """T = σ τ / (σ + τ), in the unit of σ and τ; 0 where both are."""
    total = np.asarray(sigma, float) + tau
    return np.divide(np.multiply(sigma, tau), total, out=np.zeros_like(total), where=total > 0)


def lorentzian(k: np.ndarray, sigma: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Eq. 3 without its delta function, in the unit of σ and τ; k in the inverse unit."""
    T, p = correlation_length(sigma, tau), sigma / (sigma + tau)
    return p * (1 - p) * T / np.pi / (1 + (k * T) ** 2)


def wavenumbers(cells: int, dx: float) -> np.ndarray:
    """The k-grid in FFT order, (cells,), in rad per unit of dx."""
    return 2 * np.pi * np.fft.fftfreq(cells, dx)


def discrete(sigma: np.ndarray | float, tau: np.ndarray | float, cells: int, dx: float) -> np.ndarray:
    """S_j on the k-grid of `cells` sites dx apart, (..., cells), dimensionless, in FFT order; its sum over j is p when
    the grid holds the whole Lorentzian."""
    sigma, tau = np.asarray(sigma, float)[..., None], np.asarray(tau, float)[..., None]
    k = wavenumbers(cells, dx)
    S = lorentzian(k, sigma, tau) * k[1]
    S[..., :1] += (sigma / (sigma + tau)) ** 2
    return S


def window(sigma: np.ndarray | float, tau: np.ndarray | float, cells: int, dx: float, origin: int = 0) -> np.ndarray:
    """s(x) on the chain, (..., cells), dimensionless: 1 everywhere for τ = 0.

    Parameters
    ----------
    sigma, tau : float or (...) ndarray
        Mean lengths of material (positive) and of vacancies, in the unit of dx.
    cells, dx
        The chain.
    origin : int
        Site of x = 0.
    """
    half = np.sqrt(discrete(sigma, tau, cells, dx))[..., : cells // 2 + 1]
    return np.roll(np.fft.irfft(half, cells) * cells, origin, -1)


def check(sigma: float, tau: float, settings: Settings) -> tuple[str, str]:
    """Whether a point (lengths in m) has a window at all.

    Returns
    -------
    status, reason : str
        "ok" and "", or what is wrong with the point.
    """
    if not (np.isfinite(sigma) and np.isfinite(tau) and sigma >= 0 and tau >= 0):
        return NOT_A_LENGTH, f"sigma = {sigma:g} m and tau = {tau:g} m must be finite and not negative"
    if sigma == 0:
        return NO_MATERIAL, "sigma = 0: the chain is one vacancy"
    if tau > settings.length_m:
        return TOO_LONG, f"tau = {tau:g} m on a chain of {settings.length_m:g} m"
    kT = 2 * np.pi / settings.length_m * float(correlation_length(sigma, tau))
    if kT > settings.coarsest_kT:
        return TOO_COARSE, f"a step of the k-grid times T is {kT:.3g}, above {settings.coarsest_kT:g}"
    return OK, ""


def windows(
    sigma: np.ndarray, tau: np.ndarray, settings: Settings, origin: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows of many points, lengths in m.

    Returns
    -------
    s : (points, cells) ndarray
        NaN where a point has none.
    status, reason : (points,) ndarray of str
    """
    s = np.full((len(sigma), settings.cells), np.nan)
    found = [check(one, zero, settings) for one, zero in zip(sigma, tau, strict=True)]
    status = np.array([word for word, _ in found], object)
    reason = np.array([text for _, text in found], object)
    good = np.flatnonzero(status == OK)
    s[good] = window(sigma[good] / settings.a, tau[good] / settings.a, settings.cells, 1.0, origin)
    for i in good[s[good].min(1, initial=np.inf) <= 0]:  # its sites would gain energy in relaxing
        status[i], reason[i] = NOT_POSITIVE, f"the window falls to {s[i].min():.3g}: sigma is well below a site"
        s[i] = np.nan
    return s, status, reason
