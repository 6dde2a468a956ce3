"""CUDA twin of `avalanche` for CuPy: the kernels of windows.cu, for all films of a batch at once.

A step of the batch takes one launch to mark fast cells, one to judge what is left outside the windows, one for all
windows (a block each, with its fields in global memory that the caches hold), one more for those that must grow, and
one to put the windows in. To the host come the places of the fast cells, whose boxes are found there as on a CPU, and
what the windows came to; fields stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from weiss.arrays import Array, to_host
from weiss.tdgl import avalanche
from weiss.tdgl.chebyshev import coefficients

if TYPE_CHECKING:
    from weiss.tdgl.avalanche import Kernel, Steps, Window
    from weiss.tdgl.rhs import Medium, State

THREADS = 256
"""Threads of a block; a power of two, at most the MOST_THREADS of windows.cu."""

CELLS_PER_THREAD = 16
"""Cells a thread adds up in `rest_error`, so that few partial sums remain."""

CONSTANTS = (
    "NEAR",
    "FAR_CHANGE",
    "WINDOW_SIDE",
    "FIRST_STEP",
    "GROWTH",
    "SHRINK",
    "SAFETY",
    "BEND",
    "MOST_STAGES",
    "MOST_STEPS",
)
"""Numbers of `avalanche` that windows.cu takes over."""


def source() -> str:
    """Return the text of windows.cu."""
    return files(__package__).joinpath("windows.cu").read_text(encoding="utf-8")


def options(dtype: np.dtype) -> tuple[str, ...]:
    """Options of the compiler, for films of this precision."""
    real = {"f": "float", "d": "double"}[np.dtype(dtype).char]
    constants = (f"-D{name}={getattr(avalanche, name)}" for name in CONSTANTS)
    return ("--std=c++17", "--fmad=true", f"-DREAL={real}", *constants)


@lru_cache(maxsize=4)
def _module(flags: tuple[str, ...]) -> Any:
    import cupy

    return cupy.RawModule(code=source(), options=flags, backend="nvrtc")


@lru_cache(maxsize=64)
def kernel(name: str, dtype: np.dtype) -> Callable[..., None]:
    """Compile a kernel: ``kernel(grid, block, arguments)``."""
    return _module(options(dtype)).get_function(name)


@lru_cache(maxsize=1)
def stage_table() -> tuple[np.ndarray, float]:
    """Rows mu, nu, mu~, gamma~, abscissa of all stages, those of a step of s stages from row s (s + 1) / 2 on; and the
    reach of the largest s."""
    rows = np.zeros(((avalanche.MOST_STAGES + 1) * (avalanche.MOST_STAGES + 2) // 2, 5))
    reach = 0.0
    for s in range(2, avalanche.MOST_STAGES + 1):
        table, abscissae, reach = coefficients(s)
        rows[s * (s + 1) // 2 :][: s + 1] = np.column_stack([table, abscissae])
    return rows, reach


@lru_cache(maxsize=8)
def _stage_table_on(xp: ModuleType, device: int) -> Array:
    return xp.asarray(stage_table()[0])


def _table(xp: ModuleType) -> Array:
    return _stage_table_on(xp, int(xp.cuda.runtime.getDevice()) if hasattr(xp, "cuda") else 0)


def doubles(ny: int, nx: int) -> int:
    """Numbers of scratch a window takes: `lay_out` of windows.cu."""
    near = 2 * avalanche.NEAR
    return 14 * ny * nx + 3 * (ny + 2) * (nx + 2) + (ny + near) * (nx + near) + (ny * nx + 1) // 2


@dataclass(frozen=True)
class _Batch:
    """The films that are judged, as the kernels take them; a slot is a film's place in `films`."""

    xp: ModuleType
    films: np.ndarray
    shape: tuple[int, int]
    dtype: np.dtype
    arguments: tuple[Array, ...]
    fields: tuple[Array, ...]

    @property
    def cells(self) -> np.int32:
        return np.int32(self.shape[0] * self.shape[1])

    @property
    def shares(self) -> int:
        """Blocks a film is shared out among, whatever the batch."""
        return min(256, -(-int(self.cells) // (CELLS_PER_THREAD * THREADS)))

    def launch(self, name: str, grid: tuple[int, int], *arguments: Any) -> None:
        kernel(name, self.dtype)(grid, (THREADS,), arguments)

    def put(self, values: Any, dtype: Any) -> Array:
        return self.xp.asarray(np.ascontiguousarray(values, dtype))


def _check(*fields: Array) -> None:
    """The kernels see fields as bare memory."""
    if not all(field.flags.c_contiguous and field.dtype == fields[0].dtype for field in fields):
        raise ValueError("GPU kernels take C-contiguous fields of one precision")


def _batch(
    xp: ModuleType, films: np.ndarray, start: State, end: State, m_before: Array, medium: Medium, steps: Steps
) -> _Batch:
    fields = (start.m, end.m, m_before, start.rate, end.rate)
    _check(*fields, start.low, end.low, start.field, end.field, medium.anisotropy, medium.exchange)
    arguments = tuple(
        xp.asarray(np.ascontiguousarray(values, dtype))
        for values, dtype in ((films, np.int32), (steps.tau[films], np.float64), (steps.ratio[films], np.float64))
    )
    return _Batch(xp, films, start.m.shape[1:], np.dtype(start.m.dtype), arguments, fields)


def _survey(batch: _Batch, limit: float) -> list[np.ndarray]:
    """Places of every film's fast cells (`avalanche.survey`)."""
    slots = len(batch.films)
    fast = batch.xp.empty((slots, int(batch.cells)), np.uint8)
    batch.launch("survey", (batch.shares, slots), batch.cells, *batch.arguments, np.float64(limit), *batch.fields, fast)
    found = to_host(batch.xp.flatnonzero(fast))
    slot, cell = np.divmod(found, int(batch.cells))
    return np.split(cell, np.searchsorted(slot, np.arange(1, slots)))


def _mask(cells: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask.ravel()[cells] = True
    return mask


def _rest_errors(batch: _Batch, ratio: np.ndarray, boxes: Sequence[Sequence[tuple[int, int, int, int]]]) -> np.ndarray:
    """RMS error of every film outside its boxes (`avalanche.rest_error`)."""
    xp, slots = batch.xp, len(batch.films)
    covered = xp.zeros((slots, int(batch.cells)), np.uint8)
    table = _boxes((slot, box) for slot, found in enumerate(boxes) for box in found)
    if len(table):
        sizes = (np.int32(side) for side in batch.shape)
        batch.launch("cover", (len(table), 1), *sizes, batch.put(_wrapped(table, batch.shape), np.int32), covered)
    parts = xp.empty((slots, batch.shares, 2), np.float64)
    batch.launch("rest_blocks", (batch.shares, slots), batch.cells, *batch.arguments, covered, *batch.fields, parts)
    sums = np.zeros((slots, 2))
    for share in to_host(parts).swapaxes(0, 1):  # one after the other: the same order whatever the batch
        sums += share
    bend = np.where(ratio > 0, avalanche.BEND**2 * sums[:, 1], np.inf)
    return np.sqrt(np.where(bend < sums[:, 0], bend, sums[:, 0]) / int(batch.cells))


def _boxes(rows: Any) -> np.ndarray:
    """Rows of film (or slot) and box: what windows.cu takes."""
    return np.array([(film, *box) for film, box in rows], np.int32).reshape(-1, 5)


def _wrapped(boxes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The same boxes with their first cells inside the film."""
    boxes = boxes.copy()
    boxes[:, 1:3] %= shape
    return boxes


@dataclass
class _Trial:
    """A window on its way: whose it is, where, and what it has cost so far."""

    slot: int
    place: int
    box: tuple[int, int, int, int]
    evaluations: int = 0

    def fits(self, shape: tuple[int, int]) -> bool:
        _, _, ny, nx = self.box
        return ny <= shape[0] - 2 and nx <= shape[1] - 2 and ny * nx <= avalanche.LARGEST_WINDOW

    def widen(self) -> None:
        y, x, ny, nx = self.box
        wide = avalanche.WIDEN
        self.box = (y - wide, x - wide, ny + 2 * wide, nx + 2 * wide)


def _integrate(
    batch: _Batch,
    trials: list[_Trial],
    start: State,
    end: State,
    medium: Medium,
    steps: Steps,
    film_kernel: Kernel,
    tolerance: float,
) -> tuple[np.ndarray, np.ndarray, list[Window]]:
    """Integrate every window once: (evaluations, steps) of each, its difference at the rim, and what it came to."""
    xp, count = batch.xp, len(trials)
    films = batch.films[[trial.slot for trial in trials]]
    boxes = _wrapped(_boxes((film, trial.box) for film, trial in zip(films, trials, strict=True)), batch.shape)
    sizes = [(trial.box[2], trial.box[3]) for trial in trials]
    scratch_at = np.cumsum([0, *(doubles(*size) for size in sizes)])
    ends_at = np.cumsum([0, *(2 * ny * nx for ny, nx in sizes)])
    tau, h0, h1 = steps.tau[films], steps.h0[films], steps.h1[films]
    large = np.column_stack([tau, h0, (h1 - h0) / tau, steps.stiffness[films]])
    ends = xp.empty(int(ends_at[-1]), np.float64)
    traces = xp.empty((count, avalanche.MOST_STEPS, 2), np.float64)
    counts, rims = xp.empty((count, 2), np.int32), xp.zeros(count, np.float64)
    batch.launch(
        "integrate",
        (count, 1),
        *(np.int32(side) for side in batch.shape),
        np.int32(medium.exchange.shape[1] != batch.shape[0]),
        batch.put(boxes, np.int32),
        batch.put(large, np.float64),
        batch.put(scratch_at[:-1], np.int64),
        batch.put(ends_at[:-1], np.int64),
        *(np.float64(x) for x in (medium.gamma_per_J, medium.m_most, tolerance * avalanche.WINDOW_SIDE)),
        np.float64(stage_table()[1]),
        _table(xp),
        batch.put(film_kernel.near, np.float64),
        film_kernel.far,
        start.m,
        start.low,
        start.field,
        end.m,
        end.low,
        end.field,
        medium.anisotropy,
        medium.exchange,
        xp.empty(int(scratch_at[-1]), np.float64),
        ends,
        traces,
        counts,
        rims,
    )
    counts, rims = to_host(counts), to_host(rims)
    longest = max(int(counts[:, 1].max()), 0) + 1
    traces = to_host(xp.ascontiguousarray(traces[:, :longest]))
    windows = []
    for k, (ny, nx) in enumerate(sizes):
        m, rate = ends[ends_at[k] : ends_at[k + 1]].reshape(2, ny, nx)
        trace = traces[k, : max(int(counts[k, 1]), 0) + 1].copy()
        windows.append(avalanche.Window(trials[k].box, m, rate, trace, int(counts[k, 0])))
    return counts, rims, windows


def _run(batch: _Batch, trials: list[_Trial], tolerance: float, integrate: Callable) -> dict[int, list[Window] | None]:
    """Windows by slot, wider where an avalanche reaches the rim; None for a film whose windows do not all work out."""
    done: dict[int, list[Any] | None] = {}
    for trial in trials:
        done.setdefault(trial.slot, []).append(None)
    for _ in range(avalanche.TRIALS):
        for trial in trials:
            if not trial.fits(batch.shape):
                done[trial.slot] = None
        trials = [trial for trial in trials if done[trial.slot] is not None]
        if not trials:
            return done
        counts, rims, windows = integrate(trials)
        again = []
        for trial, (evaluations, steps), rim, window in zip(trials, counts, rims, windows, strict=True):
            trial.evaluations += int(evaluations)
            if steps < 0:
                done[trial.slot] = None
            elif not rim <= avalanche.RIM * avalanche.allowed(tolerance)[0]:
                trial.widen()
                again.append(trial)
            elif done[trial.slot] is not None:
                done[trial.slot][trial.place] = avalanche.Window(
                    trial.box, window.m, window.rate, window.trace, trial.evaluations
                )
        trials = again
    for trial in trials:
        done[trial.slot] = None
    return done


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
    """See `avalanche.separate_all`; `kernel.far` and the windows' m and rate lie on the device."""
    errors, windows = np.zeros(len(films)), [[] for _ in films]
    if not len(films):
        return errors, windows
    batch = _batch(xp, films, start, end, m_before, medium, steps)
    in_cell, outside = avalanche.allowed(tolerance)
    boxes: list[list[tuple[int, int, int, int]]] = []
    judged = np.zeros(len(films), bool)
    for slot, fast in enumerate(_survey(batch, in_cell)):
        found = avalanche.boxes(_mask(fast, batch.shape)) if fast.size else []
        errors[slot], judged[slot] = avalanche.crowding(found, int(batch.cells))
        boxes.append([] if judged[slot] else found)
    rest = _rest_errors(batch, steps.ratio[films], boxes) / outside
    errors = np.where(judged, errors, np.where(rest > errors, rest, errors))
    trials = [
        _Trial(slot, place, box)
        for slot, found in enumerate(boxes)
        if errors[slot] <= 1
        for place, box in enumerate(found)
    ]
    done = _run(
        batch, trials, tolerance, lambda some: _integrate(batch, some, start, end, medium, steps, kernel, tolerance)
    )
    for slot, ours in done.items():
        if ours is None:
            errors[slot] = avalanche.TOO_WIDE
        else:
            windows[slot] = ours
    return errors, windows


def _address(array: Array) -> int:
    return array.data.ptr if hasattr(array.data, "ptr") else array.ctypes.data


def _insert(windows: Sequence[list[Window]], tau: np.ndarray, line: bool, xp: ModuleType, m: Array, low: Array) -> None:
    _check(m, low)
    films = [film for film, ours in enumerate(windows) if ours]
    if not films:
        return
    shape, chosen = m.shape[1:], [window for film in films for window in windows[film]]
    boxes = _boxes((film, window.box) for film in films for window in windows[film])
    tables = (
        (np.cumsum([0, *(len(windows[film]) for film in films)]), np.int32),
        (_wrapped(boxes, shape), np.int32),
        (tau[boxes[:, 0]], np.float64),
        ([_address(window.m) for window in chosen], np.uint64),
    )
    arguments = (xp.asarray(np.ascontiguousarray(values, dtype)) for values, dtype in tables)
    sizes = (np.int32(shape[0]), np.int32(shape[1]), np.int32(line))
    kernel("insert", np.dtype(m.dtype))((len(films), 1), (THREADS,), (*sizes, *arguments, m, low))


def insert(xp: ModuleType, windows: Sequence[list[Window]], end: State) -> None:
    """See `avalanche.insert`."""
    _insert(windows, np.zeros(len(windows)), False, xp, end.m, end.low)


def insert_lines(xp: ModuleType, windows: Sequence[list[Window]], tau: np.ndarray, m_before: Array) -> None:
    """See `avalanche.insert_lines`."""
    _insert(windows, tau, True, xp, m_before, m_before)
