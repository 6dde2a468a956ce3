"""Chains with defects in the statistical pseudospectral Landau–Lifshitz model (Eagan, Copus, Iacocca): dispersion
relations and domain walls as functions of the mean lengths of material (σ) and of vacancies (τ)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from weiss.spsll.settings import Settings
from weiss.spsll.version import SIM_VERSION

if TYPE_CHECKING:
    from types import SimpleNamespace

    from weiss.spsll.dispersion import Dispersions
    from weiss.spsll.wall import Walls

__all__ = ["SIM_VERSION", "Settings", "dispersions", "simulate", "walls"]

_DEFAULT = Settings()


def walls(
    sigma: Sequence[float] | np.ndarray,
    tau: Sequence[float] | np.ndarray,
    settings: Settings = _DEFAULT,
    device: str = "cpu",
    threads: int = 1,
) -> Walls:
    """See `weiss.spsll.wall.walls`; imported on first use, so that planning a study stays light."""
    from weiss.spsll.wall import walls as run

    return run(sigma, tau, settings, device, threads)


def dispersions(
    sigma: Sequence[float] | np.ndarray,
    tau: Sequence[float] | np.ndarray,
    settings: Settings = _DEFAULT,
    device: str = "cpu",
    threads: int = 1,
    spectra: bool = False,
) -> Dispersions:
    """See `weiss.spsll.dispersion.dispersions`; imported on first use, so that planning a study stays light."""
    from weiss.spsll.dispersion import dispersions as run

    return run(sigma, tau, settings, device, threads, spectra)


def simulate(
    films: Sequence[tuple[Mapping[str, Any], int]], device: str = "cpu", threads: int = 1, batch: int | None = None
) -> Iterator[tuple[int, SimpleNamespace]]:
    """See `weiss.spsll.points.simulate`; imported on first use, so that planning a study stays light."""
    from weiss.spsll.points import simulate as run

    return run(films, device, threads, batch)
