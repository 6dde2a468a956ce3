"""Dispersion relations as in the Methods of Eagan et al.: a narrow Gaussian rings for 10 ps, and its spectrum's ridge.

m_x + i m_y is recorded, not m_z: m_z is of second order in a wave's amplitude and shows twice its frequency. Waves
precess one way about H, so only positive frequencies are looked at.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from weiss.arrays import Array, namespace, to_host
from weiss.spsll import chain_cpu, dop853
from weiss.spsll.chain import Medium, energy, fastest, medium
from weiss.spsll.settings import Settings
from weiss.spsll.spectrum import OK, wavenumbers, windows

NOT_FINITE = "not finite"


@dataclass(frozen=True)
class Dispersions:
    """Dispersion relations of a batch; everything but `k` is NaN where the status is not "ok".

    Attributes
    ----------
    k : (cells,) ndarray
        Wavenumbers in rad/m, ascending, from the zone boundary's −π/a.
    ridge_THz : (points, cells) ndarray
        Frequency of the largest amplitude at each k.
    X_THz : (points,) ndarray
        Least-squares X of gap + X (1 − cos ak), the gap being that of the local field.
    misfit_THz : (points,) ndarray
        Mean distance between the ridge and that curve.
    norm_drift, energy_change : (points,) ndarray
        Largest | |m| − 1 | at the end; E(end)/E(start) − 1, which damping alone makes negative.
    steps : (points,) ndarray of int
        Steps between two samples.
    status, reason : (points,) ndarray of str
    amplitude : (points, frequencies, cells) float32 ndarray or None
        The whole spectra, where they were asked for; NaN where the status is not "ok".
    """

    k: np.ndarray
    ridge_THz: np.ndarray
    X_THz: np.ndarray
    misfit_THz: np.ndarray
    norm_drift: np.ndarray
    energy_change: np.ndarray
    steps: np.ndarray
    status: np.ndarray
    reason: np.ndarray
    amplitude: np.ndarray | None = None


def excitation(settings: Settings) -> np.ndarray:
    """m at the start, (3, cells): a Gaussian in m_x on a chain along z."""
    x = (np.arange(settings.cells) - settings.centre) * settings.a
    mx = settings.excitation_amplitude * np.exp(-(x**2) / (2 * settings.excitation_std_m**2))
    return np.array([mx, np.zeros_like(mx), np.sqrt(1 - mx**2)])


def samples(settings: Settings) -> int:
    """States recorded, the first at t = 0."""
    return round(settings.duration_s / settings.sample_s)


def substeps(s: np.ndarray, medium: Medium, settings: Settings) -> np.ndarray:
    """Steps between two samples, (points,), that keep step × fastest rate below `dop853.OSCILLATING`."""
    fast = fastest(s, medium) * np.hypot(1, medium.alpha) * settings.rate * settings.sample_s
    return np.ceil(fast / dop853.OSCILLATING).astype(int)


def frequencies(settings: Settings) -> np.ndarray:
    """Positive half of the frequency grid, in THz."""
    return np.fft.fftfreq(samples(settings), settings.sample_s)[: samples(settings) // 2] / 1e12


def record(xp: ModuleType, s: Array, medium: Medium, settings: Settings, steps: int) -> tuple[Array, Array]:
    """m_x + i m_y of a batch, (points, samples, cells), and m at the end, (points, 3, cells): the plain form.

    Parameters
    ----------
    s : (points, cells) array
    steps : int
        Steps between two samples.
    """
    m = xp.repeat(xp.asarray(excitation(settings))[None], len(s), 0)
    dt = xp.full((len(s), 1, 1), settings.sample_s * settings.rate / steps)
    psi = xp.empty((len(s), samples(settings), settings.cells), complex)
    for i in range(samples(settings)):
        for _ in range(steps if i else 0):
            m = dop853.step(xp, m, s, medium, dt)
        psi[:, i] = m[:, 0] + 1j * m[:, 1]
    return psi, m


def amplitudes(xp: ModuleType, psi: Array, settings: Settings) -> Array:
    """|FFT in time and space| at positive frequencies, (points, samples // 2, cells), k ascending."""
    if settings.taper == "hann":
        psi = psi * xp.asarray(np.hanning(psi.shape[1]))[:, None]
    spectrum = xp.fft.fft(xp.fft.fft(psi, axis=2), axis=1)[:, : psi.shape[1] // 2]
    return xp.abs(xp.fft.fftshift(spectrum, axes=2))


def ridge(xp: ModuleType, psi: Array, settings: Settings) -> np.ndarray:
    """Frequency in THz of the largest amplitude at each k, (points, cells), k ascending, on the host."""
    return frequencies(settings)[to_host(amplitudes(xp, psi, settings).argmax(1))]


def ideal(k: np.ndarray, settings: Settings) -> np.ndarray:
    """Gap plus Eq. 6 scaled by γ µ0 Ms, in THz, of the ideal chain; k in rad/m."""
    return settings.gap_THz + settings.X_THz * (1 - np.cos(settings.a * k))


def fit_X(ridge_THz: np.ndarray, k: np.ndarray, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares X of gap + X (1 − cos ak) over all k, and the mean distance from it, both (points,), in THz."""
    shape = 1 - np.cos(settings.a * k)
    # Row by row: a product of matrices adds in another order than one of vectors.
    X = np.array([(row - settings.gap_THz) @ shape for row in ridge_THz]) / (shape @ shape)
    return X, np.abs(ridge_THz - settings.gap_THz - X[:, None] * shape).mean(1)


def _on_cpu(
    s: np.ndarray, medium: Medium, settings: Settings, steps: int, spectrum: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Ridge and last state of one chain; its amplitudes are put into `spectrum`."""
    m = excitation(settings)
    dt = settings.sample_s * settings.rate / steps
    psi = chain_cpu.record(m, s, medium, dt, steps, samples(settings))
    found = amplitudes(np, psi[None], settings)[0]
    if spectrum is not None:
        spectrum[:] = found
    return frequencies(settings)[found.argmax(0)], m


def _on_gpu(
    xp: ModuleType,
    s: np.ndarray,
    medium: Medium,
    settings: Settings,
    steps: np.ndarray,
    spectra: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Chains with equally long steps run together, in groups whose records and spectra fit the memory."""
    ridges, ends = np.empty(s.shape), np.empty((len(s), 3, settings.cells))
    each = 16 * 6 * samples(settings) * settings.cells
    most = max(1, int(0.5 * xp.cuda.Device().mem_info[0]) // each)
    for count in np.unique(steps):
        chosen = np.flatnonzero(steps == count)
        for first in range(0, len(chosen), most):
            part = chosen[first : first + most]
            psi, m = record(xp, xp.asarray(s[part]), medium, settings, int(count))
            ridges[part], ends[part] = ridge(xp, psi, settings), to_host(m)
            if spectra is not None:
                spectra[part] = to_host(amplitudes(xp, psi, settings))
    return ridges, ends


def dispersions(
    sigma: np.ndarray,
    tau: np.ndarray,
    settings: Settings,
    device: str = "cpu",
    threads: int = 1,
    spectra: bool = False,
) -> Dispersions:
    """Dispersion relations of chains with defects.

    Parameters
    ----------
    sigma, tau : (points,) array_like
        Mean lengths of material and of vacancies, in m.
    settings : Settings
    device : {"cpu", "gpu"}
    threads : int
        Chains at a time on a CPU.
    spectra : bool
        Whether to keep the amplitudes, too: 1 MB a chain for 500 frequencies and sites.

    Returns
    -------
    Dispersions
        A point without a result has its status and reason; the others are not touched by it.
    """
    sigma, tau = np.asarray(sigma, float), np.asarray(tau, float)
    s, status, reason = windows(sigma, tau, settings, settings.origin_cell("dispersion_window_origin"))
    chains = medium(settings, settings.dispersion_alpha, periodic=True)
    run = np.flatnonzero(status == OK)
    steps, ridges = np.zeros(len(s), int), np.full(s.shape, np.nan)
    ends = np.full((len(s), 3, settings.cells), np.nan)
    kept = None
    if spectra:
        kept = np.full((len(s), samples(settings) // 2, settings.cells), np.nan, np.float32)
    steps[run] = substeps(s[run], chains, settings)
    if device == "cpu":
        with ThreadPoolExecutor(threads) as pool:
            jobs = pool.map(
                lambda i: _on_cpu(s[i], chains, settings, int(steps[i]), None if kept is None else kept[i]), run
            )
            for i, found in zip(run, jobs, strict=True):
                ridges[i], ends[i] = found
    else:
        found = None if kept is None else kept[run]
        ridges[run], ends[run] = _on_gpu(namespace(device), s[run], chains, settings, steps[run], found)
        if kept is not None:
            kept[run] = found
    lost = run[~np.isfinite(ends[run]).all((1, 2))]
    status[lost], reason[lost] = NOT_FINITE, "the magnetisation stopped being finite"
    ridges[lost] = np.nan
    if kept is not None:
        kept[lost] = np.nan
    k = np.fft.fftshift(wavenumbers(settings.cells, settings.a))
    X, misfit = fit_X(ridges, k, settings)
    change = energy(np, ends, s, chains) / energy(np, excitation(settings)[None], s, chains) - 1
    drift = np.abs(np.sqrt((ends**2).sum(1)) - 1).max(1)
    return Dispersions(k, ridges, X, misfit, drift, change, steps, status.astype(str), reason.astype(str), kept)
