"""Chains with defects as a model of the workflow: points, failed points, files, figures, and the studies of config/.

The digests of groups of the other models were taken before there were chains: they must not notice them.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from weiss import gather, models, paths, plan, report, schema, simulate, store, study
from weiss.errors import UserError
from weiss.figures import draw, groups
from weiss.figures.names import FIGURES
from weiss.spsll import Settings, dispersions, stored
from weiss.spsll import settings as settings_module
from weiss.spsll import simulate as solve
from weiss.spsll.dispersion import frequencies
from weiss.spsll.settings import settings_of
from weiss.spsll.wall import sites
from weiss.study import Study, load_study

CONFIG = Path(__file__).resolve().parents[2] / "config"
SMALL = {"cells": 64, "harmonics": 100, "error_harmonics": 20, "duration_s": 5e-13, "coarsest_kT": 5.0}
"""Chains of 22 nm."""
PAIRS = [{"sigma": 1e-8, "tau": 0.0}, {"sigma": 2.29e-8, "tau": 3e-9}]
WALLS = {"random": {"n": 60, "seed": 1, "sigma": [2e-8, 1e-7], "tau": [0.0, 5e-9]}}
CHAIN_FIGURES = tuple(row.name for row in FIGURES.values() if row.category == "Chains")


def group(settings: dict[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
    return {"model": "spsll", "space": {"list": PAIRS}, "spsll": SMALL | (settings or {})} | keys


def load(folder: Path, films: dict[str, Any], **more: Any) -> Study:
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump({"name": "small-chains", "films": films} | more))
    return load_study(path)


def small(folder: Path, settings: dict[str, Any] | None = None, **keys: Any) -> Study:
    return load(folder, {"chains": group(settings, **keys)})


def run(chosen: Study, results: Path) -> None:
    for shard in chosen.shards:
        simulate.run(chosen, shard, results)
    for name in chosen.groups:
        gather.run(chosen, name, results)


def jobs(chosen: Study) -> list[tuple[dict, int]]:
    return [(dict(point.params), point.seed) for point in chosen.points.values()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """Walls at random, two of them by name, and the spectra of these under two origins, with a printed number."""
    folder = tmp_path_factory.mktemp("spsll")
    table = "quantity,target,network,n_data,condition,value,source\nX_THz,,,,sigma=2.29e-08 tau=3e-09,3.65,Fig. 3a\n"
    (folder / "published.csv").write_text(table)
    films = {
        "walls": group({"what": "wall"}, space=WALLS, shard={"conditions": 40}),
        "examples": group({"what": "wall"}),
        "spectra": group({"what": "spectrum"}),
        "spectra-edge": group({"what": "spectrum", "dispersion_window_origin": "edge"}),
    }
    chosen = load(folder, films, report={"published": "published.csv"})
    run(chosen, folder / "results")
    return chosen, folder / "results"


# --- points -----------------------------------------------------------------------------------------------------------


def test_the_settings_are_those_of_the_solver() -> None:
    """Every field of `Settings` is a key of the study with the same default and the same words."""
    known = dict(schema.models()["spsll"]["$defs"]["settings"]["properties"])
    assert known.pop("what")["enum"] == list(stored._KINDS)
    assert {name: part["default"] for name, part in known.items()} == dataclasses.asdict(Settings())
    words = {name: tuple(part["enum"]) for name, part in known.items() if "enum" in part}
    assert words == settings_module._CHOICES


def test_a_point_has_no_grid_and_no_seeds(tmp_path: Path) -> None:
    chosen = small(tmp_path)
    point = next(iter(chosen.points.values()))
    assert not {"ny", "nx"} & set(point.params) and chosen.groups["chains"].grid is None
    assert chosen.groups["chains"].parameters == ("sigma", "tau") and settings_of(point.params).cells == 64
    assert set(small(tmp_path, {"what": "wall"}).points) == set(chosen.points), "as by default"
    assert set(small(tmp_path, {"what": "dispersion"}).points).isdisjoint(chosen.points)
    assert {"tdgl", "llg"}.isdisjoint(chosen.config["films"]["chains"])


FAULTS = [
    ({}, {"grid": [64, 64]}, "films of the model spsll have no grid"),
    ({}, {"seeds": [1]}, "films of the model spsll have no seeds"),
    ({}, {"inner": {"margin": 4}}, "films of the model spsll have no inner region"),
    ({}, {"tdgl": {"H": 0.2}}, "settings of tdgl, but the model is spsll"),
    ({}, {"space": {"list": [{"sigma": 1e-8}]}}, "the parameter tau of the model spsll is missing"),
    ({}, {"space": {"list": [{"sigma": -1e-8, "tau": 0.0}]}}, "sigma: expected at least 0"),
    ({}, {"space": {"list": [{"sigma": 22.9, "tau": 3.0}]}}, "sigma: expected at most 1"),
    ({}, {"shard": {"conditions": 10, "by": ["sigma"]}}, "not both"),
    ({}, {"shard": {"conditions": 0}}, "at least 1"),
    ({"what": "width"}, {}, "expected one of wall, dispersion, spectrum"),
    ({"Hk": 9e5}, {}, "Hk is not above Ms"),
    ({"wall_window_origin": "centre"}, {}, "'centre' is no place on the chain"),
    ({"dispersion_window_origin": 2e-8}, {}, "2e-08 is no place on the chain"),
    ({"ends": "periodic"}, {}, "implicit relaxation has free ends only"),
    ({"harmonics": 129}, {}, "129 harmonics"),
    ({"error_harmonics": 100}, {}, "100 harmonics, the last 100 of them"),
    ({"duration_s": 1e-14}, {}, "less than two samples"),
    ({"a": 0.0}, {}, "expected more than 0"),
]


@pytest.mark.parametrize(("settings", "keys", "words"), FAULTS, ids=[words[:40] for _, _, words in FAULTS])
def test_a_bad_study_gives_one_clear_line(tmp_path: Path, settings: dict, keys: dict, words: str) -> None:
    with pytest.raises(UserError) as caught:
        small(tmp_path, settings, **keys)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert "films.chains" in str(caught.value), "the message names the key"


def test_more_random_conditions_leave_chains_and_jobs_alone(tmp_path: Path) -> None:
    def drawn(count: int) -> Study:
        return small(tmp_path, space={"random": WALLS["random"] | {"n": count}}, shard={"conditions": 20})

    few, many = drawn(40), drawn(70)
    assert set(few.points) < set(many.points) and len(many.points) == 70
    assert [len(shard.points) for shard in many.shards.values()] == [20, 20, 20, 10]
    assert {(s.id, s.digest) for s in few.shards.values()} < {(s.id, s.digest) for s in many.shards.values()}


def test_other_models_do_not_notice_chains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests and jobs of films are those of a study of a project without chains."""
    monkeypatch.setattr(study, "sim_version", lambda model: 1)
    scalar = {"grid": [16, 24], "space": {"grid": {"J": [1.0, 2.0], "D": [0.5]}}, "seeds": [1, 2]}
    vectors = {"model": "llg", "grid": [16, 24], "space": {"grid": {"Ms": [1e6], "A": [2e-11]}}, "seeds": [1]}
    found = load(tmp_path, {"scalar": scalar, "vectors": vectors})
    assert found.groups["scalar"].digest == "90e2984b5dd1a016"
    assert [shard.id for shard in found.groups["scalar"].shards] == ["scalar-1d2e1d438b", "scalar-fe99193c83"]
    known = {name: part for name, part in schema.models().items() if name != "spsll"}
    for module in (schema, study):
        monkeypatch.setattr(module, "models", lambda: known)
    schema.study_schema.cache_clear()
    alone = load(tmp_path, {"scalar": scalar, "vectors": vectors})
    schema.study_schema.cache_clear()
    assert "spsll" not in schema.models() and alone.digest == found.digest
    assert {name: part.digest for name, part in alone.groups.items()} == {
        name: part.digest for name, part in found.groups.items()
    }


# --- chains -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["wall", "dispersion", "spectrum"])
def test_a_chain_does_not_depend_on_its_batch_or_threads(tmp_path: Path, what: str) -> None:
    films = jobs(small(tmp_path, {"what": what}, space={"random": WALLS["random"] | {"n": 5}}))
    alone, together, threaded = dict(solve(films, batch=1)), dict(solve(films)), dict(solve(films, threads=3))
    assert sorted(alone) == sorted(together) == sorted(threaded) == list(range(5))
    for index, one in alone.items():
        assert set(vars(one)) == set(stored.variables(films[0][0])) | {"seconds"}
        for name in stored.variables(films[0][0]):
            for other in (together[index], threaded[index]):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert {chain.status for chain in alone.values()} == {"ok"}


def test_chains_of_two_kinds_may_share_a_call(tmp_path: Path) -> None:
    walls, ringing = jobs(small(tmp_path)), jobs(small(tmp_path, {"what": "dispersion"}))
    found = dict(solve([walls[0], ringing[0], walls[1]]))
    assert found[0].width_m != found[2].width_m and found[1].X_THz > 1


def test_a_spectrum_is_that_of_its_ridge(finished: tuple[Study, Path]) -> None:
    chosen, results = finished
    with gather.open_dataset(paths.dataset(results, chosen.name, "spectra")) as data:
        assert data["amplitude"].dims == ("film", "frequency", "k") and data["amplitude"].shape == (2, 25, 64)
        brightest = data["frequency"].values[data["amplitude"].values.argmax(axis=1)]
        np.testing.assert_array_equal(brightest, data["ridge_THz"].values)


def test_what_stands_along_the_dimensions(finished: tuple[Study, Path]) -> None:
    chosen, results = finished
    params = chosen.groups["spectra"].points[0].params
    settings = settings_of(params)
    with gather.open_dataset(paths.dataset(results, chosen.name, "spectra")) as data:
        np.testing.assert_array_equal(data["frequency"].values, frequencies(settings))
        np.testing.assert_array_equal(data["k"].values, dispersions([1e-8], [0.0], settings).k)
        assert data["k"].attrs["units"] == "rad/m" and data["sigma"].attrs["units"] == "m"
    with gather.open_dataset(paths.dataset(results, chosen.name, "walls")) as data:
        np.testing.assert_array_equal(data["x"].values, sites(settings))
        assert set(data.data_vars) == set(stored.WALL) and data["mz"].shape == (60, 64)


# --- chains that fail -------------------------------------------------------------------------------------------------

FAILING = [
    ({}, {"sigma": 0.0, "tau": 1e-9}, "no material"),
    ({}, {"sigma": 1e-8, "tau": 3e-8}, "vacancies longer than the chain"),
    ({"coarsest_kT": 0.1}, {"sigma": 1e-8, "tau": 1e-8}, "k-grid too coarse"),
    ({"wall_duration_s": 1e-16}, {"sigma": 1e-8, "tau": 3e-9}, "not relaxed"),
]


@pytest.mark.parametrize(("settings", "pair", "status"), FAILING, ids=[row[2] for row in FAILING])
def test_a_chain_that_fails_is_stored_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: dict, pair: dict, status: str
) -> None:
    """Beside a sound one, which it does not touch."""
    sound = {"sigma": 1e-7, "tau": 0.0}
    chosen = small(tmp_path, settings, space={"list": [pair, sound]}, shard={"conditions": 10})
    run(chosen, tmp_path / "results")
    assert f": {status} (" in capsys.readouterr().err, "the log says why"
    path = paths.dataset(tmp_path / "results", chosen.name, "chains")
    with gather.open_dataset(path) as data:
        row = int(np.flatnonzero(data["sigma"].values == pair["sigma"])[0])
        assert str(data["status"].values[row]) == status and str(data["reason"].values[row])
        assert np.isnan(data["width_m"].values[row]) and np.isnan(data["mz"].values[row]).all()
        assert not gather.good(data)[row] and (gather.good(data)[1 - row] or status == "not relaxed")
        with pytest.raises(UserError, match=r"[12] of 2 chains gave no result"):
            gather.require_good(data, [0, 1], path)
    if status != "not relaxed":
        assert any(status in line for line in chosen.warnings), "the plan says so beforehand"


def test_the_report_counts_what_failed(tmp_path: Path) -> None:
    pairs = [{"sigma": 0.0, "tau": 1e-9}, {"sigma": 0.0, "tau": 2e-9}, {"sigma": 1e-8, "tau": 3e-8}, *PAIRS]
    chosen = small(tmp_path, space={"list": pairs}, shard={"conditions": 10})
    run(chosen, tmp_path / "results")
    for name in chosen.figures:
        draw.run(chosen, name, tmp_path / "results")
    report.run(chosen, tmp_path / "results")
    page = paths.report(tmp_path / "results", chosen.name).read_text()
    assert "2 of 5 chains gave a result." in page
    assert "3 chains of group chains gave no result (2 no material, 1 vacancies longer than the chain)" in page
    rows = pd.read_csv(paths.figure(tmp_path / "results", chosen.name, "wall_profiles", ".csv"))
    assert set(rows["sigma"]) == {1e-8, 2.29e-8}


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_chain_comes_back_from_its_file(finished: tuple[Study, Path], tmp_path: Path) -> None:
    chosen, results = finished
    for name in ("walls", "spectra"):
        point = chosen.groups[name].points[1]
        ((_, chain),) = solve([(dict(point.params), point.seed)])
        assert store.write_point(tmp_path, point, chain)["sha256"] == store.point_record(results, point.id)["sha256"]
        found = store.read_point(paths.point_file(tmp_path, point.id))
        for variable in models.variables("spsll", point.params):
            np.testing.assert_array_equal(found[variable], getattr(chain, variable), err_msg=variable)
        assert found["params"] == point.params


# --- what is made of the chains ---------------------------------------------------------------------------------------


def test_figures_are_offered_by_what_chains_have(tmp_path: Path, finished: tuple[Study, Path]) -> None:
    chosen, _ = finished
    assert chosen.figures == CHAIN_FIGURES
    assert small(tmp_path).figures == ("wall_profiles",)
    assert small(tmp_path, {"what": "dispersion"}).figures == ("noise_spectrum", "telegraph", "bands")
    assert (
        groups.shown(chosen, "wall_profiles").name == "examples" and groups.shown(chosen, "wall_widths").name == "walls"
    )
    assert [part.name for part in groups.every(chosen, "spectra")] == ["spectra", "spectra-edge"]
    assert not set(CHAIN_FIGURES) & {
        *load_study(CONFIG / "demo.yaml").figures,
        *load_study(CONFIG / "demo-llg.yaml").figures,
    }


def test_every_figure_is_drawn_with_what_is_printed(finished: tuple[Study, Path]) -> None:
    chosen, results = finished
    tables = {}
    for name in chosen.figures:
        draw.run(chosen, name, results)
        assert paths.figure(results, chosen.name, name).stat().st_size > 1000
        tables[name] = pd.read_csv(paths.figure(results, chosen.name, name, ".csv"))
    bands = tables["bands"].dropna(subset=["printed"])
    assert set(bands["origin"]) == {"origin at the excitation", "origin at the edge"} and set(bands["printed"]) == {
        3.65
    }
    assert len(tables["wall_widths"]) == 60 and (tables["wall_widths"]["status"] == "ok").all()
    twins = tables["identifiability"]
    assert len(twins) == 59 and twins["s_far"].is_monotonic_increasing
    assert twins["difference"].median() < 0.05, "neighbours in one number have nearly one profile"
    assert np.isclose(tables["noise_spectrum"].groupby("tau")["S"].sum().iloc[0], 10 / 10.5, atol=0.05)
    folded = tables["telegraph"].query("0.1 < k < 5")
    assert abs(folded["mean"] / folded["eq3_folded"] - 1).mean() < 0.1


def test_a_printed_number_redraws_what_shows_it(finished: tuple[Study, Path], tmp_path: Path) -> None:
    chosen, _ = finished
    other = dataclasses.replace(chosen, published=None)
    changed = {name for name in chosen.figures if chosen.figure_digest(name) != other.figure_digest(name)}
    assert changed == {"spectra", "bands", "wall_profiles", "wall_widths"}


def test_the_studies_differ_in_numbers_only(tmp_path: Path) -> None:
    """The paper's size: 12,000 walls and 1,000 dispersion relations."""
    full, few = load_study(CONFIG / "eagan2025.yaml"), load_study(CONFIG / "eagan2025-small.yaml")
    assert len(full.groups["walls"].points) == 12_000 and len(full.groups["dispersions"].points) == 1_000
    assert full.figures == few.figures and full.figures[: len(CHAIN_FIGURES)] == CHAIN_FIGURES and not full.warnings
    assert list(full.config["curves"]) == list(few.config["curves"])
    for name, part in full.groups.items():
        other = few.groups[name]
        assert set(point.id for point in other.points) <= {point.id for point in part.points}, "the first of them"
    assert full.published.value("X_THz", condition={"sigma": 1.51e-8, "tau": 1.24e-8}) == 2.45
    found = plan.plan(few, tmp_path)
    assert found["estimate"]["cpu_core_hours"]["total"] < 0.5 and "–" in plan.text(found)
