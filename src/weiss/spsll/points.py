"""Points of a study as chains in batches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from weiss import batches
from weiss.spsll.dispersion import dispersions
from weiss.spsll.settings import settings_of
from weiss.spsll.stored import variables
from weiss.spsll.wall import CHAINS, walls

PARAMETERS = ("sigma", "tau")
"""What may differ between chains that run in one batch; all settings are shared."""

ON_GPU = 4096
"""Chains of a batch on a GPU."""

Params = Mapping[str, Any]


def _together(params: Params) -> str:
    return batches.settings_text(params, PARAMETERS)


def _run_whole(
    films: Sequence[batches.Film], indices: list[int], device: str, threads: int
) -> Iterator[tuple[int, SimpleNamespace]]:
    """Run chains as one batch; its time is shared evenly."""
    params, since = films[indices[0]][0], time.perf_counter()
    sigma, tau = (np.array([films[i][0][name] for i in indices]) for name in PARAMETERS)
    chosen = (sigma, tau, settings_of(params), device, threads)
    found = walls(*chosen) if params["what"] == "wall" else dispersions(*chosen, spectra=params["what"] == "spectrum")
    names, seconds = variables(params), (time.perf_counter() - since) / len(indices)
    for row, i in enumerate(indices):
        yield i, SimpleNamespace(**{name: getattr(found, name)[row] for name in names}, seconds=seconds)


def _fitting(params: Params, count: int, device: str) -> int:
    """All: what does not fit is found out by trying."""
    return count


def _size(params: Params) -> str:
    return f"{params['cells']} sites"


def simulate(
    films: Sequence[batches.Film], device: str = "cpu", threads: int = 1, batch: int | None = None
) -> Iterator[tuple[int, SimpleNamespace]]:
    """Solve chains.

    Parameters
    ----------
    films : sequence of (params, seed)
        Parameters as in a point of a study (see config/README.md). Nothing of a chain is drawn, and its seed unused.
    device : {"cpu", "gpu"}
    threads : int
        CPU only: chains at a time. Compiled code holds no lock, so that threads do.
    batch : int, optional
        Chains handed on together, and not kept if the job is killed before they are all solved. A chain's result does
        not depend on it.

    Yields
    ------
    index : int
        Position in `films`.
    chain : SimpleNamespace
        An attribute for each variable of `weiss.spsll.stored.variables`, and seconds. A chain without a result has its
        status and reason.

    Raises
    ------
    UserError
        If memory does not hold a single chain; a batch it does not hold is split.
    """

    def run(films: Sequence[batches.Film], indices: list[int], device: str) -> Iterator[tuple[int, SimpleNamespace]]:
        return _run_whole(films, indices, device, threads)

    kind = batches.Kind(_together, run, _fitting, _size)
    each = CHAINS if films and films[0][0]["what"] == "wall" else 4
    for indices in batches.batches(films, _together, batch or (each * threads if device == "cpu" else ON_GPU)):
        yield from batches.run_batch(kind, films, indices, device)
