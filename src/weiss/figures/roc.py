"""How well the read value tells the inner from the outer region (Fig. 12 of Mamada et al., arXiv 2305.14764)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from weiss.errors import UserError
from weiss.figures import read, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from weiss.study import Study


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw a curve per film, one panel per parameter that differs between inner and outer in some film.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: map, point, seed, target, positive region, auc, published (nan where no number is known),
        false_positive, true_positive.

    Raises
    ------
    UserError
        If no film has a parameter that differs, which would leave nothing to draw.
    """
    maps = read.maps(study, results)
    films = maps.metrics["films"]
    labels, units = read.film_labels(films), read.all_units(study)
    targets = [
        target
        for target in maps.metrics["targets"]
        if any(film["targets"][target]["roc"] is not None for film in films)
    ]
    if not targets:
        raise UserError("no parameter differs between inner and outer in any film", str(study.path))
    width = min(style.WIDTH, 4.3 * len(targets))
    figure, axes = style.canvas(1, len(targets), width, 5.0)
    tables = []
    for axis, target in zip(axes[0], targets, strict=True):
        shown = [
            (film, label)
            for film, label in zip(films, labels, strict=True)
            if film["targets"][target]["roc"] is not None
        ]
        axis.plot([0, 1], [0, 1], color="0.6", linestyle=":", linewidth=1.0)
        for (film, label), colour in zip(shown, style.series_colours(len(shown)), strict=True):
            metrics = film["targets"][target]
            text = style.condition(label, units) if label else f"seed {film['seed']}"
            curve = metrics["roc"]
            printed = read.published_auc(study, target, film["condition"])
            axis.plot(
                curve["false_positive"],
                curve["true_positive"],
                color=colour,
                label=f"{text}: AUC {metrics['auc']:.3f}" + (f" (published {printed.value:g})" if printed else ""),
            )
            tables.append(
                pd.DataFrame(
                    {"map": maps.metrics["map"], "point": film["point"], "seed": film["seed"], "target": target}
                    | {"positive": metrics["positive"], "auc": metrics["auc"]}
                    | {"published": printed.value if printed else float("nan")}
                    | curve
                )
            )
        axis.set_aspect("equal")
        axis.set_xlim(-0.01, 1.01)
        axis.set_ylim(-0.01, 1.01)
        axis.set_title(f"threshold on {style.symbol(target)}")
        axis.set_xlabel("false positive rate")
        axis.set_ylabel("true positive rate")
        # Below: a curve of a map that misleads would run behind it.
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, handlelength=1.2, fontsize=8)
    return figure, pd.concat(tables, ignore_index=True)
