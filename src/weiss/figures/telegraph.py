"""Random telegraph noise and its power spectral density (Fig. SI 1 of Eagan et al.)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss.figures import style
from weiss.spsll.spectrum import lorentzian
from weiss.spsll.telegraph import psd, sample, sampled_lorentzian

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from weiss.study import Study

SHOWN = ((100.0, 5.0, 1000.0), (10.0, 5.0, 100.0))
"""σ, τ and the length shown, in nm."""
SITES, DX_NM, LAGS, RECORDS = 10_000, 0.3, 1000, 100


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw noise of two materials, and the spectrum of one record and of many beside Eq. 3. Nothing of it is stored.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table, lengths in nm: sigma, tau, k, PSD of one record and of the mean over many, Eq. 3, and Eq. 3 folded back
        from wavenumbers beyond the grid's.
    """
    figure, axes = style.canvas(2, 2, style.WIDTH, 4.2)
    rows = []
    for column, (sigma, tau, shown) in enumerate(SHOWN):
        records = [sample(sigma, tau, SITES, DX_NM, "figure", column, i) for i in range(RECORDS)]
        x = np.arange(SITES) * DX_NM
        axes[0, column].step(x[x <= shown], records[0][x <= shown], lw=0.8, color=style.PALETTE[0])
        axes[0, column].set(xlabel="x (nm)", yticks=(0, 1), title=f"σ {sigma:g}, τ {tau:g} nm")
        spectra = [psd(record, DX_NM, LAGS) for record in records]
        k, mean = spectra[0][0], np.mean([spectrum for _, spectrum in spectra], axis=0)
        printed, folded = lorentzian(k, sigma, tau), sampled_lorentzian(k, sigma, tau, DX_NM)
        lower = axes[1, column]
        lower.loglog(k[1:], spectra[0][1][1:], lw=0.5, color="0.7", label="one record")
        lower.loglog(k[1:], mean[1:], color=style.PALETTE[0], label=f"mean of {RECORDS} records")
        lower.loglog(k[1:], printed[1:], ls="--", color=style.PALETTE[3], label="Eq. 3")
        lower.set(xlabel="k (rad/nm)", ylim=(1e-6, 2))
        rows.append(
            pd.DataFrame(
                {"sigma": sigma, "tau": tau, "k": k, "one": spectra[0][1], "mean": mean}
                | {"eq3": printed, "eq3_folded": folded}
            )
        )
    axes[1, 0].set_ylabel("PSD (nm)")
    axes[1, 0].legend(loc="lower left")
    return figure, pd.concat(rows, ignore_index=True)
