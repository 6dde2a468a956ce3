"""X of gap + X (1 − cos ak) for every reading of the window's origin, beside what is printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from weiss.figures import chains, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from weiss.study import Study

MARKERS = "osD^v"


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw X of the pairs whose X is printed (left), and of all chains over the share of material (right).

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: group, origin, sigma, tau (m), X, misfit, printed (THz; NaN where nothing is printed).
    """
    tables, every = [], chains.read_all(study, results, "bands")
    for group, data in every:
        good = chains.solved(data)
        values = {name: good[name].values for name in ("sigma", "tau")}
        columns = {"X": good["X_THz"].values, "misfit": good["misfit_THz"].values}
        table = pd.DataFrame({"group": group.name, "origin": chains.origin(group)} | values | columns)
        pairs = table[["sigma", "tau"]].to_dict("records")
        table["printed"] = [chains.printed(study, "X_THz", pair) for pair in pairs]
        tables.append(table.astype({"printed": float}))
    table = pd.concat(tables, ignore_index=True)
    origins = list(dict.fromkeys(table["origin"]))
    ideal = chains.settings(every[0][0]).X_THz
    figure, axes = style.canvas(1, 2, style.WIDTH, 3.2)
    known = table.dropna(subset=["printed"]).drop_duplicates(["origin", "sigma", "tau"])
    pairs = list(dict.fromkeys(zip(known["sigma"], known["tau"], strict=True)))
    for place, (sigma, tau) in enumerate(pairs):
        rows = known[(known["sigma"] == sigma) & (known["tau"] == tau)]
        value = rows["printed"].iloc[0]
        label = "printed" if place == 0 else None
        axes[0, 0].hlines(value, place - 0.35, place + 0.35, color=style.TRUTH, lw=2, label=label)
        axes[0, 0].annotate(f"{value:g}", (place + 0.36, value), fontsize=7, va="center", color=style.TRUTH)
        for index, origin in enumerate(origins):
            for X in rows.loc[rows["origin"] == origin, "X"]:
                at = place + 0.2 * (index - (len(origins) - 1) / 2)
                style_of = {"color": style.PALETTE[index], "marker": MARKERS[index % len(MARKERS)], "ls": ""}
                axes[0, 0].plot(at, X, label=origin if place == 0 else None, **style_of)
                below = {"xytext": (0, -6), "textcoords": "offset points", "ha": "center", "va": "top"}
                axes[0, 0].annotate(f"{X:.2f}", (at, X), fontsize=7, **below)
    axes[0, 0].axhline(ideal, color=style.BASELINE, ls=":", lw=1)
    axes[0, 0].set(ylabel="X (THz)", ylim=(0, 1.15 * ideal), xlim=(-0.6, max(len(pairs), 1) - 0.2))
    axes[0, 0].set_xticks(range(len(pairs)), [chains.pair(*pair) for pair in pairs])
    axes[0, 0].legend(loc="lower left")
    for index, origin in enumerate(origins):
        rows = table[table["origin"] == origin]
        share, dots = rows["sigma"] / (rows["sigma"] + rows["tau"]), {"ls": "", "marker": ".", "ms": 3, "alpha": 0.6}
        axes[0, 1].plot(share, rows["X"], color=style.PALETTE[index], label=origin, **dots)
    axes[0, 1].axhline(ideal, color=style.BASELINE, ls=":", lw=1, label=f"ideal, {ideal:.2f} THz")
    axes[0, 1].set(xlabel="share of material, σ/(σ+τ)", ylabel="X (THz)")
    axes[0, 1].set_ylim(bottom=0)
    axes[0, 1].legend(loc="upper left")
    return figure, table
