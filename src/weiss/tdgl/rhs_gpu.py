"""CUDA twins of `rhs` for CuPy: the kernels of kernels.cu, compiled once per process by NVRTC.

A stage is four launches: transform, product with the dipole kernel, transform back (`weiss.arrays.convolver`), and the
stage itself. What it must move through device memory, in fields (one number a cell; J thin):

    transform    each direction: two passes, each reading and writing half a complex spectrum        4 + 4
    product      spectrum read and written                                                               2
    stage        A, near, field, spread, rate, d1, d2, dipole read; the increment written                9

19 fields, or 76 bytes a cell in float32: 5 MB an evaluation of a 256² film, 1.7 µs at 3 TB/s. A full J map is one field
more. `all_stages` takes the films in groups of `weiss.arrays.films_at_once`, whose spectra, increments and dipole field
stay in the L2 cache from one launch to the next; then 7 or 8 fields, 32 bytes a cell, are what device memory has to
deliver. A step adds 31 fields, at most, for its ends: evaluate 8 and its transforms 10, finish 5, close 5, begin 3.

A film's result does not depend on its batch as far as these kernels go: no film reads another, and sums run in an
order that ny and nx alone decide. cuFFT's transforms of a batch are the same one by one in practice, but it does not
promise that plans for different numbers of films round alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.resources import files
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from weiss.arrays import Array, films_at_once, to_host
from weiss.tdgl.rhs import ROOM, State

if TYPE_CHECKING:
    from weiss.tdgl.rhs import Medium
    from weiss.tdgl.rkc import Workspace

THREADS = 128
"""Threads of a block; a power of two, as the sums of `close` want it."""

ROWS = 2
"""Most rows a thread marches down."""

MEASURES = 5
"""Numbers `close` returns of a film."""

MOST_SLOTS = 65535
"""Films one launch can take: the grid's largest y."""


@dataclass(frozen=True)
class Layout:
    """How the cells of a film are shared out among threads.

    Attributes
    ----------
    width, rows : int
        Cells of a row a thread loads at once, 16 bytes where nx allows, and rows it marches down.
    tiles, lines : int
        Blocks a film takes in kernels that know rows, and in those that do not.
    shares : int
        Blocks that add up a film in `close`: of at least 16 cells a thread, so that few partial sums remain.
    """

    ny: int
    nx: int
    dtype: np.dtype
    width: int
    rows: int
    tiles: int
    lines: int
    shares: int


@lru_cache(maxsize=64)
def layout(ny: int, nx: int, dtype: np.dtype) -> Layout:
    """Share out the cells of an ny × nx film."""
    width = 16 // dtype.itemsize
    width = width if nx % width == 0 else 1
    rows = ROWS if ny % ROWS == 0 else 1
    pieces = ny * nx // width
    tiles, lines, shares = (-(-pieces // (each * THREADS)) for each in (rows, 1, max(1, 16 // width)))
    return Layout(ny, nx, dtype, width, rows, tiles, lines, min(shares, 256))


def source() -> str:
    """Return the text of kernels.cu."""
    return files(__package__).joinpath("kernels.cu").read_text(encoding="utf-8")


def options(form: Layout) -> tuple[str, ...]:
    """Options of the compiler. CuPy adds the architecture and -ftz=true; no number here comes near the subnormal."""
    real = {"f": "float", "d": "double"}[form.dtype.char]
    shape = (f"-DREAL={real}", f"-DWIDTH={form.width}", f"-DROWS={form.rows}")
    return ("--std=c++17", "--fmad=true", "--prec-div=true", "--prec-sqrt=true", *shape)


@lru_cache(maxsize=64)
def _module(flags: tuple[str, ...]) -> Any:
    import cupy

    return cupy.RawModule(code=source(), options=flags, backend="nvrtc")


@lru_cache(maxsize=256)
def kernel(name: str, form: Layout) -> Callable[..., None]:
    """Compile a kernel: ``kernel(grid, block, arguments)``."""
    return _module(options(form)).get_function(name)


def _form(field: Array, *others: Array) -> Layout:
    """Layout of a batch, whose arrays the kernels see as bare memory."""
    if not all(array.flags.c_contiguous and array.dtype == field.dtype for array in (field, *others)):
        raise ValueError("GPU kernels take C-contiguous fields of one precision")
    return layout(*field.shape[1:], np.dtype(field.dtype))


def _put(xp: ModuleType, values: np.ndarray, dtype: Any) -> Array:
    return xp.asarray(np.ascontiguousarray(values, dtype))


def _is_thin(medium: Medium, form: Layout) -> np.int32:
    return np.int32(medium.exchange.shape[1] != form.ny)


def evaluate(xp: ModuleType, state: State, dipole: Array, medium: Medium, h: np.ndarray, live: np.ndarray) -> None:
    """See `rhs.evaluate`; films that are not `live` are left alone."""
    chosen, real = np.flatnonzero(live), state.m.dtype.type
    if not chosen.size:
        return
    form = _form(state.m, dipole, medium.anisotropy, medium.exchange)
    arguments = (
        np.int32(form.ny),
        np.int32(form.nx),
        _is_thin(medium, form),
        _put(xp, chosen, np.int32),
        _put(xp, np.asarray(h)[chosen], state.m.dtype),
        real(medium.gamma_per_J),
        state.m,
        state.low,
        dipole,
        medium.anisotropy,
        medium.exchange,
        state.near,
        state.field,
        state.spread,
        state.rate,
    )
    kernel("evaluate", form)((form.tiles, chosen.size), (THREADS,), arguments)


@dataclass(frozen=True)
class _Slots:
    """What the device knows of the films of a launch, by slot: which film it is, its stages, its rows of the table."""

    film_of: Array
    stages: Array
    table: Array

    def part(self, first: int, last: int) -> _Slots:
        return _Slots(self.film_of[first:last], self.stages[first:last], self.table)


def _stage(
    form: Layout, j: int, row: int, count: int, slots: _Slots, medium: Medium, start: State, d: tuple[Array, ...]
) -> None:
    """Launch stage j for the first `count` slots; `d` is d1, d2, dipole, d_out."""
    arguments = (
        np.int32(form.ny),
        np.int32(form.nx),
        _is_thin(medium, form),
        np.int32(j),
        slots.film_of,
        slots.stages,
        slots.table,
        np.int32(row),
        form.dtype.type(medium.gamma_per_J),
        form.dtype.type(ROOM),
        medium.anisotropy,
        medium.exchange,
        start.near,
        start.field,
        start.spread,
        start.rate,
        *d,
    )
    kernel("stage", form)((form.tiles, count), (THREADS,), arguments)


def stage(
    xp: ModuleType,
    j: int,
    stages: np.ndarray,
    table: np.ndarray,
    medium: Medium,
    start: State,
    d1: Array,
    d2: Array,
    dipole: Array,
    d_out: Array,
) -> None:
    """See `rhs.stage`. `all_stages` does the same for a whole step with one copy to the device."""
    form = _form(d1, d2, dipole, d_out, start.near, medium.anisotropy, medium.exchange)
    everyone = np.arange(len(stages))
    slots = _Slots(_put(xp, everyone, np.int32), _put(xp, stages, np.int32), _put(xp, table, d1.dtype))
    _stage(form, j, 0, len(stages), slots, medium, start, (d1, d2, dipole, d_out))


def all_stages(
    xp: ModuleType,
    convolve: Callable[[Array, Array, np.ndarray], None],
    stages: np.ndarray,
    tables: np.ndarray,
    medium: Medium,
    start: State,
    work: Workspace,
) -> None:
    """Every stage of a step, to `m` and `low` of `work.end`: what `rkc.step` does stage by stage.

    Films are taken in the order of their stage counts, so that those still running lie together and nothing is
    transformed for films that are done, and in groups small enough for the L2 cache.

    Parameters
    ----------
    stages : (films,) int ndarray
        Stages of each film's step, at least 2.
    tables : (most stages + 1, films, 5) ndarray
        Rows as `rhs.stage` takes them; of row 1, tau mu~.
    """
    films, d = len(stages), work.increments
    form = _form(*d, work.dipole, start.near, start.rate, medium.anisotropy, medium.exchange)
    order = np.argsort(-stages, kind="stable")
    counts = stages[order]
    slots = _Slots(
        _put(xp, order, np.int32), _put(xp, counts, np.int32), _put(xp, tables[:, order], np.dtype(form.dtype))
    )
    cells = np.int32(form.ny * form.nx)
    group = films_at_once(xp, form.ny, form.nx, form.dtype)
    for first in range(0, films, group):
        last = min(first + group, films)
        mine, increments, dipole = slots.part(first, last), [x[first:last] for x in d], work.dipole[: last - first]
        arguments = (cells, mine.film_of, mine.table, np.int32(films + first), start.rate, *increments[:2])
        kernel("begin", form)((form.lines, last - first), (THREADS,), arguments)
        for j in range(2, int(counts[first]) + 1):
            live = counts[first:last] >= j
            d1, d2, d_out = increments[(j - 1) % 3], increments[(j - 2) % 3], increments[j % 3]
            convolve(d1, dipole, live)
            _stage(form, j, j * films + first, int(live.sum()), mine, medium, start, (d1, d2, dipole, d_out))
    _finish(xp, form, slots.film_of, counts % 3, start, d, medium.m_most, work.end)


def finish(xp: ModuleType, start: State, d: list[Array], which: np.ndarray, m_most: float, end: State) -> None:
    """See `rhs.finish`; `end` may be `start`."""
    form = _form(start.m, start.low, *d, end.m, end.low)
    _finish(xp, form, _put(xp, np.arange(len(which)), np.int32), which, start, d, m_most, end)


def _finish(
    xp: ModuleType,
    form: Layout,
    film_of: Array,
    which: np.ndarray,
    start: State,
    d: list[Array],
    m_most: float,
    end: State,
) -> None:
    arguments = (
        np.int32(form.ny * form.nx),
        film_of,
        _put(xp, which, np.int32),
        form.dtype.type(m_most),
        *d,
        start.m,
        start.low,
        end.m,
        end.low,
    )
    kernel("finish", form)((form.lines, len(which)), (THREADS,), arguments)


def close(
    xp: ModuleType, start: State, end: State, m_before: Array, tau: np.ndarray, ratio: np.ndarray, live: np.ndarray
) -> np.ndarray:
    """See `rhs.close`; films that are not `live` get zeros."""
    chosen, out = np.flatnonzero(live), np.zeros((len(live), MEASURES))
    if not chosen.size:
        return out
    form = _form(start.m, end.m, m_before, start.rate, end.rate)
    parts = xp.empty((chosen.size, form.shares, MEASURES), np.float64)
    measured = xp.empty((chosen.size, MEASURES), np.float64)
    cells = np.int32(form.ny * form.nx)
    arguments = (
        cells,
        _put(xp, chosen, np.int32),
        *(_put(xp, np.asarray(values)[chosen], np.float64) for values in (tau, ratio)),
        start.m,
        end.m,
        m_before,
        start.rate,
        end.rate,
        parts,
    )
    kernel("close_blocks", form)((form.shares, chosen.size), (THREADS,), arguments)
    kernel("close_films", form)((chosen.size, 1), (32,), (cells, np.int32(form.shares), parts, measured))
    out[chosen] = to_host(measured)
    return out


def bytes_per_film(ny: int, nx: int, dtype: np.dtype) -> int:
    """Device memory a film of a batch takes at most, in bytes.

    Its maps (2 fields), its state, the state before, and what a step writes into (a state, three increments, the
    dipole field), the last twice while a smaller batch is being set up; spectrum and work areas of its transforms (4).
    """
    state = len(fields(State))
    return (2 + state + 1 + 2 * (state + 4) + 4) * ny * nx * np.dtype(dtype).itemsize


def room() -> int:
    """Device memory that this process could still have, in bytes."""
    import cupy

    free, _ = cupy.cuda.Device().mem_info
    pool = cupy.get_default_memory_pool()
    free += pool.free_bytes()
    limit = pool.get_limit()
    return min(free, limit - pool.used_bytes()) if limit else free


def most_films(ny: int, nx: int, dtype: np.dtype) -> int:
    """How many films to start with in one batch: what fits in nine tenths of the free memory, at least one."""
    return min(MOST_SLOTS, max(1, int(0.9 * room()) // bytes_per_film(ny, nx, dtype)))
