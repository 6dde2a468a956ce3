"""Training as a whole: learning, interruptions, outputs, refusals."""

import csv
import dataclasses
import io
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr
from learn_studies import make_study
from sklearn.metrics import mean_absolute_error, r2_score

from weiss import learn, paths
from weiss.errors import UserError
from weiss.learn import pretrain, train
from weiss.learn import trainer as common
from weiss.learn.networks import build
from weiss.learn.networks.regressor import read_tensors
from weiss.learn.predict import load, predict
from weiss.learn.train import Trainer

ID = "mod-n1-r01"
REPRODUCIBLE = ("epochs.csv", "predictions.csv", "best.pt")


@pytest.fixture(autouse=True)
def one_thread():
    """Small arrays are fastest on one thread, above all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def saved_after_every_epoch(monkeypatch):
    """However long writing takes: a test that interrupts must know where."""
    monkeypatch.setattr(common, "SAVE_SHARE", math.inf)


def folder_of(study, training=ID):
    return paths.training(study.path.parent / "results", study.name, training)


def run(study, training=ID, **options):
    learn.run(study, training, study.path.parent / "results", **options)
    return json.loads((folder_of(study, training) / "result.json").read_text())


def contents(study, training=ID):
    return {name: (folder_of(study, training) / name).read_bytes() for name in REPRODUCIBLE}


def untimed(result):
    return {key: value for key, value in result.items() if key != "timing"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A training that ran through: study, result, bytes of its files."""
    study = make_study(tmp_path_factory.mktemp("whole"))
    result = run(study)
    return study, result, contents(study)


def test_mod_learns_stripes_far_better_than_the_median(tmp_path):
    recipe = {"batch": 16, "learning_rate": 0.01, "steps_per_epoch": 40, "max_epochs": 8, "patience": 8}
    study = make_study(tmp_path, n_data=[2], recipe=recipe)
    result = run(study, "mod-n2-r01")
    for target in ("J", "D"):
        assert result[f"test_mae_{target}"] < 0.5 * result[f"baseline_mae_{target}"]
        assert result[f"test_r2_{target}"] > 0.7


def test_result_and_tables_agree_with_the_checkpoint_and_the_data(finished):
    study, result, files = finished
    with xr.open_dataset(paths.dataset(study.path.parent / "results", study.name, "films")) as dataset:
        test = dataset.isel(film=np.flatnonzero(dataset.seed.values == 1)).load()
        learned = dataset.isel(film=np.flatnonzero(dataset.seed.values == result["train_seeds"][0])).load()
    estimator = load(folder_of(study) / "best.pt")
    errors, truths, predictions = [], [], []
    rows = list(csv.DictReader(io.StringIO(files["predictions.csv"].decode())))
    assert len(rows) == 4 * 20 == 4 * result["test_films"]
    for row in rows:
        film = int(np.flatnonzero(test.point.values == row["point"])[0])
        centre = test.pattern.values[film, 16:48, 16:48]
        expected = predict(estimator, np.rot90(centre, int(row["rotation"]) // 90)[None])[0]
        predicted = np.array([float(row["J_pred"]), float(row["D_pred"])])
        truth = np.array([test.J.values[film], test.D.values[film]])
        np.testing.assert_allclose(predicted, expected, rtol=1e-5, atol=1e-6)
        assert [float(row["J"]), float(row["D"]), int(row["seed"])] == [*truth, 1]
        errors.append(np.abs(predicted - truth))
        truths.append(truth)
        predictions.append(predicted)
    for column, target in enumerate(("J", "D")):
        assert result[f"test_mae_{target}"] == pytest.approx(np.mean(errors, axis=0)[column], rel=1e-6)
        median = np.median(learned[target].values)
        assert result[f"baseline_mae_{target}"] == pytest.approx(np.abs(test[target].values - median).mean(), rel=1e-9)
        r2 = r2_score(np.array(truths)[:, column], np.array(predictions)[:, column])
        assert result[f"test_r2_{target}"] == pytest.approx(r2, rel=1e-5)
        assert result[f"unit_{target}"] == "1"
    assert (result["network"], result["architecture"], result["start"]) == ("mod", "mod", "random")
    assert result["parameters"] == 16_218
    assert result["digest"] == study.trainings[ID].digest == estimator.digest


def test_scores_are_those_of_the_predictions_table(finished):
    _, result, files = finished
    rows = list(csv.DictReader(io.StringIO(files["predictions.csv"].decode())))
    errors = []
    for target in ("J", "D"):
        truth, predicted = (np.array([float(row[name]) for row in rows]) for name in (target, f"{target}_pred"))
        errors.append(mean_absolute_error(truth, predicted))
        assert result[f"test_mae_{target}"] == pytest.approx(errors[-1], rel=1e-6)
        assert result[f"test_r2_{target}"] == pytest.approx(r2_score(truth, predicted), rel=1e-5)
    assert result["test_mae"] == pytest.approx(np.mean(errors), rel=1e-6)


def test_an_epoch_is_given_training_films_to_learn_and_validation_films_to_judge(tmp_path, monkeypatch):
    seen, original = [], Trainer.epoch

    def epoch(self, train, validate, window):
        seen.append((set(train.seeds), set(validate.seeds)))
        original(self, train, validate, window)

    monkeypatch.setattr(Trainer, "epoch", epoch)
    study = make_study(tmp_path)
    result = run(study)
    assert seen == [({*result["train_seeds"]}, {2})] * 4
    rows = csv.DictReader((folder_of(study) / "predictions.csv").read_text().splitlines())
    assert {int(row["seed"]) for row in rows} == {1}


def test_epochs_table_is_the_course_of_the_training(finished):
    _, result, files = finished
    rows = list(csv.DictReader(io.StringIO(files["epochs.csv"].decode())))
    # 20 films in batches of at most 8 are three steps.
    assert [(int(row["epoch"]), int(row["step"])) for row in rows] == [(1, 3), (2, 6), (3, 9), (4, 12)]
    for row in rows:
        assert float(row["validate_mae"]) == pytest.approx(
            (float(row["validate_mae_J"]) + float(row["validate_mae_D"])) / 2, rel=1e-12
        )
    lowest = min(rows, key=lambda row: float(row["validate_mae"]))
    assert int(lowest["epoch"]) == result["best_epoch"]
    assert float(lowest["validate_mae"]) == result["validate_mae"]
    assert result["stop_reason"] == "max_epochs" and result["epochs"] == 4 and result["steps"] == 12
    assert "seconds" not in rows[0]


def test_a_finished_training_leaves_nothing_to_resume_and_is_not_repeated(finished, capsys):
    study, _, files = finished
    assert sorted(path.name for path in folder_of(study).iterdir()) == sorted((*REPRODUCIBLE, "result.json"))
    times = {path.name: path.stat().st_mtime_ns for path in folder_of(study).iterdir()}
    run(study)
    assert "finished already" in capsys.readouterr().err
    assert {path.name: path.stat().st_mtime_ns for path in folder_of(study).iterdir()} == times
    assert contents(study) == files


def test_a_damaged_output_is_made_again(tmp_path, finished):
    study = make_study(tmp_path)
    run(study)
    damaged = folder_of(study) / "best.pt"
    damaged.write_bytes(damaged.read_bytes()[:100])
    run(study)
    assert contents(study) == finished[2]


def interrupt_after(monkeypatch, epochs):
    """Stop training by an exception after `epochs` epochs were saved."""
    original, count = train.checkpoint.save, []

    def save(path, content):
        original(path, content)
        if path.name == "last.pt":
            count.append(path)
            if len(count) == epochs:
                raise KeyboardInterrupt

    monkeypatch.setattr(train.checkpoint, "save", save)


@pytest.mark.parametrize("epochs", [1, 3, 4])
def test_an_interrupted_training_ends_in_the_same_bytes(tmp_path, monkeypatch, finished, epochs):
    study = make_study(tmp_path)
    with monkeypatch.context() as patch:
        interrupt_after(patch, epochs)
        with pytest.raises(KeyboardInterrupt):
            run(study)
    assert [path.name for path in folder_of(study).iterdir()] == ["last.pt"]
    result = run(study)
    assert contents(study) == finished[2]
    assert untimed(result) == untimed(finished[1])
    assert result["timing"]["restarts"] == 1


def test_dropout_and_falling_rates_resume_exactly_too(tmp_path, monkeypatch):
    """The torchvision networks draw dropout masks from torch's own generator, which must be restored as well."""
    options = {
        "networks": {"mna": {}},
        "n_data": [1],
        "window": 32,
        "recipe": {"max_epochs": 3, "patience": 3, "batch": 10, "decay_steps": 3},
    }
    whole, stopped = make_study(tmp_path / "whole", **options), make_study(tmp_path / "stopped", **options)
    run(whole, "mna-n1-r01")
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            run(stopped, "mna-n1-r01")
    torch.manual_seed(99)
    run(stopped, "mna-n1-r01")
    assert contents(stopped, "mna-n1-r01") == contents(whole, "mna-n1-r01")


# Trains, and kills its own process before or after the file that is the n-th to be moved into its place.
CHILD = """
import os, signal, sys
from pathlib import Path
from weiss import atomic
from weiss.learn import pretrain, train
from weiss.learn import trainer as common
from weiss.study import load_study

study, results, moment, number = sys.argv[1:]
replace, moved = os.replace, []

def fatal(source, target):
    moved.append(target)
    if moment == "before" and len(moved) == int(number):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
    if moment == "after" and len(moved) == int(number):
        os.kill(os.getpid(), signal.SIGKILL)

atomic.os.replace, common.SAVE_SHARE = fatal, float("inf")
train.run(load_study(study), "mod-n1-r01", Path(results), threads=1)
"""

LONGER = {"recipe": {"max_epochs": 8, "patience": 8, "batch": 8, "crops_per_film": 3}}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A longer training that ran through."""
    study = make_study(tmp_path_factory.mktemp("undisturbed"), **LONGER)
    result = run(study)
    return result, contents(study)


@pytest.mark.parametrize(
    ("moment", "number", "left"),
    [
        ("in", 3, {"last.pt"}),
        ("before", 4, {"last.pt"}),
        ("before", 11, {"last.pt", "epochs.csv", "predictions.csv"}),
        ("after", 12, {"last.pt", *REPRODUCIBLE, "result.json"}),
    ],
)
def test_sigkill_and_the_same_again_end_in_the_same_bytes(tmp_path, capfd, undisturbed, moment, number, left):
    """Eight epochs each move last.pt; then come epochs.csv, predictions.csv, best.pt and result.json."""
    study = make_study(tmp_path, **LONGER)
    command = [sys.executable, "-c", CHILD, str(study.path), str(tmp_path / "results"), moment, str(number)]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    if moment == "in":
        for line in child.stderr:
            if f"epoch {number}/" in line:
                break
        time.sleep(0.02)
        os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert {path.name for path in folder_of(study).iterdir() if path.suffix != ".tmp"} == left
    result = run(study)
    assert "going on after epoch" in capfd.readouterr().err
    assert contents(study) == undisturbed[1]
    assert untimed(result) == untimed(undisturbed[0])
    assert {path.name for path in folder_of(study).iterdir()} == {*REPRODUCIBLE, "result.json"}


def leave_checkpoint(study, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            run(study)
    return folder_of(study) / "last.pt"


@pytest.mark.parametrize("damage", ["truncated", "flipped", "pickle", "empty", "parts missing"])
def test_an_unreadable_checkpoint_is_set_aside_with_a_message(tmp_path, monkeypatch, capsys, finished, damage):
    study = make_study(tmp_path)
    last = leave_checkpoint(study, monkeypatch)
    data = bytearray(last.read_bytes())
    if damage == "truncated":
        data = data[: len(data) // 2]
    elif damage == "flipped":
        data[len(data) // 2] ^= 0xFF
    elif damage == "pickle":
        data = b"\x80\x04N."
    elif damage == "empty":
        data = b""
    if damage == "parts missing":
        content = torch.load(last, weights_only=True)
        del content["scheduler"]
        torch.save(content, last)
    else:
        last.write_bytes(data)
    run(study)
    assert "last.pt.damaged, training starts anew" in capsys.readouterr().err
    assert (folder_of(study) / "last.pt.damaged").exists()
    assert contents(study) == finished[2]


def test_the_checkpoint_of_another_training_is_not_continued(tmp_path, monkeypatch, capsys):
    last = leave_checkpoint(make_study(tmp_path), monkeypatch)
    assert last.exists()
    recipe = {"max_epochs": 4, "patience": 4, "batch": 8, "learning_rate": 0.002}
    edited, fresh = make_study(tmp_path, recipe=recipe), make_study(tmp_path / "fresh", recipe=recipe)
    run(edited)
    assert "belongs to another training (digest differ" in capsys.readouterr().err
    run(fresh)
    assert contents(edited) == contents(fresh)


def test_an_edited_training_replaces_the_finished_one(tmp_path):
    study = make_study(tmp_path)
    run(study)
    before = contents(study)
    edited = make_study(tmp_path, recipe={"max_epochs": 4, "patience": 4, "batch": 8, "learning_rate": 0.002})
    assert run(edited)["digest"] != study.trainings[ID].digest
    assert contents(edited)["epochs.csv"] != before["epochs.csv"]


def test_the_global_random_state_and_settings_are_left_alone(tmp_path):
    torch.manual_seed(11)
    study, before, threads = make_study(tmp_path), torch.get_rng_state(), torch.get_num_threads()
    run(study, threads=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def test_threads_are_used(tmp_path, monkeypatch):
    seen, original = [], Trainer.epoch

    def epoch(self, *arguments):
        seen.append(torch.get_num_threads())
        return original(self, *arguments)

    monkeypatch.setattr(Trainer, "epoch", epoch)
    run(make_study(tmp_path), threads=2)
    assert set(seen) == {2}


def test_repeats_differ_and_progress_is_one_line_per_epoch(tmp_path, capsys):
    study = make_study(tmp_path, repeats=2)
    run(study)
    lines = capsys.readouterr().err.splitlines()
    assert sum("epoch" in line and "validate" in line for line in lines) == 4
    run(study, "mod-n1-r02")
    assert contents(study)["epochs.csv"] != contents(study, "mod-n1-r02")["epochs.csv"]


def test_early_stop_keeps_the_best_weights(tmp_path, monkeypatch):
    errors = iter([0.5, 0.3, 0.4, 0.4, 0.4, 0.1])
    states = []

    def centre_errors(module, *_):
        states.append(module.net.head.weight.detach().clone())
        return np.full(2, next(errors))

    monkeypatch.setattr(train.evaluate, "centre_errors", centre_errors)
    study = make_study(tmp_path, recipe={"batch": 8})
    result = run(study)
    assert (result["epochs"], result["best_epoch"], result["stop_reason"]) == (5, 2, "patience")
    assert result["validate_mae"] == 0.3
    assert torch.equal(load(folder_of(study) / "best.pt").module.net.head.weight, states[1])
    assert not torch.equal(states[1], states[-1])


def test_a_loss_that_is_not_finite_names_epoch_and_step_and_leaves_no_result(tmp_path):
    study = make_study(tmp_path, recipe={"learning_rate": 10.0, "max_epochs": 100, "patience": 100, "batch": 8})
    training = study.trainings[ID]
    wild = dataclasses.replace(training, recipe=training.recipe | {"learning_rate": 1e30})
    study = dataclasses.replace(study, trainings={ID: wild})
    with pytest.raises(UserError, match=r"not a finite number in epoch 1, step \d+; lower the learning rate"):
        run(study)
    assert not folder_of(study).exists() or not list(folder_of(study).iterdir())


def test_a_loss_breaking_down_later_names_that_step(tmp_path, monkeypatch):
    study, calls, original = make_study(tmp_path), [], train.cut_batches

    def cut_batches(*arguments):
        for images, film in original(*arguments):
            calls.append(film)
            yield images * (float("nan") if len(calls) == 5 else 1), film

    monkeypatch.setattr(train, "cut_batches", cut_batches)
    with pytest.raises(UserError, match="the training loss is not a finite number in epoch 2, step 5"):
        run(study)
    assert [path.name for path in folder_of(study).iterdir()] == ["last.pt"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_number_that_is_not_finite_is_found_anywhere(bad):
    network = build("mod", 2)
    assert train.evaluate.finite(network)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            before = value[(-1,) * value.ndim].clone()
            value[(-1,) * value.ndim] = bad
            assert not train.evaluate.finite(network), name
            value[(-1,) * value.ndim] = before
    assert train.evaluate.finite(network)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test_seeds": (3, 4)}, "train and test share seeds"),
        ({"validate_seeds": (1,)}, "validate and test share seeds"),
    ],
)
def test_seeds_that_serve_two_purposes_are_refused(tmp_path, change, message):
    study = make_study(tmp_path)
    broken = dataclasses.replace(study.trainings[ID], **change)
    with pytest.raises(UserError, match=message):
        run(dataclasses.replace(study, trainings={ID: broken}))


def test_films_that_serve_two_purposes_are_refused(tmp_path):
    study = make_study(tmp_path)
    training = study.trainings[ID]
    points = training.points | {"validate": training.points["test"][:1]}
    with pytest.raises(UserError, match="validate and test share films"):
        run(dataclasses.replace(study, trainings={ID: dataclasses.replace(training, points=points)}))


def test_an_unknown_training_is_refused(tmp_path):
    with pytest.raises(UserError, match="no training named 'mod-n9-r01'"):
        run(make_study(tmp_path), "mod-n9-r01")


def test_missing_weights_stop_before_training(tmp_path):
    weights = tmp_path / "w.pth"
    torch.save(learn_state(), weights)
    study = make_study(tmp_path, networks={"mod": {"weights": "w.pth"}})
    weights.unlink()
    with pytest.raises(UserError, match="no such weights file") as caught:
        run(study)
    assert "\n" not in str(caught.value)
    assert not folder_of(study).exists()


def learn_state():
    return build("mod", 2, seed=123).net.state_dict()


CONTOURS = {"kind": "contours", "categories": 4, "images": 16, "epochs": 1, "batch": 8, "warmup_epochs": 0}


def pretrained(folder):
    """A study whose training starts from a pretraining, and where its weights belong."""
    study = make_study(
        folder,
        pretraining={"contours": CONTOURS},
        networks={"small": {"network": "mod", "pretraining": "contours", "learning_rate": 1e-9}},
        recipe={"max_epochs": 1, "batch": 8},
    )
    return study, paths.pretraining(folder / "results", study.name, "contours-mod") / "weights.pt"


def test_training_starts_from_its_pretraining(tmp_path):
    study, weights = pretrained(tmp_path)
    pretrain.run(study, "contours-mod", tmp_path / "results")
    result = run(study, "small-n1-r01")
    assert (result["network"], result["architecture"], result["start"]) == ("small", "mod", "contours-mod")
    assert result["weights_sha256"] == train.sha256_of(weights)
    best = load(folder_of(study, "small-n1-r01") / "best.pt")
    assert best.network == "mod"
    torch.testing.assert_close(
        best.module.net.features.conv3.weight,
        read_tensors(weights)["state_dict"]["features.conv3.weight"],
        rtol=0,
        atol=1e-6,
    )


def test_a_pretraining_that_is_missing_or_another_stops_before_training(tmp_path):
    study, weights = pretrained(tmp_path)
    with pytest.raises(UserError, match=r"no pretrained weights; pretrain it first \(`weiss pretrain`\)"):
        run(study, "small-n1-r01")
    pretrain.run(study, "contours-mod", tmp_path / "results")
    other = dataclasses.replace(study.pretrainings["contours-mod"], digest="0" * 16)
    with pytest.raises(UserError, match="damaged, or of another pretraining; pretrain it again"):
        run(dataclasses.replace(study, pretrainings={"contours-mod": other}), "small-n1-r01")
    weights.write_bytes(weights.read_bytes() + b"\0")
    with pytest.raises(UserError, match="damaged, or of another pretraining; pretrain it again"):
        run(study, "small-n1-r01")
    assert not folder_of(study, "small-n1-r01").exists()


def test_imagenet_weights_come_from_the_folder_of_the_study(tmp_path, monkeypatch):
    asked = []
    torch.save(learn_state(), tmp_path / "w.pth")
    monkeypatch.setattr(train, "weights_file", lambda *arguments: asked.append(arguments) or tmp_path / "w.pth")
    study = make_study(
        tmp_path, networks={"reg_pret": {"network": "reg", "weights": "pretrained"}}, weights_folder="weights"
    )
    training = study.trainings["reg_pret-n1-r01"]
    recipe = train.Recipe.read(training.recipe, "study")
    assert train.start_weights(study, training, recipe, tmp_path / "results") == ("imagenet", tmp_path / "w.pth")
    assert asked == [("reg", "pretrained", tmp_path / "weights")]


def test_checkpoints_take_a_small_share_of_the_time(tmp_path, monkeypatch):
    """Epochs of one second, checkpoints of half a second, on a clock of their own; the first is taken to need one."""
    now, saves = [0.0], []
    monkeypatch.setattr(common, "SAVE_SHARE", 0.02)
    monkeypatch.setattr(common.time, "perf_counter", lambda: now[0])

    def pass_time(kind, seconds):
        now[0] += seconds
        if kind == "save":
            saves.append(len(trainer.history))

    training = make_study(tmp_path, recipe={"max_epochs": 100, "patience": 100}).trainings[ID]
    with torch.random.fork_rng():
        trainer = Trainer.new(training, train.Recipe.read(training.recipe, ""), None, 20, torch.device("cpu"))

    def epoch(*_):
        pass_time("epoch", 1.0)
        row = {"epoch": 0, "step": 0, "learning_rate": 0.0, "train_mae": 0.0, "validate_mae": [0.0, 0.0]}
        trainer.history.append(row)

    monkeypatch.setattr(trainer, "epoch", epoch)
    data = {"train": None, "validate": SimpleNamespace(units=("1", "1"))}
    reason = train.learn(trainer, training, data, lambda: pass_time("save", 0.5))
    assert reason in ("max_epochs", "patience") and trainer.seconds == 100
    assert saves == [50, 75, 100]


def test_training_starts_from_the_weights_file(tmp_path):
    torch.save(learn_state(), tmp_path / "w.pth")
    study = make_study(
        tmp_path, networks={"mod": {"weights": "w.pth", "learning_rate": 1e-9}}, recipe={"max_epochs": 1, "batch": 8}
    )
    result = run(study)
    assert len(result["weights_sha256"]) == 64 and result["start"] == "file"
    trained = load(folder_of(study) / "best.pt").module.net.features.conv3.weight
    torch.testing.assert_close(trained, learn_state()["features.conv3.weight"], rtol=0, atol=1e-6)


def test_problems_of_the_dataset_are_one_line(tmp_path):
    study = make_study(tmp_path)
    dataset = paths.dataset(tmp_path / "results", study.name, "films")
    sound = xr.load_dataset(dataset, engine="h5netcdf")
    faults = {
        "are not in the dataset": sound.isel(film=slice(0, 70)),
        "lacks D": sound.drop_vars("D"),
        "smaller than the window": sound.isel(y=slice(0, 20)),
        r"other than \+1 and -1": sound.assign(pattern=sound.pattern * 2),
        "did not reach the crossing": sound.assign(status=("film", ["not crossed"] * sound.sizes["film"])),
        "not a finite number": sound.assign_coords(J=sound.J * np.nan),
    }
    for message, broken in faults.items():
        broken.to_netcdf(dataset, engine="h5netcdf")
        with pytest.raises(UserError, match=message) as caught:
            run(study)
        assert "\n" not in str(caught.value)
    dataset.write_bytes(b"nothing")
    with pytest.raises(UserError, match="dataset"):
        run(study)
    dataset.unlink()
    with pytest.raises(UserError, match="no such dataset"):
        run(study)
    assert not folder_of(study).exists() or not list(folder_of(study).iterdir())


def test_a_gpu_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="torch finds none"):
        run(make_study(tmp_path), device="gpu")


def test_a_full_disk_is_one_line_and_leaves_no_temporary_file(tmp_path, monkeypatch):
    study = make_study(tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("weiss.atomic._write_all", full)
    with pytest.raises(UserError, match="No space left"):
        run(study)
    assert list(folder_of(study).iterdir()) == []


def _without_crossing(study, results: Path, films: list[str]) -> None:
    """Mark films of the made-up dataset as never crossed."""
    path = paths.dataset(results, study.name, "films")
    with xr.open_dataset(path, engine="h5netcdf") as stored:
        dataset = stored.load()
    status = np.where(np.isin(dataset["point"].values.astype(str), films), "not crossed", "crossed")
    dataset["status"] = ("film", status.astype(object))
    dataset.to_netcdf(path, engine="h5netcdf")


def test_films_without_a_pattern_stop_a_training_or_are_left_out_and_counted(tmp_path: Path) -> None:
    study = make_study(tmp_path, uncrossed="leave_out", recipe={"max_epochs": 1, "batch": 8})
    training, results = study.trainings["mod-n1-r01"], tmp_path / "results"
    gone = [training.points["train"][0], training.points["train"][3], training.points["test"][0]]
    _without_crossing(study, results, gone)
    train.run(study, training.id, results)
    folder = paths.training(results, study.name, training.id)
    result = json.loads((folder / "result.json").read_text())
    assert result["left_out"] == {"train": 2, "validate": 0, "test": 1}
    assert (result["train_films"], result["test_films"]) == (18, 19)
    assert training.points["test"][0] not in (folder / "predictions.csv").read_text()
    strict = make_study(tmp_path / "strict", recipe={"max_epochs": 1, "batch": 8})
    _without_crossing(strict, tmp_path / "strict" / "results", gone)
    with pytest.raises(UserError, match="did not reach the crossing"):
        train.run(strict, training.id, tmp_path / "strict" / "results")


def test_nothing_left_to_train_with_is_one_line(tmp_path: Path) -> None:
    study = make_study(tmp_path, uncrossed="leave_out")
    training = study.trainings["mod-n1-r01"]
    _without_crossing(study, tmp_path / "results", list(training.points["validate"]))
    with pytest.raises(UserError, match="none of 20 films came to its end"):
        train.run(study, training.id, tmp_path / "results")
