"""Random telegraph noise along a line, and its power spectral density: what Eq. 3 is the ensemble average of (SI 1)."""

from __future__ import annotations

import numpy as np

from weiss.arrays import random_stream


def sample(sigma: float, tau: float, cells: int, dx: float, *key: str | int) -> np.ndarray:
    """One realisation on `cells` sites, (cells,) float64: 1 where there is material, 0 where there is none.

    Lengths in the two states are exponential with means σ and τ; a site has the state of its place. The first state is
    1 with probability σ/(σ+τ), which makes the noise stationary: an exponential length has no memory of where it began.

    Parameters
    ----------
    sigma, tau, dx : float
        In one unit; σ > 0, τ = 0 is a line without vacancies.
    *key : str or int
        Names the realisation: the same key gives the same noise.
    """
    if tau == 0:
        return np.ones(cells)
    stream = random_stream("spsll", "telegraph", *key)
    full = stream.random() < sigma / (sigma + tau)
    means = np.array([sigma, tau] if full else [tau, sigma])
    ends, reached = [], 0.0
    while reached <= cells * dx:
        lengths = stream.exponential(np.tile(means, 64))
        ends.append(reached + np.cumsum(lengths))
        reached = float(ends[-1][-1])
    flips = np.searchsorted(np.concatenate(ends), np.arange(cells) * dx, side="right")
    return ((flips % 2 == 0) == full).astype(float)


def autocovariance(noise: np.ndarray, lags: int) -> np.ndarray:
    """R(r) of a record about its own mean, (lags,), for r = 0 … lags − 1 sites, divided by the record's length."""
    size = noise.size
    spectrum = np.fft.rfft(noise - noise.mean(), 2 * size)
    return np.fft.irfft(np.abs(spectrum) ** 2)[:lags] / size


def psd(noise: np.ndarray, dx: float, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Power spectral density without its delta function, by Wiener and Khinchin.

    PSD(k) = dx/(2π) Σ_r R(r) cos(kr), which integrates to the variance over all k, as Eq. 3 does. (Eq. SI 1 squares the
    sum and divides by the record's length, which is neither that nor of its unit.) R is tapered over `lags` sites: with
    all lags the sum is the squared transform of the record itself, with all its noise.

    Returns
    -------
    k, PSD : (lags + 1,) ndarray
        From 0 to π/dx, in rad per unit of dx; PSD in the inverse unit.
    """
    taper = 0.5 * (1 + np.cos(np.pi * np.arange(lags) / lags))
    R = autocovariance(noise, lags) * taper
    even = np.concatenate([R, [0], R[:0:-1]])
    return np.pi / (lags * dx) * np.arange(lags + 1), np.fft.rfft(even).real * dx / (2 * np.pi)


def sampled_lorentzian(k: np.ndarray, sigma: float, tau: float, dx: float) -> np.ndarray:
    """Eq. 3 without its delta function for noise that is looked at every dx only: the sum over k + 2πn/dx, in closed
    form. At small k dx and dx ≪ T it is Eq. 3."""
    p, T = sigma / (sigma + tau), sigma * tau / (sigma + tau)
    rho = np.exp(-dx / T)
    return p * (1 - p) * dx / (2 * np.pi) * (1 - rho**2) / (1 - 2 * rho * np.cos(k * dx) + rho**2)
