"""What training must get right on a GPU: `pytest -m gpu` on a machine that has one."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from unit.learn_studies import make_study
from weiss import learn, paths
from weiss.errors import UserError
from weiss.learn import evaluate, train
from weiss.learn.networks import build
from weiss.learn.predict import load
from weiss.learn.records import OUTPUTS, manifest_fault
from weiss.patterns.crops import batch_sizes, cut, cut_batches, draw_crops
from weiss.study import Study

pytestmark = pytest.mark.gpu

ID = "mod-n1-r01"


@pytest.fixture(scope="module", autouse=True)
def gpu() -> None:
    """Skip where torch has no GPU."""
    if not torch.cuda.is_available():
        pytest.skip("torch finds no GPU")


def results_of(study: Study) -> Path:
    return study.path.parent / "results"


def run(study: Study, job: str = ID, device: str = "gpu") -> None:
    learn.run(study, job, results_of(study), device=device, threads=2)


def contents(study: Study, training: str = ID) -> dict[str, bytes]:
    return {name: (paths.training(results_of(study), study.name, training) / name).read_bytes() for name in OUTPUTS}


def epochs(study: Study) -> list[dict[str, str]]:
    return list(csv.DictReader(contents(study)["epochs.csv"].decode().splitlines()))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, gpu: None) -> Study:
    """A training that ran through."""
    study = make_study(tmp_path_factory.mktemp("whole"))
    run(study)
    return study


def test_crops_are_those_of_the_cpu() -> None:
    films = torch.from_numpy(np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (40, 70, 90)))
    draws, sizes = draw_crops(torch.Generator().manual_seed(1), 40, (70, 90), 33, 250), batch_sizes(250, 4)
    assert torch.equal(cut(films.cuda(), draws, 33).cpu(), cut(films, draws, 33))
    here, there = (list(cut_batches(where, draws, 33, sizes)) for where in (films, films.cuda()))
    for (images, film), (expected, expected_film) in zip(there, here, strict=True):
        assert images.is_cuda and film.is_cuda
        assert torch.equal(images.cpu(), expected) and torch.equal(film.cpu(), expected_film)


def test_the_same_training_ends_in_the_same_bytes(tmp_path: Path, finished: Study) -> None:
    study = make_study(tmp_path)
    run(study)
    assert contents(study) == contents(finished)


def test_it_learns_what_the_cpu_learns(tmp_path: Path, finished: Study) -> None:
    """To rounding, which a few steps do not enlarge much."""
    study = make_study(tmp_path)
    run(study, device="cpu")
    for there, here in zip(epochs(finished), epochs(study), strict=True):
        assert float(there["train_mae"]) == pytest.approx(float(here["train_mae"]), rel=1e-3)
        assert float(there["validate_mae"]) == pytest.approx(float(here["validate_mae"]), rel=1e-3)


@pytest.mark.parametrize("after", [1, 3])
def test_an_interrupted_training_ends_in_the_same_bytes(
    tmp_path: Path, finished: Study, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    study, original, saved = make_study(tmp_path), train.checkpoint.save, []

    def save(path: Path, content: dict) -> None:
        original(path, content)
        saved.append(path)
        if len(saved) == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train, "SAVE_SHARE", math.inf)
        patch.setattr(train.checkpoint, "save", save)
        with pytest.raises(KeyboardInterrupt):
            run(study)
    run(study)
    assert contents(study) == contents(finished)


def test_trainings_that_share_the_gpu_make_what_each_makes_alone(tmp_path: Path, finished: Study) -> None:
    study = make_study(tmp_path, repeats=3, trainings_per_job=3)
    (job,) = study.training_jobs.values()
    run(study, job.id)
    assert manifest_fault(results_of(study), study, job) is None
    assert contents(study) == contents(finished)
    assert len({contents(study, training.id)["best.pt"] for training in job.trainings}) == 3


def test_a_network_trained_here_is_used_without_a_gpu(finished: Study) -> None:
    folder = paths.training(results_of(finished), finished.name, ID)
    content = torch.load(folder / "best.pt", weights_only=True)
    assert {value.device.type for value in content["state_dict"].values()} == {"cpu"}
    assert load(folder / "best.pt").device.type == "cpu"
    result = json.loads((folder / "result.json").read_text())
    assert result["timing"]["device"] == torch.cuda.get_device_name()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_weight_that_is_not_finite_is_found(bad: float) -> None:
    network = build("mob", 2).cuda()
    assert evaluate.finite(network)
    with torch.no_grad():
        list(network.parameters())[7].view(-1)[3] = bad
    assert not evaluate.finite(network)


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Let torch have 64 MB more than it has."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 2**26) / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_full_memory_names_what_to_lower(tmp_path: Path, little_memory: None) -> None:
    study = make_study(tmp_path, networks={"reg": {}})
    with pytest.raises(UserError, match=r"memory of the GPU is full; lower learn.trainings_per_job or recipe.batch"):
        run(study, "reg-n1-r01")
