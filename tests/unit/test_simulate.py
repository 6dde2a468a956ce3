"""A shard goes on from wherever it was left, computes nothing twice, and says what it does."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path

import fake_films as fake
import numpy as np
import pytest

from weiss import cli, gather, models, paths, simulate, store
from weiss.errors import SimulationError, UserError

DISKS = fake.disk_kinds()


@pytest.fixture
def study(tmp_path):
    return fake.make_study(tmp_path / "config")


@pytest.fixture
def shard(study):
    """The first shard: four films."""
    return next(iter(study.shards.values()))


def computed(results: Path, study) -> Counter[str]:
    """How often each film was computed, over all shards."""
    logs = (paths.computed_log(results, study.name, shard) for shard in study.shards)
    return Counter(entry["id"] for log in logs for entry in store.read_computed(log))


def films(results: Path) -> dict[str, str]:
    return fake.tree(results / "points")


def undisturbed(folder: Path, study, solver=fake.fake_solver) -> dict[str, str]:
    for shard in study.shards:
        simulate.run(study, shard, folder, solver=solver)
    return films(folder)


def ids(*points) -> Counter[str]:
    return Counter(point.id for point in points)


def test_a_shard_leaves_films_a_log_and_a_manifest(tmp_path, study, shard):
    simulate.run(study, shard.id, tmp_path, device="cpu", threads=2, solver=fake.fake_solver)
    assert computed(tmp_path, study) == ids(*shard.points)
    assert len(films(tmp_path)) == 4
    manifest = json.loads(paths.manifest(tmp_path, study.name, shard.id).read_text())
    assert (manifest["shard"], manifest["group"], manifest["digest"]) == (shard.id, "films", shard.digest)
    for record, point in zip(manifest["points"], shard.points, strict=True):
        path = paths.point_file(tmp_path, point.id)
        assert (record["id"], record["sha256"], record["bytes"]) == (point.id, fake.sha256(path), path.stat().st_size)
        assert (record["seconds"], record["host"], record["device"]) == (0.25, os.uname().nodename, "cpu")
    entry = store.read_computed(paths.computed_log(tmp_path, study.name, shard.id))[0]
    counts = {"evaluations", "steps", "rejected", "avalanches"}
    assert set(entry) == {"id", "seconds", "host", "pid", "device", "time"} | counts
    assert entry["pid"] == os.getpid()


def test_the_solver_gets_parameters_seed_device_and_threads(tmp_path, study, shard):
    seen = []

    def solver(batch, device, threads):
        seen.append((batch, device, threads))
        yield from fake.fake_solver(batch, device, threads)

    simulate.run(study, shard.id, tmp_path, device="gpu", threads=3, solver=solver)
    assert seen == [([(point.params, point.seed) for point in shard.points], "gpu", 3)]
    assert {entry["device"] for entry in store.read_computed(paths.computed_log(tmp_path, study.name, shard.id))} == {
        "gpu"
    }


def test_nothing_is_computed_twice(tmp_path, study, shard):
    simulate.run(study, shard.id, tmp_path, solver=fake.fake_solver)
    before = fake.tree(tmp_path)
    simulate.run(study, shard.id, tmp_path, solver=fake.no_solver)
    assert fake.tree(tmp_path) == before


def test_a_second_study_computes_only_what_is_new(tmp_path, study):
    undisturbed(tmp_path, study)
    more = fake.make_study(tmp_path / "config", name="more", seeds=[1, 2, 3, 4])
    undisturbed(tmp_path, more)
    assert computed(tmp_path, more) == ids(*(point for point in more.points.values() if point.seed == 4))
    shared = store.read_manifest(paths.manifest(tmp_path, "more", next(iter(more.shards))))["points"]
    assert [record["seconds"] for record in shared] == [None] * 4


def test_order_batch_and_split_do_not_change_a_byte(tmp_path, study):
    expected = undisturbed(tmp_path / "a", study)
    assert len(expected) == 12
    assert undisturbed(tmp_path / "b", study, fake.reversed_solver) == expected
    split = fake.make_study(tmp_path / "config", name="split", shard={"by": ["J", "D"], "seeds": 1})
    assert len(split.shards) == 12
    assert undisturbed(tmp_path / "c", split) == expected


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "another film", "folder"])
def test_a_damaged_film_is_set_aside_and_computed_again(tmp_path, study, shard, damage, capsys):
    expected = undisturbed(tmp_path, study)
    victim, other = shard.points[1], shard.points[2]
    path = paths.point_file(tmp_path, victim.id)
    data = path.read_bytes()
    spoilt = {
        "empty": b"",
        "cut": data[:-100],
        "flipped": data[:5000] + bytes([data[5000] ^ 1]) + data[5001:],
        "another film": paths.point_file(tmp_path, other.id).read_bytes(),
    }
    if damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(spoilt[damage])
    capsys.readouterr()
    simulate.run(study, shard.id, tmp_path, solver=fake.fake_solver)
    assert computed(tmp_path, study) == ids(*study.points.values(), victim)
    aside = path.with_name(path.name + ".damaged")
    if damage != "folder":
        assert aside.read_bytes() == spoilt[damage]
    assert aside.name in capsys.readouterr().err
    assert {name: digest for name, digest in films(tmp_path).items() if not name.endswith(".damaged")} == expected
    simulate.run(study, shard.id, tmp_path, solver=fake.no_solver)


def failing_at(position: int):
    """A solver that fails at this film, after it finished those before."""

    def solver(batch, device, threads):
        for index, film in fake.fake_solver(batch, device, threads):
            if index == position:
                raise SimulationError(index, "not finite at t = 12.5, step 40")
            yield index, film

    return solver


def test_a_film_that_fails_is_named_and_the_others_stay(tmp_path, study, shard):
    with pytest.raises(UserError) as caught:
        simulate.run(study, shard.id, tmp_path, solver=failing_at(2))
    line = str(caught.value)
    bad = shard.points[2]
    for part in (bad.id, f"J={bad.condition['J']:g}", f"D={bad.condition['D']:g}", f"seed={bad.seed}", "t = 12.5"):
        assert part in line
    assert "\n" not in line
    assert computed(tmp_path, study) == ids(*shard.points[:2])
    assert not paths.manifest(tmp_path, study.name, shard.id).exists()
    simulate.run(study, shard.id, tmp_path, solver=fake.fake_solver)
    assert computed(tmp_path, study) == ids(*shard.points)
    assert paths.manifest(tmp_path, study.name, shard.id).exists()


def test_a_solver_that_loses_a_film_gives_no_manifest(tmp_path, study, shard):
    def forgetful(batch, device, threads):
        yield from fake.fake_solver(batch[:-1], device, threads)

    with pytest.raises(UserError, match="lost"):
        simulate.run(study, shard.id, tmp_path, solver=forgetful)
    assert not paths.manifest(tmp_path, study.name, shard.id).exists()


SLOW_SHARD = """
import sys, time
from pathlib import Path
import fake_films as fake
from weiss import simulate
from weiss.study import load_study

def slow(batch, device, threads):
    for index, film in fake.fake_solver(batch, device, threads):
        time.sleep(float(sys.argv[4]))
        yield index, film

simulate.run(load_study(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), solver=slow)
"""


def test_a_killed_shard_goes_on_where_it_was(tmp_path, study, shard):
    expected = undisturbed(tmp_path / "undisturbed", study)
    results = tmp_path / "results"
    process = fake.python(SLOW_SHARD, study.path, shard.id, results, 0.3)
    try:
        while len(store.read_computed(paths.computed_log(results, study.name, shard.id))) < 2:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
    finally:
        process.kill()
        process.communicate()
    finished = computed(results, study)
    assert 2 <= finished.total() < 4
    # As if it had been killed a moment later, while writing.
    next_film = paths.point_file(results, shard.points[3].id)
    next_film.parent.mkdir(parents=True, exist_ok=True)
    stray = next_film.with_name(f".{next_film.name}.{os.uname().nodename}.{process.pid}.89abcdef.tmp")
    stray.write_bytes(b"half a film")

    assert undisturbed(results, study) == expected
    assert computed(results, study) == ids(*study.points.values())
    assert not fake.temporaries(results)


def test_two_processes_on_one_shard_end_in_the_same_bytes(tmp_path, study, shard):
    results = tmp_path / "results"
    processes = [fake.python(SLOW_SHARD, study.path, shard.id, results, 0.02) for _ in range(3)]
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    simulate.run(study, shard.id, tmp_path / "alone", solver=fake.fake_solver)
    assert films(results) == films(tmp_path / "alone")
    assert set(computed(results, study)) == {point.id for point in shard.points}
    assert store.manifest_fault(results, study.name, shard) is None
    assert not fake.temporaries(results)


def test_the_first_process_to_finish_a_film_has_written_it(tmp_path, study, shard, capsys):
    first = shard.points[0]
    path = paths.point_file(tmp_path, first.id)

    def overtaken(batch, device, threads):
        for index, film in fake.fake_solver(batch, device, threads):
            if index == 0:
                store.write_point(tmp_path, first, film)
                os.utime(path, ns=(1, 1))
            yield index, film

    simulate.run(study, shard.id, tmp_path, solver=overtaken)
    assert path.stat().st_mtime_ns == 1
    assert computed(tmp_path, study) == ids(*shard.points[1:])
    assert "another process was first" in capsys.readouterr().err


@pytest.mark.parametrize("kind", DISKS)
def test_a_disk_that_fills_up_midway(tmp_path, kind):
    study = fake.make_study(tmp_path / "config", grid=[128, 128])
    shard = next(iter(study.shards.values()))
    expected = undisturbed(tmp_path / "undisturbed", study)
    with fake.small_disk(tmp_path, kind) as disk:

        def filling(batch, device, threads):
            for index, film in fake.fake_solver(batch, device, threads):
                if index == 2:
                    disk.fill(left=40_000)
                yield index, film

        with pytest.raises(UserError, match="cannot write") as caught:
            simulate.run(study, shard.id, disk.folder, solver=filling)
        disk.free()
        assert str(paths.point_file(disk.folder, shard.points[2].id)) in str(caught.value)
        assert not paths.manifest(disk.folder, study.name, shard.id).exists()
        assert not fake.temporaries(disk.folder)
        assert computed(disk.folder, study) == ids(*shard.points[:2])
        assert undisturbed(disk.folder, study) == expected
        assert computed(disk.folder, study) == ids(*study.points.values())


def test_every_film_has_its_line(tmp_path, study, shard, capsys):
    simulate.run(study, shard.id, tmp_path, solver=fake.reversed_solver)
    head, *lines, end = capsys.readouterr().err.splitlines()
    assert head == f"{shard.label}: 4 films, 0 on disk, 4 to simulate on cpu"
    for number, (line, point) in enumerate(zip(lines, reversed(shard.points), strict=True), start=1):
        film = fake.fake_film(point.params, point.seed)
        condition = f"J={point.condition['J']:g}, D={point.condition['D']:g}, seed={point.seed}"
        assert line == f"[{number}/4] {point.id} ({condition}): crossed after {film.evaluations} evaluations, 0.2 s"
    assert end == f"{shard.label}: complete"


def test_the_solver_of_the_model_makes_films_that_gather(tmp_path):
    """The real solver, on a film of a few cells and a sweep of a few hundred time units."""
    study = fake.make_study(
        tmp_path / "config",
        grid=[16, 16],
        space={"list": [{"J": 2.0, "D": 0.5}]},
        seeds=[1, 2],
        shard={"by": ["J"], "seeds": 2},
        tdgl={"quarter": 500.0, "loop_samples": 20, "H": 1.5},
    )
    shard = next(iter(study.shards))
    simulate.run(study, shard, tmp_path, device="cpu", threads=1)
    gather.run(study, "films", tmp_path)
    with gather.open_dataset(paths.dataset(tmp_path, study.name, "films")) as data:
        assert list(data.status.values) == ["crossed", "crossed"]
        assert (data.evaluations > 0).all() and (data.t_crossing > 0).all()
        assert set(np.unique(data.pattern)) == {-1, 1}
    simulate.run(study, shard, tmp_path, solver=fake.no_solver)


def test_an_unknown_shard_is_one_clear_line(tmp_path, study):
    with pytest.raises(UserError, match="no shard named 'films-x'"):
        simulate.run(study, "films-x", tmp_path)
    assert not list(tmp_path.glob("points"))


def test_the_command_line_exits_nonzero_when_a_film_fails(tmp_path, study, shard, monkeypatch, capsys):
    monkeypatch.setattr(models, "solver", lambda model: failing_at(0))
    arguments = ["simulate", str(study.path), shard.id, "--results", str(tmp_path), "--device", "cpu"]
    assert cli.main(arguments) == 2
    assert f"weiss: error: shard {shard.id}: film {shard.points[0].id}" in capsys.readouterr().err
    monkeypatch.setattr(models, "solver", lambda model: fake.fake_solver)
    assert cli.main([*arguments, "--digest", shard.digest]) == 0
    assert cli.main([*arguments, "--digest", "0" * 16]) == 2
