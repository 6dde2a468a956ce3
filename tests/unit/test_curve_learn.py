"""Training networks of curves as a whole: what is learned from, files and scores, interruptions, refusals, the page.

The chains are simulated, short ones, once for all tests.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
import yaml
from threadpoolctl import threadpool_info, threadpool_limits

from weiss import gather, learn, paths, plan, report, simulate, slurm, status
from weiss.cli import main
from weiss.curve_trainings import HELD_OUT
from weiss.errors import UserError
from weiss.figures import draw
from weiss.figures.quantities import spread
from weiss.learn import trainer as common
from weiss.learn.curves import assess, baselines, predict, train
from weiss.learn.curves.data import Curves, load_splits
from weiss.learn.curves.recipe import Recipe, stop_reason
from weiss.learn.records import OUTPUTS, manifest_fault, sha256_of
from weiss.report import curve_tables
from weiss.report.collect import collect
from weiss.spsll import Settings
from weiss.study import Study, load_study

CHAIN = {"cells": 64, "harmonics": 100, "error_harmonics": 20, "duration_s": 5e-13}
"""Chains of 22 nm. Of the walls some have no result: their k-grid is too coarse."""

SPACE = {"sigma": [0.0, 1e-7], "tau": [0.0, 2e-8]}
FEW = [{"sigma": 1e-8, "tau": 0.0}, {"sigma": 0.0, "tau": 1e-9}, {"sigma": 2.29e-8, "tau": 3e-9}]
"""The second has no material."""

RECIPE = {"batch": 8, "max_epochs": 3, "reduce_patience": 0}
BOTH = ["sigma", "tau"]
SCALE = 1e-8
"""What sigma and tau are learned in multiples of, in m."""

CURVES: dict[str, Any] = {
    "walls": {
        "data": "walls",
        "network": "two_branch",
        "targets": BOTH,
        "target_weights": {"tau": 5},
        "resimulate": "width_m",
        "also": ["few"],
        "n_data": [24],
        "repeats": 2,
        "trainings_per_job": 2,
    },
    "read": {"data": "dispersions", "network": "curve_cnn", "targets": BOTH, "n_data": [20]},
    "bands": {"data": "dispersions", "network": "tfc", "also": ["pairs"], "n_data": [20]},
    "echo": {"data": "dispersions", "network": "tfc_echo", "n_data": [20]},
}
WALLS, READ, BANDS, ECHO = IDS = ("walls-n24-r01", "read-n20-r01", "bands-n20-r01", "echo-n20-r01")
JOBS = ("walls-n24-b01", READ, BANDS, ECHO)
PARAMETERS = ("sigma", "tau", "sigma_pred", "tau_pred")
COEFFICIENTS = ("X", "c1", "c2", "c3", "c4", "c5")
CURVE_ERRORS = ("mae", "ideal_mae", "linear_mae", "neighbours_mae", "form_mae")


def chains(what: str, space: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {"model": "spsll", "space": space, "shard": {"conditions": 100}, "spsll": CHAIN | {"what": what} | settings}


FILMS = {
    "walls": chains("wall", {"random": {"n": 90, "seed": 1} | SPACE}, coarsest_kT=2.8),
    "dispersions": chains("dispersion", {"random": {"n": 50, "seed": 2} | SPACE}, coarsest_kT=5.0),
    "few": chains("wall", {"list": FEW}, coarsest_kT=2.8, Ms=9e5),
    "pairs": chains("dispersion", {"list": FEW[::2]}, coarsest_kT=5.0),
}


def write(folder: Path, curves: dict[str, Any]) -> Study:
    """A study of `FILMS`; every task has the recipe `RECIPE` but for what it says itself."""
    tasks = {name: task | {"recipe": RECIPE | task.get("recipe", {})} for name, task in curves.items()}
    content = {"name": "small-curves", "films": FILMS, "curves": tasks}
    content["compute"] = {"train": {"device": "cpu", "gpus": 0}}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return load_study(folder / "study.yaml")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small arrays are fastest on one thread, above all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def saved_after_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long writing takes: a test that interrupts must know where."""
    monkeypatch.setattr(common, "SAVE_SHARE", math.inf)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """The study before its trainings."""
    folder = tmp_path_factory.mktemp("curves")
    study, results = write(folder, CURVES), folder / "results"
    for shard in study.shards:
        simulate.run(study, shard, results)
    for name in study.groups:
        gather.run(study, name, results)
    return study, results


@pytest.fixture(scope="module")
def finished(simulated: tuple[Study, Path]) -> tuple[Study, Path]:
    """All its jobs done by the command."""
    study, results = simulated
    for job in JOBS:
        assert main(["train", str(study.path), job, "--results", str(results), "--device", "cpu"]) == 0
    return study, results


Make = Callable[..., tuple[Study, Path]]


@pytest.fixture
def make(tmp_path: Path, simulated: tuple[Study, Path]) -> Make:
    """Make a study of the same datasets in a results folder of its own, by default of one task; keys may be set."""

    def made(task: str = "read", folder: str = "made", **keys: Any) -> tuple[Study, Path]:
        study = write(tmp_path / folder, {task: CURVES[task] | keys})
        datasets = paths.dataset(simulated[1], study.name, "walls").parent
        results = tmp_path / folder / "results"
        shutil.copytree(datasets, paths.dataset(results, study.name, "walls").parent)
        return study, results

    return made


def folder_of(found: tuple[Study, Path], training: str) -> Path:
    return paths.training(found[1], found[0].name, training)


def run(found: tuple[Study, Path], training: str) -> dict[str, Any]:
    learn.run(found[0], training, found[1])
    return result_of(found, training)


def result_of(found: tuple[Study, Path], training: str) -> dict[str, Any]:
    return json.loads((folder_of(found, training) / "result.json").read_text())


def contents(found: tuple[Study, Path], training: str) -> dict[str, bytes]:
    return {name: (folder_of(found, training) / name).read_bytes() for name in OUTPUTS}


def untimed(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key != "timing"}


def rows_of(found: tuple[Study, Path], training: str, name: str = "predictions.csv") -> list[dict[str, str]]:
    return list(csv.DictReader((folder_of(found, training) / name).read_text().splitlines()))


def column(rows: list[dict[str, str]], name: str) -> np.ndarray:
    return np.array([float(row[name]) for row in rows])


def role_of(found: tuple[Study, Path], training: str, role: str) -> list[dict[str, str]]:
    return [row for row in rows_of(found, training) if row["role"] == role]


@cache
def stored(path: Path, changed: int) -> xr.Dataset:
    """A dataset as it was when its file was changed last."""
    return xr.load_dataset(path, engine="h5netcdf")


def dataset_of(found: tuple[Study, Path], group: str) -> xr.Dataset:
    path = paths.dataset(found[1], found[0].name, group)
    return stored(path, path.stat().st_mtime_ns).copy(deep=True)


def change(found: tuple[Study, Path], group: str, edit: Callable[[xr.Dataset], xr.Dataset]) -> None:
    """Write a dataset again, edited."""
    path = paths.dataset(found[1], found[0].name, group)
    edit(dataset_of(found, group)).to_netcdf(path, engine="h5netcdf")


def picked(data: xr.Dataset, points: Any) -> xr.Dataset:
    place = {point: row for row, point in enumerate(data["point"].values.astype(str))}
    return data.isel(film=[place[point] for point in points])


def usable(found: tuple[Study, Path], training: str, role: str) -> xr.Dataset:
    """The chains of a role with a result, in the order of the study."""
    job = found[0].curve_trainings[training]
    data = picked(dataset_of(found, role if role in job.also else job.data), job.points[role])
    return data.isel(film=np.flatnonzero(data["status"].values.astype(str) == "ok"))


def splits(found: tuple[Study, Path], training: str) -> dict[str, Curves]:
    job = found[0].curve_trainings[training]
    return load_splits(job, found[1], found[0].name, [SCALE] * len(job.targets))


def new_trainer(found: tuple[Study, Path], training: str) -> tuple[train.Trainer, dict[str, Curves]]:
    job, data = found[0].curve_trainings[training], splits(found, training)
    recipe, band = Recipe.read(job.recipe, ""), train.band_of(found[0], job)
    with common.own_randomness(torch.device("cpu")):
        trainer = train.Trainer.new(job, recipe, data["train"], torch.device("cpu"), [SCALE] * len(job.targets), band)
    return trainer, data


# --- what is learned from ---------------------------------------------------------------------------------------------


def test_a_chain_without_a_result_never_enters_and_is_counted(finished: tuple[Study, Path]) -> None:
    """Its arrays hold nan, which would be found wherever it went."""
    data = dataset_of(finished, "walls")
    bad = set(data["point"].values[data["status"].values.astype(str) != "ok"])
    assert np.isnan(data["mz"].values[data["status"].values.astype(str) != "ok"]).all()
    job, result = finished[0].curve_trainings[WALLS], result_of(finished, WALLS)
    lost = {role: len(bad & set(points)) for role, points in job.points.items()} | {"few": 1}
    assert all(count > 0 for count in lost.values()), "every role loses a chain here"
    assert result["left_out"] == lost
    for role in ("train", *HELD_OUT):
        assert result[f"{role}_chains"] == len(job.points[role]) - lost[role]
    named = [row["point"] for row in rows_of(finished, WALLS)]
    assert not bad & set(named)
    assert len(role_of(finished, WALLS, "few")) == 2


def test_an_epoch_is_given_training_chains_to_learn_and_validation_chains_to_judge(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, seen, original = make("walls"), [], train.Trainer.epoch

    def epoch(self: train.Trainer, learned: Curves, watched: Curves, judged: Curves) -> None:
        seen.append((learned, watched, judged))
        assert all(torch.isfinite(part).all() for part in (learned.curves, learned.numbers, learned.targets))
        original(self, learned, watched, judged)

    monkeypatch.setattr(train.Trainer, "epoch", epoch)
    run(found, WALLS)
    learned, judged = (tuple(usable(found, WALLS, role)["point"].values.astype(str)) for role in ("train", "validate"))
    assert 1 < len(judged) < len(learned), "something to choose"
    rows = [place * len(learned) // len(judged) for place in range(len(judged))]
    expected = learned, tuple(learned[row] for row in rows), judged
    assert [tuple(part.points for part in parts) for parts in seen] == [expected] * 3
    assert all(parts[1] is seen[0][1] for parts in seen), "chosen once, not in every epoch"
    for name in ("curves", "numbers", "targets"):
        assert torch.equal(getattr(seen[0][1], name), getattr(seen[0][0], name)[rows])


@pytest.mark.parametrize("training", [WALLS, BANDS])
def test_a_sample_is_spread_evenly_along_the_films(simulated: tuple[Study, Path], training: str) -> None:
    films = splits(simulated, training)["train"]
    for count in range(1, len(films) + 3):
        part = films.sample(count)
        rows = [films.points.index(point) for point in part.points]
        gaps = np.diff([*rows, len(films)])
        assert len(part) == len(rows) == min(count, len(films)) and rows[0] == 0
        assert gaps.min() >= 1 and gaps.max() - gaps.min() <= 1
        for name in ("curves", "numbers", "targets"):
            assert torch.equal(getattr(part, name), getattr(films, name)[rows])
        np.testing.assert_array_equal(part.values, films.values[rows])
        for name in BOTH:
            np.testing.assert_array_equal(part.parameters[name], films.parameters[name][rows])
        if films.known is None:
            assert part.known is None
        else:
            np.testing.assert_array_equal(part.known, films.known[rows])
        assert (part.units, part.widths) == (films.units, films.widths)


def test_what_a_network_sees_is_what_the_dataset_holds(simulated: tuple[Study, Path]) -> None:
    for training, curve, numbers, target in (
        (WALLS, "mz", ["width_m"], None),
        (READ, "ridge_THz", [], None),
        (BANDS, None, BOTH, "ridge_THz"),
        (ECHO, "ridge_THz", BOTH, "ridge_THz"),
    ):
        for role, part in splits(simulated, training).items():
            data = usable(simulated, training, role)
            assert part.points == tuple(data["point"].values.astype(str)) and len(part) == data.sizes["film"]
            assert part.curves.shape == (len(part), int(curve is not None), 64)
            if curve:
                np.testing.assert_array_equal(part.curves[:, 0].numpy(), data[curve].values.astype(np.float32))
            for index, name in enumerate(numbers):
                np.testing.assert_array_equal(part.numbers[:, index].numpy(), data[name].values.astype(np.float32))
            true = data[target].values if target else np.stack([data[name].values for name in BOTH], 1)
            np.testing.assert_array_equal(part.values, true)
            np.testing.assert_allclose(part.targets.numpy(), true / (1 if target else SCALE), rtol=1e-6)
            assert part.units == (("THz",) if target else ("m", "m"))
            assert (part.known is None) == (training != WALLS)
            assert sum(part.widths) == part.inputs().shape[1] == 64 * part.curves.shape[1] + len(numbers)


def test_scales_are_those_of_the_training_chains(finished: tuple[Study, Path]) -> None:
    data = usable(finished, WALLS, "train")
    state = predict.load(folder_of(finished, WALLS) / "best.pt").network.state_dict()
    for name, known in (
        ("number", data["width_m"].values[:, None]),
        ("target", np.stack([data[name].values / SCALE for name in BOTH], 1)),
    ):
        np.testing.assert_allclose(state[f"{name}_mean"], known.mean(0), rtol=1e-5)
        np.testing.assert_allclose(state[f"{name}_scale"], known.std(0), rtol=1e-4)
    np.testing.assert_allclose(state["curve_mean"][0], data["mz"].values.mean(0), rtol=1e-5, atol=1e-7)


def test_failed_stop_stops_at_a_chain_without_a_result(make: Make) -> None:
    found = make("walls", failed="stop")
    with pytest.raises(UserError, match=r"chains gave no result, \w+ \(.+\) among them") as caught:
        run(found, WALLS)
    assert "walls.h5" in str(caught.value) and "\n" not in str(caught.value)
    assert not folder_of(found, WALLS).exists()


@pytest.mark.parametrize("role", ["train", "calibrate"])
def test_a_role_that_lost_all_its_chains_is_said(make: Make, role: str) -> None:
    found = make("read")
    points = found[0].curve_trainings[READ].points[role]
    change(found, "dispersions", lambda data: without_result(data, points))
    with pytest.raises(UserError, match=f"{READ}: no film with a result is left to {role}; give more films"):
        run(found, READ)


def without_result(data: xr.Dataset, points: Any) -> xr.Dataset:
    states = np.where(np.isin(data["point"].values.astype(str), points), "not finite", data["status"].values)
    return data.assign(status=("film", states.astype(object)))


def spoiled(data: xr.Dataset, name: str, point: str) -> xr.Dataset:
    """Put a nan into a variable of one chain that says it is ok."""
    values = data[name].values.copy()
    values[np.flatnonzero(data["point"].values.astype(str) == point)[0], ...] = np.nan
    return data.assign({name: (data[name].dims, values, data[name].attrs)})


@pytest.mark.parametrize(
    ("task", "training", "group", "name", "role"),
    [
        ("walls", WALLS, "walls", "mz", "train"),
        ("walls", WALLS, "walls", "width_m", "test"),
        ("walls", WALLS, "few", "width_m", "few"),
        ("read", READ, "dispersions", "ridge_THz", "calibrate"),
        ("bands", BANDS, "dispersions", "sigma", "validate"),
    ],
)
def test_a_number_that_is_not_finite_stops_with_a_clear_line(
    make: Make, task: str, training: str, group: str, name: str, role: str
) -> None:
    found = make(task)
    data = dataset_of(found, group)
    point = next(
        point
        for point in found[0].curve_trainings[training].points[role]
        if str(picked(data, [point])["status"].values[0]) == "ok"
    )
    change(found, group, lambda data: spoiled(data, name, point))
    with pytest.raises(UserError) as caught:
        run(found, training)
    message = str(caught.value)
    assert message.startswith(str(paths.dataset(found[1], found[0].name, group))) and "\n" not in message
    assert f"{name} holds values that are no finite numbers; gather the films again" in message
    assert not folder_of(found, training).exists()


def test_problems_of_the_dataset_are_one_line(make: Make) -> None:
    found = make("bands")
    path = paths.dataset(found[1], found[0].name, "dispersions")
    sound = dataset_of(found, "dispersions")
    faults = {
        "films are not in the dataset": sound.isel(film=slice(0, 40)),
        "the dataset cannot be read": sound.drop_vars("ridge_THz"),
    }
    for words, broken in faults.items():
        broken.to_netcdf(path, engine="h5netcdf")
        with pytest.raises(UserError, match=words) as caught:
            run(found, BANDS)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"dispersions\.h5"):
        run(found, BANDS)
    path.unlink()
    with pytest.raises(UserError, match="no such dataset"):
        run(found, BANDS)
    sound.to_netcdf(path, engine="h5netcdf")
    paths.dataset(found[1], found[0].name, "pairs").unlink()
    with pytest.raises(UserError, match=r"pairs\.h5.*no such dataset|no such dataset.*pairs\.h5"):
        run(found, BANDS)


# --- loss, recipe -----------------------------------------------------------------------------------------------------


def test_the_loss_is_the_weighted_sum_over_targets() -> None:
    rng = np.random.default_rng(0)
    predicted, true = rng.normal(size=(2, 7, 2)).astype(np.float32)
    weights = torch.tensor([1.0, 5.0])
    squared, plain = (predicted - true).astype(float) ** 2, np.abs(predicted - true).astype(float)
    parts = torch.tensor(predicted), torch.tensor(true), weights
    expected = squared[:, 0].mean() + 5 * squared[:, 1].mean()
    assert float(train.loss_of(*parts, "mse")) == pytest.approx(expected, rel=1e-6)
    assert float(train.loss_of(*parts, "mae")) == pytest.approx(plain[:, 0].mean() + 5 * plain[:, 1].mean(), rel=1e-6)


def test_the_loss_of_a_curve_is_the_mean_along_it() -> None:
    rng = np.random.default_rng(1)
    predicted, true = rng.normal(size=(2, 7, 64)).astype(np.float32)
    parts = torch.tensor(predicted), torch.tensor(true), torch.tensor(())
    assert float(train.loss_of(*parts, "mse")) == pytest.approx(((predicted - true) ** 2).mean(), rel=1e-6)
    assert float(train.loss_of(*parts, "mae")) == pytest.approx(np.abs(predicted - true).mean(), rel=1e-6)


def recipe_of(**keys: Any) -> Recipe:
    values = {
        "learning_rate": 1e-3,
        "batch": 8,
        "max_epochs": 20,
        "patience": 5,
        "reduce_factor": 0.5,
        "reduce_patience": 8,
        "dropout": 0.3,
        "loss": "mse",
        "overfit_ratio": 2.0,
        "overfit_patience": 3,
    }
    return Recipe.read(values | keys, "here")


@pytest.mark.parametrize(
    ("train_losses", "validate_losses", "reason"),
    [
        ([], [], None),
        ([1.0], [1.0], None),
        ([1.0] * 5, [1.0, 2.0, 2.0, 2.0, 2.0], None),  # not more than twice: patience is one epoch away
        ([1.0] * 6, [1.0, 2.0, 2.0, 2.0, 2.0, 2.0], "patience"),
        ([1.0] * 6, [1.0] * 6, "patience"),  # the same again is no improvement
        ([1.0] * 7, [1.0, 2.0, 2.0, 2.0, 2.0, 0.9, 1.0], None),
        ([1.0] * 4, [1.0, 2.1, 2.1, 2.1], "overfitting"),
        ([1.0] * 4, [1.0, 2.1, 1.9, 2.1], None),
        ([1.0] * 5, [3.0, 2.5, 2.6, 2.7, 2.8], "overfitting"),
        ([0.1] * 4, [4.0, 3.0, 2.0, 1.0], None),  # far apart, but still falling
        ([0.4] * 20, [2.0 - 0.01 * epoch for epoch in range(20)], "max_epochs"),
        ([0.4] * 19, [2.0 - 0.01 * epoch for epoch in range(19)], None),
    ],
)
def test_why_a_training_ends(train_losses: list[float], validate_losses: list[float], reason: str | None) -> None:
    assert stop_reason(train_losses, validate_losses, recipe_of()) == reason


def test_overfitting_counts_epochs_in_a_row_since_the_best() -> None:
    """Epochs far apart before the last improvement do not count."""
    validate = [9.0, 8.0, 7.0, 7.5, 7.5]
    assert stop_reason([1.0] * 5, validate, recipe_of()) is None
    assert stop_reason([1.0] * 6, [*validate, 7.5], recipe_of()) == "overfitting"
    assert stop_reason([1.0] * 6, [*validate, 7.5], recipe_of(overfit_patience=4)) is None


@pytest.mark.parametrize("batch", [2, 3, 8, 64])
def test_steps_are_as_equal_as_can_be_and_have_two_films_at_least(batch: int) -> None:
    for films in range(2, 50):
        sizes = recipe_of(batch=batch).sizes(films)
        assert sum(sizes) == films and max(sizes) - min(sizes) <= 1 and min(sizes) >= 2
        assert max(sizes) <= max(batch, 3)
    with pytest.raises(UserError, match="1 film to train on"):
        recipe_of(batch=batch).sizes(1)


def test_a_recipe_has_all_its_keys_and_no_others() -> None:
    with pytest.raises(UserError, match="recipe keys unknown or missing: momentum"):
        recipe_of(momentum=0.9)


def test_a_plateau_lowers_the_learning_rate(simulated: tuple[Study, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0])
    trainer, data = new_trainer(simulated, READ)
    trainer.scheduler.patience, trainer.scheduler.factor = 1, 0.1
    monkeypatch.setattr(
        train.Trainer, "judge", lambda self, films: (next(losses) if films is data["validate"] else 1.0, [0.0, 0.0])
    )
    for _ in range(8):
        trainer.epoch(data["train"], data["train"], data["validate"])
    expected = [1e-3] * 4 + [1e-4] * 2 + [1e-5] * 2
    assert [row["learning_rate"] for row in trainer.history] == pytest.approx(expected)
    assert trainer.optimiser.param_groups[0]["lr"] == pytest.approx(1e-5)


@pytest.mark.parametrize(
    ("losses", "reason", "epochs", "best"),
    [
        ([3.0, 2.0, 2.5, 2.5, 2.5], "patience", 5, 2),
        ([3.0, 2.0, 4.5, 4.5], "overfitting", 4, 2),
        ([6.0, 5.0, 4.0, 3.0, 2.0, 1.0], "max_epochs", 6, 6),
    ],
)
def test_a_training_ends_for_its_reason_with_its_best_weights(
    make: Make, monkeypatch: pytest.MonkeyPatch, losses: list[float], reason: str, epochs: int, best: int
) -> None:
    found = make("read", recipe={"max_epochs": 6, "patience": 3, "overfit_patience": 2})
    given, kept, original = iter(losses), [], train.Trainer.epoch

    def judge(self: train.Trainer, films: Curves) -> tuple[float, list[float]]:
        validate = set(films.points) <= set(found[0].curve_trainings[READ].points["validate"])
        return (next(given) if validate else 2.0), [0.0, 0.0]

    def epoch(self: train.Trainer, *films: Curves) -> None:
        original(self, *films)
        kept.append({name: value.clone() for name, value in self.model.state_dict().items()})

    monkeypatch.setattr(train.Trainer, "judge", judge)
    monkeypatch.setattr(train.Trainer, "epoch", epoch)
    result = run(found, READ)
    assert (result["stop_reason"], result["epochs"], result["best_epoch"]) == (reason, epochs, best)
    assert result["validate_loss"] == losses[best - 1]
    state = predict.load(folder_of(found, READ) / "best.pt").network.state_dict()
    assert all(torch.equal(state[name], value) for name, value in kept[best - 1].items())
    found_again = read(predict.load(folder_of(found, READ) / "best.pt"), usable(found, READ, "test"))
    np.testing.assert_array_equal(found_again[:, 0], column(role_of(found, READ, "test"), "sigma_pred"))


# --- divergence -------------------------------------------------------------------------------------------------------


def diverging(found: tuple[Study, Path], training: str, **recipe: Any) -> tuple[Study, Path]:
    """The study with a recipe that no study file may ask for."""
    study = found[0]
    job = study.curve_trainings[training]
    job = dataclasses.replace(job, recipe=job.recipe | recipe)
    return dataclasses.replace(study, curve_trainings={training: job}), found[1]


@pytest.mark.parametrize(
    ("task", "training", "recipe", "words"),
    [
        ("read", READ, {"learning_rate": 1e30}, "the training loss is not a finite number in epoch 1, step 2"),
        ("bands", BANDS, {"learning_rate": 1e30}, "the training loss is not a finite number in epoch 1, step 2"),
        ("read", READ, {"learning_rate": 1e25, "batch": 64}, "a weight is not a finite number in epoch 1, step 1"),
        (
            "read",
            READ,
            {"learning_rate": 1e12, "batch": 64},
            "the validation loss is not a finite number in epoch 1, step 1",
        ),
    ],
)
def test_what_is_no_longer_finite_stops_with_epoch_and_step(
    make: Make, task: str, training: str, recipe: dict[str, Any], words: str
) -> None:
    found = diverging(make(task), training, **recipe)
    with pytest.raises(UserError) as caught:
        run(found, training)
    assert words in str(caught.value) and "lower the learning rate" in str(caught.value)
    assert "\n" not in str(caught.value)
    folder = folder_of(found, training)
    assert not folder.exists() or not list(folder.iterdir())


def test_a_loss_that_turns_into_nan_later_names_its_epoch_and_step(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    found, count, original = make("read"), [], train.loss_of

    def loss(*arguments: Any) -> torch.Tensor:
        value = original(*arguments)
        count.append(value.requires_grad)
        return value * float("nan") if sum(count) == 5 else value

    monkeypatch.setattr(train, "loss_of", loss)
    with pytest.raises(UserError, match="the training loss is not a finite number in epoch 2, step 5"):
        run(found, READ)


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", IDS)
def test_the_files_of_a_training(finished: tuple[Study, Path], training: str) -> None:
    folder, job = folder_of(finished, training), finished[0].curve_trainings[training]
    assert sorted(path.name for path in folder.iterdir()) == sorted((*OUTPUTS, "result.json"))
    result = result_of(finished, training)
    for key in ("task", "data", "architecture", "answers", "n_data", "repeat", "seed", "digest", "recipe"):
        assert result[key] == getattr(job, key), key
    assert (result["name"], result["study"], result["targets"]) == (training, "small-curves", list(job.targets))
    assert (result["epochs"], result["stop_reason"]) == (3, "max_epochs")
    steps = len(Recipe.read(job.recipe, "").sizes(result["train_chains"]))
    assert result["steps"] == 3 * steps and 1 <= result["best_epoch"] <= 3
    assert result["files"] == {name: sha256_of(folder / name) for name in OUTPUTS}
    assert set(result["left_out"]) == {"train", *HELD_OUT, *job.also}
    assert {"curves", "weiss", "torch", "numpy", "python"} <= set(result["versions"])
    timing = result["timing"]
    assert timing["seconds"] > 0 and (timing["device"], timing["threads"], timing["restarts"]) == ("cpu", 1, 0)
    network = predict.load(folder / "best.pt").network
    assert result["parameters"] == sum(part.numel() for part in network.parameters())


@pytest.mark.parametrize("training", IDS)
def test_the_epochs_table(finished: tuple[Study, Path], training: str) -> None:
    rows, result = rows_of(finished, training, "epochs.csv"), result_of(finished, training)
    errors = [f"validate_mae_{name}" for name in result["targets"]] or ["validate_mae"]
    assert list(rows[0]) == ["epoch", "step", "learning_rate", "train_loss", "validate_loss", *errors]
    steps = result["steps"] // 3
    assert [(row["epoch"], row["step"]) for row in rows] == [(str(n), str(n * steps)) for n in (1, 2, 3)]
    losses = column(rows, "validate_loss")
    assert losses.argmin() + 1 == result["best_epoch"] and losses.min() == result["validate_loss"]
    rates = column(rows, "learning_rate")
    assert rates[0] == 0.001 and (np.diff(rates) <= 0).all()


@pytest.mark.parametrize("training", [WALLS, READ])
def test_losses_and_errors_are_those_of_the_weights_that_were_kept(finished: tuple[Study, Path], training: str) -> None:
    """Losses without dropout, of training on as many chains as validate, evenly along their order; errors in m."""
    reader, job = predict.load(folder_of(finished, training) / "best.pt"), finished[0].curve_trainings[training]
    row = rows_of(finished, training, "epochs.csv")[result_of(finished, training)["best_epoch"] - 1]
    judged = usable(finished, training, "validate")
    learned, count = usable(finished, training, "train"), judged.sizes["film"]
    every = learned.sizes["film"]
    if count < every:
        learned = learned.isel(film=[place * every // count for place in range(count)])
    for data, name in ((judged, "validate_loss"), (learned, "train_loss")):
        errors = read(reader, data) - np.stack([data[target].values for target in BOTH], 1)
        expected = ((errors / SCALE) ** 2).mean(0) @ np.array(job.target_weights)
        assert float(row[name]) == pytest.approx(expected, rel=1e-4)
        if data is judged:
            found = [float(row[f"validate_mae_{target}"]) for target in BOTH]
            np.testing.assert_allclose(found, np.abs(errors).mean(0), rtol=1e-4)


@pytest.mark.parametrize("training", [BANDS, ECHO])
def test_losses_of_a_curve_are_in_its_unit(finished: tuple[Study, Path], training: str) -> None:
    reader = predict.load(folder_of(finished, training) / "best.pt")
    row = rows_of(finished, training, "epochs.csv")[result_of(finished, training)["best_epoch"] - 1]
    data = usable(finished, training, "validate")
    errors = read(reader, data) - data["ridge_THz"].values
    assert float(row["validate_loss"]) == pytest.approx((errors**2).mean(), rel=1e-4)
    assert float(row["validate_mae"]) == pytest.approx(np.abs(errors).mean(), rel=1e-4)


def read(reader: predict.Reader, data: xr.Dataset) -> np.ndarray:
    return reader.read({name: data[name].values for name in (*reader.curves, *reader.numbers)})


@pytest.mark.parametrize("training", IDS)
def test_the_predictions_table(finished: tuple[Study, Path], training: str) -> None:
    rows, job = rows_of(finished, training), finished[0].curve_trainings[training]
    head = ["point", "role", "sigma", "tau"]
    if job.targets:
        head += ["sigma_pred", "tau_pred", "sigma_linear", "tau_linear"]
        head += ["width_m", "width_m_pred", "width_m_linear"] if job.resimulate else []
    else:
        head += [*COEFFICIENTS, *CURVE_ERRORS]
    assert list(rows[0]) == head
    assert list(dict.fromkeys(row["role"] for row in rows)) == ["calibrate", "test", *job.also]
    for role in ("calibrate", "test", *job.also):
        data, part = usable(finished, training, role), [row for row in rows if row["role"] == role]
        assert [row["point"] for row in part] == list(data["point"].values.astype(str))
        for name in BOTH:
            np.testing.assert_array_equal(column(part, name), data[name].values)
            assert [row[name] for row in part] == [repr(float(value)) for value in data[name].values]


@pytest.mark.parametrize("training", IDS)
def test_a_loaded_network_gives_the_predictions_of_the_table(finished: tuple[Study, Path], training: str) -> None:
    reader, job = predict.load(folder_of(finished, training) / "best.pt"), finished[0].curve_trainings[training]
    assert (reader.targets, reader.answers, reader.digest) == (job.targets, job.answers, job.digest)
    assert not reader.network.training
    for role in ("calibrate", "test", *job.also):
        data, rows = usable(finished, training, role), role_of(finished, training, role)
        found = read(reader, data)
        if job.targets:
            expected = np.stack([column(rows, f"{name}_pred") for name in job.targets], 1)
            np.testing.assert_array_equal(found, expected)
        else:
            # The table has the band of the coefficients, which a network rounds to float32.
            errors = np.abs(found - data["ridge_THz"].values).mean(1)
            np.testing.assert_allclose(errors, column(rows, "mae"), rtol=1e-6)
            parts = splits(finished, training)[role]
            made = predict.coefficients(reader.network, parts.curves, parts.numbers).double().numpy()  # type: ignore[arg-type]
            np.testing.assert_array_equal(made, np.stack([column(rows, name) for name in COEFFICIENTS], 1))
        # Alone, or among others in another order: up to rounding.
        np.testing.assert_allclose(read(reader, data.isel(film=[1])), found[[1]], rtol=1e-4)
        np.testing.assert_allclose(read(reader, data.isel(film=slice(None, None, -1))), found[::-1], rtol=1e-4)


@pytest.mark.parametrize("training", [BANDS, ECHO])
def test_coefficients_make_the_band_that_was_answered(finished: tuple[Study, Path], training: str) -> None:
    """gap + X (1 − cos ka) + Σ c_n |k / k_zb|^(n+1), which is the gap at k = 0."""
    data, rows = usable(finished, training, "test"), role_of(finished, training, "test")
    settings = Settings(cells=64)
    k = data["k"].values
    X, *c = (column(rows, name) for name in COEFFICIENTS)
    assert (X > 0).all() and X.max() <= 1.05 * settings.X_THz and (np.abs(c) <= 0.1).all()
    band = settings.gap_THz + np.outer(X, 1 - np.cos(k * settings.a))
    for n, part in enumerate(c, start=1):
        band += np.outer(part, np.abs(k * settings.a / np.pi) ** (n + 1))
    np.testing.assert_allclose(np.abs(band - data["ridge_THz"].values).mean(1), column(rows, "mae"), rtol=1e-12)
    answered = read(predict.load(folder_of(finished, training) / "best.pt"), data)
    np.testing.assert_allclose(answered, band, rtol=1e-6)
    assert (answered[:, np.argmin(np.abs(k))] == np.float32(settings.gap_THz)).all()


# --- scores -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [WALLS, READ])
def test_scores_of_parameters_are_those_of_the_table(finished: tuple[Study, Path], training: str) -> None:
    rows, result = role_of(finished, training, "test"), result_of(finished, training)
    learned = usable(finished, training, "train")
    for name in BOTH:
        true, found = column(rows, name), column(rows, f"{name}_pred")
        assert result[f"test_mae_{name}"] == pytest.approx(np.abs(found - true).mean(), rel=1e-9)
        off = np.abs(true - np.median(learned[name].values)).mean()
        assert result[f"median_mae_{name}"] == pytest.approx(off, rel=1e-9)
        r2 = 1 - ((found - true) ** 2).sum() / ((true - true.mean()) ** 2).sum()
        assert result[f"test_r2_{name}"] == pytest.approx(r2, rel=1e-9)
        assert result[f"unit_{name}"] == "m"
    assert not [key for key in result if key.startswith("width_m")] or training == WALLS


@pytest.mark.parametrize("training", [WALLS, READ])
def test_simpler_predictors_read_what_the_network_reads(finished: tuple[Study, Path], training: str) -> None:
    kind, widths = (["mz", "width_m"], [64, 1]) if training == WALLS else (["ridge_THz"], [64])

    def both(role: str) -> tuple[np.ndarray, np.ndarray]:
        data = usable(finished, training, role)
        parts = [data[name].values.reshape(data.sizes["film"], -1) for name in kind]
        return np.concatenate(parts, 1).astype(np.float32), np.stack([data[name].values for name in BOTH], 1)

    known, true = both("train")
    for role in ("calibrate", "test", *finished[0].curve_trainings[training].also):
        asked, expected = both(role)
        linear = baselines.linear(known, true, asked, widths)
        rows = role_of(finished, training, role)
        written = np.stack([column(rows, f"{name}_linear") for name in BOTH], 1)
        np.testing.assert_allclose(written, linear, rtol=1e-6, atol=1e-16)
        assert (written >= true.min(0)).all() and (written <= true.max(0)).all()
        if role == "test":
            nearest = baselines.neighbours(known, true, asked, widths=widths)
            for name, values in (("linear", written), ("neighbours", nearest)):
                found = [result_of(finished, training)[f"{name}_mae_{target}"] for target in BOTH]
                np.testing.assert_allclose(found, np.abs(values - expected).mean(0), rtol=1e-6)


@pytest.mark.parametrize("training", [BANDS, ECHO])
def test_simpler_predictors_of_a_curve_read_the_parameters(finished: tuple[Study, Path], training: str) -> None:
    learned = usable(finished, training, "train")
    known = np.stack([learned[name].values for name in BOTH], 1)
    for role in ("calibrate", "test", *finished[0].curve_trainings[training].also):
        data, rows = usable(finished, training, role), role_of(finished, training, role)
        asked, ridges = np.stack([data[name].values for name in BOTH], 1), learned["ridge_THz"].values
        for name in ("linear", "neighbours"):
            errors = np.abs(getattr(baselines, name)(known, ridges, asked) - data["ridge_THz"].values).mean(1)
            np.testing.assert_allclose(column(rows, f"{name}_mae"), errors, rtol=1e-6)


def test_scores_of_walls_simulated_again_are_those_of_the_table(finished: tuple[Study, Path]) -> None:
    rows, result = role_of(finished, WALLS, "test"), result_of(finished, WALLS)
    true, learned = column(rows, "width_m"), usable(finished, WALLS, "train")["width_m"].values
    np.testing.assert_array_equal(true, usable(finished, WALLS, "test")["width_m"].values)
    predicted = {"": column(rows, "width_m_pred"), "linear_": column(rows, "width_m_linear")}
    kept = np.isfinite(predicted[""]) & np.isfinite(predicted["linear_"])
    for prefix, values in (predicted | {"mean_": np.full(len(true), learned.mean())}).items():
        errors = (values - true)[kept]
        for part, expected in (("mean", errors.mean()), ("std", errors.std()), ("mae", np.abs(errors).mean())):
            assert result[f"{prefix}width_m_error_{part}"] == pytest.approx(expected, rel=1e-9, abs=1e-22)
    assert result["mean_width_m_error_std"] == pytest.approx(true[kept].std(), rel=1e-9)
    for prefix, values in predicted.items():
        assert result[f"{prefix}width_m_failed"] == np.isnan(values).sum()
    assert "mean_width_m_failed" not in result
    assert np.isfinite(column(role_of(finished, WALLS, "few"), "width_m_pred")).any()
    for row in role_of(finished, WALLS, "calibrate"):
        assert row["width_m_pred"] == row["width_m_linear"] == "nan" and float(row["width_m"]) > 0


@pytest.mark.parametrize("training", [BANDS, ECHO])
def test_scores_of_curves_are_those_of_the_table(finished: tuple[Study, Path], training: str) -> None:
    rows, result = role_of(finished, training, "test"), result_of(finished, training)
    for name in CURVE_ERRORS:
        expected = column(rows, name).mean()
        assert result["test_mae" if name == "mae" else name] == pytest.approx(expected, rel=1e-9)
    assert result["test_max"] == column(rows, "mae").max() and result["unit"] == "THz"
    settings, data = Settings(cells=64), usable(finished, training, "test")
    ideal = settings.gap_THz + settings.X_THz * (1 - np.cos(data["k"].values * settings.a))
    np.testing.assert_allclose(column(rows, "ideal_mae"), np.abs(ideal - data["ridge_THz"].values).mean(1), rtol=1e-9)
    assert result["form_mae"] < result["ideal_mae"]


def task_of(found: tuple[Study, Path], training: str) -> tuple[assess.Task, dict[str, Curves]]:
    data = splits(found, training)
    return assess.Task(found[0], found[0].curve_trainings[training], None, None, data, (SCALE, SCALE), 1), data  # type: ignore[arg-type]


@pytest.mark.parametrize("order", [BOTH, BOTH[::-1]])
def test_true_parameters_simulated_again_give_the_true_width(make: Make, order: list[str]) -> None:
    task, data = task_of(make("walls", targets=order), WALLS)
    inside = data["train"]
    np.testing.assert_array_equal(assess.simulate_again(task, "test", inside.values), inside.known)


def test_chains_of_another_group_are_simulated_again_with_its_settings(simulated: tuple[Study, Path]) -> None:
    """Their magnetization is another one."""
    task, data = task_of(simulated, WALLS)
    inside = data["few"].points.index(simulated[0].groups["few"].points[-1].id)
    train_values, values = data["train"].values, data["few"].values[[inside]]
    assert (values > train_values.min(0)).all() and (values < train_values.max(0)).all()
    np.testing.assert_array_equal(assess.simulate_again(task, "few", values), data["few"].known[[inside]])
    for role in ("calibrate", "test"):
        (width,) = assess.simulate_again(task, role, values)
        assert np.isfinite(width) and width != data["few"].known[inside]


def test_predictions_beyond_the_training_chains_are_taken_at_their_border(simulated: tuple[Study, Path]) -> None:
    task, data = task_of(simulated, WALLS)
    (sigma_low, tau_low), (sigma_high, tau_high) = data["train"].values.min(0), data["train"].values.max(0)
    beyond = np.array([[2 * sigma_high, -1e-9], [1.0, 5e-9], [4e-8, 0.5 * tau_low], [-1e-8, 1.0]])
    border = np.array([[sigma_high, tau_low], [sigma_high, 5e-9], [4e-8, tau_low], [sigma_low, tau_high]])
    found = assess.simulate_again(task, "test", beyond)
    np.testing.assert_array_equal(found, assess.simulate_again(task, "test", border))
    assert np.isfinite(found[:3]).all() and len(set(found[:3])) == 3


def test_a_predicted_chain_without_a_wall_is_nan_and_counted(
    make: Make, finished: tuple[Study, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fails for either reader is left out of the errors of all, and leaves no mark on the others."""
    rows = role_of(finished, WALLS, "test")
    read_off, linear = column(rows, "width_m_pred"), column(rows, "width_m_linear")
    one, other, *_ = usual = np.flatnonzero(np.isfinite(read_off) & np.isfinite(linear))
    assert len(usual) > 4
    original, calls = assess.simulate_again, []

    def again(task: assess.Task, role: str, values: np.ndarray) -> np.ndarray:
        widths = original(task, role, values)
        calls.append(role)
        if role == "test":
            lost = {1: [one], 2: [other, usual[2]]}[calls.count("test")]
            widths[lost] = np.nan
        return widths

    monkeypatch.setattr(assess, "simulate_again", again)
    found = make("walls")
    whole, part = result_of(finished, WALLS), run(found, WALLS)
    assert calls == ["test", "test", "few", "few"], "nothing is simulated to calibrate with"
    assert part["width_m_failed"] == whole["width_m_failed"] + 1
    assert part["linear_width_m_failed"] == whole["linear_width_m_failed"] + 2
    true, kept = column(rows, "width_m"), usual[3:]
    mean = np.full(len(true), usable(finished, WALLS, "train")["width_m"].values.mean())
    for prefix, values in (("", read_off), ("linear_", linear), ("mean_", mean)):
        errors = (values - true)[kept]
        for name, expected in (("mean", errors.mean()), ("std", errors.std()), ("mae", np.abs(errors).mean())):
            assert part[f"{prefix}width_m_error_{name}"] == pytest.approx(expected, rel=1e-9, abs=1e-22)
    assert part["test_mae_sigma"] == whole["test_mae_sigma"]
    assert np.isnan(column(role_of(found, WALLS, "test"), "width_m_pred")[one])


def test_where_no_predicted_chain_has_a_wall_the_training_still_ends(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON knows no nan."""
    monkeypatch.setattr(assess, "simulate_again", lambda task, role, values: np.full(len(values), np.nan))
    found = make("walls")
    result = run(found, WALLS)
    assert result["width_m_failed"] == result["linear_width_m_failed"] == result["test_chains"]
    for prefix in ("", "linear_", "mean_"):
        assert [result[f"{prefix}width_m_error_{part}"] for part in ("mean", "std", "mae")] == [None] * 3
    _, rows = table(found, "Simulated again from the parameters read")
    count = str(result["test_chains"])
    assert [row[4:] for row in rows] == [("–", "–", "–", failed) for failed in (count, count, "–")]


def test_one_test_chain_has_no_coefficient_of_determination(make: Make) -> None:
    found = make("read")
    points = found[0].curve_trainings[READ].points["test"][1:]
    change(found, "dispersions", lambda data: without_result(data, points))
    result = run(found, READ)
    assert result["test_chains"] == 1 and result["test_r2_sigma"] is None and result["test_mae_sigma"] > 0


def test_a_network_learns(make: Make) -> None:
    """On the chains that it is shown, far better than always answering their mean."""
    made = make("read", recipe={"dropout": 0.0, "learning_rate": 0.003, "batch": 10, "reduce_patience": 8})
    trainer, data = new_trainer(made, READ)
    for _ in range(12):
        trainer.epoch(data["train"], data["train"], data["train"])
    assert min(trainer.losses("validate_loss")) < 0.4 * (data["train"].values / SCALE).var(0).sum()


# --- again, and in another order --------------------------------------------------------------------------------------


def test_the_same_trainings_in_another_order_are_the_same_bytes(finished: tuple[Study, Path], tmp_path: Path) -> None:
    study, results = write(tmp_path, CURVES), tmp_path / "results"
    shutil.copytree(
        paths.dataset(finished[1], study.name, "walls").parent, paths.dataset(results, study.name, "walls").parent
    )
    torch.manual_seed(99)
    for training in reversed(list(study.curve_trainings)):
        learn.run(study, training, results)
    for training in study.curve_trainings:
        assert contents((study, results), training) == contents(finished, training)
        assert untimed(result_of((study, results), training)) == untimed(result_of(finished, training))


def test_what_is_fitted_beside_a_network_runs_on_the_threads_asked_for(
    make: Make, finished: tuple[Study, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many the libraries would take."""
    original, seen = assess.run, []

    def tested(task: assess.Task) -> assess.Tested:
        seen.extend(part["num_threads"] for part in threadpool_info())
        return original(task)

    monkeypatch.setattr(assess, "run", tested)
    found = make("read")
    with threadpool_limits(3):
        before = [part["num_threads"] for part in threadpool_info()]
        run(found, READ)
        assert [part["num_threads"] for part in threadpool_info()] == before and max(before) == 3
    assert seen and set(seen) == {1}
    assert contents(found, READ) == contents(finished, READ)


def test_repeats_differ_and_torch_is_left_as_it_was(finished: tuple[Study, Path], make: Make) -> None:
    first, second = (predict.load(folder_of(finished, f"walls-n24-{r}") / "best.pt") for r in ("r01", "r02"))
    weights = [next(iter(reader.network.parameters())) for reader in (first, second)]
    assert not torch.equal(*weights)
    found, before = make("read", recipe={"max_epochs": 1}), torch.get_rng_state()
    run(found, READ)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_finished_training_is_not_repeated_and_a_damaged_one_is(
    make: Make, finished: tuple[Study, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    found = make("read")
    run(found, READ)
    folder = folder_of(found, READ)
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    run(found, READ)
    assert f"{READ}: finished already, nothing to do" in capsys.readouterr().err
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == times
    damaged = folder / "predictions.csv"
    damaged.write_bytes(damaged.read_bytes()[:100])
    run(found, READ)
    assert contents(found, READ) == contents(finished, READ)


def test_an_edited_recipe_is_trained_anew(make: Make, finished: tuple[Study, Path]) -> None:
    found = make("read", recipe={"loss": "mae"})
    shutil.copytree(folder_of(finished, READ), folder_of(found, READ))
    result = run(found, READ)
    assert result["recipe"]["loss"] == "mae" and contents(found, READ) != contents(finished, READ)


def interrupt_after(monkeypatch: pytest.MonkeyPatch, epochs: int) -> None:
    """Stop training by an exception after `epochs` epochs were saved."""
    original, count = train.checkpoint.save, []

    def save(path: Path, content: Any) -> None:
        original(path, content)
        if path.name == "last.pt":
            count.append(path)
            if len(count) == epochs:
                raise KeyboardInterrupt

    monkeypatch.setattr(train.checkpoint, "save", save)


@pytest.mark.parametrize(("task", "training", "epochs"), [("walls", WALLS, 1), ("bands", BANDS, 2), ("echo", ECHO, 3)])
def test_an_interrupted_training_ends_in_the_same_bytes(
    make: Make, finished: tuple[Study, Path], monkeypatch: pytest.MonkeyPatch, task: str, training: str, epochs: int
) -> None:
    found = make(task)
    with monkeypatch.context() as patch:
        interrupt_after(patch, epochs)
        with pytest.raises(KeyboardInterrupt):
            learn.run(found[0], training, found[1])
    assert [path.name for path in folder_of(found, training).iterdir()] == ["last.pt"]
    torch.manual_seed(5)
    result = run(found, training)
    assert result["timing"]["restarts"] == 1
    assert contents(found, training) == contents(finished, training)
    assert untimed(result) == untimed(result_of(finished, training))


def test_a_resumed_trainer_is_the_one_that_stopped(simulated: tuple[Study, Path]) -> None:
    """The rate, what the plateau is measured from, the order to come: everything is as it was."""
    (first, data), (second, _) = new_trainer(simulated, READ), new_trainer(simulated, READ)
    for _ in range(2):
        first.epoch(data["train"], data["train"], data["validate"])
    with common.own_randomness(torch.device("cpu")):
        assert second.resumed(first.content(), Path("last.pt")) is second
    assert second.scheduler.state_dict() == first.scheduler.state_dict()
    assert second.scheduler.best == min(first.losses("validate_loss"))
    assert torch.equal(second.generator.get_state(), first.generator.get_state())
    assert (second.history, second.seconds, second.restarts) == (first.history, first.seconds, 1)
    assert all(torch.equal(second.best[name], value) for name, value in first.best.items())


# Trains, and kills its own process before the file that is the n-th to be moved into its place.
CHILD = """
import os, signal, sys
from pathlib import Path
from weiss import atomic
from weiss.learn import trainer as common
from weiss.learn.curves import train
from weiss.study import load_study

study, results, training, number = sys.argv[1:]
replace, moved = os.replace, []

def fatal(source, target):
    moved.append(target)
    if len(moved) == int(number):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)

atomic.os.replace, common.SAVE_SHARE = fatal, float("inf")
train.run(load_study(study), training, Path(results), threads=1)
"""

LONGER = {
    "repeats": 1,
    "resimulate": None,
    "also": [],
    "recipe": {"learning_rate": 0.01, "max_epochs": 7, "reduce_patience": 0, "reduce_factor": 0.7},
}


def test_sigkill_and_the_same_again_end_in_the_same_bytes(make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    """While the sixth epoch is saved; with dropout, a learning rate that falls, and an order drawn anew each time."""
    whole, killed = make("walls", "whole", **LONGER), make("walls", "killed", **LONGER)
    expected = run(whole, WALLS)
    rates = column(rows_of(whole, WALLS, "epochs.csv"), "learning_rate")
    assert rates[5] < rates[0], "something to remember"
    command = [sys.executable, "-c", CHILD, str(killed[0].path), str(killed[1]), WALLS, "6"]
    child = subprocess.run(command, stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    folder = folder_of(killed, WALLS)
    assert {path.name for path in folder.iterdir() if path.suffix != ".tmp"} == {"last.pt"}
    result = run(killed, WALLS)
    assert "going on after epoch 5" in capfd.readouterr().err
    assert contents(killed, WALLS) == contents(whole, WALLS)
    assert untimed(result) == untimed(expected)
    assert {path.name for path in folder.iterdir()} == {*OUTPUTS, "result.json"}


@pytest.mark.parametrize(
    ("moved", "left"),
    [
        (4, {"last.pt", "epochs.csv"}),
        (6, {"last.pt", *OUTPUTS}),
    ],
)
def test_a_training_cut_off_among_its_outputs_ends_in_the_same_bytes(
    make: Make, finished: tuple[Study, Path], monkeypatch: pytest.MonkeyPatch, moved: int, left: set[str]
) -> None:
    """Three epochs each move last.pt; then come epochs.csv, predictions.csv, best.pt and result.json."""
    found, replace, count = make("read"), os.replace, []

    def fatal(source: Path, target: Path) -> None:
        if len(count) == moved:
            raise KeyboardInterrupt
        count.append(target)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("weiss.atomic.os.replace", fatal)
        with pytest.raises(KeyboardInterrupt):
            run(found, READ)
    assert {path.name for path in folder_of(found, READ).iterdir() if path.suffix != ".tmp"} == left
    run(found, READ)
    assert contents(found, READ) == contents(finished, READ)
    assert {path.name for path in folder_of(found, READ).iterdir()} == {*OUTPUTS, "result.json"}


def test_a_checkpoint_that_is_not_whole_is_set_aside(
    make: Make, finished: tuple[Study, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = make("read")
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            run(found, READ)
    last = folder_of(found, READ) / "last.pt"
    content = torch.load(last, weights_only=True)
    del content["scheduler"]
    torch.save(content, last)
    run(found, READ)
    assert "last.pt.damaged, training starts anew" in capsys.readouterr().err
    assert contents(found, READ) == contents(finished, READ)


# --- a trained network ------------------------------------------------------------------------------------------------


def test_a_reader_says_what_it_is_not_given(finished: tuple[Study, Path]) -> None:
    reader, data = predict.load(folder_of(finished, WALLS) / "best.pt"), usable(finished, WALLS, "test")
    assert (reader.curves, reader.numbers, reader.scales) == (("mz",), ("width_m",), (SCALE, SCALE))
    sound = {"mz": data["mz"].values, "width_m": data["width_m"].values}
    faults: list[tuple[dict[str, Any], str]] = [
        ({"mz": sound["mz"]}, "this network reads width_m, too"),
        (sound | {"mz": sound["mz"][:, :60]}, "mz: expected finite numbers of shape"),
        (sound | {"mz": sound["mz"][0]}, "mz: expected finite numbers of shape"),
        (sound | {"width_m": sound["width_m"][:3]}, "width_m: expected finite numbers of shape"),
        (sound | {"width_m": np.full(data.sizes["film"], np.nan)}, "width_m: expected finite numbers"),
    ]
    for films, words in faults:
        with pytest.raises(UserError, match=words):
            reader.read(films)


def test_a_reader_of_numbers_refuses_a_lone_one(finished: tuple[Study, Path]) -> None:
    reader = predict.load(folder_of(finished, BANDS) / "best.pt")
    with pytest.raises(UserError, match="sigma: expected finite numbers of shape"):
        reader.read({"sigma": 1e-8, "tau": 1e-9})  # type: ignore[dict-item]


def test_no_films_are_no_predictions(finished: tuple[Study, Path]) -> None:
    """A table of which all rows were left out is a table still."""
    for training, shape in ((WALLS, (0, 2)), (BANDS, (0, 64))):
        reader = predict.load(folder_of(finished, training) / "best.pt")
        given = {name: np.zeros((0, 64)) for name in reader.curves} | {name: np.zeros(0) for name in reader.numbers}
        assert reader.read(given).shape == shape


def test_what_is_no_trained_network_of_curves_is_said(finished: tuple[Study, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such trained network; train it first"):
        predict.load(tmp_path / "best.pt")
    content = torch.load(folder_of(finished, READ) / "best.pt", weights_only=True)
    faults = [
        ({key: value for key, value in content.items() if key != "scales"}, "scales missing; train it again"),
        (content | {"network": "two_branch"}, "this checkpoint is of another network"),
        (content | {"shapes": content["shapes"] | {"outputs": 3}}, "this checkpoint is of another network"),
        (content | {"shapes": {"length": 64}}, "this checkpoint is of another network"),
    ]
    for broken, words in faults:
        torch.save(broken, tmp_path / "broken.pt")
        with pytest.raises(UserError, match=words):
            predict.load(tmp_path / "broken.pt")
    (tmp_path / "broken.pt").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"broken\.pt"):
        predict.load(tmp_path / "broken.pt")


# --- jobs, status, plan, page -----------------------------------------------------------------------------------------


def test_the_command_trains_a_job_or_one_of_its_members(
    finished: tuple[Study, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    study, results = finished
    command = ["train", str(study.path), "--results", str(results), "--device", "cpu"]
    for job in study.training_jobs.values():
        assert manifest_fault(results, study, job) is None
    manifest = json.loads(paths.training_job(results, study.name, "walls-n24-b01").read_text())
    assert list(manifest["trainings"]) == ["walls-n24-r01", "walls-n24-r02"]
    for name, row in manifest["trainings"].items():
        assert row == {key: result_of(finished, name)[key] for key in ("digest", "files")}
    assert main([*command, "walls-n24-r02"]) == 0
    assert "walls-n24-r02: finished already, nothing to do" in capsys.readouterr().err
    assert main([*command, "walls-n24-r03"]) == 2
    assert "no training named 'walls-n24-r03' in this study" in capsys.readouterr().err
    assert main([*command, READ, "--digest", "0" * 16]) == 2
    assert READ in capsys.readouterr().err


def test_a_training_that_fails_leaves_the_others_of_its_job_and_no_manifest(make: Make) -> None:
    study, results = make("walls")
    second = study.curve_trainings["walls-n24-r02"]
    broken = dataclasses.replace(second, points=second.points | {"test": ("0" * 16,)})
    study = dataclasses.replace(study, curve_trainings=study.curve_trainings | {second.id: broken})
    with pytest.raises(UserError, match=r"1 of 2 trainings failed: walls-n24-r02 \(.*1 of 1 films are not in the data"):
        learn.run(study, "walls-n24-b01", results)
    assert (folder_of((study, results), WALLS) / "result.json").is_file()
    assert not paths.training_job(results, study.name, "walls-n24-b01").exists()


def test_status_counts_jobs_of_trainings(
    finished: tuple[Study, Path], make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(slurm, "available", lambda: False)
    stages = {stage.rule: stage for stage in status.state(*finished)}
    assert (stages["train"].done, stages["train"].total, stages["simulate"].done) == (4, 4, stages["simulate"].total)
    none = {stage.rule: stage for stage in status.state(*make("walls"))}["train"]
    assert (none.done, none.total, none.waiting) == (0, 1, 1)
    status.run(*finished)
    assert "4/4" in next(line for line in capsys.readouterr().out.splitlines() if line.startswith("train"))


def test_the_plan_has_a_row_for_every_task_and_number(finished: tuple[Study, Path], make: Make) -> None:
    rows = {row["network"]: row for row in plan.plan(*finished)["trainings"]}
    assert list(rows) == list(CURVES)
    for name, row in rows.items():
        trainings = [key for key, job in finished[0].curve_trainings.items() if job.task == name]
        assert row["ids"] == trainings and (row["trainings"], row["done"]) == (len(trainings),) * 2
        assert row["n_data"] == row["films_each"] == CURVES[name]["n_data"][0]
        assert row["cpu_hours"] == row["gpu_hours"] == 0 and row["disk_bytes"] > 0
    totals = plan.plan(*finished)["totals"]
    assert (totals["trainings"], totals["trainings_done"]) == (5, 5)
    study, results = make("walls", n_data=[8, 24])
    found = plan.plan(study, results)
    few, many = found["trainings"]
    assert (few["n_data"], many["n_data"], few["done"], few["trainings"]) == (8, 24, 0, 2)
    assert 0 < few["cpu_hours"] < many["cpu_hours"] and many["gpu_hours"] > 0
    assert "trainings on curves: 100 epochs" in "\n".join(found["estimate"]["basis"])
    assert "4 trainings (0 done)" in plan.text(found)


class Words(HTMLParser):
    """Text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.style = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self.style = False

    def handle_data(self, data: str) -> None:
        if not self.style:
            self.found.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.found).split())


@pytest.fixture(scope="module")
def shown(finished: tuple[Study, Path]) -> tuple[Study, Path, str]:
    """The study with the figure that the page takes data from, and the words of the page."""
    study, results = finished
    draw.run(study, "coverage", results)
    report.run(study, results)
    return study, results, Words(paths.report(results, study.name).read_text(encoding="utf-8")).text


def table(found: tuple[Study, Path], title: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    (chosen,) = [part for part in curve_tables.tables(collect(*found)) if part.title == title]
    assert all(len(row) == len(chosen.columns) for row in chosen.rows)
    return chosen.columns, list(chosen.rows)


def scores(found: tuple[Study, Path], name: str, *trainings: str) -> np.ndarray:
    return np.array([result_of(found, training)[name] for training in trainings])


def nm(values: np.ndarray) -> str:
    scatter = f" ± {1e9 * values.std(ddof=1):.3f}" if len(values) > 1 else ""
    return f"{1e9 * values.mean():.3f}{scatter} nm".replace("-", "−")


REPEATS = ("walls-n24-r01", "walls-n24-r02")
BESIDE_PARAMETERS = {"median": "the median", "linear": "linear regression", "neighbours": "the nearest training films"}
BESIDE_CURVES = {
    "ideal": "the ideal band",
    "linear": "linear regression",
    "neighbours": "the nearest training films",
    "form": "the best fit of its form to the curve itself",
}
"""What is said of simpler predictors, in this order."""


def test_the_table_of_parameters(shown: tuple[Study, Path, str]) -> None:
    head, rows = table(shown[:2], "Parameters read off curves: test error")
    assert [row[:4] for row in rows] == [
        (target, task, films, repeats)
        for task, films, repeats in (("walls", "24", "2"), ("read", "20", "1"))
        for target in BOTH
    ]
    cells = dict(zip(head, rows[1], strict=True))
    errors = scores(shown[:2], "test_mae_tau", *REPEATS)
    assert cells["network"] == nm(errors)
    for name, key in (("median", "median"), ("linear regression", "linear"), ("neighbours", "neighbours")):
        assert cells[name] == nm(scores(shown[:2], f"{key}_mae_tau", *REPEATS).mean(keepdims=True))
    assert cells["R²"] == f"{scores(shown[:2], 'test_r2_tau', *REPEATS).mean():.2f}"
    alone = result_of(shown[:2], READ)["test_mae_sigma"]
    assert dict(zip(head, rows[2], strict=True))["network"] == nm(np.array([alone]))


def test_the_table_of_widths(shown: tuple[Study, Path, str]) -> None:
    head, rows = table(shown[:2], "Simulated again from the parameters read")
    assert [row[0] for row in rows] == ["network", "linear regression", "none: always the mean"]
    for row, prefix in zip(rows, ("", "linear_", "mean_"), strict=True):
        cells = dict(zip(head, row, strict=True))
        for name, part in (("mean error", "mean"), ("standard deviation", "std"), ("MAE", "mae")):
            assert cells[name] == nm(scores(shown[:2], f"{prefix}width_m_error_{part}", *REPEATS))
        failed = "–" if prefix == "mean_" else str(scores(shown[:2], f"{prefix}width_m_failed", *REPEATS).sum())
        assert cells["failed"] == failed


def test_published_widths_stand_beside_widths_alone(
    shown: tuple[Study, Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curve_tables, "_printed", lambda *_: 0.25)
    _, rows = table(shown[:2], "Simulated again from the parameters read")
    assert rows[-1] == ("published", "–", "–", "–", "0.25 nm", "0.25 nm", "–", "–") and len(rows) == 4
    kinds = curve_tables.kinds
    monkeypatch.setattr(
        curve_tables,
        "kinds",
        lambda found: [dataclasses.replace(kind, resimulate=kind.resimulate and "error_m") for kind in kinds(found)],
    )
    _, rows = table(shown[:2], "Simulated again from the parameters read")
    assert [row[0] for row in rows] == ["network", "linear regression", "none: always the mean"]
    assert all(row[4:] == ("–",) * 4 for row in rows), "of another number nothing is on disk"


def test_the_table_of_curves(shown: tuple[Study, Path, str]) -> None:
    head, rows = table(shown[:2], "Dispersion relations predicted: test error")
    assert [row[:4] for row in rows] == [("bands", "tfc", "20", "1"), ("echo", "tfc_echo", "20", "1")]
    cells, result = dict(zip(head, rows[0], strict=True)), result_of(shown[:2], BANDS)
    assert cells["MAE"] == spread(result["test_mae"], math.nan, "THz")
    keys = {"ideal": "ideal_mae", "linear": "linear_mae", "neighbours": "neighbours_mae"}
    for name, key in (keys | {"best of form": "form_mae", "largest": "test_max"}).items():
        assert cells[name] == spread(result[key], math.nan, "THz")


def test_the_table_of_trainings(shown: tuple[Study, Path, str]) -> None:
    head, rows = table(shown[:2], "Trainings on curves")
    assert [row[0] for row in rows] == [*REPEATS, READ, BANDS, ECHO]
    for row in rows:
        cells, result = dict(zip(head, row, strict=True)), result_of(shown[:2], row[0])
        assert cells["weights"] == f"{result['parameters']:,}" and cells["device"] == "cpu"
        assert [cells[role] for role in ("train", *HELD_OUT)] == [
            str(result[f"{role}_chains"]) for role in ("train", *HELD_OUT)
        ]
        assert cells["left out"] == str(sum(result["left_out"].values())) and cells["ended by"] == "max epochs"
        assert cells["best epoch"] == f"{result['best_epoch']} of 3"


def test_the_table_of_intervals(shown: tuple[Study, Path, str]) -> None:
    head, rows = table(shown[:2], "Are the intervals right?")
    assert {(row[0], row[1]) for row in rows} == {
        ("walls", "sigma"),
        ("walls", "tau"),
        ("read", "sigma"),
        ("read", "tau"),
    }
    assert {row[2] for row in rows if row[0] == "walls"} == {"ensemble", "conformal", "scaled conformal"}
    assert "ensemble" not in {row[2] for row in rows if row[0] == "read"}, "one training has no spread"
    for row in rows:
        cells = dict(zip(head, row, strict=True))
        assert 0 <= float(cells["found"].rstrip("%")) <= 100


def test_the_page_says_what_was_learned(shown: tuple[Study, Path, str]) -> None:
    study, results, text = shown
    for part in curve_tables.tables(collect(study, results)):
        assert part.title in text and all(cell in text for row in part.rows for cell in row)
    assert "5 of 5 trainings on curves ended (walls, read, bands, echo)." in text
    for task, training, does in (
        ("bands", BANDS, "predicts the curve"),
        ("echo", ECHO, "returns the curve it is shown"),
    ):
        result = result_of((study, results), training)
        error, *others = (
            spread(result[f"{name}_mae"], math.nan, "THz") for name in ("test", "ideal", "linear", "neighbours", "form")
        )
        beside = ", ".join(f"{words} {other}" for words, other in zip(BESIDE_CURVES.values(), others, strict=True))
        assert f"{task}: with 20 films the network {does} to {error} ({beside})." in text
    assert "read was trained once: there is no measure of its scatter, and no ensemble." in text
    assert "walls was trained once" not in text
    parts = []
    for target in BOTH:
        error, *others = (
            nm(scores((study, results), f"{name}_mae_{target}", *REPEATS).mean(keepdims=True))
            for name in ("test", *BESIDE_PARAMETERS)
        )
        beside = ", ".join(f"{words} {other}" for words, other in zip(BESIDE_PARAMETERS.values(), others, strict=True))
        parts.append(f"{target} to {error} ({beside})")
    assert f"walls: with 24 films the network reads {', '.join(parts)}." in text
    assert text.count("returns the curve it is shown") == 1 and "echo: with 20 films the network predicts" not in text
    assert "curves 1" in text and "nan" not in text.lower().split()


def test_the_page_names_networks_that_are_no_better(shown: tuple[Study, Path, str]) -> None:
    study, results, _ = shown
    said = curve_tables.warnings(collect(study, results))
    expected = []
    for task, films, trainings in (("walls", 24, REPEATS), ("read", 20, (READ,))):
        for target in BOTH:
            error = scores((study, results), f"test_mae_{target}", *trainings).mean(keepdims=True)
            for name, words in BESIDE_PARAMETERS.items():
                other = scores((study, results), f"{name}_mae_{target}", *trainings).mean(keepdims=True)
                if error >= other:
                    network = f"{task}, {target}: the network ({nm(error)} with {films} films)"
                    expected.append(f"{network} is no better than {words} ({nm(other)}).")
    assert [line for line in said if line.startswith(("walls,", "read,"))] == expected


def edit_result(found: tuple[Study, Path], training: str, **changes: Any) -> None:
    path = folder_of(found, training) / "result.json"
    path.write_text(json.dumps(result_of(found, training) | changes))


def test_the_page_names_bands_that_are_no_better(shown: tuple[Study, Path, str], tmp_path: Path) -> None:
    """As good is no better; that the form itself comes closer is no fault of a network."""
    study, results = shown[0], tmp_path / "results"
    shutil.copytree(shown[1] / study.name, results / study.name)
    found = (study, results)
    kinds = ("test", "ideal", "linear", "neighbours", "form")
    for training, values in ((BANDS, (0.5, 0.4, 0.6, 0.5, 0.3)), (ECHO, (0.1, 0.4, 0.09, 0.5, 0.05))):
        edit_result(found, training, **{f"{kind}_mae": value for kind, value in zip(kinds, values, strict=True)})
    said = [line for line in curve_tables.warnings(collect(*found)) if line.startswith(("bands", "echo"))]
    once = "was trained once: there is no measure of its scatter, and no ensemble."
    bands, echo = ("bands, the curve: the network", "echo, the curve: the network")
    assert said == [
        f"{bands} (0.5 THz with 20 films) is no better than the ideal band (0.4 THz).",
        f"{bands} (0.5 THz with 20 films) is no better than the nearest training films (0.5 THz).",
        f"bands {once}",
        f"{echo} (0.1 THz with 20 films) is no better than linear regression (0.09 THz).",
        f"echo {once}",
    ]
    sentence = next(line for line in curve_tables.answer(collect(*found)) if line.startswith("echo"))
    assert sentence == (
        "echo: with 20 films the network returns the curve it is shown to 0.1 THz (the ideal band 0.4 THz, linear "
        "regression 0.09 THz, the nearest training films 0.5 THz, the best fit of its form to the curve itself "
        "0.05 THz)."
    )


@pytest.mark.parametrize(("worse", "better"), [(0.2, 0.1), (0.1, 0.2)])
def test_a_network_is_no_better_by_the_mean_over_its_repeats(
    shown: tuple[Study, Path, str], tmp_path: Path, worse: float, better: float
) -> None:
    study, results = shown[0], tmp_path / "results"
    shutil.copytree(shown[1] / study.name, results / study.name)
    for training, error in zip(REPEATS, (worse, better), strict=True):
        changes = {f"{kind}_mae_{name}": other for name in BOTH for kind, other in (("median", 1), ("neighbours", 1))}
        changes |= {f"test_mae_{name}": error for name in BOTH} | {"linear_mae_sigma": 0.16, "linear_mae_tau": 0.14}
        edit_result((study, results), training, **changes)
    said = [line for line in curve_tables.warnings(collect(study, results)) if line.startswith("walls")]
    network, linear = nm(np.array([0.15])), nm(np.array([0.14]))
    assert said == [
        f"walls, tau: the network ({network} with 24 films) is no better than linear regression ({linear})."
    ]


def test_the_page_names_what_is_missing_damaged_or_of_another_study(
    shown: tuple[Study, Path, str], tmp_path: Path
) -> None:
    study, results = shown[0], tmp_path / "results"
    shutil.copytree(shown[1] / study.name, results / study.name)
    found = (study, results)
    (folder_of(found, READ) / "result.json").unlink()
    (folder_of(found, BANDS) / "result.json").write_text("{")
    other = result_of(found, "walls-n24-r02") | {"digest": "0" * 16}
    (folder_of(found, "walls-n24-r02") / "result.json").write_text(json.dumps(other))
    collected = collect(*found)
    assert set(collected.curve_trainings) == {WALLS, ECHO}
    said = "\n".join(collected.problems)
    assert f"The training {READ} is missing." in said and f"The training {BANDS} is damaged." in said
    assert "The training walls-n24-r02 on disk is of an earlier version of the study and is left out." in said
    _, rows = table(found, "Parameters read off curves: test error")
    assert [row[:4] for row in rows] == [(name, "walls", "24", "1 of 2") for name in BOTH]
    assert " 2 of 5 trainings on curves ended" in curve_tables.done(collected)
    report.run(*found)


@pytest.mark.parametrize("name", ["test", "linear", "neighbours", "median", "ideal", "form"])
def test_a_result_without_its_scores_is_damaged(shown: tuple[Study, Path, str], tmp_path: Path, name: str) -> None:
    study, results = shown[0], tmp_path / "results"
    shutil.copytree(shown[1] / study.name, results / study.name)
    found, broken = (study, results), []
    for training, score in ((READ, f"{name}_mae_sigma"), (BANDS, f"{name}_mae")):
        result = result_of(found, training)
        if score in result:
            broken.append(training)
            del result[score]
            (folder_of(found, training) / "result.json").write_text(json.dumps(result))
    said = "\n".join(collect(*found).problems)
    assert broken and [training for training in IDS if f"The training {training} is damaged" in said] == broken


def test_a_study_without_curves_has_no_such_tables(tmp_path: Path) -> None:
    study = write(tmp_path, {})
    collected = collect(study, tmp_path / "results")
    assert not any(part.rows for part in curve_tables.tables(collected))
    assert curve_tables.done(collected) == "" and not curve_tables.answer(collected)
    assert not curve_tables.warnings(collected)


@pytest.mark.gpu
@pytest.mark.parametrize("task", ["walls", "read", "bands", "echo"])
def test_a_gpu_trains_the_same_twice(make: Make, task: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("torch finds no GPU")
    found = [make(task, folder) for folder in ("one", "two")]
    training = next(iter(found[0][0].curve_trainings))
    for study, results in found:
        learn.run(study, training, results, device="gpu")
    assert contents(found[0], training) == contents(found[1], training)
    assert result_of(found[0], training)["timing"]["device"] != "cpu"
