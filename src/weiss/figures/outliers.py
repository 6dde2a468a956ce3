"""The test patches read worst, and the training patches they look like (Fig. 9 of Mamada et al., arXiv 2305.14764)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from weiss import gather, paths
from weiss.errors import UserError
from weiss.figures import bins, groups, panels, quantities, read, similar, style
from weiss.patterns.windows import centre

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from weiss.study import Study

MOST = 4
"""Patches shown of each target."""

FENCE = 1.5
"""An outlier lies this many interquartile ranges beyond a quartile of its true value, as in the box plot `truth`."""

ONE_DOMAIN = 0.9
"""|⟨m⟩| above which a patch is called almost a single domain."""


def build(study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    """Draw for each target the worst patches and, below each, the most similar training patch.

    Parameters
    ----------
    study : Study
    results : Path

    Returns
    -------
    (Figure, DataFrame)
        Table, a row per patch: target, network, n_data, repeats, point, seed, the parameters, predicted (median over
        repeats), lowest and highest prediction, error (median of absolute errors), outlier_in (repeats), mean
        magnetisation and domain wall of the patch, and of its neighbour point, seed, row and column of its corner, the
        parameters, mean magnetisation, domain wall and distance.
    """
    network, n_data = read.chosen_network(study, results)
    chosen = {k: t for k, t in study.trainings.items() if (t.network, t.n_data) == (network, n_data)}
    training = next(iter(chosen.values()))
    worst = _worst(read.predictions(study, results, chosen), training.targets)
    path = paths.dataset(results, study.name, training.data)
    data = read.read_dataset(path)
    place = {str(point): row for row, point in enumerate(data["point"].values.astype(str))}
    learned = sorted({point for one in chosen.values() for point in one.points["train"]})
    if lacking := [point for point in [*worst["point"], *learned] if point not in place]:
        raise UserError(f"the film {lacking[0]} is not in the dataset", str(path), "run snakemake again")
    # A film that did not come to its end has no pattern to learn from.
    good = gather.good(data)
    learned = [point for point in learned if good[place[point]]]
    patches = np.stack([centre(data["pattern"].values[place[point]], training.window) for point in worst["point"]])
    traits = similar.features(patches)
    neighbours, other = _neighbours(data, [place[point] for point in learned], traits, training.window)
    names = study.groups[training.data].parameters
    rows = []
    for number, row in enumerate(worst.to_dict("records")):
        film, near = place[row["point"]], neighbours[number]
        rows.append(
            {"target": row["target"], "network": network, "n_data": n_data, "repeats": row["repeats"]}
            | {"point": row["point"], "seed": int(data["seed"].values[film])}
            | {name: float(data[name].values[film]) for name in names}
            | {key: row[key] for key in ("true", "predicted", "lowest", "highest", "error", "outlier_in")}
            | {"mean_m": traits[number, 0], "wall": traits[number, 1]}
            | {f"near_{key}": near[key] for key in ("point", "seed", "row", "column")}
            | {f"near_{name}": float(data[name].values[near["film"]]) for name in names}
            | {f"near_{key}": near[key] for key in ("mean_m", "wall", "distance")}
        )
    table = pd.DataFrame(rows)
    shown = groups.varied(study.groups[training.data])
    figure, corner = _draw(table, patches, other, read.all_units(study), shown, training.targets)
    cells = max(training.window // 4, 1)
    style.scale_bar(corner, cells, training.window, panels.length(data, cells))
    return figure, table


def _worst(predictions: pd.DataFrame, targets: tuple[str, ...]) -> pd.DataFrame:
    """Pick the patches of each target that are outliers in most repeats, and of these the largest errors."""
    tables = []
    for target in targets:
        rows = predictions[predictions["target"] == target]
        each = rows.groupby(["point", "training"], as_index=False)[["true", "predicted"]].mean()
        each["off"] = each["predicted"] - each["true"]
        # The boxes of Fig. 8 are per true value: so are the quartiles an outlier lies beyond.
        _, member = bins.binned(each["true"].to_numpy())
        low, high = (each.groupby(member)["off"].transform("quantile", share) for share in (0.25, 0.75))
        fence = FENCE * (high - low)
        each["outlier"] = (each["off"] < low - fence) | (each["off"] > high + fence)
        each["error"] = each["off"].abs()
        films = each.groupby("point", as_index=False).agg(
            true=("true", "first"),
            predicted=("predicted", "median"),
            lowest=("predicted", "min"),
            highest=("predicted", "max"),
            error=("error", "median"),
            outlier_in=("outlier", "sum"),
            repeats=("outlier", "size"),
        )
        # The id breaks ties, so that the choice does not hang on the order of the files.
        worst = films.sort_values(["outlier_in", "error", "point"], ascending=[False, False, True]).head(MOST)
        tables.append(worst.assign(target=target))
    return pd.concat(tables, ignore_index=True)


def _neighbours(data: xr.Dataset, films: list[int], wanted: np.ndarray, size: int) -> tuple[list[dict], np.ndarray]:
    """Find the training patch most like each wanted one, and cut it out."""
    step = max(size // 2, 1)
    traits, origin = [], []
    for film in films:
        patches, corners = similar.windows(data["pattern"].values[film], size, step)
        traits.append(similar.features(patches))
        origin += [(film, *corner) for corner in corners.tolist()]
    every = np.concatenate(traits)
    found = []
    for index, distance in zip(*similar.nearest(wanted, every), strict=True):
        film, row, column = origin[index]
        found.append(
            {"film": film, "point": str(data["point"].values[film]), "seed": int(data["seed"].values[film])}
            | {"row": row, "column": column, "mean_m": every[index, 0], "wall": every[index, 1]}
            | {"distance": distance}
        )
    cut = [
        data["pattern"].values[one["film"], one["row"] : one["row"] + size, one["column"] : one["column"] + size]
        for one in found
    ]
    return found, np.stack(cut)


def _draw(
    table: pd.DataFrame,
    patches: np.ndarray,
    other: np.ndarray,
    units: dict[str, str],
    names: tuple[str, ...],
    targets: tuple[str, ...],
) -> tuple[Figure, Axes]:
    columns = max((table["target"] == target).sum() for target in targets)
    figure, axes = style.canvas(2 * len(targets), columns, 2.0 * columns + 0.3, 2.3 * 2 * len(targets) + 0.8)
    for line, target in enumerate(targets):
        rows = table[table["target"] == target]
        for column in range(columns):
            above, below = axes[2 * line, column], axes[2 * line + 1, column]
            if column >= len(rows):
                above.set_visible(False)
                below.set_visible(False)
                continue
            row = rows.iloc[column]
            _patch(above, patches[rows.index[column]], _test_words(row, target, names, units))
            _patch(below, other[rows.index[column]], _near_words(row, names, units))
            if column == 0:
                above.set_ylabel(f"{style.symbol(target)} read worst:\ntest patch")
                below.set_ylabel("most similar\ntraining patch")
    first = table.iloc[0]
    repeats = f"{first['repeats']} repeat{'s' if first['repeats'] > 1 else ''}"
    figure.suptitle(rf"{first['network']}, $N_\mathrm{{data}}$ = {first['n_data']}, {repeats}", fontsize=9)
    figure.supxlabel("\n".join(shared(table, target) for target in targets), fontsize=8)
    return figure, axes[0, 0]


def _patch(axis: Axes, patch: np.ndarray, words: str) -> None:
    style.domains(axis, patch)
    axis.set_title(words, fontsize=7.5)


def _values(row: pd.Series, names: tuple[str, ...], units: dict[str, str], prefix: str = "") -> str:
    values = {name: float(f"{row[prefix + name]:.3g}") for name in names}
    lines = [dict(list(values.items())[start : start + 2]) for start in range(0, len(values), 2)]
    return "\n".join(style.condition(line, units) for line in lines)


def _test_words(row: pd.Series, target: str, names: tuple[str, ...], units: dict[str, str]) -> str:
    plain = units[target] == "1"
    # Of the largest: the others have more places after the point instead of a power of ten.
    largest = max(abs(row[key]) for key in ("predicted", "lowest", "highest"))
    power = quantities.power_of(float(f"{largest:.3g}"), units[target])
    read_as, lowest, highest = (
        f"{row[key]:.2f}" if plain else f"{row[key] / 10.0**power:.3g}" for key in ("predicted", "lowest", "highest")
    )
    span = "" if row["repeats"] < 2 else (" " if plain else "\n") + f"({lowest} to {highest})"
    unit = "" if plain else f" {quantities.prefixed(units[target], power)}"
    words = f"{_values(row, names, units)}\n{style.symbol(target)} read as {read_as}{unit}{span}"
    return f"{words}\noutlier in {row['outlier_in']} of {row['repeats']}".replace("-", "−")


def _near_words(row: pd.Series, names: tuple[str, ...], units: dict[str, str]) -> str:
    return f"{_values(row, names, units, 'near_')}\ndistance {row['near_distance']:.2f}"


def shared(table: pd.DataFrame, target: str) -> str:
    """Say in words what the worst patches of a target have in common.

    Parameters
    ----------
    table : DataFrame
        As of `build`.
    target : str

    Returns
    -------
    str
    """
    rows = table[table["target"] == target]
    count, high = len(rows), int((rows["predicted"] > rows["true"]).sum())
    alike = int(((rows[f"near_{target}"] - rows["predicted"]).abs() < (rows["true"] - rows["predicted"]).abs()).sum())
    domain = int((rows["mean_m"].abs() > ONE_DOMAIN).sum())
    name = style.symbol(target)
    return (
        f"{name}: {high} of {count} read too high; |⟨m⟩| > {ONE_DOMAIN} in {domain} of {count}; in {alike} of {count} "
        f"the similar patch's {name} is closer to what was read than the true {name} is"
    )
