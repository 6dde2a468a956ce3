"""A dataset is what its films are: verified, complete, readable by name, and the same to the byte."""

from __future__ import annotations

import json
import os
from pathlib import Path

import fake_films as fake
import h5py
import numpy as np
import pytest
import xarray

import weiss
from weiss import gather, models, paths, simulate, store
from weiss.errors import UserError

DISKS = fake.disk_kinds()


@pytest.fixture
def study(tmp_path):
    return fake.make_study(tmp_path / "config")


@pytest.fixture
def results(tmp_path, study):
    results = tmp_path / "results"
    simulate_all(study, results)
    return results


def simulate_all(study, results: Path, solver=fake.fake_solver) -> None:
    for shard in study.shards:
        simulate.run(study, shard, results, solver=solver)


def gathered(study, results: Path) -> str:
    """Gather, and give the sha256 of the dataset."""
    gather.run(study, "films", results)
    return fake.sha256(paths.dataset(results, study.name, "films"))


def test_xarray_reads_films_by_name(study, results):
    gathered(study, results)
    with gather.open_dataset(paths.dataset(results, study.name, "films")) as data:
        assert dict(data.sizes) == {"film": 12, "y": 16, "x": 24, "loop": 20}
        assert {"J", "D", "seed", "point", "y", "x"} == set(data.coords)
        assert set(data.data_vars) == set(models.variables("tdgl", {}))
        assert data.m.dtype == np.float32 and data.pattern.dtype == np.int8
        np.testing.assert_array_equal(data.y, np.arange(16))
        np.testing.assert_array_equal(data.x, np.arange(24))
        rows = list(zip(data.J.values, data.D.values, data.seed.values, strict=True))
        assert rows == sorted(rows) and len(set(rows)) == 12
        for row, (point_id, (j, d, seed)) in enumerate(zip(data.point.values, rows, strict=True)):
            point = study.points[point_id]
            assert (point.condition, point.seed) == ({"J": j, "D": d}, seed)
            film = fake.fake_film(point.params, point.seed)
            one = data.isel(film=row)
            np.testing.assert_array_equal(one.m, film.m)
            np.testing.assert_array_equal(one.pattern, np.where(film.m >= 0, 1, -1))
            np.testing.assert_array_equal(one.loop_h, film.loop_h)
            np.testing.assert_array_equal(one.loop_m, film.loop_m)
            for name in ("t_crossing", "h_crossing", "status", "evaluations", "steps", "rejected", "avalanches"):
                assert one[name].item() == getattr(film, name)


def test_every_variable_says_what_it_is_in_what_units(study, results):
    gathered(study, results)
    with xarray.open_dataset(paths.dataset(results, study.name, "films")) as data:  # xarray finds the engine itself
        for variable in data.variables.values():
            assert variable.attrs["units"] and variable.attrs["long_name"]
        assert data.t_crossing.attrs["units"] == "time units of Eq. 1"
        assert data.m.attrs["units"] == data.loop_h.attrs["units"] == data.J.attrs["units"] == "1"
        settings = json.loads(data.attrs["settings"])
        point = next(iter(study.points.values()))
        assert settings == {name: value for name, value in point.params.items() if name not in ("J", "D")}
        assert {name: data.attrs[name] for name in ("title", "study", "group", "model")} == {
            "title": "Small films",
            "study": "small",
            "group": "films",
            "model": "tdgl",
        }
        assert data.attrs["config_digest"] == study.groups["films"].digest
        assert data.attrs["weiss_version"] == weiss.__version__
        assert data.attrs["sim_version"] >= 1


def test_an_inner_region_is_a_coordinate_and_its_margin_a_setting(tmp_path):
    study = fake.make_study(
        tmp_path,
        inner={"margin": 4},
        space={"list": [{"J": 2.0, "D": 1.0, "D_in": 1.9}, {"J": 2.0, "D": 1.0, "D_in": 0.1}]},
        shard={"by": ["D_in"], "seeds": 1},
    )
    simulate_all(study, tmp_path)
    gathered(study, tmp_path)
    with gather.open_dataset(paths.dataset(tmp_path, study.name, "films")) as data:
        np.testing.assert_array_equal(data.D_in, [0.1] * 3 + [1.9] * 3)
        assert json.loads(data.attrs["settings"])["inner_margin"] == 4


def test_one_film_per_chunk_compressed_after_shuffle(study, results):
    gathered(study, results)
    with h5py.File(paths.dataset(results, study.name, "films")) as file:
        for name, chunk in {"m": (1, 16, 24), "pattern": (1, 16, 24), "loop_h": (1, 20), "loop_m": (1, 20)}.items():
            variable = file[name]
            assert variable.chunks == chunk
            assert (variable.compression, variable.compression_opts, variable.shuffle) == ("gzip", 4, True)


GATHER = """
import sys
from pathlib import Path
from weiss import gather
from weiss.study import load_study
gather.run(load_study(sys.argv[1]), "films", Path(sys.argv[2]))
"""


def test_order_shards_and_process_do_not_change_a_byte(tmp_path, study, results):
    expected = gathered(study, results)
    assert gathered(study, results) == expected
    split = fake.make_study(tmp_path / "split", shard={"by": ["D"], "seeds": 1})
    for shard in reversed(split.shards):
        simulate.run(split, shard, tmp_path / "other", solver=fake.reversed_solver)
    for seed in ("1", "2"):
        process = fake.python(GATHER, split.path, tmp_path / "other", env={"PYTHONHASHSEED": seed})
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert fake.sha256(paths.dataset(tmp_path / "other", "small", "films")) == expected
    summaries = [
        paths.dataset_summary(folder, "small", "films").read_text() for folder in (results, tmp_path / "other")
    ]
    assert summaries[0] == summaries[1]


def test_the_summary_names_films_and_sha256(study, results):
    digest = gathered(study, results)
    summary = json.loads(paths.dataset_summary(results, study.name, "films").read_text())
    assert summary["sha256"] == digest
    assert summary["points"] == [point.id for point in study.groups["films"].points]
    assert (summary["study"], summary["group"], summary["model"]) == ("small", "films", "tdgl")
    assert summary["digest"] == study.groups["films"].digest
    assert summary["bytes"] == paths.dataset(results, study.name, "films").stat().st_size


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("victims", [1, 3])
def test_a_damaged_film_stops_the_gathering_and_is_made_anew(tmp_path, study, results, victims):
    """Damage that leaves the size alone, which the manifests' quick check cannot see."""
    expected = gathered(study, results)
    before = fake.tree(results / "points")
    chosen = [shard.points[0] for shard in study.shards.values()][:victims]
    for point in chosen:
        flip(paths.point_file(results, point.id))
    assert store.drop_unsound_manifests(study, results) == []
    with pytest.raises(UserError, match="run the same command again") as caught:
        gather.run(study, "films", results)
    assert chosen[0].id in str(caught.value)
    assert fake.sha256(paths.dataset(results, study.name, "films")) == expected
    kept = [shard for shard in study.shards if paths.manifest(results, study.name, shard).exists()]
    assert kept == list(study.shards)[victims:]
    for point in chosen:
        path = paths.point_file(results, point.id)
        assert not path.exists() and path.with_name(path.name + ".damaged").exists()

    logs = {shard: paths.computed_log(results, study.name, shard).read_text() for shard in study.shards}
    simulate_all(study, results)
    again = [
        json.loads(line)["id"]
        for shard, text in logs.items()
        for line in paths.computed_log(results, study.name, shard).read_text()[len(text) :].splitlines()
    ]
    assert again == [point.id for point in chosen]
    assert gathered(study, results) == expected
    assert {name: sha for name, sha in fake.tree(results / "points").items() if "damaged" not in name} == before


def test_a_sound_film_made_anew_elsewhere_costs_the_manifest_only(study, results):
    shard = next(iter(study.shards.values()))
    point = shard.points[0]
    film = fake.fake_film(point.params, point.seed)
    film.m[0, 0] *= 0.5
    store.write_point(results, point, film)
    path = paths.manifest(results, study.name, shard.id)
    with pytest.raises(UserError):
        gather.run(study, "films", results)
    assert not path.exists()
    assert store.point_state(results, point.id) == "ok"
    simulate.run(study, shard.id, results, solver=fake.no_solver)
    gather.run(study, "films", results)


@pytest.mark.parametrize("fault", ["no manifest", "manifest cut", "film gone"])
def test_what_is_not_finished_is_not_gathered(study, results, fault):
    shard = next(iter(study.shards.values()))
    manifest = paths.manifest(results, study.name, shard.id)
    if fault == "no manifest":
        manifest.unlink()
    elif fault == "manifest cut":
        manifest.write_text(manifest.read_text()[:100])
    else:
        paths.point_file(results, shard.points[0].id).unlink()
    with pytest.raises(UserError, match=shard.id):
        gather.run(study, "films", results)
    assert not manifest.exists()
    assert not paths.dataset(results, study.name, "films").exists()
    simulate_all(study, results)
    gather.run(study, "films", results)


def test_an_unknown_group_is_one_clear_line(study, results):
    with pytest.raises(UserError, match="no group named 'other'"):
        gather.run(study, "other", results)


@pytest.mark.parametrize("kind", DISKS)
def test_a_full_disk_leaves_no_half_dataset(tmp_path, kind):
    study = fake.make_study(tmp_path / "config", grid=[128, 128])
    with fake.small_disk(tmp_path, kind) as disk:
        simulate_all(study, disk.folder)
        disk.fill(left=200_000)
        with pytest.raises(UserError, match="cannot write") as caught:
            gather.run(study, "films", disk.folder)
        disk.free()
        path = paths.dataset(disk.folder, study.name, "films")
        assert str(path) in str(caught.value)
        assert not path.exists() and not fake.temporaries(disk.folder)
        gathered(study, disk.folder)


def test_what_a_killed_gathering_left_is_removed(study, results):
    gone = fake.python("pass")
    gone.communicate()
    path = paths.dataset(results, study.name, "films")
    path.parent.mkdir(parents=True)
    stray = path.with_name(f".{path.name}.{os.uname().nodename}.{gone.pid}.01234567.tmp")
    stray.write_bytes(b"half a dataset")
    gather.run(study, "films", results)
    assert not stray.exists()


def open_files() -> list[str]:
    found = []
    for entry in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{entry}"))
        except FileNotFoundError:
            continue
    return found


def test_opening_reads_nothing_and_closing_closes(study, results):
    gathered(study, results)
    path = paths.dataset(results, study.name, "films").resolve()
    with gather.open_dataset(path) as data:
        assert not data.m.variable._in_memory
        assert str(path) in open_files()
        data.m[3].load()
        assert not data.m.variable._in_memory
    assert str(path) not in open_files()


def test_a_dataset_that_is_not_there_or_not_one_is_one_clear_line(tmp_path):
    with pytest.raises(UserError, match="no such dataset"):
        gather.open_dataset(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(UserError, match="not readable as a dataset"):
        gather.open_dataset(tmp_path / "text.h5")


PEAK = """
import sys
from pathlib import Path
from weiss import gather, paths, store
from weiss.study import load_study


def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


study, results = load_study(sys.argv[1]), Path(sys.argv[2])
point = next(iter(study.points))
store.read_point(paths.point_file(results, point))
with store.atomic_hdf5(results / "warm.h5"):
    pass
before = peak()
gather.run(study, "films", results)
print(peak() - before)
"""


def test_memory_does_not_grow_with_the_number_of_films(tmp_path):
    """80 films of 320 kB raw: 26 MB, of which a film at a time may be in memory."""
    study = fake.make_study(
        tmp_path / "config", grid=[256, 256], space={"list": [{"J": 1.0, "D": 1.0}]}, seeds={"range": [1, 80]}
    )
    simulate_all(study, tmp_path)
    process = fake.python(PEAK, study.path, tmp_path)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert int(out) < 9_000, f"{out.strip()} kB"
