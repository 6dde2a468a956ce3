"""The recipe: learning rate, stopping, epochs, and which films are for what."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learn_studies import labyrinth, make_study

from weiss import paths
from weiss.errors import UserError
from weiss.learn.recipe import Recipe, best_epoch, stop_reason
from weiss.learn.train import Trainer, load_splits
from weiss.learn.trainer import streams
from weiss.study import Training

PAPER = {
    "learning_rate": 1e-3,
    "momentum": 0.9,
    "batch": 64,
    "max_epochs": 100,
    "patience": 3,
    "decay": 0.8,
    "decay_steps": 500,
}


def test_defaults_of_a_study_are_the_recipe_of_the_source(tmp_path):
    training: Training = make_study(tmp_path, recipe={}).trainings["mod-n1-r01"]
    recipe = Recipe.read(training.recipe, "study")
    assert {name: getattr(recipe, name) for name in PAPER} == PAPER
    assert recipe.steps_per_epoch is None and recipe.crops_per_film == 1 and recipe.weights is None


def test_learning_rate_falls_exactly_after_every_500_steps(tmp_path):
    training = make_study(tmp_path, recipe={}).trainings["mod-n1-r01"]
    with torch.random.fork_rng():
        trainer = Trainer.new(training, Recipe(**PAPER), None, 250, torch.device("cpu"))
    rates = []
    for _ in range(1501):
        rates.append(trainer.optimiser.param_groups[0]["lr"])
        trainer.optimiser.step()
        trainer.scheduler.step()
    assert rates[0] == rates[499] == 1e-3
    assert rates[500] == rates[999] == pytest.approx(8e-4, rel=1e-12)
    assert rates[1000] == pytest.approx(6.4e-4, rel=1e-12)
    assert rates[1500] == pytest.approx(5.12e-4, rel=1e-12)
    assert isinstance(trainer.optimiser, torch.optim.SGD)
    assert trainer.optimiser.param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize(
    ("errors", "reason"),
    [
        ([], None),
        ([0.5], None),
        ([0.5, 0.6, 0.6], None),
        ([0.5, 0.6, 0.6, 0.6], "patience"),
        ([0.5, 0.5, 0.5, 0.5], "patience"),
        ([0.5, 0.6, 0.6, 0.4], None),
        ([0.5, 0.6, 0.55, 0.52], "patience"),
        ([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], "max_epochs"),
    ],
)
def test_training_ends_after_three_epochs_without_a_new_lowest_error(errors, reason):
    assert stop_reason(errors, Recipe(**PAPER | {"max_epochs": 6})) == reason


def test_the_first_of_equal_errors_is_the_best():
    assert best_epoch([0.5, 0.3, 0.3]) == 2


@pytest.mark.parametrize(
    ("films", "changes", "expected"),
    [
        (250, {}, (250, 4)),
        (1000, {}, (1000, 16)),
        (250, {"crops_per_film": 3}, (750, 12)),
        (9, {"steps_per_epoch": 20}, (1280, 20)),
    ],
)
def test_an_epoch_is_one_pass_unless_steps_are_given(films, changes, expected):
    assert Recipe(**PAPER | changes).epoch_size(films) == expected


@pytest.mark.parametrize(("films", "changes"), [(1, {}), (10, {"batch": 1}), (3, {"batch": 2})])
def test_a_step_with_a_single_crop_is_refused(films, changes):
    with pytest.raises(UserError, match="one crop only"):
        Recipe(**PAPER | changes).epoch_size(films)


def test_unknown_and_missing_keys_are_refused():
    with pytest.raises(UserError, match="unknown recipe keys learning_rat"):
        Recipe.read(PAPER | {"learning_rat": 1}, "study")
    with pytest.raises(UserError, match="recipe keys missing: batch"):
        Recipe.read({key: value for key, value in PAPER.items() if key != "batch"}, "study")


def test_streams_of_chance_are_independent_and_fixed():
    assert len({*streams(0), *streams(1), *streams(2**63)}) == 9
    assert streams(5) == streams(5)


# --- films to train, validate and test with ---------------------------------------------------------------------------

ROLES = ("train", "validate", "test")


@st.composite
def learn_sections(draw):
    """Seeds of the three roles, one of them in two roles now and then, and how many trainings draw from them."""
    order, first = draw(st.permutations(range(1, 9))), draw(st.integers(1, 4))
    second = draw(st.integers(first + 1, 6))
    seeds = dict(zip(ROLES, (order[:first], order[first:second], order[second:]), strict=True))
    if draw(st.integers(0, 4)) == 0:
        one, other = draw(st.permutations(ROLES))[:2]
        seeds[one] = [*seeds[one], draw(st.sampled_from(seeds[other]))]
    n_data = draw(st.lists(st.integers(1, len(seeds["train"])), min_size=1, max_size=2, unique=True))
    return {
        "seed": draw(st.integers(0, 10**6)),
        "seeds": seeds,
        "n_data": n_data,
        "repeats": draw(st.integers(1, 3)),
        "trainings_per_job": draw(st.integers(1, 3)),
        "networks": {"mod": {}, "small": {"network": "mod", "repeats": draw(st.integers(0, 2))}},
        "window": 8,
    }


@given(learn_sections())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_no_training_sees_a_seed_that_validates_or_tests(section):
    """Of the study, and of what the training loop loads for it."""
    seeds = section["seeds"]
    clash = any(set(seeds[a]) & set(seeds[b]) for a, b in (ROLES[:2], ROLES[1:], ROLES[::2]))
    with tempfile.TemporaryDirectory() as folder:
        if clash:
            with pytest.raises(UserError, match=r"learn\.seeds"):
                make_study(Path(folder), 8, range(1, 9), **section)
            return
        study = make_study(Path(folder), 8, range(1, 9), **section)
        assert study.trainings
        for training in study.trainings.values():
            used = {role: {study.points[point].seed for point in training.points[role]} for role in ROLES}
            assert used == {role: set(getattr(training, f"{role}_seeds")) for role in ROLES}
            assert used["train"] <= set(seeds["train"]) and len(used["train"]) == training.n_data
            assert (used["validate"], used["test"]) == (set(seeds["validate"]), set(seeds["test"]))
            assert all(len(training.points[role]) == 20 * len(used[role]) for role in ROLES)
        last = list(study.trainings.values())[-1]
        data = load_splits(last, paths.dataset(Path(folder) / "results", study.name, "films"), torch.device("cpu"))
        for role in ROLES:
            assert set(data[role].seeds) == set(getattr(last, f"{role}_seeds"))
            films = zip(data[role].patterns.numpy(), data[role].values, data[role].seeds, strict=True)
            assert all(np.array_equal(film, labyrinth(J, D, seed, 8)) for film, (J, D), seed in films)
