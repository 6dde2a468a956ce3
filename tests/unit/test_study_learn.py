"""Labels, pretrainings and jobs of trainings of a study."""

from __future__ import annotations

import pytest
from studies import SMALL, changed, edited, load

from weiss.errors import UserError

TINY = {"categories": 4, "images": 8, "epochs": 2}
FDSL = (
    ("learn.pretraining", {"shapes": {**TINY}, "unused": {**TINY}}),
    ("learn.networks.mod_fdsl", {"network": "mod", "pretraining": "shapes"}),
)


def test_a_label_names_a_network_of_the_zoo() -> None:
    study = load(edited(("learn.networks.slow", {"network": "mod", "learning_rate": 1.0e-4})))
    training = study.trainings["slow-n1-r02"]
    assert (training.network, training.architecture, training.recipe["learning_rate"]) == ("slow", "mod", 1.0e-4)
    assert training.train_seeds == study.trainings["mod-n1-r02"].train_seeds
    assert training.seed != study.trainings["mod-n1-r02"].seed
    assert "network" not in training.recipe and "repeats" not in training.recipe


def test_a_network_may_have_its_own_number_of_repeats() -> None:
    study = load(edited(("learn.networks.mob.repeats", 1), ("learn.networks.res", {"repeats": 0})))
    count = {name: sum(t.network == name for t in study.trainings.values()) for name in ("mod", "mob", "res")}
    assert count == {"mod": 6, "mob": 2, "res": 0}


def test_nothing_to_train_is_refused() -> None:
    with pytest.raises(UserError, match="0 repeats"):
        load(edited(("learn.networks", {"mod": {"repeats": 0}}), ("maps", None)))


def test_a_pretraining_is_made_once_for_each_network_that_starts_from_it() -> None:
    study = load(edited(*FDSL, ("learn.networks.again", {"network": "mod", "pretraining": "shapes", "momentum": 0.5})))
    assert set(study.pretrainings) == {"shapes-mod"}
    job = study.pretrainings["shapes-mod"]
    assert (job.architecture, job.window, job.settings["categories"]) == ("mod", 32, 4)
    assert {t.pretraining for t in study.trainings.values()} == {None, "shapes-mod"}
    assert study.trainings["mod_fdsl-n1-r01"].recipe["weights"] is None


def test_an_edited_pretraining_concerns_what_starts_from_it() -> None:
    before = load(edited(*FDSL))
    after = load(edited(*FDSL, ("learn.pretraining.shapes", {**TINY, "epochs": 3})))
    assert before.pretrainings["shapes-mod"].digest != after.pretrainings["shapes-mod"].digest
    kinds = {key for key in changed(before, after) if not key.startswith("figure")}
    assert kinds == {f"training mod_fdsl-n{n}-r{r:02d}" for n in (1, 4) for r in (1, 2, 3)}


def test_a_network_left_out_asks_for_no_pretraining_and_no_file() -> None:
    study = load(edited(*FDSL, ("learn.networks.mod_fdsl", {**FDSL[1][1], "repeats": 0})))
    assert not study.pretrainings
    assert load(edited(("learn.networks.own", {"network": "mod", "weights": "absent.pt", "repeats": 0}))).trainings


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ((("learn.networks.own", {"network": "mod", "pretraining": "none"}),), "no pretraining named 'none'"),
        ((("learn.networks.own", {}),), "or give own a key network"),
        ((("learn.networks.own", {"network": "mood"}),), "did you mean 'mod'"),
        ((*FDSL, ("learn.networks.mod_fdsl.weights", "a.pt")), "not both"),
        ((*FDSL, ("learn.pretraining.shapes", {**TINY, "warmup_epochs": 3})), "longer than the 2"),
        ((*FDSL, ("learn.pretraining.shapes", {**TINY, "batch": 1})), "one image only"),
        ((("learn.networks.mod", {"weights": "pretrained"}),), "no ImageNet weights for the network mod"),
    ],
)
def test_parts_that_do_not_fit_are_named(changes, says) -> None:
    with pytest.raises(UserError) as caught:
        load(edited(*changes))
    assert says in str(caught.value)
    assert "study.yaml:" in str(caught.value)


def test_every_training_is_a_job_unless_they_share_one() -> None:
    study = load(SMALL)
    assert list(study.training_jobs) == list(study.trainings)
    shared = load(edited(("learn.trainings_per_job", 2)))
    assert [t.id for t in shared.training_jobs["mod-n4-b01"].trainings] == ["mod-n4-r01", "mod-n4-r02"]
    assert [t.id for t in shared.training_jobs["mod-n4-b02"].trainings] == ["mod-n4-r03"]
    assert sorted(t.id for job in shared.training_jobs.values() for t in job.trainings) == sorted(study.trainings)
    assert shared.job_of["mob-n1-r03"].id == "mob-n1-b02"


def test_more_repeats_leave_full_jobs_alone() -> None:
    two, four = (load(edited(("learn.trainings_per_job", 2), ("learn.repeats", n))) for n in (2, 4))
    assert {key: job.digest for key, job in two.training_jobs.items()}.items() <= {
        key: job.digest for key, job in four.training_jobs.items()
    }.items()


def test_precision_concerns_the_maps_only() -> None:
    kinds = {key.split()[0] for key in changed(load(SMALL), load(edited(("maps.precision", "tf32"))))}
    assert kinds == {"map", "figure"}
