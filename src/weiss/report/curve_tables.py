"""Tables and sentences on networks of curves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from weiss.figures.quantities import spread
from weiss.learn.curves.networks.names import KINDS
from weiss.models import variables
from weiss.report.collect import Collected
from weiss.report.tables import Table


@dataclass(frozen=True)
class Kind:
    """Trainings on curves that differ in their repeat only.

    Attributes
    ----------
    task, architecture : str
    n_data, planned : int
        Films trained on; trainings asked for.
    data : str
        Group of films.
    targets : tuple of str
        None for a network that answers a curve.
    resimulate : str or None
    results : list of dict
        ``result.json`` of those on disk.
    """

    task: str
    architecture: str
    n_data: int
    planned: int
    data: str
    targets: tuple[str, ...]
    resimulate: str | None
    results: list[dict]

    def values(self, name: str) -> np.ndarray:
        """A score of all repeats."""
        return np.array([result.get(name) for result in self.results], dtype=float)

    @property
    def echo(self) -> bool:
        """Whether the network is shown the curve that it answers."""
        return KINDS[self.architecture].answers in KINDS[self.architecture].curves

    @property
    def label(self) -> tuple[str, str, str]:
        """First cells of a row: task, films, repeats."""
        count = len(self.results)
        return self.task, f"{self.n_data:,}", str(count) if count == self.planned else f"{count} of {self.planned}"


def kinds(found: Collected) -> list[Kind]:
    """Every task and number of films of which a training is on disk, in the order of the study."""
    members: dict[tuple[str, int], list[str]] = {}
    for key, training in found.study.curve_trainings.items():
        members.setdefault((training.task, training.n_data), []).append(key)
    listed = []
    for keys in members.values():
        first = found.study.curve_trainings[keys[0]]
        results = [found.curve_trainings[key] for key in keys if key in found.curve_trainings]
        if results:
            who = (first.task, first.architecture, first.n_data, len(keys), first.data, first.targets, first.resimulate)
            listed.append(Kind(*who, results))
    return listed


def tables(found: Collected) -> list[Table]:
    """Tables on networks of curves; those without rows are left out by the page."""
    every = kinds(found)
    return [_parameters(every), _again(found, every), _curves(found, every), _coverage(found), _trainings(found)]


def _spread(values: np.ndarray, unit: str) -> str:
    """Mean and standard deviation over the repeats that have a value; lengths in nm, as sources print them."""
    values = values[np.isfinite(values)]
    if not len(values):
        return "–"
    if unit == "m":
        scatter = f" ± {1e9 * values.std(ddof=1):.3f}" if len(values) > 1 else ""
        return f"{1e9 * values.mean():.3f}{scatter} nm".replace("-", "−")
    return spread(float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else float("nan"), unit)


def _mean(values: np.ndarray, unit: str) -> str:
    """Mean over repeats."""
    return _spread(values[:0] if np.isnan(values).any() else values.mean(keepdims=True), unit)


def _targets(every: list[Kind]) -> Iterator[tuple[Kind, str, str]]:
    for kind in every:
        for target in kind.targets:
            yield kind, target, str(kind.results[0].get(f"unit_{target}", "1"))


def _parameters(every: list[Kind]) -> Table:
    rows = []
    for kind, target, unit in _targets(every):
        others = (_mean(kind.values(f"{name}_mae_{target}"), unit) for name in _SIMPLE)
        r2 = f"{kind.values(f'test_r2_{target}').mean():.2f}"
        rows.append((target, *kind.label, _spread(kind.values(f"test_mae_{target}"), unit), *others, r2))
    return Table(
        "Parameters read off curves: test error",
        ("parameter", "task", "films", "repeats", "network", "median", "linear regression", "neighbours", "R²"),
        tuple(rows),
        "Mean absolute error on films that no training saw, mean over repeats ± their standard deviation: all repeats "
        "are tested on the same films, whose scatter is not in it. Films: those asked for, of which some may have "
        "given no result. Beside it: always answering the median of the training films, linear regression on what the "
        "network reads, and the median over the nearest training films. R²: share of the variance that the network "
        "explains.",
        words=2,
    )


_SIMPLE = ("median", "linear", "neighbours")


def _again(found: Collected, every: list[Kind]) -> Table:
    printed = _printed(found, "wall_error_mean_nm"), _printed(found, "wall_error_std_nm")
    rows = []
    for kind in every:
        group = found.study.groups[kind.data]
        unit = variables(group.model, group.points[0].params)[kind.resimulate].units if kind.resimulate else "1"
        for prefix, who in _AGAIN.items() if kind.resimulate else ():
            name = f"{prefix}{kind.resimulate}_error"
            cells = [_spread(kind.values(f"{name}_{part}"), unit) for part in ("mean", "std", "mae")]
            failures = kind.values(f"{prefix}{kind.resimulate}_failed")
            failed = "–" if np.isnan(failures).any() else str(int(failures.sum()))
            rows.append((who, *kind.label, *cells, failed))
    walls = any(kind.resimulate == "width_m" for kind in every)
    if walls and all(value is not None for value in printed):
        rows.append(("published", "–", "–", "–", *(f"{value:g} nm" for value in printed), "–", "–"))
    return Table(
        "Simulated again from the parameters read",
        (
            "parameters from",
            "task",
            "films",
            "repeats",
            "mean error",
            "standard deviation",
            "MAE",
            "failed",
        ),
        tuple(rows),
        "What the simulation gives (of a wall: its width) for the predicted parameters, less what the test film has. "
        "The mean is no prediction of parameters: it is always that of the training films. Failed: predicted films, "
        "all repeats together, that gave no result; errors are over the test films where both readers gave one. A "
        "reader of walls is given the width: to return it would have no error at all.",
        words=2,
    )


_AGAIN = {"": "network", "linear_": "linear regression", "mean_": "none: always the mean"}


def _curves(found: Collected, every: list[Kind]) -> Table:
    low, high = _printed(found, "band_mae_THz", "low"), _printed(found, "band_mae_THz", "high")
    rows = []
    for kind in every:
        if not kind.targets:
            unit = str(kind.results[0].get("unit", "1"))
            names = ("ideal_mae", "linear_mae", "neighbours_mae", "form_mae", "test_max")
            others = (_mean(kind.values(name), unit) for name in names)
            rows.append(
                (kind.task, kind.architecture, *kind.label[1:], _spread(kind.values("test_mae"), unit), *others)
            )
    published = f" Published: {low:g} to {high:g} THz." if low is not None and high is not None else ""
    return Table(
        "Dispersion relations predicted: test error",
        ("task", "network", "films", "repeats", "MAE", "ideal", "linear", "neighbours", "best of form", "largest"),
        tuple(rows),
        "Mean absolute error along the curve, mean over test films and repeats ± standard deviation over repeats. "
        "Beside it: the ideal band, linear regression from the parameters, the median over the films nearest in the "
        "parameters, and the best fit of the network's form, within its bounds, to each curve itself, which no network "
        "of this form can beat by much. tfc_echo is shown the very curve that it answers, and predicts nothing. "
        f"Largest: of one film, mean over repeats.{published}",
        words=2,
    )


def _coverage(found: Collected) -> Table:
    rows = []
    for row in found.coverage.to_dict("records"):
        valid = f"{row['expected_low']:.0%} – {row['expected_high']:.0%}"
        width = f"{1e9 * row['width_mean']:.3f} nm" if np.isfinite(row["width_mean"]) else "infinite"
        rows.append(
            (
                row["task"],
                row["target"],
                row["method"],
                f"{row['level']:.0%}",
                f"{row['coverage']:.1%}",
                valid,
                width,
            )
        )
    return Table(
        "Are the intervals right?",
        ("task", "parameter", "method", "asked for", "found", "a right one", "mean width"),
        tuple(rows),
        "Share of test films whose true value lies in the interval. Ensemble: mean over repeats ± a quantile of "
        "Student's t times their standard deviation. Conformal: ± a quantile of the errors on films set aside to "
        "calibrate with; scaled: the same, wider where films of similar predictions were read badly. A right one: "
        "where 95 % of conformal intervals that keep their promise are found, by the scatter of the films set aside "
        "and of the test films.",
        words=3,
    )


def _trainings(found: Collected) -> Table:
    rows = []
    for key, result in found.curve_trainings.items():
        timing, left_out = result.get("timing") or {}, result.get("left_out") or {}
        rows.append(
            (
                key,
                f"{result.get('parameters', 0):,}",
                *(f"{result.get(f'{role}_chains', 0):,}" for role in ("train", "validate", "calibrate", "test")),
                str(sum(left_out.values())),
                f"{result.get('best_epoch', '–')} of {result.get('epochs', '–')}",
                str(result.get("stop_reason", "–")).replace("_", " "),
                f"{timing.get('seconds', 0.0):.0f} s",
                str(timing.get("device", "–")),
            )
        )
    head = ("training", "weights", "train", "validate", "calibrate", "test", "left out", "best epoch", "ended by")
    return Table(
        "Trainings on curves",
        (*head, "time", "device"),
        tuple(rows),
        "Films that each training used for what; left out: films without a result, which serve for nothing.",
    )


def _printed(found: Collected, quantity_name: str, condition: str | None = None) -> float | None:
    published = found.study.published
    return published.value(quantity_name, condition=condition) if published else None


def done(found: Collected) -> str:
    """Say what was trained on curves."""
    total = len(found.study.curve_trainings)
    if not total:
        return ""
    names = dict.fromkeys(training.task for training in found.study.curve_trainings.values())
    return f" {len(found.curve_trainings)} of {total} trainings on curves ended ({', '.join(names)})."


def answer(found: Collected) -> list[str]:
    """Say how well curves are read, and predicted."""
    sentences = []
    for kind in kinds(found):
        parts = [
            f"{what + ' ' if kind.targets else ''}to {_mean(network, unit)} ("
            + ", ".join(f"{name} {_mean(values, unit)}" for name, values in others.items())
            + ")"
            for what, unit, network, others in _compared(kind)
        ]
        does = "reads" if kind.targets else "returns the curve it is shown" if kind.echo else "predicts the curve"
        sentences.append(f"{kind.task}: with {kind.n_data:,} films the network {does} {', '.join(parts)}.")
    return sentences


def warnings(found: Collected) -> list[str]:
    """Say where a network of curves is no better than a simpler predictor, and what was trained once."""
    listed = []
    for kind in kinds(found):
        for what, unit, network, others in _compared(kind):
            listed += [
                f"{kind.task}, {what}: the network ({_mean(network, unit)} with {kind.n_data:,} films) is no better "
                f"than {name} ({_mean(values, unit)})."
                for name, values in others.items()
                if network.mean() >= values.mean() and name != _FORM
            ]
        if len(kind.results) < 2:
            listed.append(f"{kind.task} was trained once: there is no measure of its scatter, and no ensemble.")
    return listed


_FORM = "the best fit of its form to the curve itself"
_BESIDE = {"linear": "linear regression", "neighbours": "the nearest training films"}


def _compared(kind: Kind) -> Iterator[tuple[str, str, np.ndarray, dict[str, np.ndarray]]]:
    """What a kind of trainings answers, its unit, the network's errors, and those of simpler predictors by name."""
    for _, target, unit in _targets([kind]):
        names = {"median": "the median"} | _BESIDE
        others = {words: kind.values(f"{name}_mae_{target}") for name, words in names.items()}
        yield target, unit, kind.values(f"test_mae_{target}"), others
    if not kind.targets:
        names = {"ideal": "the ideal band"} | _BESIDE | {"form": _FORM}
        others = {words: kind.values(f"{name}_mae") for name, words in names.items()}
        yield "the curve", str(kind.results[0].get("unit", "1")), kind.values("test_mae"), others
