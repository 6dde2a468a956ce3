"""The array namespace: NumPy or CuPy, their FFTs, and random streams.

The only module that knows which machine the arrays live on. Everything else takes `xp` and asks here for what differs.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

from weiss.errors import UserError

Array = Any
"""A NumPy or CuPy array."""

# FFTW's planner is one global object; its plans may run side by side, but must be made one at a time.
_PLANNER = threading.Lock()


def _gpu_fault(library: str) -> str | None:
    """Why `library` cannot use a GPU here, or None when it can."""
    try:
        if library == "torch":
            import torch

            return None if torch.cuda.is_available() else "torch sees no CUDA device"
        import cupy

        cupy.arange(4).sum().get()
    except Exception as error:  # CuPy raises many kinds, from ImportError to CUDARuntimeError
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
    return None


def _holds_slurm_gpu() -> bool:
    """Whether this process runs inside a Slurm job that was given a GPU."""
    return "SLURM_JOB_ID" in os.environ and bool(os.environ.get("SLURM_JOB_GPUS") or os.environ.get("SLURM_STEP_GPUS"))


def select_device(requested: str, stage: str) -> str:
    """Decide where a stage runs.

    Parameters
    ----------
    requested : {"auto", "cpu", "gpu"}
        What the study or the command line asks for.
    stage : str
        Name of the stage; simulations use CuPy, all others torch.

    Returns
    -------
    {"cpu", "gpu"}

    Raises
    ------
    UserError
        If a GPU was asked for, or given by Slurm, and cannot be used: a cluster job never falls back silently.
    """
    if requested == "cpu":
        return "cpu"
    fault = _gpu_fault("cupy" if stage == "simulate" else "torch")
    if fault is None:
        return "gpu"
    if requested == "gpu" or _holds_slurm_gpu():
        asked = "the study asks for one" if requested == "gpu" else "Slurm gave this job one"
        raise UserError(
            f"no GPU can be used for {stage} although {asked} ({fault})",
            fix=f"repair the CUDA installation, or set compute.{stage}.device to cpu",
        )
    print(f"weiss: {stage} runs on the CPU: {fault}", file=sys.stderr, flush=True)
    return "cpu"


def namespace(device: str) -> ModuleType:
    """Return the array module of a device: `numpy` for "cpu", `cupy` for "gpu"."""
    if device == "cpu":
        return np
    import cupy

    return cupy


def to_host(array: Array) -> np.ndarray:
    """Bring an array of either kind to the host."""
    return array if isinstance(array, np.ndarray) else array.get()


def random_stream(*key: str | int) -> np.random.Generator:
    """Random numbers that depend on the key alone, drawn on the host so that every device sees the same film.

    Parameters
    ----------
    *key : str or int
        What the numbers are for, e.g. ``("tdgl", "eta", seed)``.
    """
    digest = hashlib.sha256("\x1f".join(str(part) for part in key).encode()).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(digest[:16], np.uint64)))


def convolver(xp: ModuleType, kernel: np.ndarray, shape: tuple[int, int], dtype: np.dtype) -> Callable:
    """Plan the periodic convolution of a batch of films with one kernel.

    Parameters
    ----------
    xp : module
        NumPy or CuPy.
    kernel : (ny, nx // 2 + 1) ndarray
        Real transform of the kernel, float64; cast to `dtype` here, after the transform's 1/(ny nx) went in.
    shape, dtype
        (ny, nx) and precision of the fields.

    Returns
    -------
    callable
        ``convolve(field, out, live)``: `field` and `out` are (films, ny, nx); `live` is a (films,) boolean host array,
        and films that are not live may be left as they are.
    """
    ny, nx = shape
    if xp is not np:
        return _device_convolver(xp, kernel, shape, dtype)
    return _fftw_convolver(kernel / (ny * nx), shape, dtype)


def _device_convolver(xp: ModuleType, kernel: np.ndarray, shape: tuple[int, int], dtype: np.dtype) -> Callable:
    kernel_k = xp.asarray(kernel.astype(dtype))

    def convolve(field: Array, out: Array, live: np.ndarray) -> None:
        spectrum = xp.fft.rfft2(field, axes=(1, 2))
        spectrum *= kernel_k
        out[...] = xp.fft.irfft2(spectrum, s=shape, axes=(1, 2))

    return convolve


@lru_cache(maxsize=1)
def _compiled_multiply() -> Callable:
    """Compile ``spectrum *= kernel`` for a real kernel; NumPy would turn the kernel complex first."""
    from numba import njit

    @njit(cache=True, nogil=True)
    def multiply(spectrum: np.ndarray, kernel: np.ndarray) -> None:
        for y in range(spectrum.shape[0]):
            for x in range(spectrum.shape[1]):
                spectrum[y, x] *= kernel[y, x]

    return multiply


def _fftw_convolver(kernel: np.ndarray, shape: tuple[int, int], dtype: np.dtype) -> Callable:
    """One film at a time, so that a film's rounding never depends on its neighbours in the batch."""
    import pyfftw

    multiply = _compiled_multiply()
    ny, nx = shape
    complex_dtype = np.result_type(dtype, np.complex64)
    kernel_k = np.ascontiguousarray(kernel.astype(dtype))
    field_x = pyfftw.empty_aligned(shape, dtype)
    out_x = pyfftw.empty_aligned(shape, dtype)
    field_k = pyfftw.empty_aligned((ny, nx // 2 + 1), complex_dtype)
    # FFTW_ESTIMATE: plans chosen by timing would change the rounding from run to run.
    with _PLANNER:
        forward = pyfftw.FFTW(field_x, field_k, axes=(0, 1), flags=("FFTW_ESTIMATE",), threads=1)
        backward = pyfftw.FFTW(
            field_k,
            out_x,
            axes=(0, 1),
            direction="FFTW_BACKWARD",
            flags=("FFTW_ESTIMATE", "FFTW_DESTROY_INPUT"),
            threads=1,
        )

    def convolve(field: np.ndarray, out: np.ndarray, live: np.ndarray) -> None:
        for film in np.flatnonzero(live):
            field_x[...] = field[film]
            forward.execute()
            multiply(field_k, kernel_k)
            backward.execute()
            out[film] = out_x

    return convolve
