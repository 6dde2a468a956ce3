"""Chains with defects in the statistical pseudospectral Landau–Lifshitz model (Eagan, Copus, Iacocca): dispersion
relations and domain walls as functions of the mean lengths of material (σ) and of vacancies (τ)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from weiss.spsll.settings import Settings
from weiss.spsll.version import SIM_VERSION

if TYPE_CHECKING:
    from weiss.spsll.dispersion import Dispersions
    from weiss.spsll.wall import Walls

__all__ = ["SIM_VERSION", "Settings", "dispersions", "walls"]

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
) -> Dispersions:
    """See `weiss.spsll.dispersion.dispersions`; imported on first use, so that planning a study stays light."""
    from weiss.spsll.dispersion import dispersions as run

    return run(sigma, tau, settings, device, threads)
