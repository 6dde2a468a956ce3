"""The spectrum of the noise that stands for vacancies, over wavenumber and τ (Fig. 1b of Eagan et al.)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss.figures import chains, groups, style
from weiss.spsll.spectrum import discrete, wavenumbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from weiss.study import Study

SIGMA_NM = 10.0
LINES_NM = (0.5, 2.0, 5.0, 10.0, 20.0)
MAP_NM = np.linspace(0.1, 20.0, 200)


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw S(k) on the k-grid of a group's chains, calculated: as a map over τ, and as lines.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: tau (m), k (rad/m), S (dimensionless: its sum over the grid is the mean square of the noise).
    """
    settings = chains.settings(groups.shown(study, "noise_spectrum"))
    sigma, k = SIGMA_NM / chains.NM, np.fft.fftshift(wavenumbers(settings.cells, settings.a))
    figure, axes = style.canvas(1, 2, style.WIDTH, 3.0)
    S = np.fft.fftshift(discrete(sigma, MAP_NM / chains.NM, settings.cells, settings.a), axes=-1)
    image = axes[0, 0].pcolormesh(
        k / chains.NM,
        MAP_NM,
        np.log10(S),
        cmap=style.SERIES_COLOURS,
        vmin=-7,
        vmax=0,
        shading="nearest",
        rasterized=True,
    )
    figure.colorbar(image, ax=axes[0, 0], label=r"$\log_{10} S$")
    axes[0, 0].set(xlabel="k (rad/nm)", ylabel="τ (nm)", title=f"σ {SIGMA_NM:g} nm")
    rows = []
    for tau, colour in zip(LINES_NM, style.series_colours(len(LINES_NM)), strict=True):
        line = np.fft.fftshift(discrete(sigma, tau / chains.NM, settings.cells, settings.a))
        axes[0, 1].semilogy(k / chains.NM, line, color=colour, label=f"τ {tau:g} nm")
        rows.append(pd.DataFrame({"tau": tau / chains.NM, "k": k, "S": line}))
    axes[0, 1].set(xlabel="k (rad/nm)", ylabel="S", ylim=(1e-7, 2), title="the peak at k = 0 is the delta function")
    axes[0, 1].legend()
    return figure, pd.concat(rows, ignore_index=True)
