"""Micromagnetic films as a model of the workflow: points, files, figures, and what of the mechanism is any model's.

The digest of a Ginzburg–Landau film was taken from the files of version 0.1, before models said what they store.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import fake_films
import numpy as np
import pytest
import torch
import xarray
import yaml

from weiss import gather, models, paths, plan, report, schema, simulate, store
from weiss.errors import UserError
from weiss.figures import draw, groups, style
from weiss.figures.names import FIGURES
from weiss.learn import films as learn_films
from weiss.llg import batches, constants, points, stored
from weiss.llg import simulate as solve
from weiss.llg.drivers import relax, thermal
from weiss.llg.equation import Equation
from weiss.llg.film import Films
from weiss.llg.result import FilmResult
from weiss.llg.terms import modules
from weiss.llg.terms.thermal import ThermalField
from weiss.study import Point, Study, load_study
from weiss.variables import Coordinate, Ending, Variable

CONFIG = Path(__file__).resolve().parents[2] / "config"
SPACE = {"Ms": [1.0e6, 1.2e6], "A": [2.0e-11], "Ku1": [1.2e6], "D_bulk": [0.0, 2.0e-3], "sigma": [0.1]}
TDGL_DIGEST = "63b2df5bbb35fb5a7498f949592ade6f18969a34721f076a4d0bb029f9620661"


def content(settings: dict[str, Any] | None = None, **group: Any) -> dict[str, Any]:
    films = {
        "model": "llg",
        "grid": [16, 24],
        "space": {"grid": SPACE},
        "seeds": [1],
        "shard": {"by": ["Ms"]},
        "llg": {"torque_T": 1e-2} | (settings or {}),
    }
    return {"name": "small-llg", "films": {"films": films | group}}


def load(folder: Path, value: dict[str, Any]) -> Study:
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(value))
    return load_study(path)


def small(folder: Path, settings: dict[str, Any] | None = None, **group: Any) -> Study:
    return load(folder, content(settings, **group))


def run(study: Study, results: Path) -> Path:
    """Simulate and gather; the path of the dataset."""
    for shard in study.shards:
        simulate.run(study, shard, results)
    gather.run(study, "films", results)
    return paths.dataset(results, study.name, "films")


def jobs(study: Study) -> list[tuple[dict, int]]:
    return [(dict(point.params), point.seed) for point in study.points.values()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """Four relaxed films of 16 × 24 cells, gathered."""
    folder = tmp_path_factory.mktemp("llg")
    study = small(folder)
    run(study, folder / "results")
    return study, folder / "results"


# --- points -----------------------------------------------------------------------------------------------------------


def test_parameters_left_out_are_those_at_their_defaults(tmp_path: Path) -> None:
    """A film is the same film whether a default is written down or not; the condition holds what was written."""
    point = next(iter(small(tmp_path).points.values()))
    assert point.params["alpha"] == 0.02 and point.params["Bz"] == 0.0 and "alpha" not in point.condition
    given = small(tmp_path, space={"grid": SPACE | {"alpha": [0.02], "Bz": [0.0]}})
    assert set(given.points) == set(small(tmp_path).points)
    assert given.groups["films"].parameters == ("Ms", "A", "Ku1", "D_bulk", "sigma", "alpha", "Bz")
    assert set(small(tmp_path, space={"grid": SPACE | {"Bz": [0.1]}}).points).isdisjoint(given.points)
    assert set(small(tmp_path, {"cell": [4e-9, 4e-9, 1e-9]}).points).isdisjoint(given.points)


def test_settings_of_other_models_are_no_part_of_a_study(tmp_path: Path) -> None:
    """Or a new model would change the digest of every study there is."""
    assert "tdgl" not in small(tmp_path).config["films"]["films"]
    assert "llg" not in load_study(CONFIG / "demo.yaml").config["films"]["uniform"]


FAULTS = [
    ({}, {"space": {"grid": SPACE | {"Msat": [1e6]}}}, "no parameter 'Msat'"),
    ({}, {"space": {"grid": SPACE | {"Ms": [0.0]}}}, "Ms: expected at least 1"),
    ({}, {"space": {"grid": SPACE | {"Ms": [0.9]}}}, "Ms: expected at least 1, got 0.9"),
    ({}, {"space": {"grid": SPACE | {"A": [31.0]}}}, "A: expected at most"),
    ({}, {"space": {"grid": {"Ms": [1e6]}}}, "the parameter A of the model llg is missing"),
    ({}, {"inner": {"margin": 4}}, "films of the model llg have no inner region"),
    ({}, {"tdgl": {"H": 0.2}}, "settings of tdgl, but the model is llg"),
    ({"cell": [4e-9, 4e-9]}, {}, "expected 3 values, got 2"),
    ({"cell": [4e-9, 4e-9, 0.0]}, {}, "expected at least 1e-11, got 0.0"),
    ({"cell": [4e-9, 4e-9, 9e-12]}, {}, "expected at least 1e-11, got 9e-12"),
    ({"layers": 0}, {}, "at least 1"),
    ({"axis": [0, 0, 0]}, {}, "a direction of length 0"),
    ({"demag": "periodic"}, {}, "expected one of film, images, open, none"),
    ({"boundary_x": "open"}, {}, "demag 'film' is of an endless film, and the boundary along x is open"),
    ({"demag": "open"}, {}, "demag 'open' leaves out the copies"),
    ({"demag": "images"}, {}, "0 images along x, where the boundary is periodic"),
    ({"demag": "images", "images": [2, 101]}, {}, "expected at most 100, got 101"),
    ({"images": [2, 2]}, {}, "2 images along x with demag 'film'"),
    ({"grain_size": 1e-9}, {}, "grains of 1e-09 m are smaller than cells of 4e-09 m"),
    ({"intergrain": 0.5}, {}, "there are no grains"),
    ({"start": "stripes", "start_size": 5e-8}, {}, "stripes of period 5e-08 m do not fit"),
    (
        {"start": "stripes", "start_size": 1.2e-8, "start_wall": 4e-9},
        {},
        "stripes of period 1.2e-08 m in cells of 4e-09 m",
    ),
    ({"start": "stripes", "start_size": 1.0}, {}, "a film of 9.6e-08 m along x"),
    (
        {"start": "stripes", "start_size": 9.7e-8, "boundary_x": "open", "demag": "none"},
        {},
        "m along x; take 1.6e-08 to 9.6e-08",
    ),
    ({"start": "stripes", "start_size": 3.2e-8, "start_wall": 1.7e-8}, {}, "wider than half the period of the stripes"),
    ({"start": "vortex", "start_size": 3.9e-9}, {}, "a vortex of radius 3.9e-09 m in cells of 4e-09 m"),
    (
        {"start": "skyrmion", "start_size": 3.3e-8},
        {},
        "a skyrmion of radius 3.3e-08 m in cells of 4e-09 m and a film of",
    ),
    ({"start": "skyrmion"}, {}, "; take 4e-09 to 3.2e-08"),
    ({}, {"space": {"grid": SPACE | {"temperature": [300.0]}}}, "300 K with the driver relax, which knows none"),
    (
        {"driver": "series"},
        {"space": {"grid": SPACE | {"temperature": [300.0], "alpha": [0.0]}}},
        "without damping there is no thermal field",
    ),
    (
        {"driver": "series", "settle_time": 1e-12},
        {"space": {"grid": SPACE | {"temperature": [300.0]}}},
        "a settle_time of 1e-12 s at 300 K: settling knows none",
    ),
]


@pytest.mark.parametrize(("settings", "group", "words"), FAULTS, ids=[words[:40] for _, _, words in FAULTS])
def test_a_bad_study_gives_one_clear_line(tmp_path: Path, settings: dict, group: dict, words: str) -> None:
    with pytest.raises(UserError) as caught:
        small(tmp_path, settings, **group)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert "films" in str(caught.value), "the message names the key"


def test_a_bad_study_names_file_line_and_key(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        small(tmp_path, {"start": "vortex", "start_size": 1e-9})
    line = (tmp_path / "study.yaml").read_text().splitlines().index("      start_size: 1.0e-09") + 1
    assert f"study.yaml:{line}: films.films.llg.start_size" in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"start": "stripes", "start_size": 1.6e-8, "start_wall": 8e-9},
        {"start": "stripes", "start_size": 9.6e-8, "start_wall": 4.8e-8},
        {"start": "stripes", "start_size": 9.6e-8 / 5, "start_wall": 4e-9},
        {"start": "vortex", "start_size": 4e-9},
        {"start": "skyrmion", "start_size": 3.2e-8},
        {"demag": "images", "images": [100, 100]},
        {"cell": [1e-11, 1e-11, 1e-11]},
    ],
    ids=str,
)
def test_the_ends_of_the_bounds_are_taken(tmp_path: Path, settings: dict) -> None:
    assert small(tmp_path, settings).points


def test_the_size_that_a_message_offers_fits(tmp_path: Path) -> None:
    """24 cells of 4 nm hold 6 periods of 4 cells at most; 5.2 and 4.8 periods are both next to 5."""
    for size in (9.6e-8 / 5.2, 9.6e-8 / 4.8, 9.6e-8 / 5.9, 9.6e-8 / 1.4):
        with pytest.raises(UserError, match="do not fit") as caught:
            small(tmp_path, {"start": "stripes", "start_size": size, "start_wall": 4e-9})
        offered = float(str(caught.value).split("; take ")[1])
        assert small(tmp_path, {"start": "stripes", "start_size": offered, "start_wall": 4e-9}).points
    thirds = {"start": "skyrmion", "cell": [4e-9 / 3, 4e-9 / 3, 4e-9]}
    with pytest.raises(UserError) as caught:
        small(tmp_path, thirds)
    for offered in str(caught.value).split("; take ")[1].split(" to "):
        assert small(tmp_path, thirds | {"start_size": float(offered)}).points


def hot(folder: Path, dt: float, **space: list[float]) -> Study:
    timed = {
        "driver": "series",
        "series_time": 3 * dt,
        "series_samples": 2,
        "dt": dt,
        "start": "uniform",
        "demag": "none",
    }
    return small(folder, timed, space={"grid": {"Ms": [1e6], "A": [0.0], "temperature": [300.0], **space}})


def test_a_step_too_long_for_the_noise_is_refused_as_the_driver_does(tmp_path: Path) -> None:
    """The rotation in 1 s is that of `weiss.llg.terms.thermal`; here the film with most of it is known by sight."""
    assert constants.MOST_NOISE == thermal.MOST_NOISE
    space = {"Ms": [1e6, 1.1e6], "alpha": [0.5, 0.3], "temperature": [0.0, 10.0, 300.0], "Ku1": [0.0]}
    found = jobs(hot(tmp_path, 1e-15, **space))
    films = Films(points.mesh_of(found[0][0]), tuple(points.film_of(*film) for film in found), "none")
    longest = float((constants.MOST_NOISE / ThermalField(films, np).turn.max()) ** 2)
    assert hot(tmp_path, longest * (1 - 1e-9), **space).points
    with pytest.raises(UserError) as caught:
        hot(tmp_path, longest * 1.02, **space)
    line = (tmp_path / "study.yaml").read_text().splitlines().index(f"      dt: {longest * 1.02!r}") + 1
    assert f"study.yaml:{line}: films.films.llg.dt: in a step of {longest * 1.02:g} s noise alone" in str(caught.value)
    assert "(300 K, Ms 1e+06 A/m, alpha 0.5)" in str(caught.value)
    offered = float(str(caught.value).split("; take at most ")[1])
    assert 0.9 * longest < offered <= longest
    ((params, seed),) = jobs(hot(tmp_path, offered, alpha=[0.5]))
    assert [film.status for _, film in solve([(params, seed)])] == ["finished"]
    with pytest.raises(UserError, match="noise alone turns m by"):
        list(solve([(params | {"dt": longest * (1 + 1e-9)}, seed)]))
    assert hot(tmp_path, 1e-9, temperature=[0.0]).points and small(tmp_path, {"dt": 1e-9}).points


COPIES = "films are copies of others: seeds draw nothing with start 'uniform'"
NEAR = "films are near copies of others: seeds draw the kick alone with start"
STRIPES = {"start": "stripes", "start_size": 4.8e-8}
DOUBTS = [
    ({"start": "uniform", "kick": 0}, {"sigma": [0.0]}, [f"4 of 8 {COPIES}"]),
    ({"start": "uniform"}, {"sigma": [0.0]}, [f"4 of 8 {NEAR} 'uniform'"]),
    ({"start": "uniform", "driver": "series"}, {"sigma": [0.0]}, [f"4 of 8 {COPIES}"]),
    (STRIPES, {"sigma": [0.0, 0.1]}, [f"4 of 16 {NEAR} 'stripes'"]),
    ({"start": "uniform"}, {"Ku1": [0.0]}, ["sigma changes nothing in 8 of 8 films", f"4 of 8 {NEAR}"]),
    ({"start": "random"}, {"sigma": [0.0]}, []),
    ({"start": "uniform"}, {}, []),
    ({"start": "uniform", "grain_size": 2e-8, "intergrain": 0.5}, {"sigma": [0.0]}, []),
    ({"grain_size": 2e-8}, {"sigma": [0.0]}, ["grains change nothing in 8 of 8 films: sigma is 0"]),
    ({"grain_size": 2e-8}, {}, []),
    ({"driver": "series", "dt": 1e-15, "start": "uniform"}, {"sigma": [0.0], "temperature": [9.0]}, []),
    ({}, {"alpha": [0.1, 0.2]}, ["alpha is varied, and films do not depend on it with driver 'relax'"]),
    ({"driver": "hysteresis"}, {"alpha": [0.1, 0.2]}, ["do not depend on it with driver 'hysteresis'"]),
    ({"driver": "series"}, {"alpha": [0.1, 0.2]}, []),
    ({"settle_time": 1e-12}, {"alpha": [0.1, 0.2]}, []),
    ({}, {"alpha": [0.1]}, []),
]


@pytest.mark.parametrize(("settings", "space", "lines"), DOUBTS)
def test_values_that_change_nothing_and_copies_are_said(
    tmp_path: Path, settings: dict, space: dict, lines: list[str]
) -> None:
    found = small(tmp_path, settings, space={"grid": SPACE | space}, seeds=[1, 2]).warnings
    assert len(found) == len(lines) and all(line in text for line, text in zip(lines, found, strict=True))
    assert not any("copies" in text for text in small(tmp_path, settings, space={"grid": SPACE | space}).warnings)


def learning(folder: Path, settings: dict[str, Any], targets: list[str], **space: list[float]) -> Study:
    learn = {
        "data": "films",
        "targets": targets,
        "window": 16,
        "seeds": {"train": [1], "validate": [2], "test": [3]},
        "n_data": [1],
        "networks": {"mod": {}},
    }
    grid = SPACE | {"alpha": [0.1, 0.2]} | space
    return load(folder, content(settings, seeds=[1, 2, 3], space={"grid": grid}) | {"learn": learn})


@pytest.mark.parametrize(
    "settings", [STRIPES, {"start": "uniform", "kick": 0}, {"start": "uniform", "driver": "series"}]
)
def test_nothing_is_learned_from_copies(tmp_path: Path, settings: dict) -> None:
    """A film of a training seed would be in the test too. What a kick makes of a uniform film is not known."""
    assert learning(tmp_path, settings, ["D_bulk"]).trainings
    words = r"study.yaml:\d+: learn.data: films.films: seeds make no difference with start '(stripes|uniform)'"
    with pytest.raises(UserError, match=words):
        learning(tmp_path, settings, ["D_bulk"], sigma=[0.0, 0.1])
    assert learning(tmp_path, {"start": "uniform"}, ["D_bulk"], sigma=[0.0]).trainings


def test_damping_is_not_learned_from_relaxed_films(tmp_path: Path) -> None:
    for settings in ({"driver": "series"}, {"settle_time": 1e-12}):
        assert learning(tmp_path, settings, ["alpha"]).trainings
    for driver in ("relax", "hysteresis"):
        assert learning(tmp_path, {"driver": driver}, ["D_bulk"]).trainings
        with pytest.raises(UserError, match=r"learn.targets\[1\]: films.films: films do not depend on alpha"):
            learning(tmp_path, {"driver": driver}, ["D_bulk", "alpha"])


def test_a_relaxed_film_does_not_depend_on_its_damping(tmp_path: Path) -> None:
    """To the bit, with every method, unless it settles first."""
    space = {"Ms": [1e6], "A": [2e-11], "Ku1": [1.2e6], "alpha": [0.1, 0.7]}
    for method in relax.METHODS:
        films = jobs(small(tmp_path, {"method": method}, space={"grid": space}, grid=[8, 8]))
        one, other = (film for _, film in sorted(solve(films)))
        np.testing.assert_array_equal(one.m, other.m)
    films = jobs(small(tmp_path, {"settle_time": 1e-12}, space={"grid": space}, grid=[8, 8]))
    one, other = (film for _, film in sorted(solve(films)))
    assert not np.array_equal(one.m, other.m)


def test_films_of_another_model_have_no_crossing_to_hold_against_a_table(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("Ms,A,Ku1,D_bulk,sigma\n1e6,2e-11,1.2e6,0,0.1\n")
    with pytest.raises(UserError, match="films of films have no crossing to reach"):
        load(tmp_path, content() | {"calibration": {"table": "table.csv"}})


def test_coarse_cells_are_said_by_the_plan_and_once_by_a_shard(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """√(2A/(µ0 Ms²)) is 5.64 nm at 1 MA/m and 20 pJ/m, and 4.7 nm at 1.2 MA/m."""
    study = small(tmp_path, {"cell": [5e-9, 4e-9, 9e-9]})
    line = "cells of 5 nm are larger than the exchange length of 4.7 nm (Ms 1.2e+06 A/m, A 2e-11 J/m)"
    assert study.warnings == (f"films.films: {line}",)
    assert f"warning: films.films: {line}" in plan.text(plan.plan(study, tmp_path / "results"))
    for shard in study.shards:
        simulate.run(study, shard, tmp_path / "results")
    assert capsys.readouterr().err.count("weiss: warning: cells of") == 1
    assert not small(tmp_path).warnings


# --- films ------------------------------------------------------------------------------------------------------------


def test_a_result_has_every_variable() -> None:
    fields = {field.name for field in dataclasses.fields(FilmResult)}
    assert fields == set(stored.VARIABLES) - {"pattern"} | {"seconds"}
    known = {module.__name__.rsplit(".", 1)[1] for module in modules().values()}
    assert known == set(stored.ENERGIES), "every energy term has its column"


def test_the_settings_offer_what_the_drivers_know() -> None:
    """Every method of relaxing is a word of the schema, and a study that names none takes the driver's default."""
    settings = schema.models()["llg"]["$defs"]["settings"]["properties"]
    assert settings["method"]["enum"] == sorted(relax.METHODS)
    defaults = {name: part.default for name, part in inspect.signature(relax.relax).parameters.items()}
    for name in ("method", "torque_T", "max_evaluations"):
        assert settings[name]["default"] == defaults[name]


def test_a_film_does_not_depend_on_its_batch_or_process(tmp_path: Path) -> None:
    films = jobs(small(tmp_path))
    alone, together, apart = dict(solve(films)), dict(solve(films, batch=4)), dict(solve(films, threads=2))
    assert sorted(alone) == sorted(together) == sorted(apart) == [0, 1, 2, 3]
    for index, one in alone.items():
        for other in (together[index], apart[index]):
            for name in set(stored.VARIABLES) - {"pattern"}:
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert together[0].energy_dmi == 0 != together[1].energy_dmi


LOOP = {"driver": "hysteresis", "loop_B": 2.0, "loop_steps": 4, "loop_direction": [0.2, 0, 1]}
DRIVEN = {
    "loop, lbfgs": (LOOP, {"Ku1": [8e5, 1.2e6]}),
    "loop, minimise": (LOOP | {"method": "minimise"}, {}),
    "series": ({"driver": "series", "series_time": 2e-11, "series_samples": 5}, {"alpha": [0.1, 0.5]}),
    "series with temperature": (
        {"driver": "series", "series_time": 2e-13, "series_samples": 5},
        {"alpha": [0.1], "temperature": [100.0, 300.0]},
    ),
}


@pytest.mark.parametrize(("settings", "space"), DRIVEN.values(), ids=DRIVEN)
def test_a_driven_film_is_the_same_alone_and_in_a_mixed_batch(tmp_path: Path, settings: dict, space: dict) -> None:
    """Bulk DMI and dispersion or none, two seeds, and what else the driver minds, all in one batch."""
    space = {"Ms": [1e6], "A": [2e-11], "Ku1": [8e5], "D_bulk": [0.0, 2e-3], "sigma": [0.0, 0.1]} | space
    films = jobs(small(tmp_path, settings, space={"grid": space}, grid=[8, 12], seeds=[1, 2]))
    alone, together = dict(solve(films, batch=1)), dict(solve(films, batch=100))
    assert sorted(alone) == sorted(together) == list(range(len(films)))
    for index, one in alone.items():
        for name in set(stored.VARIABLES) - {"pattern"}:
            np.testing.assert_array_equal(getattr(one, name), getattr(together[index], name), err_msg=name)
    assert len({film.m.tobytes() for film in alone.values()}) == len(films), "no two films are the same"
    uneven = len({film.evaluations for film in alone.values()}) > 1
    assert uneven or "temperature" in space, (
        "films leave the batch at different times, unless steps are of fixed length"
    )


def test_a_batch_that_memory_does_not_hold_is_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two of the films run together, four do not; a study with memory for none stops with one line."""
    films = jobs(small(tmp_path))
    alone = dict(solve(films))
    most = 2

    def equation(batch: Films, *arguments: Any) -> Equation:
        if len(batch.films) > most:
            raise MemoryError("Unable to allocate 9.9 GiB")
        return Equation(batch, *arguments)

    monkeypatch.setattr(batches, "Equation", equation)
    split = dict(solve(films, batch=4))
    assert (
        "4 films ran out of memory (Unable to allocate 9.9 GiB): 4 start again, 2 at a time" in capsys.readouterr().err
    )
    assert all(np.array_equal(split[index].m, film.m) for index, film in alone.items())
    most = 0
    with pytest.raises(UserError, match=r"a single film of 1 × 16 × 24 cells in float32 does not fit the memory"):
        list(solve(films, batch=4))


def test_a_relaxed_film_is_at_rest_and_its_energies_add_up(finished: tuple[Study, Path]) -> None:
    study, results = finished
    with gather.open_dataset(paths.dataset(results, study.name, "films")) as data:
        assert set(data["status"].values.astype(str)) == {relax.RELAXED}
        assert (data["torque_T"].values <= 1e-2).all() and (data["evaluations"].values > 10).all()
        parts = sum(data[f"energy_{name}"].values for name in stored.ENERGIES)
        np.testing.assert_allclose(parts, data["energy_total"].values, rtol=1e-9)
        np.testing.assert_allclose((data["m"].values.astype(float) ** 2).sum(axis=1), 1, atol=1e-5)
        np.testing.assert_array_equal(data["pattern"].values, np.where(data["m"].values[:, 2, 0] >= 0, 1, -1))
        assert data["m"].dims == ("film", "component", "z", "y", "x") and data["m"].shape == (4, 3, 1, 16, 24)
        np.testing.assert_allclose(data["x"].values, 4e-9 * (np.arange(24) + 0.5))
        assert data["x"].attrs["units"] == "m" and data["Ms"].attrs["units"] == "A/m"
        assert list(data["component"].values) == ["x", "y", "z"]
        assert data.sizes["record"] == 1 and data["coercive_B"].isnull().all()
        np.testing.assert_allclose(data["record_m"].values[:, 0, 2], data["mean_mz"].values)
        assert set(data.data_vars) == set(stored.VARIABLES)


def test_a_perpendicular_film_reverses_in_a_field_along_its_axis(tmp_path: Path) -> None:
    """It is saturated along the field, without any torque: at 2 Ku1/Ms − µ0 Ms, but for the step of 0.2 T."""
    space = {"Ms": [6e5], "A": [1e-11], "Ku1": [6e5], "sigma": [0.05]}
    study = small(tmp_path, {"driver": "hysteresis", "loop_B": 2.0, "loop_steps": 20}, space={"grid": space})
    ((_, film),) = solve(jobs(study))
    assert film.status == "relaxed"
    assert film.coercive_B == pytest.approx([-1.25, 1.25], abs=0.25)


def test_a_loop_and_a_series_are_recorded(tmp_path: Path) -> None:
    """A loop of a film of one domain: it stays up until −B is large, and the fields add to the film's own."""
    space = {"grid": {"Ms": [1e6], "A": [2e-11], "Ku1": [1.2e6], "Bz": [0.1]}}
    loop = {"driver": "hysteresis", "loop_B": 4.0, "loop_steps": 4, "start": "uniform", "loop_direction": [0.1, 0, 1]}
    (film,) = dict(solve(jobs(small(tmp_path, loop, space=space)))).values()
    assert film.record_m.shape == film.record_B.shape == (9, 3) and np.isnan(film.record_t).all()
    length = np.linalg.norm([0.1, 0, 1])
    np.testing.assert_allclose(film.record_B[:, 2], 0.1 + 4 / length * np.array([1, 0.5, 0, -0.5, -1, -0.5, 0, 0.5, 1]))
    assert film.record_m[0, 2] > 0.9 and film.record_m[4, 2] < -0.9 and film.record_m[8, 2] > 0.9
    assert film.status == "relaxed" and np.isfinite(film.coercive_B).all()
    timed = {"driver": "series", "series_time": 2e-12, "series_samples": 3, "dt": 1e-14, "start": "uniform"}
    space = {"grid": {"Ms": [1e6], "A": [2e-11], "Bx": [1.0], "temperature": [0.0, 300.0]}}
    cold, hot = (film for _, film in sorted(solve(jobs(small(tmp_path, timed, space=space)), batch=2)))
    np.testing.assert_allclose(cold.record_t, [0, 1e-12, 2e-12])
    assert cold.status == hot.status == "finished" and cold.record_m[-1, 2] < 1 - 1e-3, "it precesses about Bx"
    assert hot.energy_exchange > 10 * abs(cold.energy_exchange), "the thermal field makes it uneven"


def test_grains_and_starts_follow_the_settings(tmp_path: Path) -> None:
    params = dict(next(iter(small(tmp_path, {"grain_size": 2e-8, "intergrain": 0.3}).points.values())).params)
    film = points.film_of(params, 3)
    assert film.grains is not None and film.intergrain == 0.3
    for grain in np.unique(film.grains):
        assert np.ptp(np.asarray(film.Ku1)[film.grains == grain]) == 0
    per_cell = np.asarray(points.film_of(params | {"grain_size": 0.0}, 3).Ku1)
    assert np.unique(per_cell).size == per_cell.size == 16 * 24 and abs(per_cell.std() / 1.2e6 - 0.1) < 0.02
    assert not np.array_equal(per_cell, points.film_of(params | {"grain_size": 0.0}, 4).Ku1)
    assert points.film_of(params | {"grain_size": 0.0, "sigma": 0.0}, 3).Ku1 == 1.2e6
    for start in ("random", "uniform", "stripes", "vortex", "skyrmion"):
        m = points.start_of(params | {"start": start, "start_size": 4.8e-8, "start_wall": 1e-8}, 3)
        assert m.shape == (3, 1, 16, 24)
        np.testing.assert_allclose(np.linalg.norm(m, axis=0), 1, atol=1e-9)


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_tdgl_film_has_the_content_it_always_had(tmp_path: Path) -> None:
    point = next(iter(fake_films.make_study(tmp_path).points.values()))
    film = store.decode_point(store.encode_point(point, fake_films.fake_film(point.params, point.seed)), point.id)
    assert film["digest"] == TDGL_DIGEST


def test_a_film_comes_back_from_its_file(finished: tuple[Study, Path], tmp_path: Path) -> None:
    study, results = finished
    point = next(iter(study.points.values()))
    ((_, film),) = solve([(dict(point.params), point.seed)])
    assert store.write_point(tmp_path, point, film)["sha256"] == store.point_record(results, point.id)["sha256"]
    found = store.read_point(paths.point_file(tmp_path, point.id))
    for name in set(stored.VARIABLES) - {"pattern"}:
        np.testing.assert_array_equal(found[name], getattr(film, name), err_msg=name)
    np.testing.assert_array_equal(found["pattern"], np.where(film.m[2, 0] >= 0, 1, -1))


def test_a_film_that_does_not_fit_its_point_is_refused(finished: tuple[Study, Path]) -> None:
    study, _ = finished
    point = next(iter(study.points.values()))
    ((_, film),) = solve([(dict(point.params), point.seed)])
    with pytest.raises(ValueError, match="m has shape"):
        store.encode_point(point, dataclasses.replace(film, m=film.m[..., :-1]))
    with pytest.raises(ValueError, match="record_m has shape"):
        store.encode_point(point, dataclasses.replace(film, record_m=np.zeros((2, 3))))
    with pytest.raises(ValueError, match="not finite"):
        store.encode_point(point, dataclasses.replace(film, m=film.m * np.nan))


@pytest.fixture
def line_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of chains: an array over k, a number, and no picture at all."""
    module = ModuleType("line_model.stored")
    module.VARIABLES = {
        "amplitude": Variable(("k",), "<f8", "1", "amplitude"),
        "gap": Variable((), "<f8", "J", "gap"),
        "status": Variable((), "str", "1", "how it ended"),
    }
    module.FINITE, module.ENDING = ("amplitude",), Ending(("done",), "were solved", "were not solved")
    module.sizes = lambda params: {"k": params["samples"]}
    module.coordinates = lambda params: {"k": Coordinate(np.arange(params["samples"]) / 7, "<f8", "1/m", "wavenumber")}
    version = ModuleType("line_model.version")
    version.SIM_VERSION = 3
    for name, found in (("line_model.stored", module), ("line_model.version", version)):
        monkeypatch.setitem(sys.modules, name, found)
    monkeypatch.setitem(models.PACKAGES, "line", "line_model")


@pytest.mark.usefixtures("line_model")
def test_a_model_without_a_picture_is_stored_too() -> None:
    point = Point("0" * 16, "line", {"samples": 5}, 1, "lines", {})
    chain = SimpleNamespace(amplitude=np.linspace(0, 1, 5), gap=0.25, status="done")
    found = store.decode_point(store.encode_point(point, chain), point.id)
    np.testing.assert_array_equal(found["amplitude"], chain.amplitude)
    assert (found["gap"], found["status"], found["sim_version"]) == (0.25, "done", 3) and "pattern" not in found
    group = SimpleNamespace(model="line", points=(point,))
    assert not any(groups.holds(group, figure) for figure in groups.SHOWS)


# --- what is made of the films ----------------------------------------------------------------------------------------


def test_figures_are_offered_by_what_films_have(tmp_path: Path, finished: tuple[Study, Path]) -> None:
    study, _ = finished
    assert study.figures == ("gallery", "magnetisation", "energies", "refinement")
    assert "records" in small(tmp_path, {"driver": "series"}).figures
    tdgl = load_study(CONFIG / "demo.yaml")
    assert not {"magnetisation", "records", "energies"} & set(tdgl.figures) and "loops" in tdgl.figures
    with pytest.raises(UserError, match="the figure loops shows what this study does not have"):
        load(tmp_path, content() | {"report": {"figures": ["loops"]}})
    both = content()
    both["films"]["other"] = yaml.safe_load((CONFIG / "demo.yaml").read_text())["films"]["uniform"]
    mixed = load(tmp_path, both)
    assert groups.shown(mixed, "loops").name == "other" and groups.shown(mixed, "energies").name == "films"


def test_every_figure_and_the_report_are_drawn(finished: tuple[Study, Path]) -> None:
    study, results = finished
    for name in study.figures:
        draw.run(study, name, results)
        assert paths.figure(results, study.name, name).stat().st_size > 1000
        assert FIGURES[name].caption
    report.run(study, results)
    page = paths.report(results, study.name).read_text()
    assert "4 of 4 films came to their end." in page and "crossing ⟨m⟩ = 0" not in page.split("<figure")[0]


def test_loops_are_drawn_along_their_field(tmp_path: Path) -> None:
    settings = {"driver": "hysteresis", "loop_B": 3.0, "loop_steps": 3, "start": "uniform"}
    study = small(tmp_path, settings, space={"grid": SPACE | {"Ms": [1e6], "D_bulk": [0.0]}})
    run(study, tmp_path / "results")
    assert "records" in study.figures
    draw.run(study, "records", tmp_path / "results")
    rows = paths.figure(tmp_path / "results", study.name, "records", ".csv").read_text().splitlines()
    assert len(rows) == 1 + 7 and rows[0].endswith("t,Bx,By,Bz,mx,my,mz")


def test_vectors_are_white_up_black_down_and_red_along_x() -> None:
    m = np.array([[[0.0, 0.0, 1.0, 0.0]], [[0.0, 0.0, 0.0, 0.0]], [[1.0, -1.0, 0.0, 0.0]]])
    with style.style():
        _, axes = style.canvas(1, 1, 2, 2)
        style.vectors(axes[0, 0], m)
    image = np.asarray(axes[0, 0].images[0].get_array())
    np.testing.assert_allclose(image[0], [[1, 1, 1], [0, 0, 0], [1, 0, 0], [0.6, 0.6, 0.6]], atol=1e-12)


def test_quantities_have_a_unit_and_its_prefix() -> None:
    assert style.quantity(1.35e6, "A/m") == "1.35 MA/m"
    assert style.quantity(3e-3, "J/m^2") == "3 mJ/m²"
    assert style.quantity(2.5e-11, "J/m") == "25 pJ/m"
    assert style.quantity(0.0, "T") == "0 T" and style.quantity(0.5) == "0.5"
    assert style.symbol("Ms") == r"$M_\mathrm{s}$" and style.symbol("D_bulk") == r"$D_\mathrm{bulk}$"
    assert style.symbol("alpha") == r"$\alpha$"


def test_learning_reads_micromagnetic_films(finished: tuple[Study, Path]) -> None:
    study, results = finished
    path = paths.dataset(results, study.name, "films")
    found = learn_films.load(path, list(study.points), ["D_bulk"], 16, torch.device("cpu"))
    with xarray.open_dataset(path) as data:
        np.testing.assert_array_equal(found.patterns.numpy(), data["pattern"].values)
    assert found.units == ("J/m^2",) and set(found.values[:, 0]) == {0.0, 2.0e-3}


def test_films_that_were_not_relaxed_are_not_learned_from(tmp_path: Path) -> None:
    study = small(tmp_path, {"max_evaluations": 3})
    path = run(study, tmp_path / "results")
    with gather.open_dataset(path) as data:
        assert not gather.good(data).any()
    with pytest.raises(UserError, match="4 of 4 films were not relaxed"):
        learn_films.load(path, list(study.points), ["D_bulk"], 16, torch.device("cpu"))


def test_the_demo_is_a_handful_of_films(tmp_path: Path) -> None:
    study = load_study(CONFIG / "demo-llg.yaml")
    found = plan.plan(study, tmp_path)
    assert 8 <= found["totals"]["points"] <= 12 and study.groups["domains"].grid == (64, 64) and not study.warnings
    assert found["estimate"]["cpu_core_hours"]["total"] < 0.1
    assert "films domains: " in json.dumps(found["estimate"]["basis"])
