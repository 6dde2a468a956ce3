r"""Avalanches in windows of their own: small steps where a film moves fast, large ones everywhere else.

A film in a slow field is at rest but for a few places where a domain wall jumps. A large step is right everywhere but
there, so only these places are integrated anew. Outside a window the film is taken to move in a straight line from the
start of the large step to its end, and so is the dipole field. Inside, Eq. 1 is integrated with as many steps as the
avalanche needs. What the inside does differently, δ = m - (straight line), acts back on the inside through the kernel
of the film in real space: on cells within NEAR at every stage, on those farther away after every step.

A window's fields are float64: it is small enough to stay in the cache, and near saturation 1 - m² needs the digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from scipy import ndimage

from weiss.arrays import Array, to_host

if TYPE_CHECKING:
    from weiss.tdgl.rhs import Medium, State

NEAR = 3
"""Cells within this distance act on each other at every stage, those farther apart after every step. The far part is
soft: over r > 3 the sum of γ/r³ is 2 γ, against 8 J from exchange."""

FAR_CHANGE = 3.0
"""A cell's change in m, in tolerances, that is passed on to the far part."""

SHELLS = (0, 1, 2, 4, 5, 8, 9)
"""Squared distances of the neighbours within NEAR."""

MARGIN = 5
"""Cells between the fast ones and the edge of their window. Exchange carries a disturbance √(J / curvature) far, one
to three cells."""

TILE = 4
"""Fast cells in touching tiles of this size share a window."""

CELL_ERROR, REST_ERROR, LOOSEST = 200.0, 15.0, 1e-4
"""Tolerances that a large step may be wrong by in a single cell before a window is opened around it, and in root mean
square over the film outside its windows. What is left outside are walls settling, whose errors die out; windows keep
the tolerance itself. Beyond a tolerance of LOOSEST both grow with its root only, or jumping cells would pass. Measured
against the explicit reference (docs/tdgl.md)."""

WINDOW_SIDE = 64
"""A window's error is allowed to be what the tolerance allows a film of this many cells along each side."""

RIM = 2.0
"""A window whose two outermost rows disagree with the large step by more than this many cell errors is too small."""

WIDEN, TRIALS = 6, 4
"""Cells by which such a window grows on every side, and how often a window is tried."""

LARGEST_WINDOW = 2500
"""Cells of the largest window: passing its changes on to its far part costs the square of them."""

LARGEST_SHARE = 0.25
"""Share of a film that windows may cover; beyond it the film as a whole takes smaller steps."""

TOO_WIDE = 4.0
"""Error that stands for an avalanche too wide for a window: the film as a whole takes half the step."""

FIRST_STEP = 5.0
"""First step of a window, in time units, or the whole large step if that is shorter; a rejected one is cut at once."""

# Compiled code keeps these numbers, and is compiled anew only when this file changes: so they are defined here.
GROWTH, SHRINK, SAFETY = 2.0, 0.1, 0.8
"""Limits of the step control, of windows and of the film (`hysteresis`), as in most embedded Runge–Kutta codes."""

BEND = 2.0
"""Weight of the distance to the extrapolated line, as an error estimate, in windows and in the film. Measured: crossing
times within 1 unit of the embedded one."""

MOST_STAGES = 200
"""Stages of a window's longest step."""

MOST_STEPS = 4000
"""A window that takes so many steps is given up, and the film as a whole takes a shorter one."""

_OPTIONS = {"cache": True, "nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}


def allowed(tolerance: float) -> tuple[float, float]:
    """Error of a large step that is allowed in a cell, and in root mean square outside the windows."""
    share = min(1.0, math.sqrt(LOOSEST / tolerance))
    return CELL_ERROR * share * tolerance, REST_ERROR * share * tolerance


@dataclass(frozen=True)
class Kernel:
    """The dipole kernel of a film in real space, split into near shells and the rest.

    Attributes
    ----------
    near : tuple of float
        Weight of each of SHELLS: the mean of G over the shell.
    far : (ny, nx) ndarray
        What the shells leave of G between two cells, by their distance along both axes.
    """

    near: tuple[float, ...]
    far: np.ndarray

    @classmethod
    def of(cls, kernel_k: np.ndarray, shape: tuple[int, int]) -> Kernel:
        """Build from the kernel on the grid of a real transform (`weiss.tdgl.dipole`)."""
        rest = np.fft.irfft2(kernel_k, s=shape)
        reach = np.arange(-NEAR, NEAR + 1)
        square = reach[:, None] ** 2 + reach**2
        at = np.ix_(reach % shape[0], reach % shape[1])
        weights = tuple(float(rest[at][square == shell].mean()) for shell in SHELLS)
        near = np.zeros(square.shape)
        for shell, weight in zip(SHELLS, weights, strict=True):
            near[square == shell] = weight
        rest[at] -= near
        return cls(weights, rest)

    def on(self, xp: ModuleType) -> Kernel:
        """The same kernel with its far part an array of `xp`."""
        return Kernel(self.near, xp.asarray(self.far))

    def between(self, ny: int, nx: int) -> np.ndarray:
        """The far part between cells of a (ny, nx) window: (2 ny - 1, 2 nx - 1), zero distance at its centre."""
        out = np.empty((2 * ny - 1, 2 * nx - 1))
        gather(self.far, 1 - ny, 1 - nx, out)
        return out


@njit(**_OPTIONS)
def survey(m0, m1, m_before, rate0, rate1, tau, ratio, limit, bad):  # type: ignore[no-untyped-def]
    """Mark in `bad` the cells of one film whose error exceeds `limit`; return how many there are.

    A cell's error is the smaller of the two estimates of `rhs.close`; without a step before, ratio is 0 and only the
    embedded one counts.
    """
    ny, nx = m0.shape
    count = 0
    for y in range(ny):
        for x in range(nx):
            change = np.float64(m1[y, x]) - np.float64(m0[y, x])
            e = abs(-0.8 * change + 0.4 * tau * (np.float64(rate0[y, x]) + np.float64(rate1[y, x])))
            if ratio > 0:
                e = min(e, BEND * abs(change - ratio * (np.float64(m0[y, x]) - np.float64(m_before[y, x]))))
            fast = not (e <= limit)
            bad[y, x] = fast
            count += fast
    return count


@njit(**_OPTIONS)
def rest_error(m0, m1, m_before, rate0, rate1, tau, ratio, covered):  # type: ignore[no-untyped-def]
    """RMS error of a film, cells where `covered` is set counting as zero; the smaller of the two estimates."""
    ny, nx = m0.shape
    error, bend = 0.0, 0.0
    for y in range(ny):
        for x in range(nx):
            if not covered[y, x]:
                change = np.float64(m1[y, x]) - np.float64(m0[y, x])
                e = -0.8 * change + 0.4 * tau * (np.float64(rate0[y, x]) + np.float64(rate1[y, x]))
                b = change - ratio * (np.float64(m0[y, x]) - np.float64(m_before[y, x]))
                error += e * e
                bend += b * b
    if ratio > 0:
        error = min(error, BEND * BEND * bend)
    return math.sqrt(error / (ny * nx))


def _span(line: np.ndarray) -> tuple[int, int]:
    """Start and length of the shortest periodic interval that holds every set entry of `line`."""
    set_ = np.flatnonzero(line)
    gaps = np.diff(np.append(set_, set_[0] + line.size))
    widest = int(gaps.argmax())
    return int(set_[(widest + 1) % set_.size]), int(line.size - gaps[widest] + 1)


def boxes(bad: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Windows around the marked cells of a periodic film.

    Parameters
    ----------
    bad : (ny, nx) bool ndarray

    Returns
    -------
    list of (y, x, ny, nx)
        First row and column, which may lie outside the film (it is periodic), and size, margins included.
    """
    ny, nx = bad.shape
    ys, xs = np.nonzero(bad)
    rows, columns = -(-ny // TILE), -(-nx // TILE)
    tiles = np.zeros((rows, columns), bool)
    tiles[ys // TILE, xs // TILE] = True
    labels, count = ndimage.label(tiles, structure=np.ones((3, 3)))
    parent = np.arange(count + 1)

    def root(label: int) -> int:
        while parent[label] != label:
            label = parent[label]
        return label

    # A film is periodic: tiles that touch across its edge belong together.
    for edge, other in ((labels[0], labels[-1]), (labels[:, 0], labels[:, -1])):
        for shift in (-1, 0, 1):
            for a, b in zip(edge, np.roll(other, shift), strict=True):
                if a and b:
                    parent[root(int(a))] = root(int(b))
    roots = np.array([root(label) for label in range(count + 1)])
    of_cell = roots[labels[ys // TILE, xs // TILE]]
    found = []
    for label in np.unique(of_cell):
        mine = of_cell == label
        spans = []
        for size, at in ((ny, ys[mine]), (nx, xs[mine])):
            line = np.zeros(size, bool)
            line[at] = True
            spans.append(_span(line))
        (y, height), (x, width) = spans
        found.append((y - MARGIN, x - MARGIN, height + 2 * MARGIN, width + 2 * MARGIN))
    return found


@njit(**_OPTIONS)
def gather(film, y0, x0, out):  # type: ignore[no-untyped-def]
    """Copy the window at (y0, x0) of a periodic film into `out`, whatever their precisions."""
    ny, nx = film.shape
    for y in range(out.shape[0]):
        row = film[(y0 + y) % ny]
        for x in range(out.shape[1]):
            out[y, x] = row[(x0 + x) % nx]


@njit(**_OPTIONS)
def _coefficients(s, mu, nu, mu_t, gamma_t, c):  # type: ignore[no-untyped-def]
    """As `chebyshev.coefficients`, into arrays: a window chooses its stages anew at every step."""
    w0 = 1 + (2 / 13) / s**2
    T, dT, d2T, b = np.empty(s + 1), np.empty(s + 1), np.empty(s + 1), np.empty(s + 1)
    T[0], T[1], dT[0], dT[1], d2T[0], d2T[1] = 1.0, w0, 0.0, 1.0, 0.0, 0.0
    for j in range(2, s + 1):
        T[j] = 2 * w0 * T[j - 1] - T[j - 2]
        dT[j] = 2 * T[j - 1] + 2 * w0 * dT[j - 1] - dT[j - 2]
        d2T[j] = 4 * dT[j - 1] + 2 * w0 * d2T[j - 1] - d2T[j - 2]
    w1 = dT[s] / d2T[s]
    for j in range(2, s + 1):
        b[j] = d2T[j] / dT[j] ** 2
        c[j] = w1 * d2T[j] / dT[j]
    b[0], b[1] = b[2], b[2]
    c[0], c[1] = 0.0, c[2] / dT[2]
    mu_t[1] = b[1] * w1
    for j in range(2, s + 1):
        mu[j] = 2 * b[j] * w0 / b[j - 1]
        nu[j] = -b[j] / b[j - 2]
        mu_t[j] = 2 * b[j] * w1 / b[j - 1]
        gamma_t[j] = -(1 - b[j - 1] * T[j - 1]) * mu_t[j]
    return (w0 + 1) / w1


@njit(**_OPTIONS)
def rate(  # type: ignore[no-untyped-def]
    m, start, drift, elapsed, h, anisotropy, exchange, gamma, pull, pull_drift, far, near, framed, delta, out
):
    """dm/dt inside a window, `elapsed` after the start of the large step.

    m is (ny, nx); start and drift (of the straight line) have a frame of one cell; delta has one of NEAR cells, which
    stay zero. pull and pull_drift are γ J (G * m) of the straight line; far is the far part of G * δ.
    """
    ny, nx = m.shape
    for y in range(ny + 2):
        for x in range(nx + 2):
            framed[y, x] = start[y, x] + elapsed * drift[y, x]
    for y in range(ny):
        for x in range(nx):
            delta[y + NEAR, x + NEAR] = m[y, x] - framed[y + 1, x + 1]
        for x in range(nx):
            framed[y + 1, x + 1] = m[y, x]
    g0, g1, g2, g4, g5, g8, g9 = near
    for y in range(ny):
        a, b, c, d = delta[y], delta[y + 1], delta[y + 2], delta[y + 3]
        e, f, g = delta[y + 4], delta[y + 5], delta[y + 6]
        up, here, down = framed[y], framed[y + 1], framed[y + 2]
        for x in range(nx):
            dipole = far[y, x] + g0 * d[x + 3]
            dipole += g1 * ((d[x + 2] + d[x + 4]) + (c[x + 3] + e[x + 3]))
            dipole += g2 * ((c[x + 2] + c[x + 4]) + (e[x + 2] + e[x + 4]))
            dipole += g4 * ((d[x + 1] + d[x + 5]) + (b[x + 3] + f[x + 3]))
            dipole += g5 * ((b[x + 2] + b[x + 4]) + (f[x + 2] + f[x + 4]))
            dipole += g5 * ((c[x + 1] + c[x + 5]) + (e[x + 1] + e[x + 5]))
            dipole += g8 * ((b[x + 1] + b[x + 5]) + (f[x + 1] + f[x + 5]))
            dipole += g9 * ((d[x] + d[x + 6]) + (a[x + 3] + g[x + 3]))
            v = here[x + 1]
            around = ((up[x + 1] - v) + (down[x + 1] - v)) + ((here[x] - v) + (here[x + 2] - v))
            local = h + anisotropy[y, x] * v - (pull[y, x] + elapsed * pull_drift[y, x])
            out[y, x] = (1 - v * v) * (local - gamma * exchange[y, x] * dipole) + exchange[y, x] * around


@njit(**_OPTIONS)
def _pass_on(delta, passed, kernel, least, far):  # type: ignore[no-untyped-def]
    """Add to `far` what changed in δ since it was last passed on; kernel is `Kernel.between` of the window."""
    ny, nx = far.shape
    for y in range(ny):
        for x in range(nx):
            shift = delta[y + NEAR, x + NEAR] - passed[y, x]
            if abs(shift) > least:
                passed[y, x] += shift
                for v in range(ny):
                    source, line = kernel[v - y + ny - 1, nx - 1 - x : 2 * nx - 1 - x], far[v]
                    for u in range(nx):
                        line[u] += shift * source[u]


@njit(**_OPTIONS)
def integrate(  # type: ignore[no-untyped-def]
    start,
    drift,
    tau,
    h,
    h_drift,
    anisotropy,
    exchange,
    gamma,
    pull,
    pull_drift,
    kernel,
    near,
    stiffness,
    limit,
    m_most,
    m_end,
    rate_end,
    trace,
):
    """Integrate a window over a large step of length tau, by Runge–Kutta–Chebyshev steps of its own.

    limit is the largest error of a step, as the root of the sum of squares over the window; trace[k] gets the time and
    Σ δ after step k, trace[0] being the start. Returns (evaluations, steps); steps is negative if the window failed.
    """
    ny, nx = anisotropy.shape
    m, stage, before = start[1:-1, 1:-1].copy(), np.empty((ny, nx)), np.empty((ny, nx))
    framed, delta = np.empty((ny + 2, nx + 2)), np.zeros((ny + 2 * NEAR, nx + 2 * NEAR))
    far, far_before, passed = np.zeros((ny, nx)), np.empty((ny, nx)), np.zeros((ny, nx))
    rate0, rate1, f, d = np.empty((ny, nx)), np.empty((ny, nx)), np.empty((ny, nx)), np.empty((3, ny, nx))
    size = MOST_STAGES + 1
    mu, nu, mu_t, gamma_t, c = np.empty(size), np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    longest = 0.99 * _coefficients(MOST_STAGES, mu, nu, mu_t, gamma_t, c) / stiffness
    elapsed, step, step_before = 0.0, min(FIRST_STEP, tau), np.inf
    evaluations, steps = 1, 0
    trace[0, 0], trace[0, 1] = 0.0, 0.0
    rate(m, start, drift, 0.0, h, anisotropy, exchange, gamma, pull, pull_drift, far, near, framed, delta, rate0)
    while elapsed < tau:
        left = tau - elapsed
        step = min(step, longest)
        this = left if step >= left else (left / 2 if left < 1.5 * step else step)
        stages = min(MOST_STAGES, max(2, int(math.sqrt(1 + 1.54 * this * stiffness)) + 1))
        _coefficients(stages, mu, nu, mu_t, gamma_t, c)
        for y in range(ny):
            for x in range(nx):
                d[0, y, x] = 0.0
                d[1, y, x] = mu_t[1] * this * rate0[y, x]
        for j in range(2, stages + 1):
            d1, d2, d_out = d[(j - 1) % 3], d[(j - 2) % 3], d[j % 3]
            for y in range(ny):
                for x in range(nx):
                    stage[y, x] = m[y, x] + d1[y, x]
            now = elapsed + c[j - 1] * this
            hj = h + h_drift * now
            rate(
                stage, start, drift, now, hj, anisotropy, exchange, gamma, pull, pull_drift, far, near, framed, delta, f
            )
            a, b, p, q = mu[j], nu[j], mu_t[j] * this, gamma_t[j] * this
            for y in range(ny):
                for x in range(nx):
                    d_out[y, x] = a * d1[y, x] + b * d2[y, x] + p * f[y, x] + q * rate0[y, x]
        last = d[stages % 3]
        for y in range(ny):
            for x in range(nx):
                end = m[y, x] + last[y, x]
                stage[y, x] = m_most if end > m_most else (-m_most if end < -m_most else end)
        now = elapsed + this
        hj = h + h_drift * now
        rate(
            stage, start, drift, now, hj, anisotropy, exchange, gamma, pull, pull_drift, far, near, framed, delta, rate1
        )
        evaluations += stages
        ratio, square, bent = this / step_before, 0.0, 0.0
        for y in range(ny):
            for x in range(nx):
                change = stage[y, x] - m[y, x]
                e = -0.8 * change + 0.4 * this * (rate0[y, x] + rate1[y, x])
                square += e * e
                if steps > 0:
                    k = change - ratio * (m[y, x] - before[y, x])
                    bent += k * k
        error = math.sqrt(min(square, BEND * BEND * bent) if steps > 0 else square) / limit
        if not (error <= 1.0):
            step = this * (max(SHRINK, SAFETY * error ** (-1 / 3)) if error < np.inf else SHRINK)
            if step < 1e-6:
                return evaluations, -1
            continue
        steps += 1
        if steps == trace.shape[0]:
            return evaluations, -1
        total = 0.0
        far_before[:] = far
        _pass_on(delta, passed, kernel, FAR_CHANGE * limit / WINDOW_SIDE, far)
        for y in range(ny):
            for x in range(nx):
                before[y, x], m[y, x] = m[y, x], stage[y, x]
                total += delta[y + NEAR, x + NEAR]
                added = gamma * exchange[y, x] * (far[y, x] - far_before[y, x])
                rate0[y, x] = rate1[y, x] - (1 - m[y, x] * m[y, x]) * added
        elapsed = now if this < left else tau
        trace[steps, 0], trace[steps, 1] = elapsed, total
        step_before = this
        step = this * min(GROWTH, max(SHRINK, SAFETY * max(error, 1e-9) ** (-1 / 3)))
    m_end[:], rate_end[:] = m, rate0
    return evaluations, steps


@njit(**_OPTIONS)
def rim_difference(film, y0, x0, m_end):  # type: ignore[no-untyped-def]
    """Largest difference between a window and its film within two cells of the window's edge."""
    ny, nx = film.shape
    height, width = m_end.shape
    largest = 0.0
    for y in range(height):
        for x in range(width):
            if y < 2 or y >= height - 2 or x < 2 or x >= width - 2:
                largest = max(largest, abs(m_end[y, x] - film[(y0 + y) % ny, (x0 + x) % nx]))
    return largest


@dataclass(frozen=True)
class LargeStep:
    """One film's large step, whose avalanches are to be integrated anew. Fields are (ny, nx).

    Attributes
    ----------
    m0, m1 : float64
        Magnetisation at both ends.
    pull0, pull1
        γ J (G * m) at both ends.
    anisotropy, exchange
        A0 (1 + noise_scale · D η) and J; exchange may be (1, nx).
    gamma_per_J, tau, h0, h1, stiffness, m_most : float
        As everywhere: length of the step, field at both ends, spectral radius in 1/time, largest |m|.
    """

    m0: np.ndarray
    m1: np.ndarray
    pull0: np.ndarray
    pull1: np.ndarray
    anisotropy: np.ndarray
    exchange: np.ndarray
    gamma_per_J: float
    tau: float
    h0: float
    h1: float
    stiffness: float
    m_most: float


@dataclass(frozen=True)
class Window:
    """What a window came to.

    Attributes
    ----------
    box : (y, x, ny, nx)
        First row and column, and size.
    m, rate : (ny, nx) ndarray
        Magnetisation and dm/dt at the end of the large step.
    trace : (steps + 1, 2) ndarray
        Time since the start of the large step, and Σ δ.
    evaluations : int
    """

    box: tuple[int, int, int, int]
    m: np.ndarray
    rate: np.ndarray
    trace: np.ndarray
    evaluations: int


def _cut(field: np.ndarray, y: int, x: int, ny: int, nx: int) -> np.ndarray:
    out = np.empty((ny, nx))
    gather(field, y, x, out)
    return out


def run(large: LargeStep, kernel: Kernel, box: tuple[int, int, int, int], tolerance: float) -> Window | None:
    """Integrate the window at `box`, wider if the avalanche reaches its rim.

    Returns
    -------
    Window or None
        None if no window that is small enough holds the avalanche.
    """
    y, x, ny, nx = box
    trace, evaluations = np.empty((MOST_STEPS, 2)), 0
    for _ in range(TRIALS):
        if ny > large.m0.shape[0] - 2 or nx > large.m0.shape[1] - 2 or ny * nx > LARGEST_WINDOW:
            return None
        start = _cut(large.m0, y - 1, x - 1, ny + 2, nx + 2)
        drift = (_cut(large.m1, y - 1, x - 1, ny + 2, nx + 2) - start) / large.tau
        pull = _cut(large.pull0, y, x, ny, nx)
        m, rate_end = np.empty((ny, nx)), np.empty((ny, nx))
        spent, steps = integrate(
            start,
            drift,
            large.tau,
            large.h0,
            (large.h1 - large.h0) / large.tau,
            _cut(large.anisotropy, y, x, ny, nx),
            _cut(large.exchange, y, x, ny, nx),
            large.gamma_per_J,
            pull,
            (_cut(large.pull1, y, x, ny, nx) - pull) / large.tau,
            kernel.between(ny, nx),
            kernel.near,
            large.stiffness,
            tolerance * WINDOW_SIDE,
            large.m_most,
            m,
            rate_end,
            trace,
        )
        evaluations += spent
        if steps < 0:
            return None
        if rim_difference(large.m1, y, x, m) <= RIM * allowed(tolerance)[0]:
            return Window((y, x, ny, nx), m, rate_end, trace[: steps + 1].copy(), evaluations)
        y, x, ny, nx = y - WIDEN, x - WIDEN, ny + 2 * WIDEN, nx + 2 * WIDEN
    return None


@dataclass(frozen=True)
class Steps:
    """Large steps of a batch. All attributes are (films,) ndarrays.

    Attributes
    ----------
    tau, ratio
        Length of the step, and over that of the step before (0 without one).
    h0, h1
        Field at its start and end.
    stiffness
        Spectral radius, in 1/time.
    """

    tau: np.ndarray
    ratio: np.ndarray
    h0: np.ndarray
    h1: np.ndarray
    stiffness: np.ndarray


def crowding(found: list[tuple[int, int, int, int]], cells: int) -> tuple[float, bool]:
    """Error that stands for the windows' share of a film of so many cells, and whether it alone rejects the step."""
    # Longer steps hold more avalanches: their share of the film grows like the step, an error like its cube.
    crowded = (sum(ny * nx for _, _, ny, nx in found) / cells / LARGEST_SHARE) ** 3
    if crowded > 1:
        return crowded, True
    if any(ny * nx > LARGEST_WINDOW for _, _, ny, nx in found):
        return TOO_WIDE, True
    return crowded, False


def separate(
    film: int, start: State, end: State, m_before: Array, medium: Medium, steps: Steps, kernel: Kernel, tolerance: float
) -> tuple[float, list[Window]]:
    """Judge one film's large step, its avalanches set apart and integrated anew.

    Returns
    -------
    error : float
        1 is the largest allowed: of the film outside the windows, or what stands for windows covering too much of it.
    windows : list of Window
        In the order in which they are put in: where they overlap the last one counts. Empty if no cell is wrong by too
        much, and where the error is beyond 1.
    """
    fields = [to_host(a[film]) for a in (start.m, end.m, m_before, start.rate, end.rate)]
    tau, ratio, fast = steps.tau[film], steps.ratio[film], np.empty(fields[0].shape, bool)
    cell, rest = allowed(tolerance)
    found = boxes(fast) if survey(*fields, tau, ratio, cell, fast) else []
    crowded, hopeless = crowding(found, fast.size)
    if hopeless:
        return crowded, []
    fast[...] = False
    for box in found:
        fast[place(box, fast.shape)] = True
    error = max(crowded, rest_error(*fields, tau, ratio, fast) / rest)
    if error > 1 or not found:
        return error, []
    large = _large_step(film, start, end, medium, steps)
    windows = [run(large, kernel, box, tolerance) for box in found]
    return (TOO_WIDE, []) if None in windows else (error, windows)


def _large_step(film: int, start: State, end: State, medium: Medium, steps: Steps) -> LargeStep:
    anisotropy = to_host(medium.anisotropy[film])
    m0, m1, field0, field1 = (to_host(a[film]) for a in (start.m, end.m, start.field, end.field))
    return LargeStep(
        m0=m0.astype(float) + to_host(start.low[film]),
        m1=m1.astype(float) + to_host(end.low[film]),
        pull0=anisotropy * m0 - field0,
        pull1=anisotropy * m1 - field1,
        anisotropy=anisotropy,
        exchange=to_host(medium.exchange[film]),
        gamma_per_J=medium.gamma_per_J,
        tau=float(steps.tau[film]),
        h0=float(steps.h0[film]),
        h1=float(steps.h1[film]),
        stiffness=float(steps.stiffness[film]),
        m_most=medium.m_most,
    )


def put(xp: ModuleType, box: tuple[int, int, int, int], values: np.ndarray, field: Array) -> None:
    """Write a window's values into its place in one film's `field`."""
    at = tuple(xp.asarray(index) for index in place(box, field.shape))
    field[at] = xp.asarray(values.astype(field.dtype))


def place(box: tuple[int, int, int, int], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Index of a window in a periodic film of `shape`."""
    y, x, ny, nx = box
    return np.ix_((y + np.arange(ny)) % shape[0], (x + np.arange(nx)) % shape[1])


# The batch, as `avalanche_gpu` has it too.


def of(xp: ModuleType) -> Any:
    """Return the module whose `separate_all`, `insert` and `insert_lines` are for arrays of `xp`."""
    if xp.__name__ == "cupy":
        from weiss.tdgl import avalanche_gpu

        return avalanche_gpu
    from weiss.tdgl import avalanche

    return avalanche


def separate_all(
    xp: ModuleType,
    films: np.ndarray,
    start: State,
    end: State,
    m_before: Array,
    medium: Medium,
    steps: Steps,
    kernel: Kernel,
    tolerance: float,
) -> tuple[np.ndarray, list[list[Window]]]:
    """`separate` for the films with these positions in the batch: an error and windows for each."""
    judged = [separate(film, start, end, m_before, medium, steps, kernel, tolerance) for film in films]
    return np.array([error for error, _ in judged]), [windows for _, windows in judged]


def insert(xp: ModuleType, windows: Sequence[list[Window]], end: State) -> None:
    """Put the windows of every film of the batch into `end.m` and `end.low`."""
    for film, ours in enumerate(windows):
        for window in ours:
            m = window.m.astype(end.m.dtype)
            put(xp, window.box, m, end.m[film])
            put(xp, window.box, window.m - m, end.low[film])


def insert_lines(xp: ModuleType, windows: Sequence[list[Window]], tau: np.ndarray, m_before: Array) -> None:
    """Put into `m_before` what the next step is measured against: the line each avalanche ends on, not its jump."""
    for film, ours in enumerate(windows):
        for window in ours:
            put(xp, window.box, window.m - tau[film] * window.rate, m_before[film])
