"""Which conditions work, by setting of the model, against the table of those that must."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from weiss import paths
from weiss.calibration import nucleation, outcomes
from weiss.figures import read, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from weiss.study import Group, Study

COLUMNS = 5
MOST_TICKS = 5
LEGEND_WIDTH = 5.5
NEVER, SATURATED, UNSATURATED = "white", style.PALETTE[9], style.PALETTE[0]
ABSENT = "0.85"
LISTED = style.PALETTE[3]


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw a map over the first two parameters for each group of films that the study holds against its table.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table: group, the settings in which groups differ, the parameters, ``listed`` (in the table), seeds,
        ``crossed``, ``unsaturated``, ``saturated`` and ``jump`` as from
        `weiss.calibration.outcomes.condition_outcomes`, and ``nucleates``, the share of seeds whose film could leave
        saturation (`weiss.calibration.nucleation`).
    """
    calibration = study.calibration
    groups = [study.groups[name] for name in calibration.groups]
    found = [_outcomes(study, results, group) for group in groups]
    modes = _modes(groups)
    tables, rows = [], -(-len(groups) // COLUMNS)
    columns = min(len(groups), COLUMNS)
    side = style.WIDTH / COLUMNS
    figure, axes = style.canvas(
        rows, columns, max(side * columns, LEGEND_WIDTH), (side + 0.25) * rows + 0.6, sharex=True, sharey=True
    )
    for axis in axes.ravel()[len(groups) :]:
        axis.set_visible(False)
    for group, table, varied, axis in zip(groups, found, _varied(groups), axes.ravel(), strict=False):
        table["nucleates"] = _nucleates(table, group, modes)
        _panel(axis, table, calibration.parameters)
        shares = [outcomes.agreement(table[name], table["listed"]).share for name in outcomes.CRITERIA]
        setting = ", ".join(f"{name} {_text(value)}" for name, value in varied.items()) or group.name
        title = textwrap.fill(setting, 30)
        axis.set_title(f"{title}\n{shares[0]:.0%}, unsaturated {shares[1]:.0%}", fontsize=6.5)
        tables.append(table.assign(group=group.name, **varied))
    for axis in axes[:, 0]:
        axis.set_ylabel(style.symbol(calibration.parameters[0]))
    for column in range(columns):
        lowest = [axis for axis in axes[:, column] if axis.get_visible()][-1]
        lowest.set_xlabel(style.symbol(calibration.parameters[1]))
        lowest.tick_params(labelbottom=True)
    _legend(figure)
    settings = dict.fromkeys(name for varied in _varied(groups) for name in varied)
    first = ["group", *settings, *calibration.parameters, "listed"]
    table = pd.concat(tables, ignore_index=True)
    return figure, table[[*first, *table.columns.difference(first, sort=False)]]


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _varied(groups: list[Group]) -> list[dict[str, float | int | str]]:
    """Settings in which groups differ, of each. A kernel is told by its a0 if it has one, else by its name."""
    settings = [
        {"grid": "{} × {}".format(*group.grid)}
        | {name: value for name, value in group.points[0].params.items() if name not in ("ny", "nx", *group.parameters)}
        for group in groups
    ]
    names = [name for name in settings[0] if len({values[name] for values in settings}) > 1]
    unsaid = {"lattice": "a0", "cutoff": "kernel"}
    return [{name: values[name] for name in names if name != unsaid[values["kernel"]]} for values in settings]


def _outcomes(study: Study, results: Path, group: Group) -> pd.DataFrame:
    """What became of the films of a group, a row per condition, and whether the table lists it."""
    parameters = list(study.calibration.parameters)
    data = read.read_dataset(paths.dataset(results, study.name, group.name))
    table = outcomes.condition_outcomes(outcomes.film_outcomes(data, parameters), parameters)
    conditions = table[parameters].itertuples(index=False, name=None)
    return table.assign(listed=[condition in study.calibration.listed for condition in conditions])


def _strengths(group: Group) -> np.ndarray:
    """A0 s D / J of every film with noise, the argument of the softest mode."""
    points = [point.params for point in group.points if point.condition["D"] > 0]
    return np.array([p["A0"] * p["noise_scale"] * p["D"] / p["J"] for p in points])


def _modes(groups: list[Group]) -> dict[tuple[int, tuple[int, int]], nucleation.SoftestMode]:
    """Softest modes by seed and grid, over the strengths of all groups: what takes time is done once."""
    wanted: dict[tuple[int, tuple[int, int]], list[np.ndarray]] = {}
    for group in groups:
        for seed in sorted({point.seed for point in group.points}):
            wanted.setdefault((seed, group.grid), []).append(_strengths(group))
    return {
        key: nucleation.SoftestMode.of_seed(*key, float(values.min()), float(values.max()))
        for key, parts in wanted.items()
        if (values := np.concatenate(parts)).size
    }


def _nucleates(table: pd.DataFrame, group: Group, modes: dict) -> np.ndarray:
    """Share of the seeds for which a saturated film can leave saturation within the sweep; nan where D is 0."""
    settings = group.points[0].params
    a0 = nucleation.kernel_constant(settings["kernel"], settings["a0"])
    shares, noisy = np.full(len(table), np.nan), table["D"].to_numpy() > 0
    chosen = table[noisy]
    fields = [
        nucleation.nucleation_field(
            modes[seed, group.grid],
            chosen["J"].to_numpy(),
            chosen["D"].to_numpy(),
            a0,
            settings["noise_scale"],
            settings["A0"],
            settings["gamma_per_J"],
        )
        for seed in sorted({point.seed for point in group.points})
        if noisy.any()
    ]
    if fields:
        shares[noisy] = (np.array(fields) < settings["H"]).mean(axis=0)
    return shares


def _panel(axis: Axes, table: pd.DataFrame, parameters: tuple[str, ...]) -> None:
    """One setting: what became of the films as colours, table and nucleation as outlines."""
    down, across = parameters[:2]
    lines, columns = (np.unique(table[name]) for name in (down, across))
    place = np.searchsorted(lines, table[down]), np.searchsorted(columns, table[across])

    def grid(values: np.ndarray, absent: float) -> np.ndarray:
        filled = np.full((lines.size, columns.size), absent)
        filled[place] = values
        return filled

    state = outcomes.works(table["crossed"]).astype(float) + outcomes.works(table["unsaturated"])
    colours = ListedColormap([NEVER, SATURATED, UNSATURATED]).with_extremes(bad=ABSENT)
    axis.imshow(
        grid(state, np.nan), cmap=colours, vmin=0, vmax=2, origin="lower", interpolation="nearest", aspect="auto"
    )
    _outline(axis, grid(table["listed"], 0) > 0, color=LISTED, linewidth=1.4)
    _outline(
        axis, grid(outcomes.works(table["nucleates"]), 0) > 0, color="black", linewidth=0.9, linestyle=(0, (2, 1.5))
    )
    for values, ticks, labels in (
        (lines, axis.set_yticks, axis.set_yticklabels),
        (columns, axis.set_xticks, axis.set_xticklabels),
    ):
        shown = np.searchsorted(values, style.spread(values, MOST_TICKS))
        ticks(shown)
        labels([f"{values[index]:g}" for index in shown], fontsize=6)
    for spine in axis.spines.values():
        spine.set(visible=True, color="0.3")


def _outline(axis: Axes, inside: np.ndarray, **look: object) -> None:
    """Draw the border between cells inside and cells outside, along the cells' edges."""
    segments = []
    for i, j in zip(*np.nonzero(inside[1:] != inside[:-1]), strict=True):
        segments.append([(j - 0.5, i + 0.5), (j + 0.5, i + 0.5)])
    for i, j in zip(*np.nonzero(inside[:, 1:] != inside[:, :-1]), strict=True):
        segments.append([(j + 0.5, i - 0.5), (j + 0.5, i + 0.5)])
    axis.add_collection(LineCollection(segments, **look))


def _legend(figure: Figure) -> None:
    edge = {"edgecolor": "0.3", "linewidth": 0.6}
    handles = [
        Patch(facecolor=UNSATURATED, label="crossed, never saturated", **edge),
        Patch(facecolor=SATURATED, label="crossed after saturation", **edge),
        Patch(facecolor=NEVER, label="never crossed", **edge),
        Line2D([], [], color=LISTED, linewidth=1.4, label="listed in the table"),
        Line2D([], [], color="black", linewidth=0.9, linestyle=(0, (2, 1.5)), label="nucleation reaches the sweep"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, fontsize=7)
