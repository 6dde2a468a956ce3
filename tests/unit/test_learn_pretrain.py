"""Pretraining as a whole: learning, interruptions, outputs, refusals."""

import csv
import io
import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from weiss import paths
from weiss.errors import UserError
from weiss.learn import checkpoint, pretrain
from weiss.learn.networks import build
from weiss.learn.networks.regressor import read_tensors
from weiss.learn.pretrain import Settings
from weiss.study import Pretraining

SMALL = {
    "kind": "contours",
    "categories": 8,
    "images": 240,
    "epochs": 3,
    "batch": 32,
    "learning_rate": 0.1,
    "momentum": 0.9,
    "weight_decay": 5e-5,
    "warmup_epochs": 1,
}
OUTPUTS = ("epochs.csv", "weights.pt")


@pytest.fixture(autouse=True)
def one_thread():
    """Small arrays are fastest on one thread, above all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_study(folder, architecture="mod", window=24, digest="0123456789abcdef", **settings):
    """What a pretraining sees of a study: one pretraining, named `job`."""
    job = Pretraining("job", "formulas", architecture, 5, window, SMALL | settings, digest)
    return SimpleNamespace(name="madeup", path=Path(folder) / "study.yaml", pretrainings={"job": job})


def folder_of(study):
    return paths.pretraining(study.path.parent, study.name, "job")


def run(study, **options):
    pretrain.run(study, "job", study.path.parent, **options)
    return json.loads((folder_of(study) / "result.json").read_text())


def contents(study):
    return {name: (folder_of(study) / name).read_bytes() for name in OUTPUTS}


def rows(study):
    return list(csv.DictReader(io.StringIO(contents(study)["epochs.csv"].decode())))


def untimed(result):
    return {key: value for key, value in result.items() if key != "timing"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A pretraining that ran through: study, result, bytes of its files."""
    study = make_study(tmp_path_factory.mktemp("whole"))
    return study, run(study), contents(study)


@pytest.mark.parametrize("kind", ["contours", "fractals"])
def test_mod_tells_formulas_apart_on_images_it_never_saw(tmp_path, kind):
    """At least two and a half times as often as by chance."""
    study = make_study(tmp_path, kind=kind, window=32, images=800, epochs=8, batch=16, learning_rate=0.05)
    result = run(study)
    assert result["chance"] == 1 / 8
    assert result["held_out_accuracy"] > 2.5 / 8
    assert result["accuracy"] > 2.5 / 8


def test_table_and_result_tell_the_course(finished):
    study, result, _ = finished
    table = rows(study)
    assert tuple(table[0]) == pretrain.COLUMNS
    assert [int(row["epoch"]) for row in table] == [1, 2, 3]
    # 240 images in batches of at most 32 are eight steps: an eighth of the highest rate, the highest, half way down.
    assert [float(row["learning_rate"]) for row in table] == pytest.approx([0.0125, 0.1, 0.05])
    assert all(math.isfinite(float(row["loss"])) for row in table)
    for name in ("loss", "accuracy", "held_out_accuracy"):
        assert float(table[-1][name]) == result[name]
    assert result["images_seen"] == 720 and result["held_out_images"] == 24
    assert result["settings"] == SMALL and result["digest"] == study.pretrainings["job"].digest
    assert result["id"] == "job" and result["architecture"] == "mod" and result["window"] == 24
    assert result["versions"]["pretrain"] >= 1 and result["timing"]["device"] == "cpu"


def test_the_loss_starts_at_that_of_guessing_and_falls(finished):
    losses = [float(row["loss"]) for row in rows(finished[0])]
    assert losses[0] == pytest.approx(math.log(8), rel=0.15)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("architecture", ["mod", "mob"])
def test_weights_start_a_regression_with_a_fresh_head_only(tmp_path, finished, architecture):
    if architecture == "mod":
        study = finished[0]
    else:
        study = make_study(tmp_path, architecture, window=32, images=16, epochs=1, batch=8, warmup_epochs=0)
        run(study)
    file = folder_of(study) / "weights.pt"
    saved = read_tensors(file)
    assert set(saved) == {"state_dict", "architecture", "digest", "window", "kind"}
    assert saved["digest"] == study.pretrainings["job"].digest and saved["architecture"] == architecture
    start, fresh = (build(architecture, 2, seed=9, weights=weights) for weights in (file, None))
    head = {name for name in start.net.state_dict() if name.startswith(f"{start.head}.")}
    assert len(head) == 2
    for name, value in start.net.state_dict().items():
        assert torch.equal(value, fresh.net.state_dict()[name] if name in head else saved["state_dict"][name])
    convolution = next(name for name, value in saved["state_dict"].items() if value.ndim == 4)
    assert not torch.equal(start.net.state_dict()[convolution], fresh.net.state_dict()[convolution])
    assert start(torch.ones(2, 32, 32)).shape == (2, 2)


def test_weights_of_another_architecture_are_refused(finished):
    with pytest.raises(UserError, match="these weights are of another network"):
        build("mob", 2, weights=folder_of(finished[0]) / "weights.pt")


def test_a_finished_pretraining_leaves_nothing_to_resume_and_is_not_repeated(finished, capsys):
    study, _, files = finished
    assert sorted(path.name for path in folder_of(study).iterdir()) == sorted((*OUTPUTS, "result.json"))
    times = {path.name: path.stat().st_mtime_ns for path in folder_of(study).iterdir()}
    run(study)
    assert "finished already" in capsys.readouterr().err
    assert {path.name: path.stat().st_mtime_ns for path in folder_of(study).iterdir()} == times
    assert contents(study) == files


def test_a_damaged_output_is_made_again(tmp_path, finished):
    study = make_study(tmp_path)
    run(study)
    damaged = folder_of(study) / "weights.pt"
    damaged.write_bytes(damaged.read_bytes()[:100])
    run(study)
    assert contents(study) == finished[2]


def test_another_digest_is_another_pretraining(tmp_path):
    run(make_study(tmp_path, epochs=1))
    study = make_study(tmp_path, epochs=2, digest="fedcba9876543210")
    assert run(study)["digest"] == "fedcba9876543210"
    assert len(rows(study)) == 2


def interrupt_after(monkeypatch, epochs):
    """Stop by an exception after `epochs` epochs were saved."""
    original, count = checkpoint.save, []

    def save(path, content):
        original(path, content)
        if path.name == "last.pt":
            count.append(path)
            if len(count) == epochs:
                raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", save)


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_an_interrupted_pretraining_ends_in_the_same_bytes(tmp_path, monkeypatch, finished, epochs):
    study = make_study(tmp_path)
    with monkeypatch.context() as patch:
        interrupt_after(patch, epochs)
        with pytest.raises(KeyboardInterrupt):
            run(study)
    assert [path.name for path in folder_of(study).iterdir()] == ["last.pt"]
    torch.manual_seed(99)
    result = run(study)
    assert contents(study) == finished[2]
    assert untimed(result) == untimed(finished[1])
    assert result["timing"]["restarts"] == 1


def test_dropout_resumes_exactly_too(tmp_path, monkeypatch):
    """The torchvision networks draw dropout masks from torch's own generator, which must be restored as well."""
    options = {"architecture": "mna", "window": 32, "kind": "fractals", "images": 20, "epochs": 2, "batch": 10}
    whole, stopped = make_study(tmp_path / "whole", **options), make_study(tmp_path / "stopped", **options)
    run(whole)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            run(stopped)
    torch.manual_seed(99)
    run(stopped)
    assert contents(stopped) == contents(whole)


def test_a_damaged_checkpoint_is_kept_and_the_pretraining_starts_anew(tmp_path, monkeypatch, finished, capsys):
    study = make_study(tmp_path)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            run(study)
    last = folder_of(study) / "last.pt"
    last.write_bytes(last.read_bytes()[:-200])
    assert run(study)["timing"]["restarts"] == 0
    assert "cannot be read" in capsys.readouterr().err
    assert (folder_of(study) / "last.pt.damaged").exists()
    assert contents(study) == finished[2]


def test_random_states_stay_as_they_were(tmp_path):
    torch.manual_seed(4)
    before = torch.get_rng_state()
    run(make_study(tmp_path, images=32, epochs=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_epochs_are_of_new_images_and_held_out_ones_are_of_their_own(tmp_path, monkeypatch):
    """Every category appears in an epoch as often as any other, to one; no image appears twice."""
    seen = []
    original = pretrain.Images.draw.__func__

    def draw(cls, *arguments):
        images = original(cls, *arguments)
        seen.append(images)
        return images

    monkeypatch.setattr(pretrain.Images, "draw", classmethod(draw))
    run(make_study(tmp_path, images=44, epochs=2))
    assert [len(images.categories) for images in seen] == [8, 44, 44]
    for images in seen:
        counts = torch.bincount(images.categories, minlength=8)
        assert counts.max() - counts.min() <= 1
    rendered = torch.cat([batch for images in seen for batch, _ in images.batches(3)])
    assert len(rendered.flatten(1).unique(dim=0)) == len(rendered) == 96


def test_a_diverging_pretraining_ends_with_one_line_and_no_result(tmp_path):
    study = make_study(tmp_path, learning_rate=1e30, warmup_epochs=0)
    with pytest.raises(UserError, match=r"is not a finite number in epoch 1, step [1-8]; lower the learning rate"):
        run(study)
    assert not folder_of(study).exists() or not list(folder_of(study).iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "clouds"}, "unknown kind of images 'clouds'"),
        ({"categories": 1}, "at least 2"),
        ({"images": 33, "batch": 1}, "one image only"),
        ({"images": 1}, "one image only"),
        ({"batch": 0}, "one image only"),
        ({"warmup_epochs": 4}, "4 epochs of warm-up do not fit into 3 epochs"),
        ({"epochs": 0, "warmup_epochs": 0}, "use epochs >= 1"),
        ({"colour": "red"}, "unknown keys colour"),
    ],
)
def test_senseless_settings_are_refused(tmp_path, settings, message):
    with pytest.raises(UserError, match=message):
        run(make_study(tmp_path, **settings))
    assert not folder_of(make_study(tmp_path)).exists()


def test_missing_settings_and_unknown_names_are_refused(tmp_path):
    with pytest.raises(UserError, match="keys missing: kind, momentum"):
        Settings.read({key: value for key, value in SMALL.items() if key not in ("kind", "momentum")}, "here")
    with pytest.raises(UserError, match="no pretraining named 'other'"):
        pretrain.run(make_study(tmp_path), "other", tmp_path)


def test_the_rate_rises_in_a_line_and_falls_along_a_cosine():
    settings = Settings.read(SMALL | {"epochs": 5}, "here")
    rates = [settings.rate(step) for step in range(5 * settings.steps)]
    assert rates[:8] == pytest.approx([0.1 * (step + 1) / 8 for step in range(8)])
    assert rates[8] == 0.1 == max(rates) and rates[24] == pytest.approx(0.05)
    assert rates[8:] == sorted(rates[8:], reverse=True) and 0 < rates[-1] < 0.1 / 300
    assert Settings.read(SMALL | {"warmup_epochs": 0}, "here").rate(0) == 0.1


@pytest.mark.gpu
@pytest.mark.parametrize("architecture", ["mod", "reg"])
def test_a_gpu_pretrains(tmp_path, architecture):
    if not torch.cuda.is_available():
        pytest.skip("torch finds no GPU")
    study = make_study(tmp_path, architecture, window=64)
    result = run(study, device="gpu")
    assert math.isfinite(result["loss"]) and result["timing"]["device"] != "cpu"
    assert build(architecture, 2, weights=folder_of(study) / "weights.pt") is not None
