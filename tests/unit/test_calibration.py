"""Films held against a table: what became of each, the agreement, the study's section, the figure and the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

from weiss import figures, gather, paths, report, simulate
from weiss.calibration.outcomes import agreement, condition_outcomes, film_outcomes
from weiss.errors import UserError
from weiss.figures import names, registry, style
from weiss.study import Study, load_study

PAIRS = [{"J": 1.0, "D": 1.0}, {"J": 2.0, "D": 0.5}, {"J": 2.0, "D": 1.0}]
"""What the table lists: all but J 1, D 0.5."""


def made_up_film(params: dict[str, Any], seed: int) -> SimpleNamespace:
    """A film that crosses if J + noise_scale · D ≥ 1.9, after saturation if a0 > 5; seed 3 never crosses."""
    t = np.linspace(0, 5, int(params["loop_samples"]))
    highest = 1.0 if params["a0"] > 5 else 0.9
    loop = highest * np.interp(t, [0, 1, 3, 5], [0, 1, -1, 1])
    crosses = params["J"] + params["noise_scale"] * params["D"] >= 1.9 and seed != 3
    shape = (int(params["ny"]), int(params["nx"]))
    return SimpleNamespace(
        m=np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32),
        loop_h=0.3 * np.interp(t, [0, 1, 3, 5], [0, 1, -1, 1]),
        loop_m=np.where(t > 4.2, np.nan, loop) if crosses else np.where(t > 1, highest, loop),
        t_crossing=4.0e5 if crosses else np.nan,
        h_crossing=0.0 if crosses else np.nan,
        evaluations=1000,
        steps=10,
        rejected=0,
        avalanches=0,
        seconds=0.1,
        status="crossed" if crosses else "not crossed",
    )


def made_up_solver(films: Sequence[tuple[dict, int]], device: str, threads: int) -> Iterator[tuple[int, Any]]:
    for index, (params, seed) in enumerate(films):
        yield index, made_up_film(params, seed)


def content(**changes: Any) -> dict[str, Any]:
    """Two settings, 2 × 2 conditions, three seeds."""
    group = {"grid": [16, 16], "space": {"grid": {"J": [1.0, 2.0], "D": [0.5, 1.0]}}, "seeds": [1, 2, 3]}
    films = {
        "whole": group | {"tdgl": {"loop_samples": 51, "a0": 5.9, "noise_scale": 1.0}},
        "half": group | {"tdgl": {"loop_samples": 51, "a0": 4.5, "noise_scale": 0.5}},
    }
    return {"name": "small", "films": films, "calibration": {"table": "pairs.csv"}} | changes


def write(folder: Path, table: str | None = None, **changes: Any) -> Study:
    rows = "".join(f"{pair['D']},{pair['J']}\n" for pair in PAIRS)
    (folder / "pairs.csv").write_text(table or f"# listed\nD,J\n{rows}")
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(content(**changes), sort_keys=False))
    return load_study(path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    folder = tmp_path_factory.mktemp("calibration")
    study, results = write(folder), folder / "results"
    for shard in study.shards:
        simulate.run(study, shard, results, solver=made_up_solver)
    for group in study.groups:
        gather.run(study, group, results)
    for name in study.figures:
        figures.run(study, name, results)
    report.run(study, results)
    return study, results


# --- films ------------------------------------------------------------------------------------------------------------


def dataset(loops: list[list[float]], status: list[str], cells: int = 64) -> xr.Dataset:
    count = len(loops)
    return xr.Dataset(
        {
            "loop_m": (("film", "loop"), np.array(loops)),
            "status": ("film", status),
            "m": (("film", "y", "x"), np.zeros((count, cells, cells))),
            "point": ("film", [f"{k}" for k in range(count)]),
            "seed": ("film", np.arange(count)),
            "J": ("film", np.full(count, 2.0)),
            "D": ("film", np.full(count, 0.1)),
        }
    )


def test_films_are_told_apart_by_their_loops() -> None:
    one_cell, nothing = 1 - 2 / 64**2, 1 - 1.8e-7
    loops = [
        [0, 0.8, -0.9, -0.4, np.nan],
        [0, nothing, -one_cell, -0.9, np.nan],
        [0, one_cell, -one_cell, -0.1, np.nan],
        [0, 0.5, -nothing, -nothing, -nothing],
        [np.nan] * 5,
    ]
    found = film_outcomes(dataset(loops, ["crossed"] * 3 + ["not crossed"] * 2), ["J", "D"])
    assert found["crossed"].tolist() == [True, True, True, False, False]
    assert found["saturated"].tolist() == [False, True, False, True, False]
    assert found["jump"].tolist()[:3] == [0.4, 0.9, 0.1] and found["jump"].isna().tolist()[3:] == [True, True]


def test_a_saturated_film_is_one_on_every_grid() -> None:
    """|m| stops at 1 - 1.8e-7 in float32: that must count as saturated on the largest film of the paper."""
    loops, status = [[0, 1 - 1.8e-7, 0.3]], ["crossed"]
    for cells in (16, 512):
        assert film_outcomes(dataset(loops, status, cells), ["J", "D"])["saturated"].tolist() == [True]


def test_shares_are_over_seeds_and_most_decide() -> None:
    films = pd.DataFrame(
        {"J": 1.0, "D": [0.1] * 3 + [0.2] * 2, "seed": [1, 2, 3, 1, 2]}
        | {"crossed": [True, True, False, True, False], "saturated": [True, False, False, False, True], "jump": 0.5}
    )
    found = condition_outcomes(films, ["J", "D"])
    assert found["crossed"].tolist() == pytest.approx([2 / 3, 1 / 2])
    assert found["unsaturated"].tolist() == pytest.approx([1 / 3, 1 / 2])
    assert found["seeds"].tolist() == [3, 2]
    compared = agreement(found["crossed"], [True, True])
    assert (compared.share, compared.false_in, compared.false_out) == (0.5, 0, 1)
    compared = agreement(found["crossed"], [False, False])
    assert (compared.share, compared.false_in, compared.false_out) == (0.5, 1, 0)


# --- study ------------------------------------------------------------------------------------------------------------


def test_the_table_is_read_by_the_names_of_its_columns(tmp_path: Path) -> None:
    calibration = write(tmp_path).calibration
    assert calibration.groups == ("whole", "half") and calibration.parameters == ("J", "D")
    assert calibration.listed == {(1.0, 1.0), (2.0, 0.5), (2.0, 1.0)}


def test_a_study_without_the_section_has_no_such_figure(tmp_path: Path) -> None:
    study = write(tmp_path, calibration=None)
    assert study.calibration is None and "calibration" not in study.figures
    assert study.figures == ("loops", "gallery", "refinement", "seeds")


def test_the_figure_depends_on_the_table_and_the_films_it_compares(tmp_path: Path) -> None:
    before = write(tmp_path).figure_digest("calibration")
    assert write(tmp_path, table="J,D\n2,1\n").figure_digest("calibration") != before
    films = content()["films"]
    films["half"]["seeds"] = [1]
    assert write(tmp_path, films=films).figure_digest("calibration") != before
    only = {"table": "pairs.csv", "films": ["whole"]}
    study = write(tmp_path, films=films, calibration=only)
    films["half"]["seeds"] = [1, 2]
    assert write(tmp_path, films=films, calibration=only).figure_digest("calibration") == study.figure_digest(
        "calibration"
    )
    assert names.inputs(study, "calibration", tmp_path) == [paths.dataset(tmp_path, "small", "whole")]


BAD = {
    "another column": ("J,K\n1,1\n", {}, "parameters J, D"),
    "no condition of the films": ("J,D\n9,9\n", {}, "no condition of films.whole is in the table"),
    "no such group": (None, {"calibration": {"table": "pairs.csv", "films": ["hole"]}}, "did you mean 'whole'?"),
    "no such file": (None, {"calibration": {"table": "paris.csv"}}, "no such file"),
    "a misspelt key": (None, {"calibration": {"tabel": "pairs.csv"}}, "did you mean 'table'?"),
    "outside the folder": (None, {"calibration": {"table": "../pairs.csv"}}, "leaves the folder"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_fault_in_the_section_is_one_line(tmp_path: Path, fault: str) -> None:
    table, changes, message = BAD[fault]
    with pytest.raises(UserError) as caught:
        write(tmp_path, table, **changes)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_nonuniform_films_are_refused(tmp_path: Path) -> None:
    films = content()["films"]
    films["half"] |= {"inner": {"margin": 4}, "space": {"list": [{"J": 2.0, "D": 1.0, "D_in": 0.5}]}}
    with pytest.raises(UserError, match="nonuniform"):
        write(tmp_path, films=films)
    assert write(tmp_path, films=films, calibration={"table": "pairs.csv", "films": ["whole"]}).calibration


@pytest.mark.parametrize("name", ["mamada2023-calibration", "mamada2023-calibration-small"])
def test_the_calibration_studies_hold_every_pair_at_every_setting(name: str) -> None:
    study = load_study(Path(__file__).parents[2] / "config" / f"{name}.yaml")
    assert len(study.calibration.listed) == 250
    settings = set()
    for group in study.groups.values():
        conditions = {tuple(point.condition.values()) for point in group.points}
        assert len(conditions) == 400 and study.calibration.listed <= conditions
        params = group.points[0].params
        settings.add((params["kernel"], params["a0"], params["noise_scale"]))
    assert len(settings) == len(study.groups) == len(study.calibration.groups)


# --- figure and page --------------------------------------------------------------------------------------------------


def test_data_of_the_figure_are_what_the_films_did(finished: tuple[Study, Path]) -> None:
    study, results = finished
    table = pd.read_csv(paths.figure(results, study.name, "calibration", ".csv"))
    assert table["group"].tolist() == ["whole"] * 4 + ["half"] * 4
    whole, half = (table[table["group"] == name].set_index(["J", "D"]) for name in ("whole", "half"))
    assert set(whole["noise_scale"]) == {1.0} and set(half["a0"]) == {4.5}
    # seeds 1 and 2 cross where J + noise_scale · D is at least 1.9; with a0 = 5.9 all films are saturated before
    assert whole["crossed"].tolist() == pytest.approx([0, 2 / 3, 2 / 3, 2 / 3], abs=1e-5)
    assert half["crossed"].tolist() == pytest.approx([0, 0, 2 / 3, 2 / 3], abs=1e-5)
    assert whole["unsaturated"].tolist() == [0] * 4 and whole["saturated"].tolist() == [1] * 4
    assert half["unsaturated"].tolist() == half["crossed"].tolist()
    assert whole["listed"].tolist() == half["listed"].tolist() == [False, True, True, True]
    assert whole.loc[(2.0, 1.0), "nucleates"] == 1 and half.loc[(1.0, 0.5), "nucleates"] == 0


def test_panels_say_setting_and_agreement(finished: tuple[Study, Path]) -> None:
    study, results = finished
    with style.style():
        figure, _ = registry.module("calibration").build(study, results)
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == [
        "a0 5.9, noise_scale 1\n100%, unsaturated 25%",
        "a0 4.5, noise_scale 0.5\n75%, unsaturated 75%",
    ]
    states = [np.asarray(axis.images[0].get_array()).tolist() for axis in figure.axes]
    assert states == [[[0, 1], [1, 1]], [[0, 0], [2, 2]]]
    assert style.png(figure) == paths.figure(results, study.name, "calibration").read_bytes()


def test_a_missing_dataset_is_named(finished: tuple[Study, Path], tmp_path: Path) -> None:
    study, results = finished
    shutil.copytree(results, tmp_path / "results")
    path = paths.dataset(tmp_path / "results", study.name, "half")
    path.unlink()
    with pytest.raises(UserError, match="missing") as caught:
        figures.run(study, "calibration", tmp_path / "results")
    assert str(path) in str(caught.value)


def test_the_page_names_the_setting_that_agrees_best(finished: tuple[Study, Path]) -> None:
    study, results = finished
    page = paths.report(results, study.name).read_text()
    assert "Of 2 settings, a0 5.9, noise_scale 1 agrees best with the table: on 100.0% of 4 conditions" in page
    assert "it is a0 4.5, noise_scale 0.5, with 75.0%" in page
    assert "10 of 24 films reached their crossing" in page
    assert "did not reach the crossing" not in page  # which films cross is the finding here, no failure
    for name in ("loops", "gallery", "seeds", "calibration"):
        assert f'<figure id="{name}">' in page
