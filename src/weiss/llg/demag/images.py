"""Demagnetising tensor of a mesh with copies on either side.

Along an axis with c copies on either side every cell sees the 2c + 1 periods around itself: sources up to (c + ½) n
cells away, those at just that distance counted half on either side. So all cells see the same, and the convolution is
circular.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from weiss.llg.demag import newell
from weiss.llg.demag.symmetry import clear_odd
from weiss.llg.mesh import Mesh


def octant(mesh: Mesh, images: tuple[int, int, int]) -> np.ndarray:
    """Demagnetising tensor summed over copies.

    Parameters
    ----------
    mesh : Mesh
    images : (int, int, int)
        Copies on either side along x, y, z. An axis with none is open.

    Returns
    -------
    (6, cz, cy, cx) ndarray
        xx, yy, zz, xy, xz, yz at offsets 0 … n//2 along an axis with copies, 0 … n − 1 along an open one. The rest
        follows from symmetry as for `newell.block`.
    """
    counts = [n // 2 + 1 if copies else n for n, copies in zip(mesh.cells, images, strict=True)]
    total = np.zeros((6, *counts[::-1]))
    for shift in product(*(range(-copies, copies + 1) for copies in images)):
        start = [period * n for period, n in zip(shift, mesh.cells, strict=True)]
        total += newell.block(counts, mesh.cell, start)
    # At n/2 the halves at both ends of what a cell sees cancel for odd components; for even ones they add up to the end
    # that was counted whole.
    clear_odd(total, [copies > 0 for copies in images], mesh.cells)
    return total
