"""Which (σ, τ) give the same domain wall, so that no reader of walls can tell them apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss.figures import chains, style
from weiss.spsll.spectrum import correlation_length

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from weiss.spsll.settings import Settings
    from weiss.study import Study

LEVELS_NM = (1.5, 2.0, 2.5, 3.0, 3.3, 3.5)
WITHIN_NM = 0.02
NARROWEST_NM = 1.0
"""Twins of narrower walls are not compared: steps from one site to the next, that may stand between any two."""


def far_window(sigma: np.ndarray, tau: np.ndarray, settings: Settings) -> np.ndarray:
    """The window far from its origin, √(p² + q) − √q with q = p(1−p) T Δk/π; lengths in m."""
    p = sigma / (sigma + tau)
    q = p * (1 - p) * correlation_length(sigma, tau) * 2 / settings.length_m
    return np.sqrt(p**2 + q) - np.sqrt(q)


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw walls of equal width over σ and τ (left), widths over the one number that decides them (middle), and how
    little the profiles of such twins differ (right): each wall and the one nearest to it in that number.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: sigma, tau, width (m), s_far, and of the twin: twin_sigma, twin_tau (m), difference (largest of m_z).
    """
    ((group, data),) = chains.read_all(study, results, "identifiability")
    walls = chains.solved(data)
    sigma, tau, width = (walls[name].values for name in ("sigma", "tau", "width_m"))
    s = far_window(sigma, tau, chains.settings(group))
    order = np.argsort(s)
    order = order[width[order] * chains.NM > NARROWEST_NM]
    twin = order[1:], order[:-1]
    mz = walls["mz"].values
    table = pd.DataFrame(
        {"sigma": sigma[twin[0]], "tau": tau[twin[0]], "width": width[twin[0]], "s_far": s[twin[0]]}
        | {"twin_sigma": sigma[twin[1]], "twin_tau": tau[twin[1]]}
        | {"difference": [np.abs(mz[a] - mz[b]).max() for a, b in zip(*twin, strict=True)]}
    )
    figure, axes = style.canvas(1, 3, style.WIDTH, 3.2)
    for level, colour in zip(LEVELS_NM, style.series_colours(len(LEVELS_NM)), strict=True):
        same = np.abs(width * chains.NM - level) < WITHIN_NM
        label = f"{level:g} nm"
        axes[0, 0].plot(sigma[same] * 1e9, tau[same] * 1e9, ls="", marker=".", ms=4, color=colour, label=label)
    axes[0, 0].set(xlabel="σ (nm)", ylabel="τ (nm)", title=f"walls of one width, ± {WITHIN_NM:g} nm")
    axes[0, 1].plot(s, width * chains.NM, ls="", marker=".", ms=2, color=style.PALETTE[0], rasterized=True)
    axes[0, 1].set(xlabel="window far from its origin", ylabel="width (nm)", title="one number decides")
    apart = np.hypot(table["sigma"] - table["twin_sigma"], table["tau"] - table["twin_tau"]) * chains.NM
    axes[0, 2].semilogy(apart, table["difference"], ls="", marker=".", ms=2, color=style.PALETTE[0], rasterized=True)
    axes[0, 2].set(xlabel="twins' distance in (σ, τ) (nm)", ylabel="largest difference of $m_z$", ylim=(1e-8, 1))
    axes[0, 2].set_title(f"twins: median {table['difference'].median():.1g}")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower left", ncols=len(LEVELS_NM))
    return figure, table
