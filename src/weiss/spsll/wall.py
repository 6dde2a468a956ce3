r"""Domain walls as in the Methods of Eagan et al.: a tanh relaxes, and the slope of a cosine series gives its width.

The profile θ = arccos m_z is doubled by its mirror image, so that it is even and has the cosine series
θ(x) = a_0 + Σ a_n cos(nπx/L) over the doubled chain's length L. The width is what a straight line through the wall with
the series' slope there needs for the turn from 0 to π:

.. math:: w = \pi\,/\,\Big|\sum_{n\le N}\frac{n\pi}{L}\,a_n\sin\frac{n\pi x_0}{L}\Big|

N = 700 of the 1,000 harmonics of a 500-site chain; the error is the standard deviation of w over the sums that end at
each of the last 100 harmonics. Eq. 10 as printed has no a_n in front of its sine, and π/4 where a_0 (near π/2) must be.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from weiss.arrays import namespace, to_host
from weiss.errors import UserError
from weiss.spsll import chain_cpu, dop853, planar
from weiss.spsll.chain import fastest, medium
from weiss.spsll.settings import MU0, Settings
from weiss.spsll.spectrum import OK, windows

LOST = "wall lost"
NOT_RELAXED = "not relaxed"
UNSTABLE = "wall unstable"

CHAINS = 64
"""Walls that a thread relaxes before it asks for more."""
CHECKS = 100
"""How often a wall that follows Eq. 1 is looked at in its time."""


@dataclass(frozen=True)
class Walls:
    """Walls of a batch; `mz` and the widths are NaN where the status is not "ok".

    Attributes
    ----------
    x : (cells,) ndarray
        Sites, in m; the wall starts at 0.
    mz : (points, cells) ndarray
    width_m, error_m : (points,) ndarray
        Width and its error from the last harmonics.
    position_m : (points,) ndarray
        Where m_z passes zero.
    torque_T : (points,) ndarray
        Largest µ0 |m × H| at the end; kept for failed walls too, NaN for points that never ran.
    time_s : (points,) ndarray
        Simulated time until the wall was relaxed, or all of it.
    status, reason : (points,) ndarray of str
    """

    x: np.ndarray
    mz: np.ndarray
    width_m: np.ndarray
    error_m: np.ndarray
    position_m: np.ndarray
    torque_T: np.ndarray
    time_s: np.ndarray
    status: np.ndarray
    reason: np.ndarray


def sites(settings: Settings) -> np.ndarray:
    """Positions of the sites, (cells,), in m; 0 at the centre's site."""
    return (np.arange(settings.cells) - settings.centre) * settings.a


def start(settings: Settings) -> np.ndarray:
    """θ of the ansatz m_z = tanh(x √(K_U/A)), (cells,): 2 arctan exp(−x √(K_U/A)) without its rounding."""
    u = sites(settings) * np.pi / settings.wall_width_m
    return 2 * np.arctan2(np.exp(-np.maximum(u, 0)), np.exp(np.minimum(u, 0)))


def crossing(theta: np.ndarray, settings: Settings) -> np.ndarray:
    """Where θ passes π/2, (points,), in sites from the first: by a straight line between two, nearest the centre; NaN
    without a crossing."""
    profile = theta - np.pi / 2
    passes = (profile[:, :-1] < 0) != (profile[:, 1:] < 0)
    step = np.where(passes, profile[:, :-1] - profile[:, 1:], 1)
    places = np.arange(theta.shape[1] - 1) + profile[:, :-1] / step
    distance = np.where(passes, np.abs(places - settings.centre), np.inf)
    nearest = np.arange(len(theta)), distance.argmin(1)
    return np.where(passes[nearest], places[nearest], np.nan)


def width(theta: np.ndarray, places: np.ndarray, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Width and its error, both (points,), in m, from the cosine series of θ at `places` (in sites from the first).

    The mirror image leaves odd harmonics of the doubled chain zero, so that only half of them is summed.
    """
    cells = theta.shape[1]
    n = np.arange(2, settings.harmonics + 1, 2)
    doubled = np.concatenate([theta, theta[:, ::-1]], axis=1)
    terms = np.fft.rfft(doubled)[:, n // 2] * np.exp(-0.5j * np.pi * n / (2 * cells))
    q = n * np.pi / (2 * cells)
    slopes = np.cumsum(-q * terms.real / cells * np.sin(q * (places[:, None] + 0.5)), axis=1)
    last = n > settings.harmonics - settings.error_harmonics
    widths = np.pi * settings.a / np.abs(slopes)
    # Row by row: along an axis of many rows NumPy adds in another order than along one.
    return widths[:, -1], np.array([row[last].std() for row in widths])


def _implicit(
    xp: ModuleType, s: np.ndarray, settings: Settings, threads: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """θ, how each relaxation ended, its torque in units of Ms and its time in s."""
    duration = settings.wall_duration_s * settings.rate * settings.wall_alpha
    limit = settings.torque_T / (MU0 * settings.Ms)
    theta = np.repeat(start(settings)[None], len(s), 0)
    if xp is np:
        parts = [slice(first, first + CHAINS) for first in range(0, len(s), CHAINS)]
        with ThreadPoolExecutor(threads) as pool:
            found = list(
                pool.map(lambda p: planar.relax(theta[p], s[p], settings.J, settings.h, duration, limit), parts)
            )
        ended, torque, t = (np.concatenate([part[c] for part in found]) for c in range(3))
    else:
        moving = xp.asarray(theta)
        batch = planar.relax_batch(xp, moving, xp.asarray(s), settings.J, settings.h, duration, limit)
        theta = to_host(moving)
        ended, torque, t = (to_host(part) for part in batch[:3])
    return theta, ended, torque, t / (settings.rate * settings.wall_alpha)


def _dynamics(s: np.ndarray, settings: Settings, threads: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """As `_implicit`, by Eq. 1."""
    chains = medium(settings, settings.wall_alpha, settings.ends == "periodic")
    total = settings.wall_duration_s * settings.rate
    limit = settings.torque_T / (MU0 * settings.Ms)
    theta = start(settings)

    def follow(i: int) -> tuple[np.ndarray, int, float, float]:
        m = np.array([np.sin(theta), np.zeros_like(theta), np.cos(theta)])
        fast = float(fastest(s[i : i + 1], chains)[0]) * np.hypot(1, chains.alpha)
        every = int(np.ceil(total * fast / dop853.DAMPED / CHECKS))
        dt = total / (every * CHECKS)
        steps, torque = chain_cpu.settle(m, s[i], chains, dt, every * CHECKS, every, limit)
        ended = planar.RELAXED if torque <= limit else planar.NOT_RELAXED
        return np.arctan2(np.hypot(m[0], m[1]), m[2]), ended, torque, steps * dt / settings.rate

    with ThreadPoolExecutor(threads) as pool:
        rows = list(pool.map(follow, range(len(s))))
    return tuple(np.array([row[c] for row in rows]) for c in range(4))  # type: ignore[return-value]


def walls(sigma: np.ndarray, tau: np.ndarray, settings: Settings, device: str = "cpu", threads: int = 1) -> Walls:
    """Domain walls in chains with defects.

    Parameters
    ----------
    sigma, tau : (points,) array_like
        Mean lengths of material and of vacancies, in m.
    settings : Settings
    device : {"cpu", "gpu"}
        Of implicit relaxation; Eq. 1 as it stands runs on the CPU.
    threads : int
        Chains at a time on a CPU.

    Returns
    -------
    Walls
        A point without a result has its status and reason; the others are not touched by it.

    Raises
    ------
    UserError
        If the chain has fewer harmonics than the width asks for.
    """
    if not 0 < settings.error_harmonics < settings.harmonics <= 2 * settings.cells:
        raise UserError(
            f"{settings.harmonics} harmonics with the last {settings.error_harmonics} for the error",
            fix=f"keep 0 < error_harmonics < harmonics <= {2 * settings.cells}",
        )
    sigma, tau = np.asarray(sigma, float), np.asarray(tau, float)
    s, status, reason = windows(sigma, tau, settings, settings.origin_cell("wall_window_origin"))
    run = np.flatnonzero(status == OK)
    mz = np.full(s.shape, np.nan)
    width_m, error_m, position_m, torque_T, time_s = (np.full(len(s), np.nan) for _ in range(5))
    if run.size:
        if settings.relaxation == "implicit":
            theta, ended, torque, time_s[run] = _implicit(namespace(device), s[run], settings, threads)
        else:
            theta, ended, torque, time_s[run] = _dynamics(s[run], settings, threads)
        torque_T[run] = torque * MU0 * settings.Ms
        places = crossing(theta, settings)
        for row, i in enumerate(run):
            if ended[row] == planar.NOT_RELAXED:
                status[i] = NOT_RELAXED
                reason[i] = f"torque {torque_T[i]:.2g} T after {time_s[i]:.3g} s, above {settings.torque_T:g} T"
            elif ended[row] == planar.UNSTABLE:
                status[i], reason[i] = UNSTABLE, "at rest, but the smallest push drives the wall away"
            elif np.isnan(places[row]):
                status[i], reason[i] = LOST, "m_z passes zero nowhere"
        good = status[run] == OK
        mz[run[good]] = np.cos(theta[good])
        width_m[run[good]], error_m[run[good]] = width(theta[good], places[good], settings)
        position_m[run[good]] = (places[good] - settings.centre) * settings.a
    return Walls(
        sites(settings), mz, width_m, error_m, position_m, torque_T, time_s, status.astype(str), reason.astype(str)
    )
