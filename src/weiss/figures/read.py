"""Read what figures and report show from the results on disk. A missing or damaged file is said, never filled in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd

from weiss import paths
from weiss.errors import UserError
from weiss.figures.quantities import power_of, prefixed
from weiss.models import describe, learned_in

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import ArrayLike

    from weiss.published import PublishedValue
    from weiss.study import MapJob, Study

Rounded = TypeVar("Rounded", float, pd.Series)

_AGAIN = "run snakemake again"
_MAP_KEYS = {"map", "network", "n_data", "repeat", "window", "targets", "films"}
_FILM_KEYS = {"point", "condition", "seed", "inner_margin", "targets"}
_TARGET_KEYS = {
    "mae",
    "mae_inner",
    "mae_outer",
    "baseline_mae",
    "baseline_mae_outer",
    "auc",
    "positive",
    "reason",
    "roc",
}
_TARGET_KEYS |= {"regions", "true_inner", "true_outer"}


@dataclass(frozen=True)
class Maps:
    """The maps one training made.

    Attributes
    ----------
    job : MapJob
    data : xarray.Dataset
        Contents of ``maps.h5``, in memory.
    metrics : dict
        Contents of ``metrics.json``.
    """

    job: MapJob
    data: xr.Dataset
    metrics: dict


def read_json(path: Path) -> dict:
    """Read a JSON object.

    Raises
    ------
    UserError
        If the file is missing or is not a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError("this result is missing", str(path), _AGAIN) from None
    except (ValueError, UnicodeDecodeError):
        raise UserError("this result is damaged: not JSON", str(path), f"delete it and {_AGAIN}") from None
    if not isinstance(value, dict):
        raise UserError("this result is damaged: not a JSON object", str(path), f"delete it and {_AGAIN}")
    return value


def read_csv(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read a table that must have certain columns.

    Raises
    ------
    UserError
        If the file is missing, is no table, or lacks a column.
    """
    try:
        table = pd.read_csv(path)
    except FileNotFoundError:
        raise UserError("this result is missing", str(path), _AGAIN) from None
    except (ValueError, UnicodeDecodeError):
        raise UserError("this result is damaged: not a CSV table", str(path), f"delete it and {_AGAIN}") from None
    lacking = [column for column in columns if column not in table.columns]
    if lacking:
        raise UserError(f"column {lacking[0]!r} is missing", str(path), f"delete it and {_AGAIN}")
    return table


def read_dataset(path: Path) -> xr.Dataset:
    """Read a dataset or a file of maps into memory.

    Raises
    ------
    UserError
        If the file is missing or damaged.
    """
    import xarray as xr

    if not path.exists():
        raise UserError("this result is missing", str(path), _AGAIN)
    try:
        with xr.open_dataset(path, engine="h5netcdf") as data:
            return data.load()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(f"this result is damaged ({error})", str(path), f"delete it and {_AGAIN}") from error


def _model(study: Study, parameter: str) -> str:
    return next(group.model for group in study.groups.values() if parameter in group.parameters)


def units(study: Study, parameter: str) -> str:
    """Units of a film parameter, "1" without any."""
    return describe(_model(study, parameter), (parameter,))[parameter][0]


def all_units(study: Study) -> dict[str, str]:
    """Units of every film parameter of a study."""
    return {name: units(study, name) for group in study.groups.values() for name in group.parameters}


def scale(study: Study, parameter: str) -> float:
    """What a film parameter is learned in multiples of, in its unit: of the size of its values."""
    return learned_in(_model(study, parameter), (parameter,))[0]


def power(study: Study, parameter: str, values: ArrayLike) -> int:
    """Power of ten of the prefix that suits the largest of the values that an axis shows."""
    return power_of(float(np.abs(np.asarray(values, dtype=float)).max()), units(study, parameter))


def unit(study: Study, parameter: str, power: int = 0) -> str:
    """Unit of a film parameter, as written on an axis, with the prefix of a power of ten."""
    return prefixed(units(study, parameter), power)


def rounded(study: Study, parameter: str, values: Rounded) -> Rounded:
    """Free means of single-precision values of a film parameter of their rounding."""
    size = scale(study, parameter)
    return round(values / size, 6) * size


def training_result(study: Study, results: Path, training: str) -> dict:
    """Summary of one finished training."""
    return read_json(paths.training(results, study.name, training) / "result.json")


def test_errors(study: Study, results: Path) -> pd.DataFrame:
    """Test error of every training.

    Returns
    -------
    DataFrame
        Columns training, network, n_data, repeat, target, mae, baseline_mae (error of always answering the median of
        the training values); one row per training and target.
    """
    rows = []
    for key, training in study.trainings.items():
        result = training_result(study, results, key)
        for target in training.targets:
            rows.append(_test_error(result, key, training, target, paths.training(results, study.name, key)))
    return pd.DataFrame(rows)


def _test_error(result: dict, key: str, training: object, target: str, folder: Path) -> dict:
    try:
        return {
            "training": key,
            "network": training.network,
            "n_data": training.n_data,
            "repeat": training.repeat,
            "target": target,
            "mae": float(result[f"test_mae_{target}"]),
            "baseline_mae": float(result[f"baseline_mae_{target}"]),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"this result is damaged: {error} is missing or no number", str(folder / "result.json"), _AGAIN
        ) from None


def epochs(study: Study, results: Path) -> pd.DataFrame:
    """Mean absolute error by epoch of every training.

    Returns
    -------
    DataFrame
        Columns epoch, train_mae, validate_mae (means over targets, each in multiples of its scale), training,
        network, n_data, repeat, best (true for the epoch whose weights were kept).
    """
    tables = []
    for key, training in study.trainings.items():
        path = paths.training(results, study.name, key) / "epochs.csv"
        table = read_csv(path, ("epoch", "train_mae", "validate_mae"))
        best = training_result(study, results, key).get("best_epoch")
        tables.append(
            table[["epoch", "train_mae", "validate_mae"]].assign(
                training=key,
                network=training.network,
                n_data=training.n_data,
                repeat=training.repeat,
                best=table["epoch"] == best,
            )
        )
    return pd.concat(tables, ignore_index=True)


def predictions(study: Study, results: Path, keys: Iterable[str] | None = None) -> pd.DataFrame:
    """Predictions on test films, each under four rotations.

    Parameters
    ----------
    study : Study
    results : Path
    keys : iterable of str, optional
        Ids of trainings; all of the study without.

    Returns
    -------
    DataFrame
        Columns training, network, n_data, repeat, point, rotation (degrees), target, true, predicted.
    """
    tables = []
    for key in study.trainings if keys is None else keys:
        training = study.trainings[key]
        path = paths.training(results, study.name, key) / "predictions.csv"
        columns = [column for target in training.targets for column in (target, f"{target}_pred")]
        table = read_csv(path, ("point", "rotation", *columns))
        for target in training.targets:
            tables.append(
                pd.DataFrame(
                    {
                        "training": key,
                        "network": training.network,
                        "n_data": training.n_data,
                        "repeat": training.repeat,
                        "point": table["point"],
                        "rotation": table["rotation"],
                        "target": target,
                        "true": table[target],
                        "predicted": table[f"{target}_pred"],
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)


def chosen_map(study: Study, results: Path) -> str:
    """Return the map figures show: that of the training with the lowest validation error among those that map.

    Choosing by the validation films keeps the choice independent of the films shown.
    """
    losses = {key: _validation_error(study, results, key) for key in study.maps}
    return min(losses, key=lambda key: (losses[key], key))


def chosen_network(study: Study, results: Path) -> tuple[str, int]:
    """Return the network (label) and number of training seeds that figures of one network show.

    Those of `chosen_map`; without maps, those with the lowest median validation error.
    """
    if study.maps:
        training = study.maps[chosen_map(study, results)].training
        return training.network, training.n_data
    losses: dict[tuple[str, int], list[float]] = {}
    for key, training in study.trainings.items():
        losses.setdefault((training.network, training.n_data), []).append(_validation_error(study, results, key))
    return min(losses, key=lambda kind: (median(losses[kind]), kind))


def _validation_error(study: Study, results: Path, training: str) -> float:
    result = training_result(study, results, training)
    try:
        return float(result["validate_mae"])
    except (KeyError, TypeError, ValueError):
        path = paths.training(results, study.name, training) / "result.json"
        raise UserError("this result is damaged: no validate_mae", str(path), _AGAIN) from None


def published_auc(study: Study, target: str, condition: dict[str, float]) -> PublishedValue | None:
    """Look up the published area under the ROC curve of a film, whatever network it was printed for."""
    for row in study.published.of("auc") if study.published else ():
        if row.target == target and row.values and row.values.items() <= condition.items():
            return row
    return None


def areas(study: Study, results: Path) -> pd.DataFrame:
    """Area under the ROC curve of every mapped film whose inner and outer region differ, by every network that maps.

    Returns
    -------
    DataFrame
        Columns map, network, n_data, repeat, point, seed, target, inner, outer (true values), difference, auc,
        published (nan where no number is known).
    """
    rows = []
    for key, job in study.maps.items():
        for film in map_metrics(study, results, key)["films"]:
            for target, metrics in film["targets"].items():
                if metrics["auc"] is None:
                    continue
                printed = published_auc(study, target, film["condition"])
                inner, outer = (rounded(study, target, metrics[f"true_{part}"]) for part in ("inner", "outer"))
                rows.append(
                    {"map": key, "network": job.training.network, "n_data": job.training.n_data}
                    | {"repeat": job.training.repeat, "point": film["point"], "seed": film["seed"], "target": target}
                    | {"inner": inner, "outer": outer, "difference": rounded(study, target, inner - outer)}
                    | {"auc": metrics["auc"], "published": printed.value if printed else float("nan")}
                )
    if not rows:
        raise UserError("no parameter differs between inner and outer in any film", str(study.path))
    return pd.DataFrame(rows)


def maps(study: Study, results: Path) -> Maps:
    """Read the maps that figures show (see `chosen_map`)."""
    key = chosen_map(study, results)
    folder = paths.maps(results, study.name, key)
    return Maps(study.maps[key], read_dataset(folder / "maps.h5"), map_metrics(study, results, key))


def map_metrics(study: Study, results: Path, key: str) -> dict:
    """Read ``metrics.json`` of a map, with parameters in the order of the study rather than of the alphabet.

    Raises
    ------
    UserError
        If it is missing or damaged.
    """
    path = paths.maps(results, study.name, key) / "metrics.json"
    metrics = read_json(path)
    job = study.maps[key]
    try:
        complete = metrics.keys() >= _MAP_KEYS and metrics["targets"] == list(job.training.targets)
        for film in metrics["films"]:
            complete &= film.keys() >= _FILM_KEYS
            complete &= all(film["targets"][target].keys() >= _TARGET_KEYS for target in job.training.targets)
            film["condition"] = _in_order(film["condition"], study.groups[job.films].parameters)
            film["targets"] = _in_order(film["targets"], job.training.targets)
    except (KeyError, TypeError, AttributeError):
        complete = False
    if not complete:
        raise UserError(
            "this result is damaged: its films are incomplete", str(path), f"delete it and {_AGAIN}"
        ) from None
    return metrics


def _in_order(values: dict, names: tuple[str, ...]) -> dict:
    return {name: values[name] for name in names if name in values}


def varying(conditions: list[dict[str, float]]) -> list[str]:
    """Names of the parameters that differ between conditions, in their order."""
    names = list(dict.fromkeys(name for row in conditions for name in row))
    return [name for name in names if len({row.get(name) for row in conditions}) > 1]


def film_labels(films: list[dict]) -> list[dict[str, float]]:
    """What tells films apart: the parameters that vary, and the seed if these do not suffice.

    Parameters
    ----------
    films : list of dict
        With ``condition`` and ``seed``, as in ``metrics.json``.

    Returns
    -------
    list of dict
        Names and values for each film.
    """
    names = varying([film["condition"] for film in films])
    labels = [{name: film["condition"][name] for name in names if name in film["condition"]} for film in films]
    if len({tuple(label.items()) for label in labels}) < len(labels):
        labels = [label | {"seed": film["seed"]} for label, film in zip(labels, films, strict=True)]
    return labels
