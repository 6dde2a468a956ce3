"""Domain patterns of films with another parameter in the middle (Fig. 6 of Mamada et al., arXiv 2305.14764)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from weiss.figures import panels, read, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from weiss.study import Study

MOST, COLUMNS = 8, 4


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw the films in the order of their parameters, with the border of the inner region.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: point, seed, status, parameters, inner_margin (cells), and the share of white cells inside and outside.
    """
    group, data = panels.films(study, results, "nonuniform")
    margin = group.inner_margin
    films = [data.isel(film=index) for index in range(min(data.sizes["film"], MOST))]
    conditions = [{name: float(film[name]) for name in group.parameters} for film in films]
    seeds = [int(film["seed"]) for film in films]
    labels = read.film_labels([{"condition": c, "seed": s} for c, s in zip(conditions, seeds, strict=True)])
    columns = min(COLUMNS, len(films))
    lines = -(-len(films) // columns)
    figure, axes = panels.grid(lines, columns, group.grid, titles=1)
    rows = []
    for number in range(lines * columns):
        axis = axes[number // columns][number % columns]
        if number >= len(films):
            axis.set_visible(False)
            continue
        film, pattern = films[number], films[number]["pattern"].values
        panels.draw(axis, film)
        style.inner_border(axis, pattern.shape, margin, colour=style.PALETTE[3])
        axis.set_title(
            style.condition(labels[number], panels.units(data)) if labels[number] else f"seed {seeds[number]}"
        )
        inside = pattern[margin:-margin, margin:-margin] > 0
        rows.append(
            {"point": str(film["point"].values), "seed": seeds[number], "status": str(film["status"].values)}
            | conditions[number]
            | {"inner_margin": margin, "white_share_inner": float(inside.mean())}
            | {"white_share_outer": float(((pattern > 0).sum() - inside.sum()) / (pattern.size - inside.size))}
        )
    panels.scale_bar(figure.axes, data)
    same = {name: conditions[0][name] for name in group.parameters if name not in read.varying(conditions)}
    figure.supxlabel(style.condition(same, panels.units(data)), fontsize=9)
    return figure, pd.DataFrame(rows)
