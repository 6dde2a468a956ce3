"""A study that changes: exactly what the change asks for is done again, and nothing else."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from campaign import Campaign, copy_of_the_workflow
from weiss import paths
from weiss.figures.names import FIGURES
from weiss.store import is_current


@pytest.fixture
def campaign(finished: Campaign, tmp_path: Path) -> Campaign:
    return finished.copy(tmp_path / "run")


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes and time of every file."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_nothing_changed(campaign: Campaign) -> None:
    before = contents(campaign.results)
    assert "Nothing to be done" in campaign.run().stdout
    assert contents(campaign.results) == before


def test_status_of_a_finished_study(finished: Campaign) -> None:
    text = finished.weiss("status", str(finished.file))
    assert "13 of 13 films" in text
    assert re.search(r"simulate +5/5 +0 +0 +0", text)


def test_status_after_an_edit(campaign: Campaign) -> None:
    """What was made from other values than the study holds now is not called done."""
    campaign.values["learn"]["networks"]["mod"] = {"learning_rate": 5.0e-3}
    campaign.write()
    stages = json.loads(campaign.weiss("status", str(campaign.file), "--json"))["stages"]
    assert (stages["train"]["done"], stages["train"]["total"]) == (2, 3)
    assert (stages["map"]["done"], stages["map"]["total"]) == (0, 1)


def test_snakemakes_own_report(campaign: Campaign) -> None:
    campaign.run("--report", "report.html")
    page = (campaign.folder / "report.html").read_text()
    for figure in campaign.study.figures:
        assert FIGURES[figure].category in page
        assert FIGURES[figure].title in page


def test_the_study_file_moved(campaign: Campaign) -> None:
    campaign.file.rename(campaign.folder / "moved.yaml")
    assert "Nothing to be done" in campaign.run("--dry-run", "--configfile", "moved.yaml").stdout


@pytest.mark.parametrize(
    ("change", "new_points"),
    [
        pytest.param({"seeds": [1, 2, 3, 4]}, 4, id="a seed"),
        pytest.param({"space": {"grid": {"J": [1.5, 2.0, 1.8], "D": [0.5, 1.0]}}}, 6, id="a J"),
        pytest.param({"space": {"grid": {"J": [1.5, 2.0], "D": [0.5, 0.7, 1.0]}}}, 6, id="a D"),
    ],
)
def test_more_films(campaign: Campaign, change: dict, new_points: int) -> None:
    old, computed = set(campaign.study.points), campaign.computed()
    learned = contents(campaign.results / "small" / "train")
    campaign.values["films"]["uniform"] |= change
    campaign.write()
    new = set(campaign.study.points) - old
    assert len(new) == new_points
    # in one and the same run: what learns from the new films, and what follows from that
    redone = {"train": 3, "map": 1} if "space" in change else {}
    planned = campaign.jobs_planned()
    assert {stage: planned[stage] for stage in ("train", "map") if stage in planned} == redone
    campaign.run("datasets")
    assert campaign.computed() - computed == dict.fromkeys(new, 1)
    campaign.assert_complete()
    if "seeds" in change:
        # no training uses the new seed: the figure of films and the report are redone, no training and no map
        assert campaign.jobs_planned() == {"figure": 1, "report": 1, "all": 1}
        assert contents(campaign.results / "small" / "train") == learned


def test_a_second_study_shares_the_films(campaign: Campaign) -> None:
    old = set(campaign.study.points)
    second = {**campaign.values, "name": "second", "report": {"figures": ["loops"]}}
    del second["learn"], second["maps"]
    second["films"]["uniform"]["space"]["grid"]["J"] = [1.5, 1.8]
    campaign.write(second)
    new = set(campaign.study.points) - old
    assert len(new) == 6
    campaign.run()
    assert campaign.computed() == dict.fromkeys(new, 1)
    assert campaign.dataset()


def test_a_learning_rate(campaign: Campaign) -> None:
    other = contents(paths.training(campaign.results, "small", "mob-n1-r01"))
    old = contents(paths.training(campaign.results, "small", "mod-n1-r01"))
    campaign.values["learn"]["networks"]["mod"] = {"learning_rate": 5.0e-3}
    campaign.write()
    planned = campaign.jobs_planned()
    # of the three figures not the one that shows films
    assert planned == {"train": 1, "map": 1, "figure": 2, "report": 1, "all": 1}
    campaign.run("trainings")
    assert contents(paths.training(campaign.results, "small", "mob-n1-r01")) == other
    new = contents(paths.training(campaign.results, "small", "mod-n1-r01"))
    assert new["result.json"][0] != old["result.json"][0]
    assert "train" not in campaign.jobs_planned()


def test_a_network_nobody_maps_with(campaign: Campaign) -> None:
    campaign.values["learn"]["networks"]["mob"] = {"learning_rate": 5.0e-3}
    campaign.write()
    assert campaign.jobs_planned() == {"train": 1, "figure": 1, "report": 1, "all": 1}


def test_the_choice_of_figures(campaign: Campaign) -> None:
    figures = list(campaign.study.figures)
    campaign.values["report"] = {"figures": figures[:-1]}
    campaign.write()
    assert campaign.jobs_planned() == {"report": 1, "all": 1}


def test_how_jobs_run(campaign: Campaign) -> None:
    campaign.values["compute"]["simulate"] |= {"mem_mb": 1234, "threads": 2, "partition": "main", "gpus": 0}
    campaign.values["compute"]["train"] |= {"runtime": 99}
    campaign.write()
    assert campaign.jobs_planned() == {}


def test_source_files(finished: Campaign, tmp_path: Path) -> None:
    """Touching any file of the project redoes nothing; editing a figure's redoes that figure and the report."""
    source = copy_of_the_workflow(tmp_path / "source")
    campaign = finished.copy(tmp_path / "run", source)
    for path in source.rglob("*"):
        os.utime(path)
    assert "Nothing to be done" in campaign.run("--dry-run").stdout
    figure = source / "src" / "weiss" / "figures" / "loops.py"
    figure.write_text(figure.read_text() + "\n# a thought\n")
    assert campaign.jobs_planned() == {"figure": 1, "report": 1, "all": 1}
    films = contents(campaign.results / "small" / "dataset")
    campaign.run()
    assert contents(campaign.results / "small" / "dataset") == films
    assert campaign.jobs_planned() == {}


def test_repeats_in_shared_jobs(campaign: Campaign) -> None:
    """More repeats make more jobs; those whose block is not full take stock, and train what is new only."""
    campaign.values["learn"] |= {"repeats": 3, "trainings_per_job": 2, "networks": {"mod": {}}}
    campaign.write()
    training = paths.training(campaign.results, "small", "mod-n1-r01")
    metrics = paths.maps(campaign.results, "small", "mod-n1-r01") / "metrics.json"
    old, timed = contents(training), metrics.read_bytes()
    campaign.run("maps")
    assert contents(training) == old
    # Snakemake sets a new time on what a job finds finished; its own record of how long it took is the old one
    assert metrics.read_bytes() == timed
    assert "finished already" in paths.log(campaign.results, "small", "map", "mod-n1-r01").read_text()
    jobs = paths.training_job(campaign.results, "small", "mod-n1-b01").parent
    assert {path.name for path in jobs.glob("mod-n1-b*")} == {"mod-n1-b01.json", "mod-n1-b02.json"}
    assert all(is_current(jobs / f"{job.id}.json", job.digest) for job in campaign.study.training_jobs.values())
    assert campaign.jobs_planned("maps") == {}


def test_a_lost_pretraining_is_made_again(campaign: Campaign) -> None:
    weights = paths.pretraining(campaign.results, "small", "contours-mod") / "weights.pt"
    whole = weights.read_bytes()
    weights.unlink()
    campaign.run("trainings")
    assert weights.read_bytes() == whole


def test_an_edited_pretraining(campaign: Campaign) -> None:
    campaign.values["learn"]["pretraining"]["contours"]["epochs"] = 2
    campaign.write()
    assert campaign.jobs_planned("trainings") == {"pretrain": 1, "train": 1, "trainings": 1}


def test_missing_imagenet_weights_stop_a_run_before_it_queues_anything(campaign: Campaign) -> None:
    before = contents(campaign.results)
    campaign.values["learn"]["weights_folder"] = "weights"
    campaign.values["learn"]["networks"]["mob_pret"] = {"network": "mob", "weights": "pretrained"}
    campaign.write()
    said = campaign.run(fails=True).stdout
    line = next(line for line in said.splitlines() if line.startswith("weiss: error:"))
    assert "mobilenet_v3_large" in line and "weiss weights" in line
    assert "Traceback" not in said
    assert contents(campaign.results) == before
    # films need no weights, and a study that leaves the network out needs none either
    assert "Nothing to be done" in campaign.run("films").stdout
    campaign.values["learn"]["networks"]["mob_pret"]["repeats"] = 0
    campaign.write()
    assert campaign.jobs_planned() == {"report": 1, "all": 1}


@pytest.mark.parametrize("lost", ["best.pt", "result.json"])
def test_a_lost_file_of_a_training_is_made_again(campaign: Campaign, lost: str) -> None:
    folder = paths.training(campaign.results, "small", "mod-n1-r01")
    other = contents(paths.training(campaign.results, "small", "mob-n1-r01"))
    predictions = (folder / "predictions.csv").read_bytes()
    (folder / lost).unlink()
    assert "would be removed" in campaign.run("--dry-run").stdout
    campaign.run("trainings")
    assert (folder / "predictions.csv").read_bytes() == predictions and (folder / lost).exists()
    assert contents(paths.training(campaign.results, "small", "mob-n1-r01")) == other
