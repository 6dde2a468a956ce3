"""What the integrators do with fields of vectors: one module for each device, with the same functions.

Fields are (films, 3, nz, ny, nx). A film's result depends on that film alone, to the bit on a CPU, and films that are
not `live` are left as they are. Sums are taken in double precision, in an order that depends on the mesh alone.
"""

from __future__ import annotations

from types import ModuleType


def of(xp: ModuleType) -> ModuleType:
    """The module for arrays of `xp`."""
    if xp.__name__ == "cupy":
        from weiss.llg.vectors import gpu

        return gpu
    from weiss.llg.vectors import cpu

    return cpu
