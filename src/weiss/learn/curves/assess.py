"""How good a trained network of curves is: predictions for films no training saw, beside simpler predictors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import mean_absolute_error, r2_score

from weiss import models
from weiss.figures.quantities import quantity
from weiss.learn.curves import baselines
from weiss.learn.curves.data import Curves
from weiss.learn.curves.networks.tfc import COEFFICIENTS
from weiss.learn.curves.predict import coefficients, forward
from weiss.learn.evaluate import table

if TYPE_CHECKING:
    from weiss.curve_trainings import CurveTraining
    from weiss.learn.curves.networks.base import Band, CurveNetwork
    from weiss.study import Study

Columns = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Task:
    """What is tested.

    Attributes
    ----------
    study : Study
    training : CurveTraining
    network : CurveNetwork
        On the CPU, in evaluation mode.
    band : Band or None
        The ideal band, of a network that answers one.
    data : mapping of str to Curves
        By role, or group.
    scales : sequence of float
        What the targets are learned in multiples of.
    threads : int
        For films simulated again.
    """

    study: Study
    training: CurveTraining
    network: CurveNetwork
    band: Band | None
    data: Mapping[str, Curves]
    scales: Sequence[float]
    threads: int


@dataclass(frozen=True)
class Tested:
    """What a test found.

    Attributes
    ----------
    table : bytes
        predictions.csv.
    scores : dict
        Entries of result.json.
    line : str
        The most important in words.
    """

    table: bytes
    scores: dict[str, Any]
    line: str


def run(task: Task) -> Tested:
    """Predict the films to calibrate and to test with, and those of the groups predicted besides."""
    training, data = task.training, task.data
    roles = ["calibrate", "test", *(role for role in training.also if len(data[role]))]
    predict = _curve_columns if training.answers else _parameter_columns
    found = {role: predict(task, role) for role in roles}
    rows = [
        [point, role, *(float(column[row]) for column in (*data[role].parameters.values(), *found[role].values()))]
        for role in roles
        for row, point in enumerate(data[role].points)
    ]
    score = _curve_scores if training.answers else _parameter_scores
    scores, line = score(task, found["test"])
    return Tested(table(["point", "role", *training.parameters, *found["test"]], rows), scores, line)


def simulate_again(task: Task, role: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Simulate films with predicted parameters, (N, T), and return the number asked for, (N,); nan without a result.

    The settings are those of the films of that role. Predictions beyond the range of the training films are taken at
    its border.
    """
    group = task.study.groups[role if role in task.training.also else task.training.data]
    train = task.data["train"].values
    fixed, seed = group.points[0].params, group.points[0].seed
    films = [
        (dict(fixed) | dict(zip(task.training.targets, map(float, row), strict=True)), seed)
        for row in np.clip(values, train.min(axis=0), train.max(axis=0))
    ]
    found, good = np.full(len(films), np.nan), models.ending(group.model).good
    for index, film in models.solver(group.model)(films, device="cpu", threads=task.threads):
        if film.status in good:
            found[index] = float(getattr(film, task.training.resimulate))
    return found


def _parameter_columns(task: Task, role: str) -> Columns:
    """Parameters predicted by the network and by linear regression, in their units, and what the simulation makes of
    them."""
    train, films, again = task.data["train"], task.data[role], task.training.resimulate
    answers = {
        "pred": forward(task.network, films.curves, films.numbers).double().numpy() * np.asarray(task.scales),
        "linear": baselines.linear(train.inputs(), train.values, films.inputs(), train.widths),
    }
    found = {
        f"{name}_{kind}": values[:, column]
        for kind, values in answers.items()
        for column, name in enumerate(task.training.targets)
    }
    if again:
        found[again] = films.known
        for kind, values in answers.items():
            # Nothing is calibrated with these, and they are the dearest part of a test.
            none = role == "calibrate"
            found[f"{again}_{kind}"] = np.full(len(films), np.nan) if none else simulate_again(task, role, values)
    return found


def _parameter_scores(task: Task, found: Columns) -> tuple[dict[str, Any], str]:
    """Mean absolute errors on the test films, of the network and of simpler predictors of the same inputs."""
    train, test, targets = task.data["train"], task.data["test"], task.training.targets
    near = baselines.neighbours(train.inputs(), train.values, test.inputs(), widths=train.widths)
    predicted = {
        "test": np.stack([found[f"{name}_pred"] for name in targets], axis=1),
        "linear": np.stack([found[f"{name}_linear"] for name in targets], axis=1),
        "median": baselines.median(train.values, len(test)),
        "neighbours": near,
    }
    scores: dict[str, Any] = {}
    for kind, values in predicted.items():
        errors = mean_absolute_error(test.values, values, multioutput="raw_values")
        scores |= {f"{kind}_mae_{name}": float(error) for name, error in zip(targets, errors, strict=True)}
    for column, name in enumerate(targets):
        varied = np.ptp(test.values[:, column]) > 0
        r2 = float(r2_score(test.values[:, column], predicted["test"][:, column])) if varied else None
        scores[f"test_r2_{name}"] = r2
        scores[f"unit_{name}"] = test.units[column]
    words = [
        f"{name} {quantity(scores[f'test_mae_{name}'], unit)} (median {quantity(scores[f'median_mae_{name}'], unit)})"
        for name, unit in zip(targets, test.units, strict=True)
    ]
    return scores | _scores_again(task, found), "test error " + ", ".join(words)


def _scores_again(task: Task, found: Columns) -> dict[str, Any]:
    """Errors of the number simulated again, beside always answering its mean, on the films where every reader gave one.

    None where there is no such film.
    """
    name = task.training.resimulate
    if not name:
        return {}
    truth, mean = task.data["test"].known, task.data["train"].known.mean()
    answers = {"": found[f"{name}_pred"], "linear_": found[f"{name}_linear"]}
    scores: dict[str, Any] = {f"{prefix}{name}_failed": int(np.isnan(v).sum()) for prefix, v in answers.items()}
    kept = np.isfinite(np.stack(list(answers.values()))).all(axis=0)
    for prefix, values in (answers | {"mean_": np.full(len(truth), mean)}).items():
        errors = (values - truth)[kept]
        parts = {"mean": errors.mean(), "std": errors.std(), "mae": np.abs(errors).mean()} if errors.size else {}
        scores |= {
            f"{prefix}{name}_error_{part}": float(parts[part]) if parts else None for part in ("mean", "std", "mae")
        }
    return scores


def _curve_columns(task: Task, role: str) -> Columns:
    """What the curve is made of, and the mean error along it, of the network and of simpler predictors."""
    train, films, band = task.data["train"], task.data[role], task.band
    parts = coefficients(task.network, films.curves, films.numbers).double().numpy()
    known, asked = (np.stack(list(part.parameters.values()), axis=1) for part in (train, films))
    curves = {
        "mae": baselines.form(parts, band),
        "ideal_mae": baselines.form(np.array([[band.X, 0, 0, 0, 0, 0]]), band),
        "linear_mae": baselines.linear(known, train.values, asked),
        "neighbours_mae": baselines.neighbours(known, train.values, asked),
    }
    found = {name: parts[:, column] for column, name in enumerate(COEFFICIENTS)}
    found |= {name: np.abs(curve - films.values).mean(axis=1) for name, curve in curves.items()}
    return found | {"form_mae": baselines.bounded_form(films.values, band)[1]}


def _curve_scores(task: Task, found: Columns) -> tuple[dict[str, Any], str]:
    unit = task.data["test"].units[0]
    scores: dict[str, Any] = {"test_mae": float(found["mae"].mean()), "test_max": float(found["mae"].max())}
    scores |= {name: float(found[name].mean()) for name in found if name.endswith("_mae")} | {"unit": unit}
    line = f"test error {quantity(scores['test_mae'], unit)} (ideal {quantity(scores['ideal_mae'], unit)})"
    return scores, line
