"""`weiss plan`: counts, what exists, and the estimate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from studies import SMALL, edited, load

from weiss import costs, paths
from weiss.cli import main
from weiss.learn.networks.names import NAMES
from weiss.plan import hours, plan, size, text
from weiss.study import load_study

REPOSITORY = Path(__file__).parents[2]


def _touch(path: Path, content: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def _log(results: Path, study: str, entries: list[dict]) -> None:
    log = paths.computed_log(results, study, "some-shard")
    _touch(log, "".join(json.dumps(entry) + "\n" for entry in entries))


def test_counts_of_a_fresh_study(tmp_path: Path) -> None:
    found = plan(load(SMALL), tmp_path / "absent")
    assert found["totals"] == {
        "points": 50,
        "points_present": 0,
        "shards": 6,
        "shards_done": 0,
        "pretrainings": 0,
        "pretrainings_done": 0,
        "trainings": 12,
        "trainings_done": 0,
        "maps": 2,
        "maps_done": 0,
    }
    assert found["maps"][0]["windows"] == 2 * 96 * 96
    assert {(row["network"], row["n_data"], row["films_each"]) for row in found["trainings"]} == {
        ("mod", 1, 6),
        ("mod", 4, 24),
        ("mob", 1, 6),
        ("mob", 4, 24),
    }
    assert not (tmp_path / "absent").exists()


def test_what_exists_is_counted_and_costs_nothing_more(tmp_path: Path) -> None:
    study = load(SMALL)
    before = plan(study, tmp_path)
    for point in study.groups["nonuniform"].points:
        _touch(paths.point_file(tmp_path, point.id))
    shard = study.groups["nonuniform"].shards[0]
    training, maps = study.trainings["mod-n4-r01"], study.maps["mod-n4-r01"]
    _touch(paths.manifest(tmp_path, study.name, shard.id), json.dumps({"digest": shard.digest}))
    _touch(paths.training(tmp_path, study.name, training.id) / "result.json", json.dumps({"digest": training.digest}))
    _touch(paths.maps(tmp_path, study.name, maps.id) / "maps.h5")
    assert plan(study, tmp_path)["totals"]["maps_done"] == 0, "half a map is no map"
    _touch(paths.maps(tmp_path, study.name, maps.id) / "metrics.json", json.dumps({"digest": maps.digest}))
    after = plan(study, tmp_path)
    assert after["totals"]["points_present"] == 2
    assert after["totals"]["shards_done"] == 1
    assert after["totals"]["trainings_done"] == 1
    assert after["totals"]["maps_done"] == 2
    rows = {row["group"]: row for row in after["films"]}
    assert rows["nonuniform"]["cpu_hours"] == 0
    assert rows["uniform"]["cpu_hours"] == before["films"][0]["cpu_hours"] > 0
    assert after["maps"][0]["gpu_hours"] == 0


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"digest": "of an older recipe"}', '{"digest"'])
def test_what_was_made_for_another_job_is_not_done(content: str, tmp_path: Path) -> None:
    study = load(SMALL)
    for shard in study.shards.values():
        _touch(paths.manifest(tmp_path, study.name, shard.id), content)
    for training in study.trainings.values():
        _touch(paths.training(tmp_path, study.name, training.id) / "result.json", content)
    totals = plan(study, tmp_path)["totals"]
    assert totals["shards_done"] == totals["trainings_done"] == 0


def test_shards_are_listed_by_name(tmp_path: Path) -> None:
    study = load(SMALL)
    _touch(paths.point_file(tmp_path, study.groups["uniform"].shards[0].points[0].id))
    found = plan(study, tmp_path)
    assert [row["shard"] for row in found["shards"]] == list(study.shards)
    assert (found["shards"][0]["points"], found["shards"][0]["present"], found["shards"][0]["done"]) == (12, 1, False)
    written = text(found)
    assert all(shard in written for shard in study.shards)
    assert "more shards" in text(plan(load_study(REPOSITORY / "config/mamada2023.yaml"), tmp_path))


def test_recorded_seconds_replace_the_model(tmp_path: Path) -> None:
    """Films of one group took three times what the model says: the films that are left are expected to as well."""
    study = load(SMALL)
    modelled = plan(study, tmp_path)
    done = study.groups["uniform"].points[:12]
    for point in done:
        _touch(paths.point_file(tmp_path, point.id))
    _log(
        tmp_path,
        "another-study",
        [{"id": p.id, "device": "cpu", "seconds": 3 * costs.film_seconds("tdgl", p.params, "cpu")} for p in done]
        + [{"id": "of another study", "device": "cpu", "seconds": 1e9}],
    )
    with paths.computed_log(tmp_path, "another-study", "some-shard").open("a") as stream:
        stream.write('{"id": "cut off')
    found = plan(study, tmp_path)
    row = found["films"][0]
    left = sum(costs.film_seconds("tdgl", p.params, "cpu") for p in study.groups["uniform"].points[12:]) / 3600
    assert row["cpu_hours"] == pytest.approx(3 * left)
    assert row["gpu_hours"] < modelled["films"][0]["gpu_hours"]
    assert found["films"][1]["cpu_hours"] == modelled["films"][1]["cpu_hours"]
    assert (row["cpu_recorded_films"], row["gpu_recorded_films"]) == (12, 0)
    assert any("12 recorded films" in line for line in found["estimate"]["basis"])


def test_cost_model() -> None:
    film = dict(next(iter(load(SMALL).points.values())).params)
    film |= {"J": 2.0, "D": 1.0, "ny": 64, "nx": 64, "noise_scale": 1.0, "quarter": 1e5, "tolerance": 1e-4}
    # Measured films of one seed.
    for change, evaluations in (
        ({}, 224_797),
        ({"J": 0.5, "noise_scale": 0.25}, 53_735),
        ({"J": 1.0, "D": 1.5, "noise_scale": 0.25, "ny": 256, "nx": 256}, 92_000),
        ({"quarter": 1e4}, 52_602),
        ({"avalanches": "film"}, 267_144),
    ):
        assert 0.6 < costs.film_evaluations("tdgl", film | change) / evaluations < 1.7, change
    assert costs.film_evaluations("tdgl", film | {"integrator": "euler", "dt": 0.1}) == pytest.approx(4.2e6)
    rough = costs.film_evaluations("tdgl", film | {"D": 2.0})
    assert costs.film_evaluations("tdgl", film | {"D": 4.0, "noise_scale": 0.5}) == pytest.approx(rough), (
        "the product counts"
    )
    assert (
        rough == costs.film_evaluations("tdgl", film | {"D": 1.0, "D_in": 2.0}) > costs.film_evaluations("tdgl", film)
    )
    for device in ("cpu", "gpu"):
        small, large = (
            costs.film_seconds("tdgl", film | {"integrator": "euler", "ny": n, "nx": n}, device) for n in (256, 512)
        )
        assert 3.5 < large / small <= 4.0, "the paper's films took four times as long for four times the cells"
        assert costs.film_seconds("tdgl", film | {"precision": "float64"}, device) > costs.film_seconds(
            "tdgl", film, device
        )


def test_every_network_has_a_cost() -> None:
    assert set(costs.NETWORK_GMAC) == set(costs.NETWORK_MILLION_WEIGHTS) == set(NAMES)


def test_totals_are_the_sums_of_the_rows(tmp_path: Path) -> None:
    found = plan(load(edited(("maps.trainings", {}))), tmp_path)
    rows = [*found["films"], *found["trainings"], *found["maps"]]
    for device, name in (("gpu", "gpu_hours"), ("cpu", "cpu_core_hours")):
        total = sum(row[f"{device}_hours"] for row in rows)
        assert found["estimate"][name]["total"] == pytest.approx(total)
    assert found["estimate"]["disk_bytes"] == sum(row["disk_bytes"] for row in rows)


def test_the_plan_reads_well_in_a_log(tmp_path: Path) -> None:
    lines = text(plan(load(SMALL), tmp_path)).splitlines()
    assert not any("\x1b" in line for line in lines)
    (head,) = (line for line in lines if line.startswith("films"))
    row = lines[lines.index(head) + 2]
    assert row.split()[0] == "uniform"
    assert row.index("48") + 2 == head.index("points") + len("points"), "numbers stand under the end of their heading"
    assert any(line.startswith("50 points (0 present) in 6 shards") for line in lines)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plan", str(REPOSITORY / "config/mamada2023.yaml"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["totals"]["points"] == 3007 and found["totals"]["trainings"] == 520
    assert main(["plan", str(REPOSITORY / "config/mamada2023.yaml")]) == 0
    assert "3,007 points" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_hours_and_sizes() -> None:
    assert [hours(value) for value in (0, 0.001, 0.123, 4.56, 1234.5)] == ["0", "< 0.01", "0.12", "4.6", "1,234"]
    assert [size(value) for value in (0, 999, 1000, 1.57e9, 2e15)] == ["0 B", "999 B", "1 kB", "1.57 GB", "2e+03 TB"]
