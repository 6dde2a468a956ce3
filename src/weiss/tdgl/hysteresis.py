"""The hysteresis driver: films through the field sweep, to the moment their mean magnetisation passes zero again.

Every film of a batch has its own time, step and stage count; a film that reached its crossing is handed out and
leaves the batch.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import groupby
from types import ModuleType

import numpy as np

from weiss.arrays import Array, convolver, namespace, to_host
from weiss.errors import SimulationError
from weiss.tdgl import euler, rhs, rkc, sweep
from weiss.tdgl.chebyshev import coefficients, stages_for
from weiss.tdgl.dipole import dipole_kernel
from weiss.tdgl.model import FILM_PARAMETERS, Films, Params, prepare

CROSSED, NOT_CROSSED = "crossed", "not crossed"

FIRST_STEP = 0.5
"""First step of a film, in time units: a tenth of the fastest growth time at A0 = 1."""

GROWTH, SHRINK, SAFETY = 2.0, 0.1, 0.8
"""Limits of the step control, as in most embedded Runge–Kutta codes."""

BEND = 2.0
"""Weight of the distance to the extrapolated line, as an error estimate. Measured: crossing times within 1 unit of
the embedded one."""

CROSSING_MEAN = 1e-6
"""A crossing is found when |⟨m⟩| is below this: less than one cell of a 1024² film."""

CROSSING_WIDTH = 1e-3
"""… or when it is known to this many time units."""

FLIP_CHECK = 10
"""The reference integrator looks for avalanches every so many steps."""

SMALLEST_STEP = 1e-6
"""A film whose step must fall below this is broken."""


@dataclass(frozen=True)
class FilmResult:
    """One simulated film.

    Attributes
    ----------
    m : (ny, nx) ndarray, float32
        Magnetisation at the crossing, or at the end of the sweep without one.
    loop_h, loop_m : (samples,) ndarray
        Hysteresis loop on an even time grid over the whole sweep; NaN in loop_m after the crossing.
    t_crossing, h_crossing : float
        When and at which field ⟨m⟩ passed zero; NaN without a crossing.
    status : str
        "crossed" or "not crossed".
    evaluations, steps, rejected : int
        Evaluations of the right-hand side, accepted and rejected steps.
    avalanches : int
        Runs of accepted steps in which at least one cell changed sign.
    seconds : float
        Wall time of the film's batch, shared evenly among its films by evaluations.
    """

    m: np.ndarray
    loop_h: np.ndarray
    loop_m: np.ndarray
    t_crossing: float
    h_crossing: float
    status: str
    evaluations: int
    steps: int
    rejected: int
    avalanches: int
    seconds: float


class _Loops:
    """Mean magnetisation on an even time grid, filled as steps are accepted."""

    def __init__(self, films: int, settings: Params) -> None:
        quarter = float(settings["quarter"])
        self.t = np.linspace(0, 5 * quarter, int(settings["loop_samples"]))
        self.h = sweep.field(self.t, float(settings["H"]), quarter)
        self.m = np.full((films, self.t.size), np.nan)

    def record(self, film: int, t: tuple[float, float], mean: tuple[float, float], rate: tuple[float, float]) -> None:
        """Fill the samples in [t0, t1] with the cubic Hermite polynomial through both ends."""
        first, last = np.searchsorted(self.t, t[0], "left"), np.searchsorted(self.t, t[1], "right")
        if last > first:
            self.m[film, first:last] = _hermite(self.t[first:last], t, mean, rate)


def _hermite(
    at: np.ndarray, t: tuple[float, float], value: tuple[float, float], rate: tuple[float, float]
) -> np.ndarray:
    """Cubic Hermite interpolation between two ends, with slopes limited so that it never leaves their range.

    The limit is Fritsch and Carlson's (SIAM J. Numer. Anal. 17, 238, 1980): the sign of the secant and at most
    three times it.
    """
    length = t[1] - t[0]
    secant = (value[1] - value[0]) / length
    slopes = [np.clip(r, min(0, 3 * secant), max(0, 3 * secant)) for r in rate]
    s = (at - t[0]) / length
    return (
        (1 + 2 * s) * (1 - s) ** 2 * value[0]
        + s**2 * (3 - 2 * s) * value[1]
        + length * s * (1 - s) * ((1 - s) * slopes[0] - s * slopes[1])
    )


def _branch(crossing: int, quarter: float) -> tuple[float, float]:
    """Where the wanted crossing may lie, and the sign ⟨m⟩ has after it: 1 is on the falling branch, 2 on the
    rising one."""
    return (quarter, -1.0) if crossing == 1 else (3 * quarter, 1.0)


def _equation(films: Films, xp: ModuleType) -> rkc.Equation:
    settings = films.settings
    ny, nx = films.m.shape[1:]
    kernel = dipole_kernel(str(settings["kernel"]), ny, nx, float(settings["a0"]))
    medium = rhs.Medium(
        xp.asarray(films.anisotropy),
        xp.asarray(films.exchange),
        float(settings["gamma_per_J"]),
        # float32 cannot hold 1 - 1e-7; the nearest number below 1 is what it gets.
        float(np.nextafter(films.m.dtype.type(1 - float(settings["m_limit"])), films.m.dtype.type(0))),
    )
    quarter, H = float(settings["quarter"]), float(settings["H"])
    return rkc.Equation(
        xp, medium, convolver(xp, kernel, (ny, nx), films.m.dtype), lambda t: sweep.field(t, H, quarter)
    )


class _Stabilised:
    """Adaptive Runge–Kutta–Chebyshev through the sweep. Arrays of the films still running; ids tell which they are."""

    def __init__(self, films: Films, device: str) -> None:
        xp, settings = namespace(device), films.settings
        self.xp, self.settings, self.equation = xp, settings, _equation(films, xp)
        self.quarter, self.tolerance = float(settings["quarter"]), float(settings["tolerance"])
        self.most_stages = int(settings["max_stages"])
        self.opens, self.sign = _branch(int(settings["crossing"]), self.quarter)
        count = len(films.m)
        self.ids, self.stiffness = np.arange(count), films.stiffness
        self.m = xp.asarray(films.m)
        self.m_before, self.low, self.rate = self.m.copy(), xp.zeros_like(self.m), xp.empty_like(self.m)
        self.work = rkc.Workspace.like(self.m, xp)
        self.t, self.tau = np.zeros(count), np.full(count, FIRST_STEP)
        self.tau_before = np.full(count, np.inf)
        self.mean = to_host(self.m.mean(axis=(1, 2), dtype=np.float64)).astype(float)
        self.mean_rate = np.zeros(count)
        self.bracket = np.full((count, 4), np.nan)  # step and ⟨m⟩ at both sides of a crossing being located
        self.avalanche = np.zeros(count, bool)
        self.counts = np.zeros((count, 4), int)  # evaluations, accepted, rejected, avalanches
        self.loops = _Loops(count, settings)
        self.equation.rate(self.m, self.low, self.t, self.work.dipole, self.rate, np.ones(count, bool))
        self.counts[:, 0] = 1

    def run(self) -> Iterator[tuple[int, FilmResult]]:
        began = time.perf_counter()
        while self.ids.size:
            tau, stages = self._plan()
            rkc.step(self.equation, self.work, self.m, self.low, self.rate, self.t, tau, stages)
            self.counts[:, 0] += stages
            ended = self._judge(tau)
            if any(ended):
                seconds = time.perf_counter() - began
                for film in np.flatnonzero(ended):
                    yield int(self.ids[film]), self._result(film, seconds)
                self._keep(~np.asarray(ended))

    def _plan(self) -> tuple[np.ndarray, np.ndarray]:
        """Step and stage count of every film: up to the next turning point, and within what the stages can hold."""
        turns = np.array(sweep.turning_points(self.quarter))
        next_turn = np.array([turns[np.searchsorted(turns, t, "right")] for t in self.t])
        left = next_turn - self.t
        free = np.isnan(self.bracket[:, 0])
        tau = np.where(free, np.minimum(self.tau, left), self.tau)
        # A rest too short to be worth a step of its own is avoided by halving the way to it.
        tau = np.where(free & (tau < left) & (left < 1.5 * tau), left / 2, tau)
        reach = coefficients(self.most_stages)[2]
        tau = np.minimum(tau, 0.99 * reach / self.stiffness)
        stages = np.array([stages_for(x, self.most_stages) for x in tau * self.stiffness])
        return tau, stages

    def _judge(self, tau: np.ndarray) -> list[bool]:
        """Accept or reject each film's step; say which films ended."""
        xp, work = self.xp, self.work
        everyone = np.ones(len(tau), bool)
        measured = self.equation.kernels.close(
            xp, self.m, work.m_last, self.m_before, self.rate, work.rate_last, tau, tau / self.tau_before, everyone
        )
        accepted, ended = np.zeros(len(tau), bool), [False] * len(tau)
        for film, row in enumerate(measured):
            if not np.isnan(self.bracket[film, 0]):
                ended[film] = self._narrow(film, tau[film], row)
            else:
                accepted[film], ended[film] = self._control(film, tau[film], row)
        if accepted.any():
            if accepted.all():
                self.m_before, self.m, work.m_last = self.m, work.m_last, self.m_before
                self.low, work.low_last = work.low_last, self.low
                self.rate, work.rate_last = work.rate_last, self.rate
            else:
                chosen = xp.asarray(accepted)
                self.m_before[chosen] = self.m[chosen]
                self.m[chosen] = work.m_last[chosen]
                self.low[chosen] = work.low_last[chosen]
                self.rate[chosen] = work.rate_last[chosen]
        return ended

    def _control(self, film: int, tau: float, row: np.ndarray) -> tuple[bool, bool]:
        """Error control of one film: (accepted, ended)."""
        t, mean, counts = self.t[film], row[rhs.MEAN], self.counts[film]
        # The embedded estimate multiplies the rounding of stiff cells by tau × stiffness; the distance to the
        # extrapolated line
        # does not, and for films at rest it is the smaller. Each alone is an error estimate, so the smaller will do.
        bend = BEND * row[rhs.EXTRAPOLATION] if np.isfinite(self.tau_before[film]) else np.inf
        error = min(row[rhs.ERROR], bend) / self.tolerance
        if not np.isfinite(row).all() or error > 1:
            counts[2] += 1
            factor = SAFETY * error ** (-1 / 3) if np.isfinite(error) else 0.0
            self.tau[film] = tau * max(SHRINK, factor)
            if self.tau[film] < SMALLEST_STEP:
                raise SimulationError(
                    int(self.ids[film]), f"m is not finite, or changes without bound, at t = {t:.6g} (step {tau:.3g})"
                )
            return False, False
        counts[1] += 1
        flips = row[rhs.FLIPS] > 0
        if t >= self.opens and self.sign * self.mean[film] <= 0 < self.sign * mean:
            # Located by shorter steps from where this one began: exact, where interpolating a cell that flips is not.
            self.bracket[film] = 0.0, self.mean[film], tau, mean
            self.tau[film] = self._guess(film)
            counts[1] -= 1
            return False, False
        counts[3] += int(flips and not self.avalanche[film])
        self.avalanche[film] = flips
        ends = (t, t + tau)
        self.loops.record(self.ids[film], ends, (self.mean[film], mean), (self.mean_rate[film], row[rhs.MEAN_RATE]))
        self.t[film] = t + tau
        turns = np.array(sweep.turning_points(self.quarter))
        nearest = turns[np.argmin(abs(turns - self.t[film]))]
        if abs(nearest - self.t[film]) < 1e-9 * nearest:
            self.t[film] = nearest
        self.mean[film], self.mean_rate[film], self.tau_before[film] = mean, row[rhs.MEAN_RATE], tau
        self.tau[film] = tau * min(GROWTH, max(SHRINK, SAFETY * max(error, 1e-9) ** (-1 / 3)))
        return True, self.t[film] >= turns[-1]

    def _guess(self, film: int) -> float:
        """Where the straight line through the bracket is zero, kept off its ends."""
        low, mean_low, high, mean_high = self.bracket[film]
        share = mean_low / (mean_low - mean_high)
        return low + (high - low) * min(0.95, max(0.05, share))

    def _narrow(self, film: int, tau: float, row: np.ndarray) -> bool:
        """One trial step towards the crossing; true once it is there."""
        low, _, high, _ = self.bracket[film]
        mean = row[rhs.MEAN]
        if abs(mean) <= CROSSING_MEAN or high - low <= CROSSING_WIDTH:
            ends = (self.t[film], self.t[film] + tau)
            self.loops.record(self.ids[film], ends, (self.mean[film], mean), (self.mean_rate[film], row[rhs.MEAN_RATE]))
            self.t[film] += tau
            self.counts[film, 1] += 1
            return True
        side = slice(0, 2) if self.sign * mean <= 0 else slice(2, 4)
        self.bracket[film, side] = tau, mean
        self.tau[film] = self._guess(film)
        return False

    def _result(self, film: int, seconds: float) -> FilmResult:
        crossed = not np.isnan(self.bracket[film, 0])
        t = float(self.t[film]) if crossed else np.nan
        evaluations, steps, rejected, avalanches = (int(count) for count in self.counts[film])
        # A located film's crossing state is the last trial's; one at the end of the sweep has been accepted into m.
        m = self.work.m_last[film] if crossed else self.m[film]
        return FilmResult(
            m=to_host(m).astype(np.float32),
            loop_h=self.loops.h.copy(),
            loop_m=self.loops.m[self.ids[film]].copy(),
            t_crossing=t,
            h_crossing=float(self.equation.h_of(t)) if crossed else np.nan,
            status=CROSSED if crossed else NOT_CROSSED,
            evaluations=evaluations,
            steps=steps,
            rejected=rejected,
            avalanches=avalanches,
            seconds=seconds * evaluations / max(1, int(self.counts[:, 0].sum())),
        )

    def _keep(self, keep: np.ndarray) -> None:
        """Drop the films that ended."""
        xp = self.xp
        for name in (
            "ids",
            "stiffness",
            "t",
            "tau",
            "tau_before",
            "mean",
            "mean_rate",
            "bracket",
            "avalanche",
            "counts",
        ):
            setattr(self, name, getattr(self, name)[keep])
        if not self.ids.size:
            return
        chosen = xp.asarray(keep)
        self.m, self.low, self.m_before, self.rate = (a[chosen] for a in (self.m, self.low, self.m_before, self.rate))
        self.equation = rkc.Equation(xp, self.equation.medium.take(chosen), self.equation.convolve, self.equation.h_of)
        self.work = rkc.Workspace.like(self.m, xp)


def _run_reference(films: Films, device: str) -> Iterator[tuple[int, FilmResult]]:
    """Explicit Euler through the sweep, with the crossing interpolated between the two steps around it."""
    xp, settings = namespace(device), films.settings
    equation, began = _equation(films, xp), time.perf_counter()
    quarter, dt = float(settings["quarter"]), float(settings["dt"])
    opens, sign = _branch(int(settings["crossing"]), quarter)
    m = xp.asarray(films.m)
    low, before, dipole, rate = xp.zeros_like(m), m.copy(), xp.empty_like(m), xp.empty_like(m)
    loops, pending = _Loops(len(m), settings), np.ones(len(m), bool)
    mean = to_host(m.mean(axis=(1, 2), dtype=np.float64)).astype(float)
    positive, avalanche, avalanches = m >= 0, np.zeros(len(m), bool), np.zeros(len(m), int)

    def result(film: int, state: Array, t: float, status: str, steps: int) -> FilmResult:
        h = float(equation.h_of(t)) if status == CROSSED else np.nan
        seconds = (time.perf_counter() - began) / len(m)
        m_end = to_host(state).astype(np.float32)
        t_end = t if status == CROSSED else np.nan
        loop = (loops.h.copy(), loops.m[film].copy())
        return FilmResult(m_end, *loop, t_end, h, status, steps, steps, 0, int(avalanches[film]), seconds)

    count = round(5 * quarter / dt)
    for k in range(count):
        before[...] = m
        mean_rate = euler.step(equation, m, low, k * dt, dt, dipole, rate)
        mean_before, mean = mean, to_host(m.mean(axis=(1, 2), dtype=np.float64)).astype(float)
        if k % FLIP_CHECK == 0:
            now = m >= 0
            flipped = to_host((now != positive).any(axis=(1, 2)))
            positive = now
            avalanches += flipped & ~avalanche
            avalanche = flipped
        for film in np.flatnonzero(pending):
            if not np.isfinite(mean_rate[film]):
                raise SimulationError(int(film), f"m is not finite at t = {k * dt:.6g}")
            share = 1.0
            crosses = k * dt >= opens and sign * mean_before[film] <= 0 < sign * mean[film]
            if crosses:
                share = mean_before[film] / (mean_before[film] - mean[film])
            slope = (mean[film] - mean_before[film]) / dt
            ends = (k * dt, (k + share) * dt)
            if ends[1] > ends[0]:
                value = (mean_before[film], mean_before[film] + share * (mean[film] - mean_before[film]))
                loops.record(film, ends, value, (slope, slope))
            if crosses:
                state = before[film] + m.dtype.type(share) * (m[film] - before[film])
                pending[film] = False
                yield int(film), result(film, state, ends[1], CROSSED, k + 1)
        if not pending.any():
            return
    for film in np.flatnonzero(pending):
        yield int(film), result(film, m[film], 5 * quarter, NOT_CROSSED, count)


def _shared(film: tuple[Params, int]) -> str:
    return repr(sorted((key, value) for key, value in film[0].items() if key not in FILM_PARAMETERS))


def _batches(films: Sequence[tuple[Params, int]], size: int) -> Iterator[list[int]]:
    """Indices of films that may share a batch: equal settings, at most `size` of them."""
    order = sorted(range(len(films)), key=lambda i: (_shared(films[i]), i))
    for _, group in groupby(order, key=lambda i: _shared(films[i])):
        indices = list(group)
        yield from (indices[k : k + size] for k in range(0, len(indices), size))


def _run_batch(
    films: Sequence[tuple[Params, int]], indices: list[int], device: str
) -> Iterator[tuple[int, FilmResult]]:
    batch = prepare([films[i] for i in indices])
    run = _run_reference(batch, device) if batch.settings["integrator"] == "euler" else _Stabilised(batch, device).run()
    try:
        for position, film in run:
            yield indices[position], film
    except SimulationError as error:
        raise SimulationError(indices[error.index], error.message) from error


def _end_with_parent() -> None:
    """Let a worker die with the process that started it, even when that was killed."""

    def wait() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _run_apart(
    films: Sequence[tuple[Params, int]], device: str
) -> tuple[list[tuple[int, FilmResult]], tuple[int, str] | None]:
    """Run one batch in a worker: the films that finished, and the error that stopped it, if any."""
    done = []
    try:
        for position, film in _run_batch(films, list(range(len(films))), device):
            done.append((position, film))
    except SimulationError as error:
        return done, (error.index, error.message)
    return done, None


def simulate(
    films: Sequence[tuple[Params, int]], device: str = "cpu", threads: int = 1, batch: int | None = None
) -> Iterator[tuple[int, FilmResult]]:
    """Simulate films through the hysteresis sweep.

    Parameters
    ----------
    films : sequence of (params, seed)
        Parameters as in a point of a study (see config/README.md), and the seed of its noise and initial state.
    device : {"cpu", "gpu"}
    threads : int
        CPU only: films simulated side by side, each in a process of its own. (Threads would wait for each other
        between the short compiled pieces: two of them took twice as long as one for 64² films.)
    batch : int, optional
        Films that advance together. Default: 1 on a CPU, where one film at a time stays in the cache; all on a GPU.
        A film's result does not depend on it.

    Yields
    ------
    index : int
        Position in `films`.
    film : FilmResult
        In the order in which films finish.

    Raises
    ------
    SimulationError
        If a field stops being finite.
    """
    size = batch or (1 if device == "cpu" else len(films))
    batches = list(_batches(films, size))
    if device != "cpu" or threads == 1 or len(batches) == 1:
        for indices in batches:
            yield from _run_batch(films, indices, device)
        return
    # Spawned, not forked: FFTW and numba may hold threads of their own.
    pool = ProcessPoolExecutor(
        min(threads, len(batches)), multiprocessing.get_context("spawn"), initializer=_end_with_parent
    )
    try:
        jobs = [pool.submit(_run_apart, [films[i] for i in indices], device) for indices in batches]
        origin = dict(zip(jobs, batches, strict=True))
        for job in as_completed(jobs):
            done, error = job.result()
            yield from ((origin[job][position], film) for position, film in done)
            if error:
                raise SimulationError(origin[job][error[0]], error[1])
    finally:
        pool.shutdown(cancel_futures=True)
