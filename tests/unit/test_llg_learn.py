"""Learning parameters in SI units: what networks learn is of order one, and what is stored and shown has units.

The digests of the trainings and maps of mamada2023.yaml were taken before parameters had scales; scales and values are
those of the schema, and errors are compared with ones calculated here from the predictions.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
import yaml
from learn_studies import labyrinth, make_study

from weiss import figures, learn, maps, models, paths, report, trainings
from weiss.errors import UserError
from weiss.figures import errors as errors_figure
from weiss.figures import learning, outliers, quantities, style, truth
from weiss.figures import maps as maps_figure
from weiss.learn import checkpoint, predict, scales, train, trainer
from weiss.learn.films import load
from weiss.learn.networks.regressor import read_tensors
from weiss.maps.network import reader
from weiss.study import Study, load_study

CONFIG = Path(__file__).resolve().parents[2] / "config"
BEFORE = {"trainings": (520, "5628f0b2d46ce28b"), "maps": (9, "4d838b57f21c3dbf")}
SIZE, WINDOW = 48, 32
D = [0.5e-3, 1.5e-3, 2.5e-3]


def write(folder: Path, targets: list[str], Ms: list[float]) -> tuple[Study, Path]:
    """A study of made-up micromagnetic films, finer the larger D_bulk, that maps its own films; study and results."""
    content = {
        "name": "si",
        "films": {
            "films": {
                "model": "llg",
                "grid": [SIZE, SIZE],
                "space": {"grid": {"Ms": Ms, "A": [2.5e-11], "D_bulk": D}},
                "seeds": [1, 2, 3, 4],
            }
        },
        "learn": {
            "data": "films",
            "targets": targets,
            "window": WINDOW,
            "seeds": {"train": [3, 4], "validate": [2], "test": [1]},
            "n_data": [2],
            "repeats": 2,
            "networks": {"mod": {}},
            "recipe": {"learning_rate": 0.02, "batch": 6, "max_epochs": 5, "patience": 5, "steps_per_epoch": 8},
        },
        "maps": {"films": "films", "stride": 8, "trainings": {"repeats": [1]}},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(content))
    study = load_study(folder / "study.yaml")
    points = study.groups["films"].points
    units = {"Ms": "A/m", "A": "J/m", "D_bulk": "J/m^2"}
    patterns = [labyrinth(3.0 - 1e3 * p.condition["D_bulk"], 0.1, p.seed, SIZE) for p in points]
    data = xr.Dataset(
        {
            "pattern": (("film", "y", "x"), np.stack(patterns)),
            "status": ("film", np.full(len(points), "relaxed", dtype=object)),
        },
        coords={name: ("film", [p.condition[name] for p in points], {"units": unit}) for name, unit in units.items()}
        | {"seed": ("film", [p.seed for p in points])}
        | {"point": ("film", np.array([p.id for p in points], dtype=object))},
        attrs={"model": "llg"},
    )
    path = paths.dataset(folder / "results", study.name, "films")
    path.parent.mkdir(parents=True)
    data.to_netcdf(path, engine="h5netcdf")
    return study, folder / "results"


def finish(folder: Path, targets: list[str], Ms: list[float]) -> tuple[Study, Path]:
    study, results = write(folder, targets, Ms)
    for training in study.trainings:
        learn.run(study, training, results)
    for job in study.maps:
        maps.run(study, job, results)
    return study, results


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """D_bulk learned and mapped."""
    return finish(tmp_path_factory.mktemp("one"), ["D_bulk"], [1.5e6])


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """Ms, nine orders of magnitude larger, and D_bulk learned together, and mapped."""
    return finish(tmp_path_factory.mktemp("two"), ["Ms", "D_bulk"], [1.2e6, 1.5e6])


def folder_of(found: tuple[Study, Path]) -> Path:
    return paths.training(found[1], "si", "mod-n2-r01")


# --- scales -----------------------------------------------------------------------------------------------------------


def test_scales_are_those_of_the_schema() -> None:
    assert models.learned_in("llg", ["Ms", "A", "D_bulk", "alpha"]) == (1e6, 1e-11, 1e-3, 1.0)
    assert models.learned_in("tdgl", ["J", "D", "D_in"]) == (1.0, 1.0, 1.0)


def test_a_scale_of_one_multiplies_nothing() -> None:
    outputs, values = torch.rand(3, 2), np.random.default_rng(1).random((3, 2))
    assert (
        scales.restorer((1.0, 1.0), outputs.device)(outputs) is outputs and scales.learned(values, (1.0, 1.0)) is values
    )
    assert scales.entry((1.0, 1.0)) == {}


@pytest.mark.parametrize("kind", BEFORE)
def test_trainings_and_maps_of_the_paper_keep_their_digests(kind: str) -> None:
    listed = {key: job.digest for key, job in getattr(load_study(CONFIG / "mamada2023.yaml"), kind).items()}
    assert (len(listed), hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()[:16]) == BEFORE[kind]


def test_what_dimensionless_films_leave_says_nothing_of_scales(tmp_path: Path) -> None:
    study = make_study(tmp_path, recipe={"max_epochs": 1, "batch": 8})
    learn.run(study, "mod-n1-r01", tmp_path / "results")
    folder = paths.training(tmp_path / "results", study.name, "mod-n1-r01")
    content = read_tensors(folder / "best.pt")
    assert set(content) == {"state_dict", "network", "targets", "window", "digest"}
    assert "scales" not in json.loads((folder / "result.json").read_text())


def test_a_changed_scale_is_another_training_and_another_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, _ = write(tmp_path, ["D_bulk"], [1.5e6])
    for other in (1e-4, 1.0):
        monkeypatch.setattr(trainings, "learned_in", lambda _model, _targets, other=other: (other,))
        changed = load_study(tmp_path / "study.yaml")
        for kind in ("trainings", "maps"):
            for key, job in getattr(study, kind).items():
                assert getattr(changed, kind)[key].digest != job.digest


# --- training ---------------------------------------------------------------------------------------------------------


def test_numbers_learned_are_of_order_one_and_values_are_in_SI(one: tuple[Study, Path]) -> None:
    study, results = one
    training = study.trainings["mod-n2-r01"]
    found = load(
        paths.dataset(results, "si", "films"),
        training.points["train"],
        ["D_bulk"],
        WINDOW,
        torch.device("cpu"),
        scales=models.learned_in("llg", ["D_bulk"]),
    )
    assert set(found.values[:, 0]) == set(D) and found.units == ("J/m^2",)
    np.testing.assert_allclose(np.unique(found.targets.numpy()), [0.5, 1.5, 2.5], rtol=1e-6)


def test_the_loss_is_of_order_one_and_errors_are_in_SI(one: tuple[Study, Path]) -> None:
    folder = folder_of(one)
    course = pd.read_csv(folder / "epochs.csv")
    assert 0.3 < course["train_mae"][0] < 3 and course["train_mae"].min() < 0.8 * course["train_mae"][0]
    np.testing.assert_allclose(course["validate_mae"], 1e3 * course["validate_mae_D_bulk"], rtol=1e-12)
    result, table = json.loads((folder / "result.json").read_text()), pd.read_csv(folder / "predictions.csv")
    off = (table["D_bulk_pred"] - table["D_bulk"]).abs().mean()
    assert set(table["D_bulk"]) == set(D) and result["test_mae_D_bulk"] == pytest.approx(off, rel=1e-5)
    assert result["baseline_mae_D_bulk"] == pytest.approx(np.abs(np.array(D) - 1.5e-3).mean())
    assert result["unit_D_bulk"] == "J/m^2" and result["scales"] == [1e-3]
    assert result["test_mae"] == pytest.approx(1e3 * result["test_mae_D_bulk"])
    assert result["test_mae_D_bulk"] < 0.8 * result["baseline_mae_D_bulk"]


def test_parameters_of_any_size_weigh_the_same(two: tuple[Study, Path]) -> None:
    """The error that decides when a training stops is the mean over parameters, each in multiples of its scale."""
    folder = folder_of(two)
    course, result = pd.read_csv(folder / "epochs.csv"), json.loads((folder / "result.json").read_text())
    mean = (course["validate_mae_Ms"] / 1e6 + course["validate_mae_D_bulk"] / 1e-3) / 2
    np.testing.assert_allclose(course["validate_mae"], mean, rtol=1e-12)
    assert 0.1 < course["train_mae"].iloc[-1] < 3
    table = pd.read_csv(folder / "predictions.csv")
    assert table["Ms_pred"].between(0.2e6, 3e6).all() and table["D_bulk_pred"].between(-2e-3, 5e-3).all()
    assert result["test_mae"] == pytest.approx((result["test_mae_Ms"] / 1e6 + result["test_mae_D_bulk"] / 1e-3) / 2)


def test_an_interrupted_training_ends_in_the_same_bytes(
    one: tuple[Study, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, results = write(tmp_path, ["D_bulk"], [1.5e6])
    kept, calls = train.checkpoint.save, []

    def save_and_die(path: Path, content: dict) -> None:
        kept(path, content)
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "SAVE_SHARE", 1e9)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(train.checkpoint, "save", save_and_die)
        learn.run(study, "mod-n2-r01", results)
    folder = paths.training(results, "si", "mod-n2-r01")
    assert (folder / "last.pt").exists()
    learn.run(study, "mod-n2-r01", results)
    assert json.loads((folder / "result.json").read_text())["timing"]["restarts"] == 1
    for name in ("epochs.csv", "predictions.csv", "best.pt"):
        assert (folder / name).read_bytes() == (folder_of(one) / name).read_bytes()


# --- trained networks -------------------------------------------------------------------------------------------------


def windows_of(found: tuple[Study, Path]) -> np.ndarray:
    with xr.open_dataset(paths.dataset(found[1], "si", "films"), engine="h5netcdf") as data:
        return data["pattern"].values[:, 8:40, 8:40].copy()


def test_a_trained_network_gives_values_in_SI(two: tuple[Study, Path]) -> None:
    estimator, windows = predict.load(folder_of(two) / "best.pt"), windows_of(two)
    assert estimator.scales == (1e6, 1e-3)
    arrays, tensors = predict.predict(estimator, windows), predict.predict(estimator, torch.from_numpy(windows))
    np.testing.assert_array_equal(arrays, tensors.numpy())
    with torch.inference_mode():
        raw = estimator.module(torch.from_numpy(windows).float()).numpy()
    np.testing.assert_allclose(arrays, raw * np.array([1e6, 1e-3]), rtol=1e-5)
    read = reader(estimator.module, scales=estimator.scales)(torch.from_numpy(windows).float())
    np.testing.assert_allclose(read.numpy(), arrays, rtol=1e-4)


def test_a_network_is_read_by_the_scale_it_was_trained_with(
    one: tuple[Study, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = predict.predict(predict.load(folder_of(one) / "best.pt"), windows_of(one))
    monkeypatch.setattr(models, "learned_in", lambda _model, parameters: (7.0,) * len(parameters))
    after = predict.predict(predict.load(folder_of(one) / "best.pt"), windows_of(one))
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("bad", [[1e-3, 1.0], [0.0], [float("nan")], ["1e-3"], 1e-3])
def test_scales_that_are_none_are_refused(one: tuple[Study, Path], tmp_path: Path, bad: object) -> None:
    content = read_tensors(folder_of(one) / "best.pt") | {"scales": bad}
    checkpoint.save(tmp_path / "best.pt", content)
    with pytest.raises(UserError, match="no positive numbers"):
        predict.load(tmp_path / "best.pt")


# --- maps, figures, report --------------------------------------------------------------------------------------------


def test_maps_are_in_SI(one: tuple[Study, Path]) -> None:
    folder = paths.maps(one[1], "si", "mod-n2-r01")
    estimator = predict.load(folder_of(one) / "best.pt")
    with xr.open_dataset(folder / "maps.h5", engine="h5netcdf") as data:
        assert data["D_bulk_map"].attrs["units"] == "J/m^2"
        np.testing.assert_allclose(data["D_bulk_true"][:, 0, 0], data["D_bulk"], rtol=1e-6)
        middle = data["pattern"].values[:, 8:40, 8:40].copy()
        read = data["D_bulk_map"].sel(y=24, x=24).values
    np.testing.assert_allclose(read, predict.predict(estimator, middle)[:, 0], rtol=1e-4)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["baseline"]["D_bulk"] == 1.5e-3 and metrics["films"][0]["targets"]["D_bulk"]["mae"] < 3e-3


def words(figure: object) -> list[str]:
    """Every text of a drawn figure."""
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(style.matplotlib.text.Text) if text.get_text()]


@pytest.mark.parametrize("module", [learning, errors_figure, truth, outliers, maps_figure])
@pytest.mark.parametrize("fixture", ["one", "two"])
def test_figures_show_units_with_prefixes(module: object, fixture: str, request: pytest.FixtureRequest) -> None:
    study, results = request.getfixturevalue(fixture)
    with style.style():
        figure, _ = module.build(study, results)
        shown = words(figure)
    assert any("J/m²" in text for text in shown)
    assert any("A/m" in text for text in shown) or fixture == "one"
    assert not any("0.000" in text or "1e" in text or "dimensionless" in text for text in shown)


def test_the_report_shows_units(one: tuple[Study, Path], two: tuple[Study, Path]) -> None:
    for study, results in (one, two):
        for name in study.figures:
            if name in ("learning", "errors", "truth", "outliers", "maps", "profile"):
                figures.run(study, name, results)
        report.run(study, results)
        page = paths.report(results, study.name).read_text()
        page = page[page.index("<h1") :]
        result = json.loads((folder_of((study, results)) / "result.json").read_text())
        assert quantities.quantity(result["baseline_mae_D_bulk"], "J/m^2", 3) in page
        assert "D_bulk = 500 µJ/m²" in page and "0.0000" not in page
    assert "each in multiples: Ms of 1 MA/m, D_bulk of 1 mJ/m²" in page


def test_a_unit_takes_the_prefix_of_the_largest_value() -> None:
    assert [quantities.power_of(v, "J/m") for v in (2.5e-3, 25e-12, 1e-3, 0.0, 3e20)] == [-3, -12, -3, 0, 9]
    assert quantities.power_of(2e6, "1") == 0 and quantities.prefixed("1") == "dimensionless"
    assert quantities.prefixed("J/m^2", -3) == "mJ/m²" and quantities.prefixed("T") == "T"
    assert quantities.quantity(3.456e-4, "J/m^2", 3) == "346 µJ/m²"
    assert quantities.quantity(9.996e-4, "J/m^2", 3) == "1 mJ/m²" and quantities.quantity(0.0, "J/m^2") == "0 J/m²"
