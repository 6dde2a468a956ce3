"""Demagnetising tensors of a mesh, ready for convolution.

H = −N·M, where N is averaged over both cells: what a cell's mean field is, caused by another cell's uniform M. Trace 1
for a cell on itself, 0 otherwise. Components go xx, yy, zz, xy, xz, yz. Everything is float64.

Three surroundings are known.

open
    The mesh alone, in empty space, whatever the local terms see at its ends.
images
    Copies of the mesh on either side, a given number along every axis: see `weiss.llg.demag.images`.
film
    Copies without end along x and y, open along z: see `weiss.llg.demag.film`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft

from weiss.errors import UserError
from weiss.llg.demag import film, newell
from weiss.llg.demag import images as copies
from weiss.llg.demag.symmetry import COMPONENTS, odd, wrap
from weiss.llg.mesh import AXES, Mesh

KINDS = ("open", "images", "film")


@dataclass(frozen=True, eq=False)
class Kernel:
    """Demagnetising tensor in k-space.

    The field is H = −irfftn(Σ_j N_ij · rfftn(M_j, padded), padded), of which the first (nz, ny, nx) cells count.

    Attributes
    ----------
    spectrum : dict of str to (pz, py, px//2+1) ndarray
        rfftn of each component over the padded mesh: real, float64, read-only. N is even under inversion, so that xz
        and yz are real as well. Components that vanish because there is one layer (xz, yz for pz = 1) are left out.
    padded : (int, int, int)
        pz, py, px: 1 for an axis with one cell, n for a periodic one, otherwise a quick length of at least 2n − 1.
    mesh : Mesh
    """

    spectrum: dict[str, np.ndarray]
    padded: tuple[int, int, int]
    mesh: Mesh


def kernel(mesh: Mesh, demag: str, images: tuple[int, int, int] = (0, 0, 0)) -> Kernel:
    """Demagnetising tensor of a mesh in the surroundings `demag`, kept in memory.

    Parameters
    ----------
    mesh : Mesh
    demag : {"open", "images", "film"}
    images : (int, int, int)
        For "images": copies on either side along x, y, z. An axis without copies is open, also where the mesh is
        periodic.

    Raises
    ------
    UserError
        If `demag` is none of these, copies are asked for where they have no meaning, or "film" for a mesh that is not
        periodic along x and y and open along z.
    """
    if demag not in KINDS:
        raise UserError(f"demagnetising field {demag!r} is not known", fix=f"take one of {', '.join(KINDS)}")
    _check_images(mesh, demag, images)
    return _kernel(mesh, demag, tuple(int(count) for count in images))


@lru_cache(maxsize=4)
def _kernel(mesh: Mesh, demag: str, images: tuple[int, int, int]) -> Kernel:
    if demag == "film":
        circular = (True, True, False)
        octants = film.layers(mesh)
    elif demag == "images":
        circular = tuple(count > 0 for count in images)
        octants = copies.octant(mesh, images)
    else:
        circular = (False, False, False)
        octants = newell.block(mesh.cells, mesh.cell)
    padded = tuple(
        count if count == 1 or wraps else fft.next_fast_len(2 * count - 1)
        for count, wraps in zip(mesh.cells[::-1], circular[::-1], strict=True)
    )
    transform = _along_z if demag == "film" else _transform
    spectrum = {}
    for index, name in enumerate(COMPONENTS):
        if padded[0] == 1 and name in ("xz", "yz"):
            continue
        spectrum[name] = transform(octants[index], name, padded)
        spectrum[name].flags.writeable = False
    return Kernel(spectrum, padded, mesh)


def _check_images(mesh: Mesh, demag: str, images: tuple[int, int, int]) -> None:
    if len(images) != 3 or any(count != int(count) or count < 0 for count in images):
        raise UserError(f"{images!r} copies along x, y, z", fix="give three whole numbers, 0 or more")
    if demag != "images":
        if any(images):
            raise UserError(f"copies {images} with the demagnetising field {demag!r}", fix='take "images"')
        return
    if not any(images):
        raise UserError('the demagnetising field "images" without copies', fix='give their number, or take "open"')
    for axis, count, periodic in zip(AXES, images, mesh.periodic, strict=True):
        if count and not periodic:
            raise UserError(
                f"copies along {axis}, where the mesh is not periodic", fix=f"make it periodic along {axis}"
            )


def _transform(octant: np.ndarray, name: str, padded: tuple[int, int, int]) -> np.ndarray:
    """rfftn of a component known at offsets ≥ 0."""
    for axis, length in enumerate(padded):
        octant = wrap(octant, odd(name, "zyx"[axis]), length, axis)
    return np.ascontiguousarray(fft.rfftn(octant).real)


def _along_z(layers: np.ndarray, name: str, padded: tuple[int, int, int]) -> np.ndarray:
    """Transform along z of a component known in k-space for layers apart by 0, 1, … (see `film.layers`)."""
    if padded[0] == 1:
        return layers.copy()
    if name in ("xz", "yz"):
        return np.ascontiguousarray(-fft.fft(wrap(layers, True, padded[0], 0), axis=0).imag)
    return np.ascontiguousarray(fft.fft(wrap(layers, False, padded[0], 0), axis=0).real)
