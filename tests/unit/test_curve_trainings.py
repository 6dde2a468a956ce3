"""From the section `curves` of a study to trainings: what a chain serves for, draws, ids, digests, jobs, refusals."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from weiss import curve_trainings
from weiss.curve_trainings import HELD_OUT, draw, roles
from weiss.errors import UserError
from weiss.learn.curves.networks.names import KINDS
from weiss.study import Study, load_study

CHAIN = {"cells": 64, "harmonics": 100, "error_harmonics": 20, "coarsest_kT": 5.0}
RANDOM = {"random": {"n": 60, "seed": 1, "sigma": [0.0, 1e-7], "tau": [0.0, 2e-8]}}
PAIRS = {"list": [{"sigma": 1e-8, "tau": 0.0}, {"sigma": 2.29e-8, "tau": 3e-9}]}
BOTH = ["sigma", "tau"]
READ = {"data": "bands", "network": "curve_cnn", "targets": BOTH}
WALLS = {"data": "walls", "network": "two_branch", "targets": BOTH, "resimulate": "width_m"}
BANDS = {"data": "bands", "network": "tfc"}
SPLIT = {"validate": 0.15, "calibrate": 0.15, "test": 0.15}


def chains(what: str, space: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    return {"model": "spsll", "space": space or RANDOM, "spsll": CHAIN | {"what": what} | settings}


FILMS: dict[str, Any] = {
    "walls": chains("wall"),
    "bands": chains("dispersion"),
    "wall-pairs": chains("wall", PAIRS),
    "spectra": chains("spectrum", PAIRS),
    "longer": chains("dispersion", PAIRS, cells=70),
    "films": {"model": "tdgl", "grid": [16, 16], "space": {"grid": {"J": [1.0, 2.0], "D": [0.5]}}, "seeds": [1, 2]},
}


def load(folder: Path, curves: dict[str, Any], films: dict[str, Any] | None = None, **more: Any) -> Study:
    path = folder / "study.yaml"
    content = {"name": "small-curves", "films": films or FILMS, "curves": curves} | more
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return load_study(path)


def points_of(count: int) -> list[Any]:
    conditions = [{"sigma": index * 1e-10, "tau": 2e-9} for index in range(count)]
    return [SimpleNamespace(id=f"{index:016x}", condition=where) for index, where in enumerate(conditions)]


def conditions_of(study: Study, training: str) -> dict[str, set[tuple[float, ...]]]:
    """Sigma and tau of the points of every role."""
    found = study.curve_trainings[training]
    known = {point.id: tuple(point.condition[name] for name in BOTH) for point in study.groups[found.data].points}
    return {role: {known[point] for point in found.points[role]} for role in ("train", *HELD_OUT)}


def digests(study: Study) -> dict[str, str]:
    return {key: training.digest for key, training in study.curve_trainings.items()}


# --- what a chain serves for ------------------------------------------------------------------------------------------


def test_a_role_goes_by_the_hash_of_the_condition_and_the_seed() -> None:
    points = points_of(200)
    found, known = roles(7, points, SPLIT), {point.id: json.dumps(point.condition) for point in points}
    assert list(found) == ["train", *HELD_OUT]
    assert known[f"{3:016x}"].replace(" ", "") == '{"sigma":3e-10,"tau":2e-09}'
    for role, ids in found.items():
        for point in ids:
            text = known[point].replace(" ", "")
            digest = hashlib.sha256(f"weiss curve split|7|{text}".encode()).digest()
            place = int.from_bytes(digest[:8], "big") / 2**64
            expected = (
                "validate" if place < 0.15 else "calibrate" if place < 0.3 else "test" if place < 0.45 else "train"
            )
            assert role == expected


@pytest.mark.parametrize("split", [SPLIT, {"validate": 0.05, "calibrate": 0.4, "test": 0.2}])
def test_every_chain_has_one_role_and_the_shares_are_those_asked_for(split: dict[str, float]) -> None:
    points = points_of(4000)
    found = roles(0, points, split)
    assert sorted(point for ids in found.values() for point in ids) == sorted(point.id for point in points)
    for role, share in (split | {"train": 1 - sum(split.values())}).items():
        # Four standard deviations of a binomial number.
        assert abs(len(found[role]) - 4000 * share) < 4 * (4000 * share * (1 - share)) ** 0.5


def test_roles_are_drawn_anew_with_another_seed_only() -> None:
    first, again, other = (roles(seed, points_of(300), SPLIT) for seed in (0, 0, 1))
    assert first == again and all(first[role] != other[role] for role in first)
    shuffled = roles(0, points_of(300)[::-1], SPLIT)
    assert {role: ids[::-1] for role, ids in shuffled.items()} == first


def test_neither_the_id_nor_the_order_of_parameters_nor_the_seed_of_a_film_decides_its_role() -> None:
    """Chains that differ in their seed alone are not split: what is trained on would be tested on."""
    points = points_of(200)
    turned = [dict(reversed(list(point.condition.items()))) for point in points]
    others = [SimpleNamespace(id=f"other {i}", condition=condition, seed=2) for i, condition in enumerate(turned)]
    first, second = roles(3, points, SPLIT), roles(3, others, SPLIT)
    for role, ids in first.items():
        assert second[role] == tuple(f"other {int(point, 16)}" for point in ids)
    together = roles(3, [*points, *others], SPLIT)
    assert all(together[role] == first[role] + second[role] for role in together)


def test_groups_of_the_same_conditions_agree_on_what_a_condition_serves_for(tmp_path: Path) -> None:
    """One with another origin of the window, and walls beside dispersions; the points themselves are others."""
    films = FILMS | {"edge": chains("dispersion", dispersion_window_origin="edge")}
    study = load(tmp_path, {"read": READ, "edge": READ | {"data": "edge"}, "walls": WALLS}, films)
    keys = list(study.curve_trainings)
    first, *others = (conditions_of(study, key) for key in keys)
    assert len(others) == 2 and others == [first, first] and all(first.values())
    assert sum(map(len, first.values())) == len(set.union(*first.values())) == 60
    ids = [{point for role in job.points.values() for point in role} for job in study.curve_trainings.values()]
    assert all(len(part) == 60 for part in ids) and len(set.union(*ids)) == 180


def test_more_points_leave_every_role_alone(tmp_path: Path) -> None:
    films = [FILMS | {"bands": chains("dispersion", {"random": RANDOM["random"] | {"n": n}})} for n in (60, 150)]
    few, many = (next(iter(load(tmp_path, {"read": READ}, part).curve_trainings.values())).points for part in films)
    assert sum(map(len, few.values())) == 60 and sum(map(len, many.values())) == 150
    for role in few:
        assert set(few[role]) < set(many[role])


def test_tasks_of_one_group_agree_on_what_a_chain_serves_for(tmp_path: Path) -> None:
    study = load(tmp_path, {"read": READ, "bands": BANDS, "other": READ | {"recipe": {"batch": 8}}})
    first, *rest = (training.points for training in study.curve_trainings.values())
    assert len(rest) == 2 and all(points == first for points in rest)
    seeded = load(tmp_path, {"read": READ}, seed=1)
    assert next(iter(seeded.curve_trainings.values())).points != first


# --- draws ------------------------------------------------------------------------------------------------------------


def test_a_smaller_draw_is_part_of_a_larger_one() -> None:
    pool = [point.id for point in points_of(100)]
    draws = [draw(3, 2, pool, count) for count in (5, 20, 99, 100)]
    assert [len(part) for part in draws] == [5, 20, 99, 100]
    assert all(set(small) < set(large) for small, large in pairwise(draws))
    assert all(list(part) == [point for point in pool if point in part] for part in draws), "in the order of the pool"


def test_repeats_and_seeds_draw_differently() -> None:
    pool = [point.id for point in points_of(100)]
    drawn = {draw(seed, repeat, pool, 20) for seed in (0, 1) for repeat in (1, 2, 3)}
    assert len(drawn) == 6
    overlap = len(set(draw(0, 1, pool, 20)) & set(draw(0, 2, pool, 20)))
    assert overlap < 12, "as by chance: 4 of 20"


def test_draws_of_a_study_are_nested_in_number_and_differ_by_repeat(tmp_path: Path) -> None:
    study = load(tmp_path, {"read": READ | {"n_data": [16, 4], "repeats": 3}})
    drawn = {key: set(training.points["train"]) for key, training in study.curve_trainings.items()}
    pool = set(roles(0, study.groups["bands"].points, SPLIT)["train"])
    for repeat in ("r01", "r02", "r03"):
        assert drawn[f"read-n4-{repeat}"] < drawn[f"read-n16-{repeat}"] < pool
    assert len({frozenset(points) for key, points in drawn.items() if "n16" in key}) == 3
    for role in HELD_OUT:
        assert len({training.points[role] for training in study.curve_trainings.values()}) == 1


def test_seeds_differ_from_training_to_training_and_are_kept(tmp_path: Path) -> None:
    curves = {"read": READ | {"n_data": [4, 16], "repeats": 3}, "other": READ | {"n_data": [4, 16], "repeats": 3}}
    study, again = load(tmp_path, curves), load(tmp_path, curves)
    seeds = [training.seed for training in study.curve_trainings.values()]
    assert len(set(seeds)) == 12 and all(0 <= seed < 2**31 for seed in seeds)
    assert [training.seed for training in again.curve_trainings.values()] == seeds


# --- what a training is -----------------------------------------------------------------------------------------------


def test_ids_say_task_number_of_chains_and_repeat(tmp_path: Path) -> None:
    study = load(tmp_path, {"read": READ | {"n_data": [16, 4], "repeats": 2}, "bands": BANDS})
    left = len(roles(0, study.groups["bands"].points, SPLIT)["train"])
    expected = ["read-n4-r01", "read-n4-r02", "read-n16-r01", "read-n16-r02", f"bands-n{left}-r01"]
    assert list(study.curve_trainings) == expected
    assert all(training.id == key for key, training in study.curve_trainings.items())


def test_a_training_has_what_the_study_says(tmp_path: Path) -> None:
    weights, also = {"tau": 5}, ["wall-pairs"]
    curves = {"walls": WALLS | {"target_weights": weights, "also": also, "n_data": [8], "failed": "stop"}}
    training = load(tmp_path, curves | {"bands": BANDS}).curve_trainings["walls-n8-r01"]
    assert (training.task, training.architecture, training.n_data, training.repeat) == ("walls", "two_branch", 8, 1)
    assert (training.data, training.also, training.groups) == ("walls", ("wall-pairs",), ("walls", "wall-pairs"))
    assert (training.targets, training.target_weights, training.parameters) == (
        ("sigma", "tau"),
        (1.0, 5.0),
        tuple(BOTH),
    )
    assert (training.answers, training.resimulate, training.leave_out) == (None, "width_m", False)
    assert training.recipe["learning_rate"] == 0.001 and training.recipe["overfit_ratio"] == 2.0
    assert list(training.points) == ["train", *HELD_OUT, "wall-pairs"]
    assert len(training.points["wall-pairs"]) == 2 and training.pretraining is None


def test_a_network_that_answers_a_curve_has_no_targets(tmp_path: Path) -> None:
    (training,) = load(tmp_path, {"bands": BANDS}).curve_trainings.values()
    assert (training.answers, training.targets, training.target_weights) == ("ridge_THz", (), ())
    assert training.leave_out


def test_a_study_without_curves_has_none(tmp_path: Path) -> None:
    study = load(tmp_path, {})
    assert study.curve_trainings == {} and study.training_jobs == {} and study.config["curves"] == {}


# --- digests ----------------------------------------------------------------------------------------------------------

ONE = {"walls": WALLS | {"n_data": [8], "repeats": 2}}


def edited(**changes: Any) -> dict[str, Any]:
    return {"walls": ONE["walls"] | changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"recipe": {"learning_rate": 0.002}},
        {"recipe": {"loss": "mae"}},
        {"recipe": {"dropout": 0.0}},
        {"recipe": {"overfit_patience": 3}},
        {"targets": ["tau", "sigma"]},
        {"target_weights": {"tau": 5}},
        {"resimulate": "error_m"},
        {"resimulate": None},
        {"failed": "stop"},
        {"also": ["wall-pairs"]},
        {"split": {"test": 0.2}},
        {"split": {"validate": 0.2}},
    ],
    ids=str,
)
def test_what_matters_changes_every_digest(tmp_path: Path, changes: dict[str, Any]) -> None:
    before, after = digests(load(tmp_path, ONE)), digests(load(tmp_path, edited(**changes)))
    assert before.keys() == after.keys() and not before.items() & after.items()


@pytest.mark.parametrize(
    "changes",
    [
        {"trainings_per_job": 2},
        {"target_weights": {"sigma": 1}},
        {"recipe": {"learning_rate": 1.0e-3, "batch": 64}},
        {"also": []},
        {"failed": "leave_out"},
        {"split": {"test": 0.15}},
        {"n_data": [8, 12]},
        {"repeats": 3},
    ],
    ids=str,
)
def test_what_does_not_matter_leaves_digests_alone(tmp_path: Path, changes: dict[str, Any]) -> None:
    before, after = digests(load(tmp_path, ONE)), digests(load(tmp_path, edited(**changes)))
    assert before.items() <= after.items()


def test_all_films_may_be_written_as_a_number_or_left_out(tmp_path: Path) -> None:
    every = load(tmp_path, {"read": READ})
    (key,) = every.curve_trainings
    count = every.curve_trainings[key].n_data
    assert digests(load(tmp_path, {"read": READ | {"n_data": [count]}})) == digests(every)


def test_films_and_seed_and_version_are_part_of_a_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [digests(load(tmp_path, ONE))]
    found.append(digests(load(tmp_path, ONE, FILMS | {"walls": chains("wall", Ms=9e5)})))
    found.append(digests(load(tmp_path, ONE, seed=1)))
    found.append(digests(load(tmp_path, {"other": ONE["walls"]})))
    monkeypatch.setattr(curve_trainings, "CURVES_VERSION", curve_trainings.CURVES_VERSION + 1)
    found.append(digests(load(tmp_path, ONE)))
    assert len({digest for part in found for digest in part.values()}) == 2 * len(found)


def test_how_and_beside_what_trainings_run_is_not_part_of_a_digest(tmp_path: Path) -> None:
    study = load(tmp_path, ONE)
    compute = {"train": {"device": "cpu", "gpus": 0, "threads": 3, "mem_mb": 123, "runtime": 7}}
    films = FILMS | {"walls": FILMS["walls"] | {"shard": {"conditions": 20}}}
    others = [load(tmp_path, ONE, compute=compute), load(tmp_path, ONE, title="Another title")]
    others += [load(tmp_path, ONE | {"bands": BANDS}), load(tmp_path, ONE, films)]
    assert all(digests(study).items() <= digests(other).items() for other in others)


def test_the_study_digest_knows_what_is_learned_and_not_how_it_runs(tmp_path: Path) -> None:
    study = load(tmp_path, ONE)
    same = [load(tmp_path, edited(trainings_per_job=2)), load(tmp_path, ONE, compute={"train": {"threads": 3}})]
    assert {other.digest for other in same} == {study.digest}
    other = [load(tmp_path, edited(recipe={"batch": 8})), load(tmp_path, edited(repeats=3)), load(tmp_path, {})]
    assert len({study.digest, *(part.digest for part in other)}) == 4


def test_films_do_not_notice_what_is_learned_from_them(tmp_path: Path) -> None:
    with_curves, without = load(tmp_path, ONE), load(tmp_path, {})
    assert {key: part.digest for key, part in with_curves.groups.items()} == {
        key: part.digest for key, part in without.groups.items()
    }
    assert set(with_curves.points) == set(without.points)


# --- jobs -------------------------------------------------------------------------------------------------------------


def jobs(study: Study) -> dict[str, list[str]]:
    return {key: [training.id for training in job.trainings] for key, job in study.training_jobs.items()}


def test_every_training_is_a_job_of_its_own_if_not_asked_otherwise(tmp_path: Path) -> None:
    study = load(tmp_path, {"read": READ | {"n_data": [4, 8], "repeats": 2}})
    assert jobs(study) == {key: [key] for key in study.curve_trainings}


def test_trainings_of_one_task_and_number_share_jobs_in_blocks(tmp_path: Path) -> None:
    curves = {
        "read": READ | {"n_data": [4, 8], "repeats": 5, "trainings_per_job": 2},
        "walls": ONE["walls"] | {"trainings_per_job": 8},
    }
    study = load(tmp_path, curves)
    expected = {
        f"read-n{count}-b{block:02d}": [f"read-n{count}-r{repeat:02d}" for repeat in repeats]
        for count in (4, 8)
        for block, repeats in ((1, (1, 2)), (2, (3, 4)), (3, (5,)))
    }
    assert jobs(study) == expected | {"walls-n8-b01": ["walls-n8-r01", "walls-n8-r02"]}
    assert study.job_of["read-n8-r05"].id == "read-n8-b03"


def test_more_repeats_leave_full_jobs_alone_and_their_digests_are_those_of_the_trainings(tmp_path: Path) -> None:
    two, four = (load(tmp_path, {"read": READ | {"n_data": [4], "repeats": n, "trainings_per_job": 2}}) for n in (2, 4))
    assert two.training_jobs["read-n4-b01"].digest == four.training_jobs["read-n4-b01"].digest
    other = load(tmp_path, {"read": READ | {"n_data": [4], "repeats": 2, "trainings_per_job": 2, "failed": "stop"}})
    assert other.training_jobs["read-n4-b01"].digest != two.training_jobs["read-n4-b01"].digest


# --- what does not fit ------------------------------------------------------------------------------------------------

FAULTS = [
    (READ | {"network": "curve_cn"}, "network", "no network of curves named 'curve_cn'; did you mean 'curve_cnn'?"),
    (READ | {"data": "band"}, "data", "no group of films named 'band'; did you mean 'bands'?"),
    (READ | {"also": ["spectr"]}, "also[0]", "no group of films named 'spectr'; did you mean 'spectra'?"),
    (READ | {"also": ["spectra", "bands"]}, "also", "bands is learned from already; remove it"),
    (READ | {"data": "walls"}, "data", "the films of walls have no ridge_THz, which the network curve_cnn needs"),
    (READ | {"also": ["walls"]}, "also[0]", "the films of walls have no ridge_THz, which the network curve_cnn needs"),
    (BANDS | {"data": "walls"}, "data", "the films of walls have no ridge_THz, which the network tfc needs"),
    (READ | {"data": "films"}, "data", "the films of films have no ridge_THz"),
    (WALLS | {"data": "bands"}, "data", "the films of bands have no mz, width_m, which the network two_branch needs"),
    (READ | {"also": ["spectra", "longer"]}, "also[1]", "the curves of longer have another length than those of bands"),
    (BANDS | {"targets": ["sigma"]}, "targets", "the network tfc answers ridge_THz; remove it"),
    (BANDS | {"resimulate": "X_THz"}, "resimulate", "the network tfc answers ridge_THz; remove it"),
    (BANDS | {"target_weights": {"tau": 5}}, "target_weights.tau", "'tau' is not a target"),
    ({"data": "bands", "network": "curve_cnn"}, "", "the key 'targets' is missing; name the parameters to predict"),
    (
        READ | {"targets": ["sigma", "taus"]},
        "targets[1]",
        "'taus' is not a parameter of films.bands; did you mean 'tau'?",
    ),
    (READ | {"targets": ["sigma"], "target_weights": {"tau": 5}}, "target_weights.tau", "'tau' is not a target"),
    (WALLS | {"resimulate": "width"}, "resimulate", "'width' is no number of films.walls; did you mean 'width_m'?"),
    (WALLS | {"resimulate": "mz"}, "resimulate", "'mz' is no number of films.walls"),
    (WALLS | {"resimulate": "status"}, "resimulate", "'status' is no number of films.walls"),
    (
        WALLS | {"targets": ["tau"]},
        "resimulate",
        "to simulate again, all parameters must be predicted; name sigma, tau",
    ),
    (
        READ | {"split": {"validate": 0.5, "calibrate": 0.3, "test": 0.2}},
        "split",
        "the shares of validate, calibrate and test add up to 1; leave something to train on: less than 1",
    ),
    (READ | {"split": {"test": 0.9}}, "split", "the shares of validate, calibrate and test add up to 1.2"),
    (READ | {"split": {"test": 1e-6}}, "split", "of 60 films none is left to test; give more films or a larger share"),
    (READ | {"split": {"validate": 1e-6}}, "split", "of 60 films none is left to validate"),
    (READ | {"n_data": [4, 61]}, "n_data[1]", "asks for 61 films to train on, the split leaves "),
    (READ | {"n_data": [1]}, "n_data[0]", "at least 2"),
    (READ | {"recipe": {"batch": 1}}, "recipe.batch", "at least 2"),
    (READ | {"recipe": {"momentum": 0.9}}, "recipe.momentum", "unknown key"),
    (READ | {"failed": "ignore"}, "failed", "expected one of leave_out, stop"),
]


def refused(folder: Path, curves: dict[str, Any], place: str, **more: Any) -> str:
    """The message, which is one line and names the file, the line in it and the key."""
    with pytest.raises(UserError) as caught:
        load(folder, curves, **more)
    message = str(caught.value)
    assert "\n" not in message
    found = re.match(r".*/study\.yaml:(\d+): (\S+): ", message)
    assert found and found[2] == place, message
    line, last = (folder / "study.yaml").read_text().splitlines()[int(found[1]) - 1].strip(), place.split(".")[-1]
    assert line.startswith("- " if last.endswith("]") else f"{last}:"), f"line {found[1]} is {line!r}"
    return message


@pytest.mark.parametrize(("task", "key", "words"), FAULTS, ids=[f"{key} {words[:40]}" for _, key, words in FAULTS])
def test_what_does_not_fit_is_one_clear_line(tmp_path: Path, task: dict[str, Any], key: str, words: str) -> None:
    message = refused(tmp_path, {"bands": BANDS, "task": task}, f"curves.task.{key}".removesuffix("."))
    assert words in message


def test_a_task_has_no_name_of_a_network_that_reads_pictures(tmp_path: Path) -> None:
    learn = {"data": "films", "targets": ["J"], "window": 8, "networks": {"mod": {}}, "n_data": [1]}
    learn["seeds"] = {"train": [2], "validate": [3], "test": [1]}
    films = FILMS | {"films": FILMS["films"] | {"seeds": [1, 2, 3]}}
    message = refused(tmp_path, {"mod": READ}, "curves.mod", films=films, learn=learn)
    assert "'mod' is also a network under learn.networks; rename one" in message
    study = load(tmp_path, {"read": READ}, films, learn=learn)
    assert list(study.training_jobs) == [*study.trainings, *study.curve_trainings]


def test_a_network_for_chains_is_refused_for_other_films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = dataclasses.replace(KINDS["tfc"], numbers=(), answers=None)
    monkeypatch.setitem(KINDS, "tfc", kind)
    message = refused(tmp_path, {"task": BANDS | {"data": "films", "targets": ["J"]}}, "curves.task.data")
    assert "the network tfc is for chains (spsll); name another network" in message


def test_other_groups_are_like_the_one_that_is_learned_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "curve_cnn", dataclasses.replace(KINDS["curve_cnn"], curves=()))
    message = refused(tmp_path, {"task": READ | {"also": ["films"]}}, "curves.task.also[0]")
    assert "the films of films are not like those of bands; name another group" in message


@pytest.mark.parametrize("role", ["train", *HELD_OUT])
def test_a_group_with_the_name_of_a_role_does_not_take_its_place(tmp_path: Path, role: str) -> None:
    """Its points would stand where the chains of that role belong."""
    films = FILMS | {role: chains("spectrum", PAIRS, Ms=9e5)}
    message = refused(tmp_path, {"task": READ | {"also": [role]}}, "curves.task.also[0]", films=films)
    assert role in message


def test_only_the_curves_that_are_read_need_the_same_length(tmp_path: Path) -> None:
    """A spectrum has frequencies besides; what is read of it is as long as that of a dispersion relation."""
    films = FILMS | {"spectra": chains("spectrum"), "bands": chains("dispersion", PAIRS)}
    task = READ | {"data": "spectra", "also": ["bands"]}
    (training,) = load(tmp_path, {"task": task}, films).curve_trainings.values()
    assert training.groups == ("spectra", "bands")
    (training,) = load(tmp_path, {"task": READ | {"also": ["spectra"]}}).curve_trainings.values()
    assert training.groups == ("bands", "spectra")
