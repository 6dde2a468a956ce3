"""Amplitudes of ringing chains over wavenumber and frequency (Figs. 1c, 1d, 3a and 3b of Eagan et al.)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss.figures import chains, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from weiss.study import Study

MOST = 4
"""Most chains of a group."""
HIGHEST = 1.25
"""Highest frequency shown, over the top of the ideal band."""


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw the spectra of chains, a row for each group, with the ideal band and the one printed for the pair.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: group, origin, sigma, tau (m), k (rad/m), ridge and ideal (THz).
    """
    every = chains.read_all(study, results, "spectra")
    found = [(group, chains.solved(data).isel(film=slice(MOST))) for group, data in every]
    columns = max(data.sizes["film"] for _, data in found)
    size = (style.WIDTH, 2.1 * len(found) + 0.5)
    figure, axes = style.canvas(len(found), max(columns, 1), *size, sharex=True, sharey=True)
    rows = []
    for line, (group, data) in zip(axes, found, strict=True):
        settings, k, f = chains.settings(group), data["k"].values, data["frequency"].values
        shape = 1 - np.cos(settings.a * k)
        ideal = settings.gap_THz + settings.X_THz * shape
        shown = f <= HIGHEST * ideal.max()
        for axis in line[data.sizes["film"] :]:
            axis.set_visible(False)
        for axis, row in zip(line, range(data.sizes["film"]), strict=False):
            film = data.isel(film=row)
            values = {name: float(film[name]) for name in ("sigma", "tau")}
            amplitude = film["amplitude"].values
            level = np.log10(np.maximum(amplitude[shown] / amplitude.max(axis=0), 1e-6))
            axis.pcolormesh(
                k / chains.NM, f[shown], level, vmin=-1.5, vmax=0, cmap="magma", shading="nearest", rasterized=True
            )
            axis.plot(k / chains.NM, ideal, color="white", lw=0.9, ls=":", label="ideal")
            X = chains.printed(study, "X_THz", values)
            words = f"X {float(film['X_THz']):.2f}"
            if X is not None:
                band = settings.gap_THz + X * shape
                axis.plot(k / chains.NM, band, color="cyan", lw=0.9, ls="--", label="with the printed X")
                words += f", printed {X:g}"
            box = {"facecolor": "black", "edgecolor": "none", "pad": 1.5}
            where = {"transform": axis.transAxes, "ha": "center", "va": "top"}
            axis.text(0.5, 0.97, words, color="white", fontsize=7, bbox=box, **where)
            axis.set_title(chains.pair(**values))
            rows.append(
                pd.DataFrame(
                    {"group": group.name, "origin": chains.origin(group)}
                    | values
                    | {"k": k, "ridge": film["ridge_THz"].values, "ideal": ideal}
                )
            )
        line[0].set_ylabel(f"{chains.origin(group)}\nfrequency (THz)")
    for axis in axes[-1]:
        axis.set_xlabel("k (rad/nm)")
    named: dict[str, object] = {}
    for axis in axes.ravel():
        handles, labels = axis.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    legend = figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=2, frameon=True)
    legend.get_frame().set_facecolor("0.35")
    for text in legend.get_texts():
        text.set_color("white")
    return figure, pd.concat(rows, ignore_index=True)
