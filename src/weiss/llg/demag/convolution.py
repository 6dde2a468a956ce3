"""The demagnetising field H = −N·M of films, by convolution with the tensor of their mesh.

`simple_field` is the convolution as it is written down; `planned` is the same on a CPU (`convolution_cpu`) or a GPU
(`convolution_gpu`) without the transforms of what zero padding leaves empty.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from weiss.llg import demag
from weiss.llg.mesh import Mesh

if TYPE_CHECKING:
    from weiss.llg.demag import Kernel

Array = Any

FLAT = ("xx", "yy", "zz", "xy")
"""Components of a mesh of one layer: z is on its own."""

FULL = (*FLAT, "xz", "yz")
"""Components of a mesh of several layers. Both in the order in which the planned convolutions keep them."""


def simple_field(xp: ModuleType, kernel: Kernel, m: Array, Ms: Array) -> Array:
    """Demagnetising field by transforms of the zero-padded magnetisation, in the precision of m.

    Parameters
    ----------
    xp : module
        NumPy or CuPy.
    kernel : Kernel
        See `weiss.llg.demag.kernel`.
    m : (films, 3, nz, ny, nx) array
        Unit vectors.
    Ms : array that broadcasts to (films, 1, nz, ny, nx)
        In A/m.

    Returns
    -------
    (films, 3, nz, ny, nx) array
        In A/m, also where there is no material.
    """
    (nz, ny, nx), padded, axes = kernel.mesh.shape, kernel.padded, (-3, -2, -1)
    spectrum = xp.fft.rfftn(m * Ms.astype(m.dtype), s=padded, axes=axes)
    x, y, z = spectrum[:, 0], spectrum[:, 1], spectrum[:, 2]
    N = {name: xp.asarray(kernel.spectrum[name].astype(m.dtype)) for name in FULL if name in kernel.spectrum}
    along_x, along_y, along_z = N["xx"] * x + N["xy"] * y, N["xy"] * x + N["yy"] * y, N["zz"] * z
    if "xz" in N:
        along_x = along_x + N["xz"] * z
        along_y = along_y + N["yz"] * z
        along_z = along_z + N["xz"] * x + N["yz"] * y
    field = xp.fft.irfftn(xp.stack((along_x, along_y, along_z), axis=1), s=padded, axes=axes)
    return -field[..., :nz, :ny, :nx]


@lru_cache(maxsize=2)
def planned(
    xp: ModuleType, mesh: Mesh, kind: str, images: tuple[int, int, int], precision: str, threads: int = 1
) -> Callable[[Array, Array, Array, np.ndarray], None]:
    """Plan the convolution of a mesh; plans and tensor are kept, so that asking again costs nothing.

    Parameters
    ----------
    xp : module
        NumPy or CuPy.
    mesh, kind, images
        As `weiss.llg.demag.kernel` takes them.
    precision : {"float32", "float64"}
        Of the fields.
    threads : int
        For a CPU: threads that share the work, which does not change a bit of the result.

    Returns
    -------
    callable
        ``convolve(m, Ms, out, live)`` adds the field in A/m to `out`, except where Ms is 0, for the films of the
        (films,) boolean host array `live`. m and out are (films, 3, nz, ny, nx), Ms as `weiss.llg.parameters.pack`
        lays it out, all in the precision of the plan and C-contiguous.

    Raises
    ------
    MemoryError
        If there is no memory for the tensor or the transforms.
    """
    kernel = demag.kernel(mesh, kind, images)
    dtype = np.dtype(precision)
    if xp.__name__ == "cupy":
        from weiss.llg.demag import convolution_gpu

        return convolution_gpu.Convolution(xp, kernel, dtype)
    from weiss.llg.demag import convolution_cpu

    return convolution_cpu.Convolution(kernel, dtype, threads)
