"""Profiles of a few domain walls, and their widths (Fig. 1e of Eagan et al.)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss.figures import chains, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from weiss.study import Study

MOST = 6
HALF_NM = 8.0
"""Length shown on either side, nm."""


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw m_z of the walls of the smallest group (left) and their widths beside those printed (right).

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: sigma, tau (m), x (m), mz, width and its error (m).
    """
    ((group, data),) = chains.read_all(study, results, "wall_profiles")
    settings, walls = chains.settings(group), chains.solved(data).isel(film=slice(MOST))
    figure, axes = style.canvas(1, 2, style.WIDTH, 3.0, width_ratios=(3, 2))
    x = walls["x"].values
    near, rows = np.abs(x * chains.NM) <= HALF_NM, []
    count = walls.sizes["film"]
    for place, colour in enumerate(style.colours(count)):
        wall = walls.isel(film=place)
        values = {name: float(wall[name]) for name in ("sigma", "tau")}
        label = "ideal" if values["tau"] == 0 else chains.pair(**values)
        axes[0, 0].plot(x[near] * chains.NM, wall["mz"].values[near], color=colour, marker=".", ms=3, label=label)
        width, error = float(wall["width_m"]), float(wall["error_m"])
        axes[0, 1].errorbar(width * chains.NM, place, xerr=error * chains.NM, color=colour, marker="o", ms=4)
        axes[0, 1].annotate(f"{width * chains.NM:.3f}", (width * chains.NM, place + 0.12), ha="center", fontsize=7)
        columns = {"x": x[near], "mz": wall["mz"].values[near], "width": width, "error": error}
        rows.append(pd.DataFrame(values | columns))
    axes[0, 0].set(xlabel="x (nm)", ylabel="$m_z$", title=chains.origin(group))
    axes[0, 0].legend(loc="upper left")
    ideal, spread = (chains.printed(study, name, "ideal") for name in ("wall_width_nm", "wall_width_error_nm"))
    if ideal is not None:
        axes[0, 1].axvline(ideal, color=style.TRUTH, label=f"ideal, printed: {ideal:g}")
        axes[0, 1].axvspan(ideal - (spread or 0), ideal + (spread or 0), color=style.TRUTH, alpha=0.2, lw=0)
    continuum = settings.wall_width_m * chains.NM
    label = rf"$\pi\sqrt{{A/K_U}}$: {continuum:.2f}"
    axes[0, 1].axvline(continuum, color=style.BASELINE, ls=":", label=label)
    axes[0, 1].margins(x=0.15)
    axes[0, 1].set(xlabel="width (nm)", yticks=[], ylim=(-0.6, count + 0.9))
    axes[0, 1].legend(loc="upper left")
    return figure, pd.concat(rows, ignore_index=True)
