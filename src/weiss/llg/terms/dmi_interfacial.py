"""Interfacial Dzyaloshinskii–Moriya interaction, with the normal along z: E/V = D_interfacial (m_z ∇·m − (m·∇) m_z).

Its DM vectors are d_a = D_interfacial z × e_a: along y between neighbours in x, against x between neighbours in y,
none in z. The sign of D is that of Rohart and Thiaville, Phys. Rev. B 88 (2013) 184422, and of mumax³; codes that write
class Cnv as D(m·∇m_z − m_z ∇·m), such as OOMMF's extension, have the other. `dmi` adds the vectors to those of other
kinds and has the field.
"""

from __future__ import annotations

from weiss.llg.terms import Array


def dm_vector(D: Array, axis: int) -> tuple[Array, Array, Array]:
    """Components x, y, z of the DM vector between neighbours along `axis` (0, 1, 2 for x, y, z), in the units of D."""
    none = 0 * D
    return ((none, D, none), (-D, none, none), (none, none, none))[axis]
