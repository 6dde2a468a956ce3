"""Points, shards, trainings and maps of a study: what they are, and what an edit does to them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import SMALL, changed, edited, load

from weiss.errors import UserError
from weiss.study import canonical_json, check_digest, digest_of, load_study
from weiss.tdgl.version import SIM_VERSION

REPOSITORY = Path(__file__).parents[2]
FEW = settings(max_examples=25, deadline=None)

tenths = st.integers(1, 30).map(lambda k: k / 10)


def test_point_id_is_the_hash_of_exactly_model_params_seed_and_version() -> None:
    """Recomputed here from text written out by hand, keys in alphabetical order."""
    point = next(p for p in load(SMALL).points.values() if p.condition == {"J": 2.0, "D": 0.5} and p.seed == 3)
    text = (
        '{"model":"tdgl","params":{"A0":1.0,"D":0.5,"H":0.3,"J":2.0,"a0":6.0,"avalanches":"windows","crossing":2,'
        '"dt":0.1,"gamma_per_J":0.095,"integrator":"rkc","kernel":"cutoff","loop_samples":500,"m_init":0.05,'
        f'"m_limit":1e-07,"max_stages":{point.params["max_stages"]},"noise_scale":{point.params["noise_scale"]},'
        '"nx":64,"ny":64,"precision":"float32","quarter":100000.0,'
        f'"tolerance":{point.params["tolerance"]!r}}},"seed":3,"sim_version":{SIM_VERSION}}}'
    )
    assert point.id == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_nonuniform_points_carry_the_margin_and_uniform_ones_do_not() -> None:
    study = load(SMALL)
    assert {p.params.get("inner_margin") for p in study.groups["uniform"].points} == {None}
    assert {p.params.get("inner_margin") for p in study.groups["nonuniform"].points} == {32}
    assert study.groups["nonuniform"].parameters == ("J", "D", "D_in")


@FEW
@given(st.lists(tenths, min_size=1, max_size=4, unique=True), st.randoms(use_true_random=False))
def test_order_of_values_seeds_and_keys_does_not_matter(values: list[float], random) -> None:
    seeds = list(range(1, 9))
    straight = edited(("films.uniform.space", {"grid": {"J": sorted(values), "D": [0.5, 1.0]}}))
    random.shuffle(values)
    random.shuffle(seeds)
    mixed = edited(("films.uniform.space", {"grid": {"D": [1.0, 0.5], "J": values}}), ("films.uniform.seeds", seeds))
    mixed["films"]["uniform"] = dict(reversed(mixed["films"]["uniform"].items()))
    mixed["films"] = dict(reversed(mixed["films"].items()))
    first, second = load(straight), load(dict(reversed(mixed.items())))
    assert set(first.points) == set(second.points)
    assert not changed(first, second)
    assert [p.id for p in first.groups["uniform"].points] == [p.id for p in second.groups["uniform"].points]


def test_grid_list_and_table_of_the_same_conditions_are_the_same_points(tmp_path: Path) -> None:
    rows = [{"J": j, "D": d} for j in (1.0, 2.0) for d in (0.5, 1.0, 1.5)]
    listed = edited(("films.uniform.space", {"list": rows}))
    (tmp_path / "rows.csv").write_text(
        "# comment\nD, J\n" + "".join(f"{r['D']},{r['J']:.3f}\n" for r in reversed(rows))
    )
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps(edited(("films.uniform.space", {"table": "rows.csv"}))))
    assert set(load(SMALL).points) == set(load(listed).points) == set(load_study(path).points)


def test_whole_numbers_and_rounding_noise_are_one_value() -> None:
    exact = load(edited(("films.uniform.space", {"list": [{"J": 2.0, "D": 0.3}]})))
    noisy = load(edited(("films.uniform.space", {"list": [{"J": 2, "D": 0.1 + 0.2}]})))
    ranged = load(edited(("films.uniform.space", {"grid": {"J": 2, "D": {"range": [0.1, 0.3, 0.1]}}})))
    assert set(exact.points) == set(noisy.points) < set(ranged.points)
    assert [p.condition["D"] for p in ranged.groups["uniform"].points[::8]] == [0.1, 0.2, 0.3]
    assert load(edited(("films.uniform.tdgl", {"A0": 1}))).points.keys() == load(SMALL).points.keys()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("compute.simulate", {"device": "cpu", "threads": 3, "mem_mb": 9999, "partition": "long", "gpus": 0}),
        ("compute.train.runtime", 9),
        ("learn.trainings_per_job", 2),
        ("learn.weights_folder", "elsewhere"),
        ("maps.batch", 7),
    ],
)
def test_how_a_study_runs_is_in_no_digest(key: str, value: object) -> None:
    before, after = load(SMALL), load(edited((key, value)))
    assert set(before.points) == set(after.points)
    assert not changed(before, after)


def test_title_changes_datasets_and_figures_of_films_only() -> None:
    kinds = {key.split()[0] for key in changed(load(SMALL), load(edited(("title", "Another"))))}
    assert kinds == {"group", "figure"}


def test_report_selection_changes_no_job() -> None:
    before, after = load(SMALL), load(edited(("report.figures", ["loops", "gallery"])))
    assert {key.split()[0] for key in changed(before, after)} == {"figure"}
    assert after.figures == ("loops", "gallery")
    assert after.figure_digest("loops") == before.figure_digest("loops")


@pytest.mark.parametrize(
    ("key", "value", "new_films"),
    [
        ("films.uniform.seeds", {"range": [1, 9]}, 6),
        ("films.uniform.space", {"grid": {"J": [1.0, 1.5, 2.0], "D": [0.5, 1.0, 1.5]}}, 24),
        ("films.uniform.space", {"grid": {"J": [1.0, 2.0], "D": [0.5, 1.0, 1.2, 1.5]}}, 16),
    ],
)
def test_additions_add_exactly_the_new_points_and_leave_other_shards_alone(key, value, new_films) -> None:
    before, after = load(SMALL), load(edited((key, value)))
    assert set(before.points) <= set(after.points)
    assert len(after.points) - len(before.points) == new_films
    new = set(after.points) - set(before.points)
    for shard_id, shard in after.shards.items():
        if not new & {point.id for point in shard.points}:
            assert before.shards[shard_id] == shard
    assert set(before.shards) <= set(after.shards)


def test_a_seed_in_a_new_block_touches_no_old_shard() -> None:
    before, after = load(SMALL), load(edited(("films.uniform.seeds", {"range": [1, 9]})))
    fresh = {key for key in changed(before, after) if key.startswith("shard")}
    assert fresh == {f"shard {key}" for key in set(after.shards) - set(before.shards)}
    assert sorted(after.shards[key.split()[1]].label for key in fresh) == [
        "uniform J=1.0 seeds 9",
        "uniform J=2.0 seeds 9",
    ]
    assert not any(key.startswith(("training", "map")) for key in changed(before, after))


def test_shards_partition_the_points_by_value_and_block() -> None:
    study = load(SMALL)
    for group in study.groups.values():
        assert sorted(p.id for s in group.shards for p in s.points) == sorted(p.id for p in group.points)
    labels = [shard.label for shard in study.groups["uniform"].shards]
    assert labels == [f"uniform J={j} seeds {s}" for j in ("1.0", "2.0") for s in ("1-4", "5-8")]
    assert {len(shard.points) for shard in study.groups["uniform"].shards} == {12}
    assert len(study.groups["nonuniform"].shards) == 2


def test_an_edit_of_a_setting_changes_every_film_of_its_group_only() -> None:
    before, after = load(SMALL), load(edited(("films.uniform.tdgl", {"tolerance": 1.0e-5})))
    assert not {p.id for p in before.groups["uniform"].points} & set(after.points)
    assert before.groups["nonuniform"] == after.groups["nonuniform"]


def test_trainings_and_maps_follow_their_films() -> None:
    before = load(SMALL)
    after = load(edited(("films.uniform.tdgl", {"tolerance": 1.0e-5})))
    assert all(after.trainings[key].digest != job.digest for key, job in before.trainings.items())
    after = load(edited(("films.nonuniform.tdgl", {"tolerance": 1.0e-5})))
    assert after.trainings == before.trainings
    assert all(after.maps[key].digest != job.digest for key, job in before.maps.items())


def test_points_are_shared_between_studies() -> None:
    assert set(load(SMALL).points) == set(load(edited(("name", "other"), ("seed", 5), ("title", "x"))).points)


# --- trainings --------------------------------------------------------------------------------------------------------


def test_one_networks_learning_rate_concerns_that_network_only() -> None:
    before, after = load(SMALL), load(edited(("learn.networks.mod", {"learning_rate": 2e-3})))
    touched = changed(before, after)
    assert {key for key in touched if key.startswith("training")} == {
        f"training mod-n{n}-r{r:02d}" for n in (1, 4) for r in (1, 2, 3)
    }
    assert {key for key in touched if key.startswith("map")} == {"map mod-n4-r01"}
    assert not any(key.startswith(("shard", "group")) for key in touched)
    films_only = {f"figure {name}" for name in ("loops", "gallery", "refinement", "seeds", "nonuniform")}
    assert {key for key in touched if key.startswith("figure")} == {f"figure {f}" for f in before.figures} - films_only


def test_a_networks_recipe_is_the_common_one_with_its_own_keys_over_it() -> None:
    study = load(edited(("learn.recipe", {"batch": 16, "learning_rate": 1})))
    assert study.trainings["mod-n1-r01"].recipe["learning_rate"] == 1.0
    assert study.trainings["mob-n1-r01"].recipe["learning_rate"] == 5e-4
    assert study.trainings["mob-n1-r01"].recipe["batch"] == 16
    assert study.trainings["mod-n1-r01"].recipe["weights"] is None


pools = st.lists(st.integers(0, 10_000), min_size=4, max_size=14, unique=True)


def _with_pool(pool: list[int], study_seed: int, others: tuple[int, int] = (20_001, 20_002)) -> dict:
    return edited(
        ("seed", study_seed),
        ("films.uniform.space", {"list": [{"J": 2.0, "D": 1.0}]}),
        ("films.uniform.seeds", [*pool, *others]),
        ("learn.seeds", {"train": pool, "validate": [others[0]], "test": [others[1]]}),
    )


@FEW
@given(pools, st.integers(0, 99), st.integers(10_001, 20_000))
def test_draws_are_nested_shared_by_networks_and_stable_when_the_pool_grows(pool, study_seed, new) -> None:
    small, large = load(_with_pool(pool, study_seed)), load(_with_pool([*pool, new], study_seed))
    for repeat in ("r01", "r02", "r03"):
        one, four = (set(small.trainings[f"mod-n{n}-{repeat}"].train_seeds) for n in (1, 4))
        assert one < four <= set(pool)
        assert (len(one), len(four)) == (1, 4)
        assert set(small.trainings[f"mob-n4-{repeat}"].train_seeds) == four
        grown = set(large.trainings[f"mod-n4-{repeat}"].train_seeds)
        assert grown == four or (new in grown and len(grown & four) == 3)


@FEW
@given(pools, st.integers(0, 99))
def test_no_training_ever_sees_its_validation_or_test_films(pool, study_seed) -> None:
    study = load(_with_pool(pool, study_seed))
    for training in study.trainings.values():
        roles = [set(training.points[role]) for role in ("train", "validate", "test")]
        assert all(roles)
        assert not (roles[0] & roles[1] or roles[0] & roles[2] or roles[1] & roles[2])
        assert {study.points[i].seed for i in training.points["train"]} == set(training.train_seeds)
        assert {study.points[i].seed for i in training.points["validate"]} == {20_001}
        assert {study.points[i].seed for i in training.points["test"]} == {20_002}


def test_repeats_draw_differently_and_every_training_has_its_own_seed() -> None:
    study = load(edited(("learn.repeats", 20)))
    draws = {study.trainings[f"mod-n1-r{r:02d}"].train_seeds for r in range(1, 21)}
    assert len(draws) > 3
    assert len({training.seed for training in study.trainings.values()}) == len(study.trainings) == 80


def test_more_repeats_or_networks_leave_existing_trainings_alone() -> None:
    before = load(SMALL)
    after = load(edited(("learn.repeats", 5), ("learn.networks.reg", {}), ("learn.n_data", [4, 2, 1])))
    assert all(after.trainings[key] == training for key, training in before.trainings.items())
    assert len(after.trainings) == 3 * 3 * 5


def test_weights_file_counts_by_its_contents_not_its_place(tmp_path: Path) -> None:
    def digest(folder: str, contents: bytes) -> str:
        place = tmp_path / folder
        place.mkdir()
        (place / "w.pt").write_bytes(contents)
        config = edited(("learn.networks.mod", {"weights": "w.pt"}))
        (place / "study.yaml").write_text(json.dumps(config))
        training = load_study(place / "study.yaml").trainings["mod-n1-r01"]
        assert training.recipe["weights"] == str(place / "w.pt")
        return training.digest

    assert digest("a", b"one") == digest("b", b"one") != digest("c", b"two")


def test_published_weights_are_named_not_read() -> None:
    plain, pretrained = (
        load(edited(("learn.networks.mob", {"weights": weights}))).trainings["mob-n1-r01"]
        for weights in (None, "pretrained")
    )
    assert pretrained.recipe["weights"] == "pretrained" and pretrained.digest != plain.digest
    with pytest.raises(UserError, match="no ImageNet weights for the network mod"):
        load(edited(("learn.networks.mod", {"weights": "pretrained"})))


# --- maps, figures, digests -------------------------------------------------------------------------------------------


def test_maps_follow_their_training_and_stride() -> None:
    study = load(SMALL)
    assert list(study.maps) == ["mod-n4-r01"]
    assert study.maps["mod-n4-r01"].points == tuple(p.id for p in study.groups["nonuniform"].points)
    wider = load(edited(("maps.stride", 2)))
    assert {key.split()[0] for key in changed(study, wider)} == {"map", "figure"}
    assert len(load(edited(("maps.trainings", {}))).maps) == len(study.trainings)


def test_a_study_may_have_films_only() -> None:
    study = load(edited(("learn", ...), ("maps", ...)))
    assert not study.trainings and not study.maps
    assert set(study.figures) == {"loops", "gallery", "refinement", "seeds", "nonuniform"}
    assert "maps" not in load(edited(("maps", None))).figures


def test_touching_a_figures_source_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from weiss.figures import names

    source = tmp_path / "loops.py"
    source.write_text("one")
    monkeypatch.setattr(names, "sources", lambda name: (source,))
    study = load(SMALL)
    first = study.figure_digest("loops")
    source.touch()
    assert study.figure_digest("loops") == first
    source.write_text("two!")
    assert study.figure_digest("loops") != first


def test_report_digest_follows_figures_and_config_but_not_compute() -> None:
    first = load(SMALL).report_digest()
    assert load(edited(("compute.train.runtime", 9))).report_digest() == first
    assert load(edited(("title", "Another"))).report_digest() != first
    assert load(edited(("learn.networks.mod", {"momentum": 0.5}))).report_digest() != first


def test_check_digest() -> None:
    check_digest(None, "a", "shard x")
    check_digest("a", "a", "shard x")
    with pytest.raises(UserError, match=r"shard x: .*changed since.*run snakemake again"):
        check_digest("b", "a", "shard x")


def test_canonical_json_is_sorted_and_refuses_nan() -> None:
    assert canonical_json({"b": [1, 2.0], "a": "ü"}) == '{"a":"\\u00fc","b":[1,2.0]}'
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json(float("nan"))


# --- the studies that ship --------------------------------------------------------------------------------------------


def test_mamada2023_is_the_campaign_of_the_paper() -> None:
    study = load_study(REPOSITORY / "config/mamada2023.yaml")
    uniform, nonuniform = study.groups["uniform"], study.groups["nonuniform"]
    conditions = {(p.condition["J"], p.condition["D"]) for p in uniform.points}
    assert len(conditions) == 250 and len(uniform.points) == 3000
    # Table III: the smallest D of each J, in tenths; every larger D up to 2.0 is there.
    smallest = dict.fromkeys(range(13, 21), 1) | {12: 5, 11: 6, 10: 9, 9: 12, 8: 13, 7: 14, 6: 14}
    smallest |= {5: 16, 4: 17, 3: 18, 2: 18, 1: 20}
    assert conditions == {(j / 10, d / 10) for j in smallest for d in range(smallest[j], 21)}
    assert [p.condition["D_in"] for p in nonuniform.points] == [0.1, 0.4, 0.7, 1.0, 1.3, 1.6, 1.9]
    assert {(p.params["J"], p.params["D"], p.params["inner_margin"], p.params["ny"]) for p in nonuniform.points} == {
        (2.0, 1.0, 192, 512)
    }
    assert len(study.trainings) == 13 * 2 * 20
    assert {t.architecture for t in study.trainings.values()} == {"mod", "reg", "mob", "eff", "mna", "res"}
    assert {t.network for t in study.trainings.values() if t.recipe["weights"] == "pretrained"} == {
        f"{name}_pret" for name in ("reg", "mob", "eff", "mna", "res")
    }
    assert all(t.window == 64 and t.test_seeds == (1,) and t.validate_seeds == (2,) for t in study.trainings.values())
    assert {seed for t in study.trainings.values() for seed in t.train_seeds} == set(range(3, 13))


def _shape(value: object) -> object:
    """A config with its numbers taken out, and lists of them too."""
    if isinstance(value, dict):
        return {key: _shape(part) for key, part in value.items()}
    if isinstance(value, list):
        return sorted({str(_shape(part)) for part in value})
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else value


def test_the_small_study_differs_from_the_papers_in_numbers_only() -> None:
    full, small = (load_study(REPOSITORY / f"config/mamada2023{part}.yaml").config for part in ("", "-small"))
    for config in (full, small):
        for key in ("name", "title", "compute"):
            config.pop(key)
        config["films"]["uniform"]["space"]["table"] = config["films"]["uniform"]["shard"]["by"] = "numbers"
        for network in config["learn"]["networks"].values():  # a number of its own, or that of all
            network["repeats"] = None
            for key in config["learn"]["recipe"]:
                network.pop(key, None)
        for key in ("steps_per_epoch", "crops_per_film"):
            config["learn"]["recipe"].pop(key)
    assert _shape(full) == _shape(small)


def test_demo_loads() -> None:
    study = load_study(REPOSITORY / "config/demo.yaml")
    assert study.trainings and study.maps and study.shards


def test_loading_is_light_and_fast() -> None:
    """In a fresh interpreter: paper scale in under 1.5 s of CPU time, and none of the heavy libraries imported."""
    code = (
        "import sys, time; from weiss.study import load_study; load_study('config/mamada2023.yaml'); "
        "heavy = {'torch', 'torchvision', 'numba', 'scipy', 'h5py', 'xarray', 'pandas', 'matplotlib', 'cupy'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules); print(time.process_time())"
    )
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1.5, f"{done.stdout} s CPU, {time.perf_counter() - started} s wall"
