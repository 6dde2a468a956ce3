"""Width of the domain wall over σ and τ (Fig. 1f of Eagan et al.)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss import gather
from weiss.figures import chains, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from weiss.study import Study

BANDS_NM = (5.0, 10.0, 20.0, 50.0, 90.0)
"""Walls within a tenth of these σ are drawn over τ."""


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw every wall of the largest group as a dot over σ and τ (left), and the widths along τ for a few σ (right).

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: point, sigma, tau, width, error (m; NaN for walls that failed), status.
    """
    ((group, data),) = chains.read_all(study, results, "wall_widths")
    names = {
        "point": "point",
        "sigma": "sigma",
        "tau": "tau",
        "width": "width_m",
        "error": "error_m",
        "status": "status",
    }
    table = pd.DataFrame({name: data[source].values for name, source in names.items()})
    good = gather.good(data)
    sigma, tau, width = (table[name].to_numpy() * chains.NM for name in ("sigma", "tau", "width"))
    figure, axes = style.canvas(1, 2, style.WIDTH, 3.2)
    size = np.clip(12_000 / len(table), 1.5, 12)
    dots = axes[0, 0].scatter(
        sigma[good], tau[good], c=width[good], s=size, cmap=style.SERIES_COLOURS, lw=0, rasterized=True
    )
    failed = f"no wall at rest: {np.count_nonzero(~good)}"
    axes[0, 0].plot(sigma[~good], tau[~good], ls="", marker="x", ms=3, mew=0.6, color=style.PALETTE[3], label=failed)
    figure.colorbar(dots, ax=axes[0, 0], label="width (nm)")
    axes[0, 0].set(xlabel="σ (nm)", ylabel="τ (nm)", title=f"{np.count_nonzero(good)} walls, {chains.origin(group)}")
    axes[0, 0].legend(loc="upper right", frameon=True)
    for place, colour in zip(BANDS_NM, style.series_colours(len(BANDS_NM)), strict=True):
        near = good & (np.abs(sigma - place) <= 0.1 * place)
        axes[0, 1].plot(tau[near], width[near], ls="", marker=".", ms=3, color=colour, label=f"σ {place:g} nm ± 10 %")
    ideal, error = (chains.printed(study, name, "ideal") for name in ("wall_width_nm", "wall_width_error_nm"))
    if ideal is not None:
        axes[0, 1].axhspan(ideal - (error or 0), ideal + (error or 0), color=style.TRUTH, alpha=0.25, lw=0)
        axes[0, 1].axhline(ideal, color=style.TRUTH, lw=1, label=f"ideal, printed: {ideal:g} nm")
    continuum = chains.settings(group).wall_width_m * chains.NM
    axes[0, 1].axhline(continuum, color=style.BASELINE, lw=1, ls=":", label=rf"$\pi\sqrt{{A/K_U}}$: {continuum:.2f} nm")
    axes[0, 1].set(xlabel="τ (nm)", ylabel="width (nm)", ylim=(0, None))
    figure.legend(*axes[0, 1].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure, table
