"""The demagnetising field of a film on a CPU, by transforms that skip what zero padding leaves empty.

For H = −N·M the film is transformed along x row by row, then along y (and z) column by column:

    rows      Ms m is written into rows of px numbers, transformed, and kept as a half spectrum (3, nz, ny, px/2 + 1);
              rows that padding adds are zero and never exist
    columns   blocks of a few kx are gathered into columns of py numbers, transformed, multiplied with the tensor,
              transformed back, and their first ny numbers put where they came from
    rows      transformed back along x, and the first nx numbers added to the field

A block stays in the cache, so the spectrum goes through memory once. Columns are gathered because FFTW's plans for
numbers that lie together are the fast ones even when they are chosen without timing (FFTW_ESTIMATE); plans chosen by
timing would change the rounding from run to run. Blocks depend on the mesh alone, and every film is computed on its
own: neither the batch nor the number of threads changes a bit of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from weiss.arrays import fftw_planner
from weiss.llg.demag.convolution import FLAT, FULL

if TYPE_CHECKING:
    from weiss.llg.demag import Kernel

_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"contract"}}

BLOCK_BYTES = 2**18
"""What one array of a block of rows or columns may take, so that a block stays in the second-level cache."""

LINE = 16
"""Numbers of a column that are gathered before the next column's: a cache line of them, or two."""

CHUNK = 128
"""Numbers of a column that are multiplied before the next, so that they stay in the first-level cache."""


@njit(**_OPTIONS)
def _scale_rows(m, Ms, first, into):  # type: ignore[no-untyped-def]
    """Rows first, first + 1, ... of Ms m; m is (rows of three components, nx), Ms (rows of one component or 1, nx)."""
    count, nx = min(into.shape[0], m.shape[0] - first), m.shape[1]
    for row in range(first, first + count):
        source, scale, target = m[row], Ms[row % Ms.shape[0]], into[row - first]
        for x in range(nx):
            target[x] = scale[x] * source[x]


@njit(**_OPTIONS)
def _add_rows(rows, first, Ms, zero, out):  # type: ignore[no-untyped-def]
    """Add the first nx numbers of each row to the field, except where there is no material."""
    count, nx = min(rows.shape[0], out.shape[0] - first), out.shape[1]
    for row in range(first, first + count):
        source, scale, target = rows[row - first], Ms[row % Ms.shape[0]], out[row]
        for x in range(nx):
            target[x] += source[x] if scale[x] != zero else zero


@njit(**_OPTIONS)
def _gather(spectrum, first, ny, line, into):  # type: ignore[no-untyped-def]
    """Columns first, first + 1, ... of a spectrum (lines·ny, kx) into (columns, lines, py); what padding adds stays."""
    columns, lines = min(into.shape[0], spectrum.shape[1] - first), into.shape[1]
    for k in range(lines):
        for start in range(0, ny, line):
            end = min(start + line, ny)
            for column in range(columns):
                target = into[column, k]
                for y in range(start, end):
                    target[y] = spectrum[k * ny + y, first + column]


@njit(**_OPTIONS)
def _scatter(columns, first, ny, line, spectrum):  # type: ignore[no-untyped-def]
    """The first ny numbers of every column back to where `_gather` found them."""
    count, lines = min(columns.shape[0], spectrum.shape[1] - first), columns.shape[1]
    for k in range(lines):
        for start in range(0, ny, line):
            end = min(start + line, ny)
            for column in range(count):
                source = columns[column, k]
                for y in range(start, end):
                    spectrum[k * ny + y, first + column] = source[y]


@njit(**_OPTIONS)
def _multiply(spectrum, tensor, first, pairs, sums):  # type: ignore[no-untyped-def]
    """Tensor times spectrum, for the columns first, first + 1, ... of the tensor.

    spectrum is (columns, 3, 2 n), real and imaginary parts as numbers; tensor (kx, components, n), 4 components where z
    is on its own; pairs (components, 2 chunk) and sums (2, 2 chunk) are scratch.
    """
    n, components, chunk = tensor.shape[2], tensor.shape[1], sums.shape[1] // 2
    for column in range(min(spectrum.shape[0], tensor.shape[0] - first)):
        for start in range(0, n, chunk):
            end = min(start + chunk, n)
            numbers = 2 * (end - start)
            x, y, z = (
                spectrum[column, 0, 2 * start : 2 * end],
                spectrum[column, 1, 2 * start : 2 * end],
                spectrum[column, 2, 2 * start : 2 * end],
            )
            for component in range(components):
                source, pair = tensor[first + column, component, start:end], pairs[component]
                for i in range(source.size):
                    pair[2 * i] = source[i]
                    pair[2 * i + 1] = source[i]
            xx, yy, zz, xy = pairs[0], pairs[1], pairs[2], pairs[3]
            along_x, along_y = sums[0], sums[1]
            # Many loops of few arrays: one loop over all of them is not vectorised.
            for i in range(numbers):
                along_x[i] = xx[i] * x[i] + xy[i] * y[i]
            for i in range(numbers):
                along_y[i] = xy[i] * x[i] + yy[i] * y[i]
            if components == 6:
                xz, yz = pairs[4], pairs[5]
                for i in range(numbers):
                    along_x[i] += xz[i] * z[i]
                for i in range(numbers):
                    along_y[i] += yz[i] * z[i]
                for i in range(numbers):
                    z[i] = zz[i] * z[i] + xz[i] * x[i]
                for i in range(numbers):
                    z[i] += yz[i] * y[i]
            else:
                for i in range(numbers):
                    z[i] *= zz[i]
            for i in range(numbers):
                x[i] = along_x[i]
            for i in range(numbers):
                y[i] = along_y[i]


def block_size(count: int, most: int) -> int:
    """Size of equal blocks, of at most `most`, that cover `count` with the least beyond it."""
    most = min(most, count)
    return min(range((most + 1) // 2, most + 1), key=lambda size: (-(-count // size) * size, -size))


class _Worker:
    """Scratch memory and plans of one thread."""

    def __init__(self, plan: Convolution) -> None:
        import pyfftw

        nz = plan.shape[0]
        pz, py, px = plan.padded
        real, whole = plan.dtype, plan.complex_dtype

        def zeros(*shape: int) -> np.ndarray:
            return pyfftw.zeros_aligned(shape, whole, n=64)

        # What a row holds beyond nx is zero before a transform and not after one back: two arrays.
        self.rows, self.rows_back = (pyfftw.zeros_aligned((plan.row_block, px), real, n=64) for _ in range(2))
        self.spectrum = plan.empty_spectrum()
        self.columns, self.back = zeros(plan.column_block, 3, nz, py), zeros(plan.column_block, 3, nz, py)
        self.product = zeros(plan.column_block, 3, pz, py)
        self.pairs = np.empty((plan.tensor.shape[1], 2 * CHUNK), real)
        self.sums = np.empty((2, 2 * CHUNK), real)
        forward = {"flags": ("FFTW_ESTIMATE",), "threads": 1}
        backward = {"flags": ("FFTW_ESTIMATE", "FFTW_DESTROY_INPUT"), "threads": 1, "direction": "FFTW_BACKWARD"}
        with fftw_planner():
            piece = self.spectrum[: plan.row_block]
            self.along_x = pyfftw.FFTW(self.rows, piece, axes=(1,), **forward)
            self.back_x = pyfftw.FFTW(piece, self.rows_back, axes=(1,), **backward)
            if pz == 1:
                self.there = [pyfftw.FFTW(self.columns, self.product, axes=(3,), **forward)]
                self.home = [pyfftw.FFTW(self.product, self.back, axes=(3,), **backward)]
                return
            # Layers that padding adds stay zero in `self.layers`, which no transform writes to beyond nz.
            self.layers, self.layers_back = zeros(*self.product.shape), zeros(*self.product.shape)
            first, first_back = self.layers[:, :, :nz], self.layers_back[:, :, :nz]
            self.there = [
                pyfftw.FFTW(self.columns, first, axes=(3,), **forward),
                pyfftw.FFTW(self.layers, self.product, axes=(2,), **forward),
            ]
            self.home = [
                pyfftw.FFTW(self.product, self.layers_back, axes=(2,), **backward),
                pyfftw.FFTW(first_back, self.back, axes=(3,), **backward),
            ]


class Convolution:
    """The planned convolution of a mesh: ``convolve(m, Ms, out, live)`` adds the field to `out`.

    Parameters
    ----------
    kernel : Kernel
        Transform of the tensor; see `weiss.llg.demag.kernel`.
    dtype
        Of the fields.
    threads : int
        Threads that share the films, or the blocks of a film where there are fewer films than threads.
    """

    def __init__(self, kernel: Kernel, dtype: np.dtype, threads: int = 1) -> None:
        self.shape, self.padded = kernel.mesh.shape, kernel.padded
        self.dtype = np.dtype(dtype)
        self.complex_dtype = np.result_type(self.dtype, np.complex64)
        self.threads = threads
        nz, ny, _ = self.shape
        pz, py, px = self.padded
        half, item = px // 2 + 1, self.dtype.itemsize
        self.row_block = block_size(3 * nz * ny, max(1, BLOCK_BYTES // (px * item)))
        self.column_block = block_size(half, max(1, BLOCK_BYTES // (6 * pz * py * item)))
        names = FLAT if pz == 1 else FULL
        self.tensor = np.empty((half, len(names), pz * py), self.dtype)
        for index, name in enumerate(names):
            np.multiply(
                kernel.spectrum[name].reshape(pz * py, half).T,
                -1.0 / (pz * py * px),
                out=self.tensor[:, index],
                casting="same_kind",
            )
        self._free: list[_Worker] = []
        self._pool = ThreadPoolExecutor(threads - 1, "weiss-demag") if threads > 1 else None

    def empty_spectrum(self) -> np.ndarray:
        """Memory for the half spectrum of a film's rows: (blocks of rows, px/2 + 1), every row on a cache line."""
        import pyfftw

        nz, ny, _ = self.shape
        rows = -(-3 * nz * ny // self.row_block) * self.row_block
        half = self.padded[2] // 2 + 1
        return pyfftw.zeros_aligned((rows, -(-half // 8) * 8), self.complex_dtype, n=64)[:, :half]

    def __call__(self, m: np.ndarray, Ms: np.ndarray, out: np.ndarray, live: np.ndarray) -> None:
        """Add −N·(Ms m) to `out` for the films of `live`.

        Parameters
        ----------
        m, out : (films, 3, nz, ny, nx) ndarray
            C-contiguous.
        Ms : (films, rows, nx) ndarray
            As `weiss.llg.parameters.pack` lays it out, in the fields' precision.
        live : (films,) ndarray of bool
        """
        if not all(array.flags.c_contiguous and array.dtype == self.dtype for array in (m, Ms, out)):
            raise ValueError("the convolution takes C-contiguous fields of the precision it was planned for")
        chosen = np.flatnonzero(live)
        team = self._team(self.threads)
        try:
            if self.threads == 1 or len(chosen) >= self.threads:
                self._films(team, m, Ms, out, chosen)
            else:
                for film in chosen:
                    self._one_film(team, _rows(m[film]), Ms[film], _rows(out[film]))
        finally:
            self._free += team

    def _team(self, count: int) -> list[_Worker]:
        team = []
        for _ in range(count):
            try:
                team.append(self._free.pop())
            except IndexError:  # another thread uses them
                team.append(_Worker(self))
        return team

    def _films(self, team: list[_Worker], m: np.ndarray, Ms: np.ndarray, out: np.ndarray, chosen: np.ndarray) -> None:
        """Every worker takes whole films."""

        def work(worker: _Worker, films: np.ndarray) -> None:
            for film in films:
                self._one_film([worker], _rows(m[film]), Ms[film], _rows(out[film]))

        self._together([partial(work, worker, chosen[k :: len(team)]) for k, worker in enumerate(team)])

    def _one_film(self, team: list[_Worker], m: np.ndarray, Ms: np.ndarray, out: np.ndarray) -> None:
        """One film, each of its three passes shared among the workers."""
        spectrum = team[0].spectrum
        rows = range(0, len(spectrum), self.row_block)
        columns = range(0, spectrum.shape[1], self.column_block)

        def share(step: Callable[..., None], blocks: Sequence[int], *arrays: np.ndarray) -> None:
            size = len(team)
            self._together([partial(step, worker, blocks[k::size], spectrum, *arrays) for k, worker in enumerate(team)])

        share(self._rows_in, rows, m, Ms)
        share(self._columns, columns)
        share(self._rows_out, rows, Ms, out)

    def _together(self, calls: Sequence[Callable[[], None]]) -> None:
        """Run calls at the same time, the first of them in this thread."""
        others = [self._pool.submit(call) for call in calls[1:]] if self._pool else []
        calls[0]()
        for other in others:
            other.result()

    def _rows_in(
        self, worker: _Worker, blocks: Sequence[int], spectrum: np.ndarray, m: np.ndarray, Ms: np.ndarray
    ) -> None:
        for first in blocks:
            _scale_rows(m, Ms, first, worker.rows)
            worker.along_x.update_arrays(worker.rows, spectrum[first : first + self.row_block])
            worker.along_x.execute()

    def _columns(self, worker: _Worker, blocks: Sequence[int], spectrum: np.ndarray) -> None:
        (_, ny, _), (_, py, _) = self.shape, self.padded
        columns, back = (array.reshape(len(array), -1, py) for array in (worker.columns, worker.back))
        product = worker.product.view(self.dtype).reshape(len(worker.product), 3, -1)
        for first in blocks:
            _gather(spectrum, first, ny, LINE, columns)
            for transform in worker.there:
                transform.execute()
            _multiply(product, self.tensor, first, worker.pairs, worker.sums)
            for transform in worker.home:
                transform.execute()
            _scatter(back, first, ny, LINE, spectrum)

    def _rows_out(
        self, worker: _Worker, blocks: Sequence[int], spectrum: np.ndarray, Ms: np.ndarray, out: np.ndarray
    ) -> None:
        zero = self.dtype.type(0)
        for first in blocks:
            worker.back_x.update_arrays(spectrum[first : first + self.row_block], worker.rows_back)
            worker.back_x.execute()
            _add_rows(worker.rows_back, first, Ms, zero, out)


def _rows(field: np.ndarray) -> np.ndarray:
    """(3, nz, ny, nx) as rows."""
    return field.reshape(-1, field.shape[-1])
