"""The demagnetising field of a batch on a GPU: cuFFT's transforms with the kernels of convolution.cu between them.

Films go in groups whose memory stays in the L2 cache from one launch to the next (`weiss.arrays.films_at_once`). In a
group lines of the mesh come first and films second, so that one plan transforms them all: rows along x, of which
padding adds none, then y at a fixed stride, and z likewise where there are layers. A flat open film of n² cells moves,
in units of 3 n² reals:

    scale in     m read, rows written                     1 + 2
    along x      rows read, half a spectrum written       2 + 2
    along y      the spectrum with its zeros, another     4 + 4
    product      in place                                 4 + 4
    back y       in place                                 4 + 4
    back x       half a spectrum read, rows written       2 + 2
    add out      rows and field read, field written       1 + 2

38 units, or 456 bytes a cell in float32, and 8/3 for the tensor once a group; 48 with the plain transforms of padded
fields, 15 for a periodic film. What is read as padding is never written to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from weiss.arrays import Array, films_at_once
from weiss.llg.demag.convolution import FLAT, FULL

if TYPE_CHECKING:
    from weiss.llg.demag import Kernel

THREADS = 256
"""Threads of a block."""

MOST_SLOTS = 65535
"""Films one launch can take: the grid's largest y."""


def source() -> str:
    """Return the text of convolution.cu."""
    return files(__package__).joinpath("convolution.cu").read_text(encoding="utf-8")


def options(dtype: np.dtype) -> tuple[str, ...]:
    """Options of the compiler."""
    return ("--std=c++17", "--fmad=true", f"-DREAL={'float' if np.dtype(dtype) == np.float32 else 'double'}")


@lru_cache(maxsize=2)
def _module(dtype: np.dtype) -> Any:
    import cupy

    return cupy.RawModule(code=source(), options=options(dtype), backend="nvrtc")


def kernel(name: str, dtype: np.dtype) -> Callable[..., None]:
    """Compile a kernel: ``kernel(grid, block, arguments)``."""
    return _module(np.dtype(dtype)).get_function(name)


def _plan(kind: int, length: int, batch: int, into: tuple[int, int], out: tuple[int, int]) -> Any:
    """Plan transforms of one axis; `into` and `out` are stride of the numbers and distance of the transforms."""
    from cupy.cuda import cufft

    try:
        return cufft.PlanNd((length,), (length,), *into, (length,), *out, kind, batch, "C", 0, length)
    except cufft.CuFFTError as error:
        if error.result == 2:  # CUFFT_ALLOC_FAILED
            raise MemoryError(f"cuFFT has no memory for {batch} transforms of {length} numbers") from error
        raise


@dataclass(frozen=True)
class _Plans:
    """Transforms of one layer of a group along x and y, and of all its layers along z; None along a single cell."""

    along_x: Any
    back_x: Any
    along_y: Any
    along_z: Any


class Convolution:
    """The planned convolution of a mesh: ``convolve(m, Ms, out, live)`` adds the field to `out`.

    Parameters
    ----------
    xp : module
        CuPy.
    kernel : Kernel
        Transform of the tensor; see `weiss.llg.demag.kernel`.
    dtype
        Of the fields.
    """

    def __init__(self, xp: ModuleType, kernel: Kernel, dtype: np.dtype) -> None:
        self.xp, self.shape, self.padded, self.dtype = xp, kernel.mesh.shape, kernel.padded, np.dtype(dtype)
        nz, ny, _ = self.shape
        pz, py, px = self.padded
        self.half, self.pitch = px // 2 + 1, px + px % 2  # cuFFT wants rows to begin on the address of a complex number
        names = FLAT if pz == 1 else FULL
        tensor = np.empty((len(names), pz, py, self.half), self.dtype)
        for index, name in enumerate(names):
            np.multiply(kernel.spectrum[name], -1.0 / (pz * py * px), out=tensor[index], casting="same_kind")
        self.tensor = xp.asarray(tensor)
        self.layer = 3 * py * self.half
        """Complex numbers of one layer of one film."""
        self.pads_y, self.pads_z = py > ny, pz > nz
        layers = pz * (2 if self.pads_z else 1) + (nz if self.pads_y else 0)
        reals = 3 * nz * ny * self.pitch + 2 * layers * self.layer
        self.most = min(films_at_once(xp, -(-reals // 3), 1, self.dtype), MOST_SLOTS)  # it counts three reals a cell
        self._plans: dict[int, _Plans] = {}
        self._slots = 0

    def plans(self, slots: int) -> _Plans:
        """Plans of a group of so many films, kept for every number met."""
        from cupy.cuda import cufft

        if slots not in self._plans:
            single = self.dtype == np.float32
            there, back, whole = (
                (cufft.CUFFT_R2C, cufft.CUFFT_C2R, cufft.CUFFT_C2C)
                if single
                else (cufft.CUFFT_D2Z, cufft.CUFFT_Z2D, cufft.CUFFT_Z2Z)
            )
            ny, (pz, py, px) = self.shape[1], self.padded
            row, line = slots * 3, slots * 3 * self.half
            self._plans[slots] = _Plans(
                _plan(there, px, ny * row, (1, self.pitch), (1, self.half)),
                _plan(back, px, ny * row, (1, self.half), (1, self.pitch)),
                _plan(whole, py, line, (line, 1), (line, 1)) if py > 1 else None,
                _plan(whole, pz, py * line, (py * line, 1), (py * line, 1)) if pz > 1 else None,
            )
        return self._plans[slots]

    def _make_room(self, slots: int) -> None:
        """Memory of a group. What is read as padding must be zero, and lies elsewhere for another number of films."""
        if slots == self._slots:
            return
        xp, (nz, ny, _), pz = self.xp, self.shape, self.padded[0]
        self._slots = 0
        self._rows = self._product = self._layers = self._spectrum = None
        whole = np.result_type(self.dtype, np.complex64)
        layer = slots * self.layer
        self._rows = xp.empty((nz, ny * slots * 3 * self.pitch), self.dtype)
        self._product = xp.empty((pz, layer), whole)
        self._layers = xp.zeros((pz, layer), whole) if self.pads_z else self._product
        self._spectrum = xp.zeros((nz, layer), whole) if self.pads_y else self._layers
        self._slots = slots

    def __call__(self, m: Array, Ms: Array, out: Array, live: np.ndarray) -> None:
        """Add −N·(Ms m) to `out` for the films of `live`; see `weiss.llg.demag.convolution.planned`."""
        if not all(array.flags.c_contiguous and array.dtype == self.dtype for array in (m, Ms, out)):
            raise ValueError("GPU kernels take C-contiguous fields of one precision")
        chosen = np.flatnonzero(live).astype(np.int32)
        for first in range(0, len(chosen), self.most):
            group = chosen[first : first + self.most]
            # Powers of two, so that few plans are made as films finish; slots beyond the group hold what they held.
            self._group(group, min(self.most, 1 << int(len(group) - 1).bit_length()), m, Ms, out)

    def _group(self, group: np.ndarray, slots: int, m: Array, Ms: Array, out: Array) -> None:
        from cupy.cuda import cufft

        plans = self.plans(slots)
        self._make_room(slots)
        nz, ny, nx = self.shape
        lines, films = nz * ny, len(group)
        sizes = (np.int32(nx), np.int32(lines), np.int32(self.pitch), np.int32(slots), self.xp.asarray(group))
        sizes += (np.int32(Ms.shape[1]), Ms)
        self._launch("scale_in", 3 * lines * self.pitch, films, (*sizes, m, self._rows))
        for z in range(nz):
            plans.along_x.fft(self._rows[z], self._spectrum[z], cufft.CUFFT_FORWARD)
            if plans.along_y is not None:
                plans.along_y.fft(self._spectrum[z], self._layers[z], cufft.CUFFT_FORWARD)
        if plans.along_z is not None:
            plans.along_z.fft(self._layers, self._product, cufft.CUFFT_FORWARD)
        size = self.tensor[0].size
        product = (np.int32(self.half), np.int64(size), np.int32(slots), self.tensor, self._product)
        self._launch("multiply_flat" if len(self.tensor) == len(FLAT) else "multiply_full", size, films, product)
        if plans.along_z is not None:
            plans.along_z.fft(self._product, self._product, cufft.CUFFT_INVERSE)
        for z in range(nz):
            if plans.along_y is not None:
                plans.along_y.fft(self._product[z], self._product[z], cufft.CUFFT_INVERSE)
            plans.back_x.fft(self._product[z], self._rows[z], cufft.CUFFT_INVERSE)
        self._launch("add_out", 3 * lines * nx, films, (*sizes, self._rows, out))

    def _launch(self, name: str, count: int, films: int, arguments: tuple[Any, ...]) -> None:
        kernel(name, self.dtype)((-(-count // THREADS), films), (THREADS,), arguments)
