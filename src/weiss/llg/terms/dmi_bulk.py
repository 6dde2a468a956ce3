"""Bulk Dzyaloshinskii–Moriya interaction, of crystals without inversion centre: E/V = D_bulk m·(∇×m).

Its DM vectors are d_a = −D_bulk e_a (Bogdanov and Yablonskii, Sov. Phys. JETP 68 (1989) 101). `dmi` adds them
to the others and has the field.
"""

from __future__ import annotations

from weiss.llg.terms import Array


def dm_vector(D: Array, axis: int) -> tuple[Array, Array, Array]:
    """Components x, y, z of the DM vector between neighbours along `axis` (0, 1, 2 for x, y, z), in the units of D."""
    return tuple(-D if component == axis else 0 * D for component in range(3))
