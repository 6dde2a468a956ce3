"""The array namespace: NumPy or CuPy, their FFTs, and random streams.

The only module that knows which machine the arrays live on. Everything else takes `xp` and asks here for what differs.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.resources import files
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


def empty(xp: ModuleType, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Allocate a field; on a CPU aligned as the transforms of `convolver` want it."""
    if xp is not np:
        return xp.empty(shape, dtype)
    import pyfftw

    return pyfftw.empty_aligned(shape, dtype)


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
    ny, nx = shape
    # cuFFT wants every film to begin on the address of a complex number.
    if xp.__name__ == "cupy" and ny * nx % 2 == 0:
        return _cufft_convolver(xp, kernel / (ny * nx), shape, np.dtype(dtype))
    kernel_k = xp.asarray(kernel.astype(dtype))

    def convolve(field: Array, out: Array, live: np.ndarray) -> None:
        spectrum = xp.fft.rfft2(field, axes=(1, 2))
        spectrum *= kernel_k
        out[...] = xp.fft.irfft2(spectrum, s=shape, axes=(1, 2))

    return convolve


L2_SHARE = 0.5
"""Share of the L2 cache that the transforms of one group of films may fill."""


@lru_cache(maxsize=8)
def _l2_bytes(device: int) -> int:
    import cupy

    return int(cupy.cuda.Device(device).attributes["L2CacheSize"])


def films_at_once(xp: ModuleType, ny: int, nx: int, dtype: np.dtype) -> int:
    """Films whose field, spectrum and dipole field fit the GPU's L2 cache together: a power of two, at least one."""
    cache = L2_SHARE * _l2_bytes(int(xp.cuda.runtime.getDevice()))
    return 2 ** int(np.log2(max(1.0, cache / (3 * ny * nx * np.dtype(dtype).itemsize))))


PRODUCT = r"""
struct alignas(2 * sizeof(REAL)) Complex { REAL re, im; };

extern "C" __global__ void product(int size, const REAL* kernel, Complex* spectrum) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    Complex& value = spectrum[(size_t)blockIdx.y * size + i];
    const REAL factor = kernel[i];
    value.re *= factor;
    value.im *= factor;
}
"""
"""CUDA source of ``spectrum *= kernel``, a film for every y of the grid."""


def cufft_plans(shape: tuple[int, int], dtype: np.dtype, films: int) -> tuple[Any, Any]:
    """Plan the real transforms of so many fields of `shape` that lie one behind the other, there and back."""
    from cupy.cuda import cufft

    ny, nx = shape
    field, spectrum = (shape, 1, ny * nx), ((ny, nx // 2 + 1), 1, ny * (nx // 2 + 1))
    single = np.dtype(dtype) == np.float32
    there, back = (cufft.CUFFT_R2C, cufft.CUFFT_C2R) if single else (cufft.CUFFT_D2Z, cufft.CUFFT_Z2D)
    try:
        return (
            cufft.PlanNd(shape, *field, *spectrum, there, films, "C", 1, nx // 2 + 1),
            cufft.PlanNd(shape, *spectrum, *field, back, films, "C", 1, nx),
        )
    except cufft.CuFFTError as error:
        if error.result == 2:  # CUFFT_ALLOC_FAILED
            raise MemoryError(f"cuFFT has no memory for the transforms of {films} films") from error
        raise


def _cufft_convolver(xp: ModuleType, kernel: np.ndarray, shape: tuple[int, int], dtype: np.dtype) -> Callable:
    """Three launches for a group of films, with plans kept for every number of films met.

    What lies between the first live film and the last is transformed, so live films should lie together.
    """
    from cupy.cuda import cufft

    ny, nx = shape
    size, threads = kernel.size, 256
    most = films_at_once(xp, ny, nx, dtype)
    kernel_k = xp.asarray(np.ascontiguousarray(kernel.astype(dtype)))
    real = {"f": "float", "d": "double"}[dtype.char]
    product = xp.RawKernel(PRODUCT, "product", options=("--std=c++17", f"-DREAL={real}"))
    plans: dict[int, tuple[Any, Any]] = {}
    spectra = [xp.empty((0, *kernel.shape), np.result_type(dtype, np.complex64))]

    def transform(field: Array, out: Array) -> None:
        films = len(field)
        if films not in plans:
            plans[films] = cufft_plans(shape, dtype, films)
        if len(spectra[0]) < films:
            spectra[0] = xp.empty((films, *kernel.shape), spectra[0].dtype)
        forward, backward = plans[films]
        forward.fft(field, spectra[0], cufft.CUFFT_FORWARD)
        product((-(-size // threads), films), (threads,), (np.int32(size), kernel_k, spectra[0]))
        backward.fft(spectra[0], out, cufft.CUFFT_INVERSE)

    def convolve(field: Array, out: Array, live: np.ndarray) -> None:
        chosen = np.flatnonzero(live)
        if not chosen.size:
            return
        end = int(chosen[-1]) + 1
        for first in range(int(chosen[0]), end, most):
            last = min(first + most, end)
            if live[first:last].any():
                transform(field[first:last], out[first:last])

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


@contextmanager
def fftw_planner() -> Iterator[None]:
    """Hold FFTW's planner, which knows the plans of the package then."""
    with _PLANNER:
        _know_plans()
        yield


@lru_cache(maxsize=1)
def _know_plans() -> None:
    """Give FFTW the timed float32 plans of the package (made by benchmarks/fftw_plans.py)."""
    import pyfftw

    pyfftw.import_wisdom((b"", files("weiss").joinpath("fftw_wisdom.txt").read_bytes(), b""))


def _fftw_convolver(kernel: np.ndarray, shape: tuple[int, int], dtype: np.dtype) -> Callable:
    """One film at a time, so that a film's rounding never depends on its neighbours in the batch."""
    import pyfftw

    multiply = _compiled_multiply()
    ny, nx = shape
    kernel_k = np.ascontiguousarray(kernel.astype(dtype))
    field_x, out_x = pyfftw.empty_aligned(shape, dtype), pyfftw.empty_aligned(shape, dtype)
    field_k = pyfftw.empty_aligned((ny, nx // 2 + 1), np.result_type(dtype, np.complex64))
    # FFTW_ESTIMATE: plans chosen by timing would change the rounding from run to run. For the common sizes plans timed
    # once come with the package; another build of FFTW passes them over.
    with fftw_planner():
        forward = pyfftw.FFTW(field_x, field_k, axes=(0, 1), flags=("FFTW_ESTIMATE",), threads=1)
        backward = pyfftw.FFTW(
            field_k,
            out_x,
            axes=(0, 1),
            direction="FFTW_BACKWARD",
            flags=("FFTW_ESTIMATE", "FFTW_DESTROY_INPUT"),
            threads=1,
        )

    def fits(array: np.ndarray) -> bool:
        return pyfftw.is_byte_aligned(array, forward.input_alignment)

    def convolve(field: np.ndarray, out: np.ndarray, live: np.ndarray) -> None:
        for film in np.flatnonzero(live):
            source, target = field[film], out[film]
            if not fits(source):
                field_x[...] = source
                source = field_x
            forward.update_arrays(source, field_k)
            forward.execute()
            multiply(field_k, kernel_k)
            backward.update_arrays(field_k, target if fits(target) else out_x)
            backward.execute()
            if not fits(target):
                target[...] = out_x

    return convolve
