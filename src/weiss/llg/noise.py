"""Normal random numbers that are looked up instead of drawn: Philox4x32-10 (Salmon et al., SC'11, 2011).

Film, step and cell are the address of a number, so it does not depend on what was drawn before, on the other films of a
batch, or on the device: the integers are the same everywhere, the normals made of them (Box and Muller 1958) are the
same to rounding. The key comes from the film's seed; the counter is (cell, 0, step mod 2³², step div 2³²), with cells
counted x first. One block of four integers gives the three components of a cell.

A uniform number is (integer + ½)/2³², so no normal is larger than √(66 log 2) = 6.8.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from importlib.resources import files
from types import ModuleType
from typing import Any

import numpy as np
from numba import njit

from weiss.arrays import random_stream

Array = Any

THREADS = 256
"""Threads of a block of the GPU's kernel."""

_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"contract"}}

# Integers of 32 bits are kept in 64, where a product of two fits.
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


def key(seed: int) -> np.ndarray:
    """Key of a film, (2,) uint32."""
    return random_stream("llg", "thermal", seed).integers(0, 2**32, 2, np.uint32)


@njit(**_OPTIONS)
def philox(c0, c1, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    """Four random integers below 2³² for a counter of four and a key of two of them; all of type uint64."""
    for _ in range(10):
        p0, p1 = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _LOW, (p0 >> _HALF) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + _WEYL[0]) & _LOW, (k1 + _WEYL[1]) & _LOW
    return c0, c1, c2, c3


@njit(**_OPTIONS)
def _fill(amplitude, scale, key, step, constants, out):  # type: ignore[no-untyped-def]
    rows, nx = out.shape[1], out.shape[2]
    k0, k1 = np.uint64(key[0]), np.uint64(key[1])
    low, high, zero = np.uint64(step) & _LOW, np.uint64(step) >> _HALF, np.uint64(0)
    half, unit, minus_two, turn = constants[0], constants[1], constants[2], constants[3]
    kind = out.dtype.type
    for r in range(rows):
        row = amplitude[r if amplitude.shape[0] > 1 else 0]
        for x in range(nx):
            u0, u1, u2, u3 = philox(np.uint64(r * nx + x), zero, low, high, k0, k1)
            size = scale * row[x]
            radius = size * math.sqrt(minus_two * math.log((kind(u0) + half) * unit))
            angle = turn * ((kind(u1) + half) * unit)
            out[0, r, x] = radius * math.cos(angle)
            out[1, r, x] = radius * math.sin(angle)
            radius = size * math.sqrt(minus_two * math.log((kind(u2) + half) * unit))
            out[2, r, x] = radius * math.cos(turn * ((kind(u3) + half) * unit))


def source() -> str:
    """Text of noise.cu."""
    return files("weiss.llg").joinpath("noise.cu").read_text(encoding="utf-8")


def options(dtype: np.dtype) -> tuple[str, ...]:
    """Options of the GPU's compiler."""
    real = {"f": "float", "d": "double"}[np.dtype(dtype).char]
    return ("--std=c++17", "--fmad=true", "--prec-div=true", "--prec-sqrt=true", f"-DREAL={real}")


@lru_cache(maxsize=4)
def kernel(dtype: np.dtype) -> Callable[..., None]:
    """The GPU's kernel: ``kernel(grid, block, arguments)``."""
    import cupy

    return cupy.RawModule(code=source(), options=options(dtype), backend="nvrtc").get_function("noise")


def fill(
    xp: ModuleType,
    amplitude: Array,
    scale: np.ndarray,
    keys: np.ndarray,
    steps: np.ndarray,
    out: Array,
    live: np.ndarray,
) -> None:
    """out = scale · amplitude · normal, for the live films.

    Parameters
    ----------
    xp : module
        NumPy or CuPy.
    amplitude : (films, rows, nx) array
        As `weiss.llg.parameters.pack` lays it out.
    scale : (films,) ndarray
        One factor for each film.
    keys, steps : (films, 2) uint32 and (films,) int64 ndarray
        Where the numbers of a film are found: see `key`.
    out : (films, 3, nz, ny, nx) array
        Films that are not live are left as they are.
    live : (films,) ndarray of bool
    """
    if xp is not np:
        _fill_on_gpu(xp, kernel(np.dtype(out.dtype)), amplitude, scale, keys, steps, out, live)
        return
    constants = np.array([0.5, 2.0**-32, -2.0, 2 * math.pi], out.dtype)
    for film in np.flatnonzero(live):
        field = out[film].reshape(3, -1, out.shape[-1])
        _fill(amplitude[film], out.dtype.type(scale[film]), keys[film], steps[film], constants, field)


def _fill_on_gpu(
    xp: ModuleType,
    noise: Callable[..., None],
    amplitude: Array,
    scale: np.ndarray,
    keys: np.ndarray,
    steps: np.ndarray,
    out: Array,
    live: np.ndarray,
) -> None:
    chosen = np.flatnonzero(live)
    if not chosen.size:
        return
    cells, nx = out[0, 0].size, out.shape[-1]
    numbers = np.empty((chosen.size, 4), np.uint32)
    numbers[:, :2] = keys[chosen]
    numbers[:, 2], numbers[:, 3] = steps[chosen] & 0xFFFFFFFF, steps[chosen] >> 32
    arguments = (
        np.int32(cells),
        np.int32(nx),
        np.int32(amplitude.shape[1]),
        xp.asarray(chosen.astype(np.int32)),
        xp.asarray(numbers),
        xp.asarray(scale[chosen].astype(out.dtype)),
        amplitude,
        out,
    )
    noise((-(-cells // THREADS), int(chosen.size)), (THREADS,), arguments)
