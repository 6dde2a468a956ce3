"""CUDA twins of `cpu` for CuPy: the kernels of kernels.cu, one launch for a batch, and a small second one for sums.

What a call must move through device memory, in numbers a cell: clear 3, copy 6, torque 10, advance 6 and 3 a slope,
rotation 3 a slope, descend 9, compare 13, largest 6, mean 4, turn 9 and 3 a pair, remember 31 and 3 a pair.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.resources import files
from types import ModuleType
from typing import Any

import numpy as np

from weiss.arrays import namespace, to_host
from weiss.llg.vectors.cpu import COMPARED

Array = Any

THREADS = 128
"""Threads of a block: the MOST_THREADS of kernels.cu, and a power of two."""

MOST_PAIRS = 10
"""Most fields that `remember` can measure against: the MOST_PAIRS of kernels.cu."""

CELLS_PER_THREAD = 8
"""Cells a thread measures where a film is large, so that few shares remain to be put together."""

MOST_SHARES = 1024
"""Most blocks that measure a film."""


@lru_cache(maxsize=1)
def source() -> str:
    """Text of the kernels."""
    parts = (("weiss.llg", "vector.cu"), (__package__, "kernels.cu"))
    return "\n".join(files(folder).joinpath(name).read_text(encoding="utf-8") for folder, name in parts)


def options(dtype: np.dtype) -> tuple[str, ...]:
    """Options of the compiler, for fields of this precision."""
    real = {"f": "float", "d": "double"}[np.dtype(dtype).char]
    return ("--std=c++17", "--fmad=true", "--prec-div=true", "--prec-sqrt=true", f"-DREAL={real}")


@lru_cache(maxsize=4)
def _module(flags: tuple[str, ...]) -> Any:
    import cupy

    return cupy.RawModule(code=source(), options=flags, backend="nvrtc")


@lru_cache(maxsize=64)
def kernel(name: str, dtype: np.dtype) -> Callable[..., None]:
    """Compile a kernel: ``kernel(grid, block, arguments)``."""
    return _module(options(dtype)).get_function(name)


@lru_cache(maxsize=256)
def _sent(xp: ModuleType, data: bytes, dtype: str) -> Array:
    return xp.asarray(np.frombuffer(data, dtype))


def send(xp: ModuleType, values: np.ndarray | Sequence[float], dtype: Any) -> Array:
    """A small array on the device, flat, not to be written; copied there once for the same numbers."""
    host = np.ascontiguousarray(values, dtype)
    return _sent(xp, host.tobytes(), host.dtype.str)


class _Batch:
    """The live films of fields that lie as the kernels walk them."""

    def __init__(self, live: np.ndarray, *fields: Array) -> None:
        first = fields[0]
        if not all(f.flags.c_contiguous and f.dtype == first.dtype and f.shape == first.shape for f in fields):
            raise ValueError("GPU kernels take C-contiguous fields of one shape and precision")
        self.xp = np if isinstance(first, np.ndarray) else namespace("gpu")
        self.dtype, self.count, self.cells = np.dtype(first.dtype), len(first), first[0, 0].size
        self.films = np.flatnonzero(live)

    def put(self, values: np.ndarray | Sequence[float], dtype: Any = np.float64) -> Array:
        return send(self.xp, values, dtype)

    def parameter(self, packed: Array) -> tuple[np.int32, Array]:
        """A packed parameter and its number of values for one film, as the kernels take them."""
        if not (packed.flags.c_contiguous and packed.dtype == self.dtype):
            raise ValueError("GPU kernels take C-contiguous parameters of the fields' precision")
        return np.int32(packed.size // self.count), packed

    def slopes(self, slopes: Sequence[Array], weights: Sequence[float]) -> tuple:
        """Number, addresses and weights of the slopes that have a weight."""
        used = [(slope, weight) for slope, weight in zip(slopes, weights, strict=True) if weight != 0]
        addresses = self.put([_address(slope) for slope, _ in used] or [0], np.uint64)
        return np.int32(len(used)), addresses, self.put([weight for _, weight in used] or [0.0])

    def launch(self, name: str, *arguments: Any) -> None:
        """Let a kernel work on every cell of the live films."""
        if self.films.size:
            self._launch(name, -(-self.cells // THREADS), arguments)

    def measure(self, name: str, columns: int, largest: bool, *arguments: Any) -> np.ndarray:
        """What a kernel measures of the live films, (films, columns) on the host; nan for the others."""
        out = np.full((self.count, columns), np.nan)
        if not self.films.size:
            return out
        shares = min(MOST_SHARES, -(-self.cells // (THREADS * CELLS_PER_THREAD)))
        parts = self.xp.empty((self.films.size, shares, columns), np.float64)
        whole = self.xp.empty((self.films.size, columns), np.float64)
        self._launch(name, shares, (*arguments, parts))
        last = (np.int32(shares), np.int32(columns), np.int32(largest), parts, whole)
        kernel("collect", self.dtype)((self.films.size, 1), (32,), last)
        out[self.films] = to_host(whole)
        return out

    def _launch(self, name: str, blocks: int, arguments: tuple) -> None:
        films = self.put(self.films, np.int32)
        grid = (blocks, self.films.size)
        kernel(name, self.dtype)(grid, (THREADS,), (np.int32(self.cells), films, *arguments))


def _address(array: Array) -> int:
    return array.data.ptr if hasattr(array.data, "ptr") else array.ctypes.data


def clear(out: Array, live: np.ndarray) -> None:
    """See `cpu.clear`."""
    _Batch(live, out).launch("clear", out)


def copy(source: Array, out: Array, live: np.ndarray) -> None:
    """See `cpu.copy`."""
    _Batch(live, source, out).launch("copy", source, out)


def mean(m: Array, Ms: Array, live: np.ndarray) -> np.ndarray:
    """See `cpu.mean`."""
    batch = _Batch(live, m)
    sums = batch.measure("moment", 4, False, m, *batch.parameter(Ms))
    return sums[:, :3] / sums[:, 3:]


def torque(m: Array, H: Array, alpha: Array, gamma0: np.ndarray, precess: bool, out: Array, live: np.ndarray) -> None:
    """See `cpu.torque`."""
    batch = _Batch(live, m, H, out)
    batch.launch("torque", *batch.parameter(alpha), batch.put(gamma0), np.int32(precess), m, H, out)


def advance(
    m: Array, slopes: Sequence[Array], weights: Sequence[float], dt: np.ndarray, out: Array, live: np.ndarray
) -> None:
    """See `cpu.advance`; `out` may be `m`."""
    batch = _Batch(live, m, *slopes, out)
    batch.launch("take_step", *batch.slopes(slopes, weights), batch.put(dt), m, out)


def rotation(slopes: Sequence[Array], weights: Sequence[float], dt: np.ndarray, live: np.ndarray) -> np.ndarray:
    """See `cpu.rotation`."""
    batch = _Batch(live, *slopes)
    return np.sqrt(batch.measure("rotation", 1, True, *batch.slopes(slopes, weights), batch.put(dt))[:, 0])


def descend(m: Array, H: Array, tau: np.ndarray, out: Array, live: np.ndarray) -> None:
    """See `cpu.descend`; `out` may be `m`."""
    batch = _Batch(live, m, H, out)
    batch.launch("descend", batch.put(tau), m, H, out)


def _compared(batch: _Batch, fields: Sequence[Array], Ms: Array, room: Sequence[Any]) -> np.ndarray:
    """What `compare` returns; s and y go to `room`, two addresses."""
    out = batch.measure("compare", len(COMPARED), True, *fields, *batch.parameter(Ms), *room)
    out[:, 4:] = np.sqrt(out[:, 4:])
    return out


def compare(m0: Array, H0: Array, m1: Array, H1: Array, Ms: Array, live: np.ndarray) -> np.ndarray:
    """See `cpu.compare`."""
    fields = (m0, H0, m1, H1)
    return _compared(_Batch(live, *fields), fields, Ms, (np.uintp(0), np.uintp(0)))


def turn(m: Array, H: Array, pairs: Array, weights: np.ndarray, out: Array, live: np.ndarray) -> None:
    """See `cpu.turn`."""
    batch = _Batch(live, m, H, *pairs, out)
    batch.launch("turn", np.int32(batch.count), np.int32(len(pairs)), batch.put(weights), pairs, m, H, out)


def remember(
    m0: Array, H0: Array, m1: Array, H1: Array, Ms: Array, pairs: Array, slot: int, live: np.ndarray
) -> np.ndarray:
    """See `cpu.remember`; of at most `MOST_PAIRS` fields."""
    count, fields = len(pairs), (m0, H0, m1, H1)
    if count > MOST_PAIRS:
        raise ValueError(f"the GPU kernel takes up to {MOST_PAIRS} pairs, not {count}")
    batch = _Batch(live, *fields, *pairs)
    compared = _compared(batch, fields, Ms, (pairs[slot], pairs[count // 2 + slot]))
    numbers = (np.int32(batch.count), np.int32(count), np.int32(slot))
    sums = batch.measure("remember", 3 * MOST_PAIRS, False, *numbers, m1, H1, *batch.parameter(Ms), pairs)
    return np.hstack([compared, sums.reshape(-1, 3, MOST_PAIRS)[:, :, :count].reshape(-1, 3 * count)])


def largest(m: Array, H: Array, live: np.ndarray) -> np.ndarray:
    """See `cpu.largest`."""
    return np.sqrt(_Batch(live, m, H).measure("largest", 1, True, m, H)[:, 0])
