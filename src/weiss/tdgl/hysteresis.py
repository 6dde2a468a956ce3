"""The hysteresis driver: films through the field sweep, to the moment their mean magnetisation passes zero again.

Every film of a batch has its own time, step and stage count; a film that reached its crossing is handed out and
leaves the batch.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from weiss.arrays import namespace, to_host
from weiss.errors import SimulationError
from weiss.tdgl import avalanche, rhs, rkc, sweep
from weiss.tdgl.avalanche import BEND, GROWTH, SAFETY, SHRINK
from weiss.tdgl.chebyshev import coefficients, stages_for
from weiss.tdgl.dipole import dipole_kernel
from weiss.tdgl.loops import CROSSED, NOT_CROSSED, FilmResult, Loops, branch
from weiss.tdgl.model import Films

FIRST_STEP = 0.5
"""First step of a film, in time units: half the growth time of a lone cell at A0 = 1."""

APPROACH = 0.25
"""A step in which ⟨m⟩ crosses zero by an avalanche is repeated at this length, until no window is needed."""

CROSSING_MEAN = 1e-6
"""A crossing is found when |⟨m⟩| is below this: less than one cell of a 1024² film."""

CROSSING_WIDTH = 1e-3
"""… or when it is known to this many time units."""

SMALLEST_STEP = 1e-6
"""A film whose step must fall below this is broken."""


@dataclass(frozen=True)
class _Step:
    """One film's finished step: its length, its error (1 is the largest allowed), its measures (`rhs.close`), ⟨m⟩ at
    its end without what avalanches changed, and the avalanches in windows."""

    tau: float
    error: float
    row: np.ndarray
    straight: float
    windows: list[avalanche.Window]


class _Stabilised:
    """Adaptive Runge–Kutta–Chebyshev through the sweep. Arrays of the films still running; ids tell which they are."""

    def __init__(self, films: Films, device: str) -> None:
        xp, settings = namespace(device), films.settings
        self.xp, self.settings, self.equation = xp, settings, rkc.equation_of(films, xp)
        self.quarter, self.tolerance = float(settings["quarter"]), float(settings["tolerance"])
        self.most_stages = int(settings["max_stages"])
        self.opens, self.sign = branch(int(settings["crossing"]), self.quarter)
        count = len(films.m)
        self.ids, self.stiffness = np.arange(count), films.stiffness
        self.state = rhs.State.like(films.m, xp)
        self.state.m[...] = xp.asarray(films.m)
        self.m_before = self.state.m.copy()
        self.work = rkc.Workspace.like(films.m, xp)
        self.t, self.tau = np.zeros(count), np.full(count, FIRST_STEP)
        self.tau_before = np.full(count, np.inf)
        self.mean = to_host(self.state.m.mean(axis=(1, 2), dtype=np.float64)).astype(float)
        self.mean_rate = np.zeros(count)
        self.bracket = np.full((count, 4), np.nan)  # step and ⟨m⟩ at both sides of a crossing being located
        self.avalanche = np.zeros(count, bool)
        self.counts = np.zeros((count, 4), int)  # evaluations, accepted, rejected, avalanches
        self.loops = Loops(count, settings)
        self.equation.evaluate(self.state, self.t, self.work.dipole)
        self.counts[:, 0] = 1
        self.cells = films.m[0].size
        self.avalanches, self.kernel = avalanche.of(xp), None
        if settings["avalanches"] == "windows":
            shape = films.m.shape[1:]
            kernel_k = dipole_kernel(str(settings["kernel"]), *shape, float(settings["a0"]))
            self.kernel = avalanche.Kernel.of(kernel_k, shape).on(xp)

    def run(self) -> Iterator[tuple[int, FilmResult]]:
        began = time.perf_counter()
        while self.ids.size:
            tau, stages = self._plan()
            rkc.step(self.equation, self.work, self.state, self.t, tau, stages)
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
        measured = self._measure(tau)
        free = np.isnan(self.bracket[:, 0])
        errors, windows = self._errors(tau, measured, free)
        straight = measured[:, rhs.MEAN]
        if any(windows):
            self._place(windows, tau)
            measured = self._measure(tau)
        accepted, ended = np.zeros(len(tau), bool), [False] * len(tau)
        for film, row in enumerate(measured):
            if free[film]:
                step = _Step(tau[film], errors[film], row, straight[film], windows[film])
                accepted[film], ended[film] = self._control(film, step)
            else:
                ended[film] = self._narrow(film, tau[film], row)
        if accepted.all():
            self.m_before[...] = self.state.m
            self.state, work.end = work.end, self.state
        elif accepted.any():
            chosen = xp.asarray(accepted)
            self.m_before[chosen] = self.state.m[chosen]
            self.state.copy_films(work.end, chosen)
        taken = [ours if accepted[film] else [] for film, ours in enumerate(windows)]
        self.avalanches.insert_lines(xp, taken, tau, self.m_before)
        return ended

    def _measure(self, tau: np.ndarray) -> np.ndarray:
        """Measure the finished steps of all films (`rhs.close`)."""
        everyone, ratio = np.ones(len(tau), bool), tau / self.tau_before
        return self.equation.kernels.close(self.xp, self.state, self.work.end, self.m_before, tau, ratio, everyone)

    def _errors(
        self, tau: np.ndarray, measured: np.ndarray, free: np.ndarray
    ) -> tuple[np.ndarray, list[list[avalanche.Window]]]:
        """Error of every free film's step, 1 being the largest allowed, and the avalanches in it, integrated anew."""
        errors, windows = np.zeros(len(tau)), [[] for _ in tau]
        ratio = tau / self.tau_before
        h0, h1 = self.equation.h_of(self.t), self.equation.h_of(self.t + tau)
        steps = avalanche.Steps(tau, ratio, h0, h1, self.stiffness)
        finite = np.isfinite(measured).all(axis=1)
        errors[free & ~finite] = np.inf
        films = np.flatnonzero(free & finite)
        if self.kernel is None:
            # The embedded estimate multiplies the rounding of stiff cells by tau × stiffness; the distance to the
            # extrapolated line does not, and for films at rest it is the smaller. Each alone is an error estimate, so
            # the smaller will do.
            bend = np.where(ratio > 0, BEND * measured[:, rhs.EXTRAPOLATION], np.inf)[films]
            errors[films] = np.minimum(measured[films, rhs.ERROR], bend) / self.tolerance
            return errors, windows
        ends, medium = (self.state, self.work.end), self.equation.medium
        errors[films], found = self.avalanches.separate_all(
            self.xp, films, *ends, self.m_before, medium, steps, self.kernel, self.tolerance
        )
        for film, ours in zip(films, found, strict=True):
            windows[film] = ours
            # In evaluations of the whole film.
            self.counts[film, 0] += round(sum(window.evaluations * window.m.size for window in ours) / self.cells)
        return errors, windows

    def _place(self, windows: Sequence[list[avalanche.Window]], tau: np.ndarray) -> None:
        """Put the avalanches into the ends of the films' steps."""
        end = self.work.end
        self.counts[:, 0] += [bool(ours) for ours in windows]
        self.avalanches.insert(self.xp, windows, end)
        self.equation.evaluate(end, self.t + tau, self.work.dipole)

    def _control(self, film: int, step: _Step) -> tuple[bool, bool]:
        """Accept or reject one film's step and choose the next: (accepted, ended)."""
        t, tau, counts = self.t[film], step.tau, self.counts[film]
        if not np.isfinite(step.row).all() or step.error > 1:
            self._reject(film, tau, SAFETY * step.error ** (-1 / 3) if np.isfinite(step.error) else 0.0)
            return False, False
        mean, mean_rate, flips = step.row[rhs.MEAN], step.row[rhs.MEAN_RATE], step.row[rhs.FLIPS] > 0
        if t >= self.opens and self.sign * self.mean[film] <= 0 < self.sign * mean:
            if step.windows:
                self._reject(film, tau, APPROACH)
            else:
                # Located by shorter steps from where this one began: exact, where interpolating a cell that flips is
                # not.
                self.bracket[film] = 0.0, self.mean[film], tau, mean
                self.tau[film] = self._guess(film)
            return False, False
        counts[1] += 1
        counts[3] += len(step.windows) if step.windows else int(flips and not self.avalanche[film])
        self.avalanche[film] = flips
        ends, means = (t, t + tau), (self.mean[film], step.straight)
        jumps = [(window.trace[:, 0], window.trace[:, 1] / self.cells) for window in step.windows]
        self.loops.record(self.ids[film], ends, means, (self.mean_rate[film], mean_rate), jumps)
        self.t[film] = t + tau
        turns = np.array(sweep.turning_points(self.quarter))
        nearest = turns[np.argmin(abs(turns - self.t[film]))]
        if abs(nearest - self.t[film]) < 1e-9 * nearest:
            self.t[film] = nearest
        self.mean[film], self.mean_rate[film], self.tau_before[film] = mean, mean_rate, tau
        self.tau[film] = tau * min(GROWTH, max(SHRINK, SAFETY * max(step.error, 1e-9) ** (-1 / 3)))
        return True, self.t[film] >= turns[-1]

    def _reject(self, film: int, tau: float, factor: float) -> None:
        """Go on from the same state with a shorter step."""
        self.counts[film, 2] += 1
        self.tau[film] = tau * max(SHRINK, factor)
        if self.tau[film] < SMALLEST_STEP:
            message = f"m is not finite, or changes without bound, at t = {self.t[film]:.6g} (step {tau:.3g})"
            raise SimulationError(int(self.ids[film]), message)

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
        m = (self.work.end if crossed else self.state).m[film]
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
        self.state, self.m_before = self.state.take(chosen), self.m_before[chosen]
        self.equation = rkc.Equation(xp, self.equation.medium.take(chosen), self.equation.convolve, self.equation.h_of)
        self.work = rkc.Workspace.like(self.m_before, xp)


def run(films: Films, device: str) -> Iterator[tuple[int, FilmResult]]:
    """Run a batch through the sweep; films come out as they finish, with their position in the batch."""
    yield from _Stabilised(films, device).run()
