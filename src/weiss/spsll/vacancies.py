"""Chains with vacancies where random telegraph noise has them: what the statistical chain stands for.

A vacancy has no moment and no exchange with its neighbours. That is the statistical chain's own equation with the
noise itself, 0 or 1, in the place of its window s(x): the two differ in nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from weiss.spsll import chain_cpu, dispersion, dop853, wall
from weiss.spsll.chain import fastest, medium
from weiss.spsll.settings import Settings
from weiss.spsll.spectrum import wavenumbers
from weiss.spsll.telegraph import sample


@dataclass(frozen=True)
class EnsembleDispersion:
    """Average over realisations.

    Attributes
    ----------
    k : (cells,) ndarray
        In rad/m, ascending.
    f_THz : (frequencies,) ndarray
    amplitude : (frequencies, cells) ndarray
        Root of the mean power.
    ridge_THz : (cells,) ndarray
    brightest_X_THz : float
        X of the curve gap + X (1 − cos ak) that collects most power, see `brightest_X`.
    """

    k: np.ndarray
    f_THz: np.ndarray
    amplitude: np.ndarray
    ridge_THz: np.ndarray
    brightest_X_THz: float


@dataclass(frozen=True)
class EnsembleWall:
    """Average over realisations.

    Attributes
    ----------
    x : (cells,) ndarray
        In m; walls start at 0.
    mz : (cells,) ndarray
        Mean m_z of the sites that hold an atom.
    width_m, error_m : float
        Width of the wall with that profile, by the cosine series, and its standard error over the realisations
        (jackknife over at most 20 groups of them; NaN for one realisation).
    cut : float
        Share of realisations in which m_z changes sign across a vacancy.
    lost : float
        Share of realisations in which it does so nowhere.
    intact_width_m : (intact,) ndarray
        π a / the largest angle between neighbours, of the walls without a vacancy inside.
    position_m : (realisations,) ndarray
        Where m_z changes sign; NaN where it does not.
    """

    x: np.ndarray
    mz: np.ndarray
    width_m: float
    error_m: float
    cut: float
    lost: float
    intact_width_m: np.ndarray
    position_m: np.ndarray


def noise(sigma: float, tau: float, settings: Settings, seed: int, realisation: int) -> np.ndarray:
    """Occupation of the chain's sites, (cells,), 1 or 0; lengths in m."""
    return sample(sigma, tau, settings.cells, settings.a, "chain", seed, realisation)


def brightest_X(amplitude: np.ndarray, k: np.ndarray, settings: Settings) -> float:
    """X in THz of the curve gap + X (1 − cos ak) on which most power lies, every k counting the same.

    A ridge jumps where a second branch is brighter; this does not. Left out are X < 1 THz, which is the flat line of
    modes that fill a segment evenly, and |k| below a fifth of the zone boundary's, where all curves meet.
    """
    power = amplitude**2 / (amplitude**2).sum(0)
    X = np.arange(1.0, 1.5 * settings.X_THz, 0.025)[:, None]
    bins = np.rint((settings.gap_THz + X * (1 - np.cos(settings.a * k))) * 1e12 * settings.duration_s).astype(int)
    collected = np.take_along_axis(power, np.minimum(bins, len(power) - 1), axis=0)
    return float(X[collected[:, np.abs(settings.a * k) > 0.2 * np.pi].mean(1).argmax(), 0])


def dispersions(sigma: float, tau: float, settings: Settings, realisations: int, seed: int) -> EnsembleDispersion:
    """Ring `realisations` chains with the Gaussian of the Methods and average their power; lengths in m."""
    chains = medium(settings, settings.dispersion_alpha, periodic=True)
    power = np.zeros((dispersion.samples(settings) // 2, settings.cells))
    for realisation in range(realisations):
        n = noise(sigma, tau, settings, seed, realisation)
        m = dispersion.excitation(settings) * n
        steps = int(dispersion.substeps(n[None], chains, settings)[0])
        dt = settings.sample_s * settings.rate / steps
        psi = chain_cpu.record(m, n, chains, dt, steps, dispersion.samples(settings))
        power += dispersion.amplitudes(np, psi[None], settings)[0] ** 2
    f, k = dispersion.frequencies(settings), np.fft.fftshift(wavenumbers(settings.cells, settings.a))
    amplitude = np.sqrt(power / realisations)
    return EnsembleDispersion(k, f, amplitude, f[amplitude.argmax(0)], brightest_X(amplitude, k, settings))


def _relax(n: np.ndarray, settings: Settings) -> np.ndarray:
    """m_z of one realisation, (cells,), after the wall's time by Eq. 1; 0 at vacancies."""
    chains = medium(settings, settings.wall_alpha, periodic=False)
    theta = wall.start(settings)
    m = np.array([np.sin(theta), np.zeros_like(theta), np.cos(theta)]) * n
    total = settings.wall_duration_s * settings.rate
    fast = float(fastest(n[None], chains)[0]) * np.hypot(1, chains.alpha)
    every = int(np.ceil(total * fast / dop853.DAMPED / wall.CHECKS))
    chain_cpu.settle(m, n, chains, total / (every * wall.CHECKS), every * wall.CHECKS, every, 0.0)
    return m[2]


def _mean_profile(mz: np.ndarray, atoms: np.ndarray, settings: Settings) -> tuple[np.ndarray, float]:
    """Mean m_z of the sites that hold an atom, (cells,), and the width of the wall with that profile; both arguments
    are (realisations, cells)."""
    held = atoms.sum(0)
    mean = np.divide(mz.sum(0), held, out=np.zeros_like(held), where=held > 0)
    theta = np.arccos(np.clip(mean, -1, 1))[None]
    width, _ = wall.width(theta, wall.crossing(theta, settings), settings)
    return mean, float(width[0])


def walls(sigma: float, tau: float, settings: Settings, realisations: int, seed: int) -> EnsembleWall:
    """Relax a wall in `realisations` chains with free ends, each for the full time, and average; lengths in m."""
    x = wall.sites(settings)
    profiles, atoms = np.empty((realisations, settings.cells)), np.empty((realisations, settings.cells))
    places, widths, cut, lost = np.full(realisations, np.nan), [], 0, 0
    for realisation in range(realisations):
        n = noise(sigma, tau, settings, seed, realisation)
        mz = _relax(n, settings)
        profiles[realisation], atoms[realisation] = mz, n
        held = np.flatnonzero(n)
        change = np.flatnonzero((mz[held[:-1]] < 0) != (mz[held[1:]] < 0))
        if not change.size:
            lost += 1
            continue
        first = change[np.abs(x[held[change]]).argmin()]
        left, right = held[first], held[first + 1]
        places[realisation] = (x[left] + x[right]) / 2
        if right - left > 1:
            cut += 1
            continue
        theta = np.arccos(np.clip(mz, -1, 1))
        together = (n[:-1] * n[1:]) > 0
        widths.append(np.pi * settings.a / np.abs(np.diff(theta))[together].max())
    mean, width = _mean_profile(profiles, atoms, settings)
    groups = np.arange(realisations) % 20
    count = groups.max() + 1
    without = [_mean_profile(profiles[groups != g], atoms[groups != g], settings)[1] for g in range(count) if count > 1]
    error = float(np.sqrt((count - 1) * np.var(without))) if count > 1 else np.nan
    share = 1 / realisations
    return EnsembleWall(x, mean, width, error, cut * share, lost * share, np.array(widths), places)
