"""Parity of the components of a demagnetising tensor: xy is odd along x and along y, xx is even along every axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

COMPONENTS = ("xx", "yy", "zz", "xy", "xz", "yz")


def odd(component: str, axis: str) -> bool:
    """Whether a component changes its sign with the offset along an axis."""
    return component[0] != component[1] and axis in component


def wrap(values: np.ndarray, is_odd: bool, length: int, axis: int) -> np.ndarray:
    """Values at offsets 0, 1, … along an axis -> at all offsets, in the order of an FFT of this length."""
    values = np.moveaxis(values, axis, 0)
    full = np.zeros((length, *values.shape[1:]))
    full[: len(values)] = values
    mirrored = min(len(values) - 1, (length - 1) // 2)
    full[length - mirrored :] = (-1 if is_odd else 1) * values[mirrored:0:-1]
    return np.moveaxis(full, 0, axis)


def clear_odd(octant: np.ndarray, circular: Sequence[bool], cells: Sequence[int]) -> None:
    """Set to zero what is its own negative: an odd component at 0 and n/2 of a periodic axis, in real and in k-space.

    Parameters
    ----------
    octant : (6, cz, cy, cx) ndarray
        Changed in place.
    circular, cells : sequence of three
        Whether the convolution is circular along x, y, z, and its length.
    """
    for index, component in enumerate(COMPONENTS):
        for position, axis in enumerate("xyz"):
            if circular[position] and odd(component, axis):
                length = cells[position]
                np.moveaxis(octant[index], 2 - position, 0)[[0] if length % 2 else [0, length // 2]] = 0
