"""Jobs of several trainings: one after the other or side by side, their failures, and the manifest."""

import dataclasses
import json
import shutil
import subprocess
import sys

import pytest
import torch
from learn_studies import die_if_second, make_study

from weiss import learn, paths
from weiss.errors import UserError
from weiss.learn import jobs, train
from weiss.learn.records import OUTPUTS, manifest_fault, sha256_of, write_manifest

JOB = "mod-n1-b01"
IDS = ["mod-n1-r01", "mod-n1-r02", "mod-n1-r03"]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def three(folder, **options):
    """A study whose one job has three trainings."""
    return make_study(folder, **({"repeats": 3, "trainings_per_job": 3} | options))


def results_of(study):
    return study.path.parent / "results"


def folder_of(study, training):
    return paths.training(results_of(study), study.name, training)


def manifest_of(study, job=JOB):
    return paths.training_job(results_of(study), study.name, job)


def contents(study, training):
    return {name: (folder_of(study, training) / name).read_bytes() for name in OUTPUTS}


def with_broken_second(study):
    """The same study, whose second training validates with its test seed."""
    broken = dataclasses.replace(study.trainings[IDS[1]], validate_seeds=(1,))
    return dataclasses.replace(study, trainings=study.trainings | {IDS[1]: broken})


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Three trainings, a job each, and so no influence of one on another: study and files."""
    study = make_study(tmp_path_factory.mktemp("alone"), repeats=3)
    for name in IDS:
        learn.run(study, name, results_of(study))
    return study, {name: contents(study, name) for name in IDS}


@pytest.fixture
def finished(tmp_path, alone):
    """A finished job of three, made of the trainings of `alone`."""
    study = three(tmp_path)
    shutil.copytree(results_of(alone[0]) / study.name / "train", tmp_path / "results" / study.name / "train")
    write_manifest(results_of(study), study, study.training_jobs[JOB])
    assert manifest_fault(results_of(study), study, study.training_jobs[JOB]) is None
    return study


# --- doing the trainings ---------------------------------------------------------------------------------------------


def test_a_job_of_three_makes_what_three_jobs_make(tmp_path, alone, capsys):
    study = three(tmp_path)
    assert list(study.training_jobs) == [JOB]
    learn.run(study, JOB, results_of(study))
    assert {name: contents(study, name) for name in IDS} == alone[1]
    manifest = json.loads(manifest_of(study).read_text())
    assert (manifest["job"], manifest["digest"]) == (JOB, study.training_jobs[JOB].digest)
    assert manifest["trainings"] == {
        name: {
            "digest": study.trainings[name].digest,
            "files": {file: sha256_of(folder_of(study, name) / file) for file in OUTPUTS},
        }
        for name in IDS
    }
    progress = [line for line in capsys.readouterr().err.splitlines() if "validate" in line]
    assert [line.split()[0] for line in progress] == [name for name in IDS for _ in range(4)]


def test_a_training_alone_is_a_job_with_a_manifest_too(alone):
    study, _ = alone
    manifest = json.loads(manifest_of(study, IDS[0]).read_text())
    assert list(manifest["trainings"]) == [IDS[0]]
    assert manifest_fault(results_of(study), study, study.training_jobs[IDS[0]]) is None


def test_side_by_side_makes_the_same_and_a_failure_stays_its_own(tmp_path, alone, monkeypatch, capfd):
    """As on a GPU, in processes, but on the CPU."""
    monkeypatch.setattr(jobs, "one_by_one", jobs.all_at_once)
    study = with_broken_second(make_study(tmp_path, repeats=2, trainings_per_job=2))
    with pytest.raises(UserError, match=f"1 of 2 trainings failed: {IDS[1]} ") as caught:
        learn.run(study, JOB, results_of(study))
    assert "validate and test share seeds [1]" in str(caught.value) and "\n" not in str(caught.value)
    assert contents(study, IDS[0]) == alone[1][IDS[0]]
    lines = capfd.readouterr().err.splitlines()
    assert sum(line.startswith(f"{IDS[0]}  epoch ") for line in lines) == 4
    assert not manifest_of(study).exists()


def test_one_failure_leaves_the_others_finished_and_the_rest_is_done_next_time(tmp_path, alone, capsys):
    study = three(tmp_path)
    with pytest.raises(UserError, match=f"job {JOB}: 1 of 3 trainings failed: {IDS[1]} .*share seeds"):
        learn.run(with_broken_second(study), JOB, results_of(study))
    assert not manifest_of(study).exists()
    assert not (folder_of(study, IDS[1]) / "result.json").exists()
    assert contents(study, IDS[2]) == alone[1][IDS[2]]
    capsys.readouterr()
    learn.run(study, JOB, results_of(study))
    said = capsys.readouterr().err
    assert said.count("finished already") == 2
    assert {name: contents(study, name) for name in IDS} == alone[1]
    assert manifest_fault(results_of(study), study, study.training_jobs[JOB]) is None


def test_an_error_nobody_foresaw_stops_no_other_training_and_is_shown(tmp_path, monkeypatch, capsys):
    study, original = three(tmp_path), train.run

    def run(study, training_id, *arguments, **options):
        if training_id == IDS[0]:
            raise ZeroDivisionError("division by zero\nand more")
        original(study, training_id, *arguments, **options)

    monkeypatch.setattr(train, "run", run)
    with pytest.raises(UserError, match=r"mod-n1-r01 \(ZeroDivisionError: division by zero\); what finished"):
        learn.run(study, JOB, results_of(study))
    assert "Traceback" in capsys.readouterr().err
    assert all((folder_of(study, name) / "result.json").exists() for name in IDS[1:])


def test_a_full_gpu_names_what_to_lower(tmp_path, monkeypatch):
    for error in (
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
    ):

        def full(*_, error=error):
            raise error

        monkeypatch.setattr(train.Trainer, "epoch", full)
        with pytest.raises(
            UserError, match=r"memory of the GPU is full; lower learn.trainings_per_job or recipe.batch"
        ):
            learn.run(make_study(tmp_path), IDS[0], tmp_path / "results")


def test_other_runtime_errors_stay_what_they_are(tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(train.Trainer, "epoch", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        learn.run(make_study(tmp_path), IDS[0], tmp_path / "results")


def test_a_killed_process_is_a_failure_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "_apart", die_if_second)
    study = three(tmp_path)
    failed = jobs.all_at_once(study, IDS[:2], results_of(study), "cpu", 1)
    assert failed == {IDS[1]: "its process ended with exit code -9"}


def test_finished_trainings_get_no_process(finished, monkeypatch):
    monkeypatch.setattr(jobs.multiprocessing, "get_context", lambda _: None)
    assert jobs.all_at_once(finished, IDS, results_of(finished), "cpu", 1) == {}


# The trainings would go on for hours.
PARENT = """
import sys
from pathlib import Path
from weiss.learn import jobs
from weiss.study import load_study

study = load_study(sys.argv[1])
jobs.all_at_once(study, ["mod-n1-r01"], Path(sys.argv[2]), "cpu", 1)
"""


def test_processes_die_with_a_killed_job(tmp_path):
    study = three(tmp_path, recipe={"max_epochs": 10**5, "patience": 10**5, "batch": 8})
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(study.path), str(results_of(study))], stderr=subprocess.PIPE, text=True
    )
    for line in parent.stderr:
        if "epoch 2/" in line:
            break
    parent.kill()
    # The error stream ends when the last process that writes to it is gone.
    parent.communicate(timeout=60)


def test_an_unknown_job_is_refused(tmp_path):
    with pytest.raises(UserError, match="no training named 'mod-n1-r09'"):
        learn.run(three(tmp_path), "mod-n1-r09", tmp_path / "results")


def test_one_training_of_a_job_can_be_done_by_hand(tmp_path):
    study = three(tmp_path)
    learn.run(study, IDS[0], tmp_path / "results")
    done = [paths.training(tmp_path / "results", study.name, name).exists() for name in IDS]
    assert done == [True, False, False]
    assert not manifest_of(study).exists()


# --- the manifest ----------------------------------------------------------------------------------------------------


def test_a_manifest_that_lies_is_found_out(finished):
    job, results, path = finished.training_jobs[JOB], results_of(finished), manifest_of(finished)

    def fault():
        return manifest_fault(results, finished, job)

    sound = json.loads(path.read_text())
    folder = folder_of(finished, IDS[1])
    for name in (*OUTPUTS, "result.json"):
        (folder / name).rename(folder / "aside")
        assert fault() == f"training {IDS[1]}: {name} is missing"
        (folder / "aside").rename(folder / name)
    result = (folder / "result.json").read_text()
    (folder / "result.json").write_text(result.replace(finished.trainings[IDS[1]].digest, "0" * 16))
    assert fault() == f"training {IDS[1]}: result.json is of another training"
    (folder / "result.json").write_text(result[:50])
    assert fault() == f"training {IDS[1]}: result.json cannot be read"
    (folder / "result.json").write_text(result)
    for change, words in (
        ({"digest": "0" * 16}, "other trainings in this job"),
        ({"job": "mod-n1-b02"}, "of job mod-n1-b02"),
        ({"trainings": {}}, "other trainings"),
        ({"trainings": sound["trainings"] | {IDS[0]: {"digest": "0" * 16}}}, f"another digest of training {IDS[0]}"),
        ({"trainings": None}, "lacks entries"),
    ):
        path.write_text(json.dumps(sound | change))
        assert words in fault()
    path.write_text("{")
    assert "cannot be read" in fault()
    path.write_text("[]")
    assert fault() == "it lacks entries"
    path.unlink()
    assert fault() == "it is missing"


def test_more_repeats_ask_for_the_new_job_only(tmp_path, finished):
    more = make_study(tmp_path, repeats=5, trainings_per_job=3)
    faults = {name: manifest_fault(results_of(more), more, job) for name, job in more.training_jobs.items()}
    assert faults == {JOB: None, "mod-n1-b02": "it is missing"}


def test_an_edited_recipe_asks_for_the_job_again(tmp_path, finished):
    edited = three(tmp_path, recipe={"max_epochs": 4, "patience": 4, "batch": 9})
    assert "other trainings" in manifest_fault(results_of(edited), edited, edited.training_jobs[JOB])


def test_looking_at_manifests_needs_no_torch():
    command = (
        "import sys, weiss.learn.records, weiss.learn.jobs;"
        "assert not {'torch', 'torchvision', 'sklearn', 'xarray'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", command], check=True)
