"""Films, manifests and logs on a real disk: whole or not there, and never believed unseen."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from multiprocessing import get_context
from pathlib import Path

import fake_films as fake
import numpy as np
import pytest
import xarray

from weiss import atomic, paths, store
from weiss.errors import UserError
from weiss.study import Shard

DISKS = fake.disk_kinds()


@pytest.fixture
def study(tmp_path):
    return fake.make_study(tmp_path / "config")


@pytest.fixture
def point(study):
    return next(iter(study.points.values()))


@pytest.fixture
def film(point):
    return fake.fake_film(point.params, point.seed)


@pytest.fixture(params=DISKS)
def disk(request, tmp_path):
    with fake.small_disk(tmp_path, request.param) as disk:
        yield disk


# --- atomic files -----------------------------------------------------------------------------------------------------


def test_a_write_makes_folders_and_leaves_the_file_only(tmp_path):
    path = tmp_path / "a" / "b" / "c.bin"
    store.atomic_write(path, b"first")
    store.atomic_write(path, b"second")
    assert path.read_bytes() == b"second"
    assert os.listdir(path.parent) == ["c.bin"]


def test_the_umask_decides_who_may_read(tmp_path):
    before = os.umask(0o027)
    try:
        store.atomic_write(tmp_path / "a", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_an_error_in_the_block_keeps_the_old_file(tmp_path):
    path = tmp_path / "a"
    store.atomic_write(path, b"old")
    with pytest.raises(KeyError), store.atomic_path(path) as temporary:
        temporary.write_bytes(b"half of the n")
        raise KeyError
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_json_is_sorted_and_refuses_what_json_has_no_word_for(tmp_path):
    store.atomic_json(tmp_path / "a.json", {"b": 1, "a": [1.5, None]})
    assert (tmp_path / "a.json").read_text() == '{\n  "a": [\n    1.5,\n    null\n  ],\n  "b": 1\n}\n'
    with pytest.raises(ValueError, match="JSON"):
        store.atomic_json(tmp_path / "b.json", {"a": float("nan")})
    assert os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize("fault", ["file in place of the folder", "folder in place of the file"])
def test_an_impossible_place_is_one_clear_line(tmp_path, fault):
    path = tmp_path / "folder" / "a"
    if fault.startswith("file"):
        (tmp_path / "folder").write_text("in the way")
    else:
        path.mkdir(parents=True)
    with pytest.raises(UserError, match="cannot write") as caught:
        store.atomic_write(path, b"x")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not fake.temporaries(tmp_path)


def test_a_full_disk_is_one_clear_line_and_leaves_nothing(disk):
    path = disk.folder / "deep" / "file.bin"
    store.atomic_write(path, b"old")
    disk.fill(left=20_000)
    with pytest.raises(UserError) as caught:
        store.atomic_write(path, bytes(100_000))
    with pytest.raises(UserError), store.atomic_path(path) as temporary:
        temporary.write_bytes(bytes(100_000))
    disk.free()
    assert str(path) in str(caught.value)
    assert "run the same command again" in str(caught.value)
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == ["file.bin"]


HDF5_ON_A_FULL_DISK = """
import os, resource, sys
import numpy as np
from weiss import store
from weiss.errors import UserError

path, limit, watch = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "True"
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
noise = np.random.default_rng(0)
written = 0
try:
    with store.atomic_hdf5(path) as (file, check):
        file.dimensions = {"film": 60, "y": 64, "x": 64}
        variable = store.create_variable(file, "m", ("film", "y", "x"), "f4", (1, 64, 64))
        for row in range(60):
            variable[row] = noise.normal(size=(64, 64))
            written += 1
            if watch:
                check()
except UserError as error:
    print(error)
print(written)
"""


@pytest.mark.parametrize("watch", [True, False])
@pytest.mark.parametrize("left", [4096, 300_000])
def test_hdf5_on_a_full_disk_fails_quietly_and_alone(disk, left, watch):
    """The library by itself prints a traceback per object and crashes when the process ends."""
    path = disk.folder / "films.h5"
    limit = left if disk.kind == "limit" else 0
    if not limit:
        disk.fill(left)
    process = fake.python(HDF5_ON_A_FULL_DISK, path, limit, watch)
    out, err = process.communicate(timeout=120)
    disk.free()
    assert (process.returncode, err) == (0, "")
    line, written = out.splitlines()
    assert str(path) in line and "cannot write" in line
    assert (int(written) < 60) == watch
    assert not path.exists()
    assert not fake.temporaries(disk.folder)


def test_hdf5_bytes_depend_on_content_only(tmp_path):
    def write(path: Path) -> str:
        with store.atomic_hdf5(path) as (file, _):
            file.dimensions = {"x": 1000}
            store.create_variable(file, "a", ("x",), "f8", (100,))[...] = np.arange(1000.0)
            file.attrs["title"] = "same"
        return fake.sha256(path)

    first = write(tmp_path / "a.h5")
    time.sleep(1.1)  # HDF5 keeps times to the second where it keeps them
    assert write(tmp_path / "other.h5") == first


KILLED_WHILE_WRITING = """
import sys, time
from weiss import store
with store.atomic_path(sys.argv[1]) as temporary:
    temporary.write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(600)
"""


def test_what_a_killed_process_left_is_removed_and_only_that(tmp_path):
    path, other = tmp_path / "a.h5", tmp_path / "b.h5"
    killed = fake.python(KILLED_WHILE_WRITING, path)
    live = fake.python(KILLED_WHILE_WRITING, path)
    for process in (killed, live):
        assert process.stdout.readline() == "writing\n"
    killed.kill()
    killed.communicate()
    try:
        kept = [
            f".a.h5.{socket.gethostname()}.{live.pid}.",
            f".b.h5.{socket.gethostname()}.{killed.pid}.0123abcd.tmp",
            f".a.h5.node-7.cluster.{killed.pid}.0123abcd.tmp",
            ".a.h5.notes.tmp",
        ]
        for name in kept[1:]:
            (tmp_path / name).touch()
        old = tmp_path / ".a.h5.node-8.cluster.17.0123abcd.tmp"
        old.touch()
        os.utime(old, (0, time.time() - 2 * atomic.STALE_SECONDS))
        removed = sorted(entry.name for entry in store.remove_stale_temporaries([path]))
        assert old.name in removed
        assert [name.startswith(f".a.h5.{socket.gethostname()}.{killed.pid}.") for name in removed].count(True) == 1
        assert len(removed) == 2
        left = sorted(os.listdir(tmp_path))
        assert len(left) == 4 and all(any(name.startswith(start) for start in kept) for name in left)
        assert store.remove_stale_temporaries([other]) == [tmp_path / kept[1]]
    finally:
        live.kill()
        live.communicate()
    assert store.remove_stale_temporaries([tmp_path / "no such folder" / "a"]) == []


def test_damaged_files_are_kept_side_by_side(tmp_path):
    path = tmp_path / "a.h5"
    for content in (b"1", b"2", b"3"):
        path.write_bytes(content)
        store.set_aside(path)
    kept = {"a.h5.damaged": b"1", "a.h5.damaged-2": b"2", "a.h5.damaged-3": b"3"}
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == kept
    assert store.set_aside(path) is None


# --- films ------------------------------------------------------------------------------------------------------------


def test_a_film_comes_back_as_it_was_written(tmp_path, point, film):
    record = store.write_point(tmp_path, point, film)
    path = paths.point_file(tmp_path, point.id)
    assert record == {"id": point.id, "sha256": fake.sha256(path), "bytes": path.stat().st_size}
    assert store.point_record(tmp_path, point.id) == record
    back = store.read_point(path)
    for name in ("m", "loop_h", "loop_m"):
        np.testing.assert_array_equal(back[name], getattr(film, name))
    assert back["m"].dtype == np.float32 and back["pattern"].dtype == np.int8
    np.testing.assert_array_equal(back["pattern"], np.where(film.m >= 0, 1, -1))
    for name in ("t_crossing", "h_crossing", "status", "evaluations", "steps", "rejected", "avalanches"):
        assert back[name] == getattr(film, name)
    assert (back["id"], back["model"], back["params"], back["seed"]) == (point.id, "tdgl", point.params, point.seed)
    assert store.point_state(tmp_path, point.id) == "ok"


def test_a_film_that_never_crossed_keeps_its_gaps(tmp_path, point, film):
    film.t_crossing = film.h_crossing = float("nan")
    film.status = "not crossed"
    store.write_point(tmp_path, point, film)
    back = store.read_point(paths.point_file(tmp_path, point.id))
    assert np.isnan(back["t_crossing"]) and np.isnan(back["h_crossing"])
    assert back["status"] == "not crossed"


def test_cells_that_are_exactly_zero_count_as_up(point, film):
    film.m[:2] = 0.0
    film.m[1] *= -1
    pattern = store.decode_point(store.encode_point(point, film), point.id)["pattern"]
    assert (pattern[:2] == 1).all()


def test_xarray_opens_a_single_film(tmp_path, point, film):
    store.write_point(tmp_path, point, film)
    with xarray.open_dataset(paths.point_file(tmp_path, point.id)) as data:
        assert data.m.dims == ("y", "x") and data.loop_m.dims == ("loop",)
        assert all(variable.attrs["units"] and variable.attrs["long_name"] for variable in data.data_vars.values())
        np.testing.assert_array_equal(data.m, film.m)


ENCODE = """
import sys
from pathlib import Path
import fake_films as fake
from weiss import store
study = fake.make_study(Path(sys.argv[1]))
point = next(iter(study.points.values()))
print(store.write_point(Path(sys.argv[2]), point, fake.fake_film(point.params, point.seed))["sha256"])
"""


def test_the_bytes_of_a_film_depend_on_the_film_only(tmp_path, point, film):
    here = store.write_point(tmp_path / "here", point, film)["sha256"]
    time.sleep(1.1)
    film.seconds *= 100
    film.m = np.asfortranarray(film.m)
    assert store.write_point(tmp_path / "later", point, film)["sha256"] == here
    for seed in ("1", "2"):
        process = fake.python(ENCODE, tmp_path / seed, tmp_path / "there", env={"PYTHONHASHSEED": seed})
        assert process.communicate(timeout=60)[0].strip() == here


@pytest.mark.parametrize(("name", "value"), [("m", np.zeros((3, 3))), ("m", np.full((16, 24), np.nan))])
def test_a_film_that_does_not_fit_its_point_is_not_written(tmp_path, point, film, name, value):
    setattr(film, name, value)
    with pytest.raises(ValueError, match=point.id):
        store.write_point(tmp_path, point, film)
    assert not list(tmp_path.rglob("*.h5"))


def test_any_flipped_byte_and_any_cut_is_damage(point, film):
    data = store.encode_point(point, film)
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(data), 300):
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(rng.integers(8))
        with pytest.raises(store.DamagedFile):
            store.decode_point(bytes(flipped), point.id)
        with pytest.raises(store.DamagedFile):
            store.decode_point(data[:place], point.id)
    with pytest.raises(store.DamagedFile):
        store.decode_point(data + b"\0", point.id)


def _damage(kind: str, path: Path, study) -> None:
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:-1000])
    elif kind == "text":
        path.write_text("not a film\n" * 1000)
    elif kind == "sealed text":
        path.write_bytes(b"not a film" + store._seal(b"not a film"))
    elif kind == "another film":
        other = list(study.points.values())[-1]
        path.write_bytes(store.encode_point(other, fake.fake_film(other.params, other.seed)))
    elif kind == "folder":
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize("kind", ["empty", "truncated", "text", "sealed text", "another film", "folder"])
def test_damage_is_seen(tmp_path, study, point, film, kind):
    store.write_point(tmp_path, point, film)
    _damage(kind, paths.point_file(tmp_path, point.id), study)
    assert store.point_state(tmp_path, point.id) == "damaged"


def test_a_missing_film_is_missing(tmp_path):
    assert store.point_state(tmp_path, "0" * 16) == "missing"


# --- log of computed films --------------------------------------------------------------------------------------------


def _append_many(path: Path, writer: int) -> None:
    for number in range(200):
        store.append_computed(path, {"id": f"{writer}-{number}", "filler": "x" * (number % 50)})


def test_lines_of_four_processes_stay_whole(tmp_path):
    path = tmp_path / "sim" / "a.computed.jsonl"
    processes = [get_context("spawn").Process(target=_append_many, args=(path, writer)) for writer in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sorted(e["id"] for e in store.read_computed(path)) == sorted(
        f"{w}-{n}" for w in range(4) for n in range(200)
    )
    assert len([line for line in path.read_text().splitlines() if line]) == 800


def test_a_torn_line_costs_itself_only(tmp_path):
    path = tmp_path / "a.computed.jsonl"
    store.append_computed(path, {"id": "a"})
    with path.open("a") as log:
        log.write('{"id": "b", "sec')
    assert [entry["id"] for entry in store.read_computed(path)] == ["a"]
    store.append_computed(path, {"id": "c"})
    assert [entry["id"] for entry in store.read_computed(path)] == ["a", "c"]
    assert store.read_computed(tmp_path / "none.jsonl") == []


def test_a_log_on_a_full_disk_is_one_clear_line(disk):
    path = disk.folder / "a.computed.jsonl"
    store.append_computed(path, {"id": "a"})
    disk.fill(left=0 if disk.kind == "mount" else path.stat().st_size + 4)
    with pytest.raises(UserError, match="cannot write") as caught:
        store.append_computed(path, {"id": "b", "filler": "x" * 10_000})
    disk.free()
    assert str(path) in str(caught.value)
    store.append_computed(path, {"id": "c"})
    assert [entry["id"] for entry in store.read_computed(path)] == ["a", "c"]


# --- manifests --------------------------------------------------------------------------------------------------------


@pytest.fixture
def results(tmp_path, study):
    """Every film and manifest of the study."""
    results = tmp_path / "results"
    for shard in study.shards.values():
        for point in shard.points:
            store.write_point(results, point, fake.fake_film(point.params, point.seed))
        store.write_manifest(results, study.name, shard)
    return results


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _spoil(kind: str, study, results: Path, shard: Shard) -> None:
    manifest = paths.manifest(results, study.name, shard.id)
    film = paths.point_file(results, shard.points[0].id)
    records = json.loads(manifest.read_text())["points"]
    match kind:
        case "empty":
            manifest.write_text("")
        case "truncated":
            manifest.write_text(manifest.read_text()[:-40])
        case "noise":
            manifest.write_bytes(bytes(range(256)))
        case "zeros":
            manifest.write_bytes(bytes(500))
        case "a list":
            manifest.write_text("[]")
        case "deep":
            manifest.write_text("[" * 100_000)
        case "no points":
            _edit(manifest, points=None)
        case "odd records":
            _edit(manifest, points=[{"id": 3}, "film"])
        case "another shard":
            _edit(manifest, shard="films-0000000000")
        case "a film less":
            _edit(manifest, points=records[1:])
        case "another film":
            _edit(manifest, points=[records[0] | {"id": "../../../etc/passwd"}, *records[1:]])
        case "a film twice":
            _edit(manifest, points=[*records[1:], records[1]])
        case "film gone":
            film.unlink()
        case "film cut":
            film.write_bytes(film.read_bytes()[:-7])
        case "a folder":
            manifest.unlink()
            manifest.mkdir()


FAULTS = [
    *("empty", "truncated", "noise", "zeros", "a list", "deep", "no points", "odd records", "another shard"),
    *("a film less", "another film", "a film twice", "film gone", "film cut", "a folder"),
]


@pytest.mark.parametrize("kind", FAULTS)
def test_a_manifest_that_lies_is_dropped_and_no_other(study, results, capsys, kind):
    first, *others = study.shards.values()
    assert store.drop_unsound_manifests(study, results, dry_run=False) == []
    _spoil(kind, study, results, first)
    path = paths.manifest(results, study.name, first.id)

    assert store.manifest_fault(results, study.name, first)
    assert store.drop_unsound_manifests(study, results, dry_run=True) == [first.id]
    assert path.exists()
    capsys.readouterr()
    assert store.drop_unsound_manifests(study, results, dry_run=False) == [first.id]
    assert not path.exists()
    line = capsys.readouterr().err
    assert str(path) in line and line.count("\n") == 1
    assert all(paths.manifest(results, study.name, shard.id).is_file() for shard in others)
    assert store.drop_unsound_manifests(study, results, dry_run=False) == []


def test_a_shard_never_run_has_no_manifest_to_drop(tmp_path, study, capsys):
    assert store.drop_unsound_manifests(study, tmp_path, dry_run=False) == []
    assert store.manifest_fault(tmp_path, study.name, next(iter(study.shards.values()))) == "it is missing"
    assert capsys.readouterr().err == ""


def test_a_manifest_is_not_written_over_a_missing_or_damaged_film(study, results):
    shard = next(iter(study.shards.values()))
    path = paths.point_file(results, shard.points[0].id)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(store.DamagedFile):
        store.write_manifest(results, study.name, shard)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        store.write_manifest(results, study.name, shard)


def test_a_manifest_takes_timings_from_the_log(study, results):
    shard = next(iter(study.shards.values()))
    log = paths.computed_log(results, study.name, shard.id)
    run = {"seconds": 12.5, "host": "n1", "device": "gpu", "evaluations": 7}
    store.append_computed(log, {"id": shard.points[0].id, **run, "pid": 3})
    store.write_manifest(results, study.name, shard)
    timed, untimed, *_ = store.read_manifest(paths.manifest(results, study.name, shard.id))["points"]
    assert {key: timed[key] for key in run} == run
    assert {untimed[key] for key in run} == {None}


def test_three_thousand_films_are_checked_in_a_blink(tmp_path):
    study = fake.make_study(
        tmp_path,
        space={"grid": {"J": {"range": [0.1, 2.5, 0.1]}, "D": {"range": [0.1, 1.0, 0.1]}}},
        seeds={"range": [1, 12]},
        shard={"by": ["J", "D"], "seeds": 4},
    )
    assert len(study.points) == 3000
    for shard in study.shards.values():
        records = [{"id": point.id, "sha256": "", "bytes": 5} for point in shard.points]
        path = paths.manifest(tmp_path, study.name, shard.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"shard": shard.id, "points": records}))
        for point in shard.points:
            film = paths.point_file(tmp_path, point.id)
            film.parent.mkdir(parents=True, exist_ok=True)
            film.write_bytes(b"12345")
    start = time.process_time()  # of the CPU: what else runs on the machine does not count
    assert store.drop_unsound_manifests(study, tmp_path, dry_run=False) == []
    assert time.process_time() - start < 3
    film.write_bytes(b"1234")
    assert store.drop_unsound_manifests(study, tmp_path, dry_run=True) == [shard.id]


def test_the_store_is_light_to_import():
    """The workflow's head process checks manifests while it parses, where neither HDF5 nor torch need be installed."""
    heavy = "{'h5py', 'h5netcdf', 'xarray', 'torch', 'numba', 'scipy', 'pandas'}"
    process = fake.python(f"import sys, weiss.store; print(sorted({heavy} & set(sys.modules)))")
    assert process.communicate(timeout=60)[0] == "[]\n"
    assert process.returncode == 0


def test_a_live_process_is_told_from_a_dead_one():
    process = fake.python("import time; time.sleep(600)")
    assert atomic._alive(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not atomic._alive(process.pid)
