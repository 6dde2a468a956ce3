"""Scalar time-dependent Ginzburg–Landau films (Mamada et al. 2023): model, integrators, hysteresis driver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from weiss.tdgl.version import SIM_VERSION

if TYPE_CHECKING:
    from weiss.tdgl.loops import FilmResult
    from weiss.tdgl.model import Params

__all__ = ["SIM_VERSION", "d_map", "j_map", "simulate"]


def simulate(
    films: Sequence[tuple[Params, int]], device: str = "cpu", threads: int = 1, batch: int | None = None
) -> Iterator[tuple[int, FilmResult]]:
    """See `weiss.tdgl.batches.simulate`; imported on first use, so that planning a study stays light."""
    from weiss.tdgl.batches import simulate as run

    return run(films, device, threads, batch)


def d_map(params: Params) -> np.ndarray:
    """See `weiss.tdgl.model.d_map`."""
    from weiss.tdgl.model import d_map as build

    return build(params)


def j_map(params: Params) -> np.ndarray:
    """See `weiss.tdgl.model.j_map`."""
    from weiss.tdgl.model import j_map as build

    return build(params)
