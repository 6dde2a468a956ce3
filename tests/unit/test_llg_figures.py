"""Figures of micromagnetic films: what several parameters, loops and series show, and how values are written.

Numbers are made up here, or read from the datasets of small films and averaged by hand.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

from weiss import gather, paths, report, simulate
from weiss.figures import (
    curves,
    errors,
    gallery,
    groups,
    loop_fields,
    names,
    outliers,
    panels,
    quantities,
    read,
    records,
    style,
)
from weiss.study import Study, load_study

SPACE = {"Ms": [1.0e6], "A": [2.0e-11], "Ku1": [1.2e6]}
VARIED = ("Ms", "D_bulk", "sigma")
THREE = {"Ms": [1.0e6, 1.2e6, 1.4e6], "D_bulk": [0.0, 1.0e-3, 2.0e-3], "sigma": [0.05, 0.1, 0.2]}
LOOP = {"driver": "hysteresis", "loop_B": 2.5, "loop_steps": 6, "start": "uniform", "torque_T": 1e-2}
NAN = float("nan")


def group(**other: Any) -> dict[str, Any]:
    films = {"model": "llg", "grid": [16, 16], "space": {"grid": SPACE}, "seeds": [1], "shard": {"by": ["Ms"]}}
    return films | other


def load(folder: Path, films: dict[str, Any], **sections: Any) -> Study:
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump({"name": "small", "films": films} | sections))
    return load_study(path)


def three(folder: Path) -> Study:
    return load(folder, {"films": group(space={"grid": SPACE | THREE}, seeds=[1, 2])})


def run(study: Study, results: Path) -> Study:
    for shard in study.shards:
        simulate.run(study, shard, results)
    for name in study.groups:
        gather.run(study, name, results)
    return study


def build(module: Any, study: Study, results: Path) -> tuple[Any, pd.DataFrame]:
    with style.style():
        return module.build(study, results)


# --- several parameters -----------------------------------------------------------------------------------------------


def made_up(conditions: list[dict[str, float]]) -> pd.DataFrame:
    """Two seeds of each condition; the number tells conditions apart."""
    rows = [
        row | {"number": 1e-6 * row["Ms"] + 1e3 * row["D_bulk"] + 100 * row["sigma"] + seed}
        for row in conditions
        for seed in (0, 1)
    ]
    return curves.table(pd.DataFrame(rows), VARIED, ["number"])


def grid() -> list[dict[str, float]]:
    return [dict(zip(VARIED, values, strict=True)) for values in itertools.product(*(THREE[name] for name in VARIED))]


def drawn(folder: Path, rows: pd.DataFrame) -> Any:
    with style.style():
        return curves.draw(three(folder), rows, VARIED, {"number": ("number", 1)})


def test_a_line_of_three_parameters_has_one_point_at_each_value(tmp_path: Path) -> None:
    figure = drawn(tmp_path, made_up(grid()))
    assert len(figure.axes) == 3
    for axis, over, by in zip(figure.axes, VARIED, ("D_bulk", "Ms", "Ms"), strict=True):
        other = next(name for name in VARIED if name not in (over, by))
        middle = THREE[other][1]
        lines = [container.lines[0] for container in axis.containers]
        assert len(lines) == 3
        for value, line in zip(THREE[by], lines, strict=True):
            np.testing.assert_array_equal(line.get_xdata(), THREE[over])
            where = [{over: x, by: value, other: middle} for x in THREE[over]]
            expected = [1e-6 * w["Ms"] + 1e3 * w["D_bulk"] + 100 * w["sigma"] + 0.5 for w in where]
            np.testing.assert_allclose(line.get_ydata().astype(float), expected)
    words = figure.get_supxlabel()
    # Ms is axis or line in every row.
    assert words.endswith(r"$D_\mathrm{bulk}$ = 1 mJ/m², $\sigma$ = 0.1") and "MA/m" not in words


def test_conditions_that_share_no_value_are_dots(tmp_path: Path) -> None:
    random = np.random.default_rng(1).random((8, 3))
    rows = made_up([dict(zip(VARIED, values * (1e6, 1e-3, 0.1), strict=True)) for values in random])
    figure = drawn(tmp_path, rows)
    for axis, over in zip(figure.axes, VARIED, strict=True):
        (line,) = (container.lines[0] for container in axis.containers)
        assert line.get_linestyle() == "None" and sorted(line.get_xdata()) == sorted(rows[over])
    assert not figure.get_supxlabel()


def test_without_a_film_at_its_end_there_are_no_curves(tmp_path: Path) -> None:
    figure = drawn(tmp_path, made_up(grid()).iloc[:0])
    assert [text.get_text() for text in figure.axes[0].texts] == ["no film came to its end"]


def test_other_parameters_are_held_where_most_conditions_lie() -> None:
    """One parameter at a time, from a corner of the ranges: the corner, not the middle."""
    corner = {"Ms": 1.4e6, "D_bulk": 0.0, "sigma": 0.05}
    conditions = [
        corner,
        *(corner | {name: value} for name in VARIED for value in THREE[name] if value != corner[name]),
    ]
    ways = [("Ms", "D_bulk"), ("D_bulk", "Ms"), ("sigma", "Ms")]
    assert groups.reference(pd.DataFrame(conditions), ways, VARIED) == {"D_bulk": 0.0, "sigma": 0.05}


def test_panels_of_the_gallery_differ_in_what_is_written_beside_them_alone(tmp_path: Path) -> None:
    study = three(tmp_path)
    points = study.groups["films"].points
    coordinates = {name: ("film", [p.condition[name] for p in points]) for name in (*SPACE, "D_bulk", "sigma")}
    for name in VARIED:
        coordinates[name] = (*coordinates[name], {"units": read.units(study, name)})
    data = xr.Dataset(
        {
            "pattern": (("film", "y", "x"), np.ones((len(points), 16, 16), np.int8)),
            "status": ("film", np.full(len(points), "relaxed", dtype=object)),
        },
        coords=coordinates
        | {"seed": ("film", [p.seed for p in points]), "x": ("x", 4e-9 * (np.arange(16) + 0.5), {"units": "m"})}
        | {"point": ("film", np.array([p.id for p in points], dtype=object))},
        attrs={"model": "llg"},
    )
    path = paths.dataset(tmp_path / "results", study.name, "films")
    path.parent.mkdir(parents=True)
    data.to_netcdf(path, engine="h5netcdf")
    figure, table = build(gallery, study, tmp_path / "results")
    assert len(table) == 9 and set(table["sigma"]) == {0.1} and set(table["seed"]) == {1}
    assert figure.get_supxlabel() == r"all panels: $\sigma$ = 0.1"
    assert panels.length(data, 4) == "16 nm"


# --- loops and series -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """Loops of two conditions and two seeds, and a series."""
    folder = tmp_path_factory.mktemp("both")
    times = group(llg={"driver": "series", "series_time": 2e-11, "series_samples": 3})
    space = {"grid": SPACE | {"Ku1": [0.8e6, 1.2e6], "sigma": [0.1]}}
    loops = group(space=space, seeds=[1, 2], llg=LOOP)
    return run(load(folder, {"loops": loops, "times": times}), folder / "results"), folder / "results"


def test_films_at_the_end_of_a_loop_are_not_offered(both: tuple[Study, Path], tmp_path: Path) -> None:
    study, _ = both
    assert study.figures == ("records", "loop_fields")
    relaxed = group(space={"grid": SPACE | {"Ms": [1.0e6, 1.2e6]}})
    mixed = load(tmp_path, {"loops": group(space={"grid": SPACE | THREE}, llg=LOOP), "films": relaxed})
    for name in ("gallery", "magnetisation", "energies", "refinement"):
        assert groups.shown(mixed, name).name == "films"
    assert groups.shown(mixed, "loop_fields").name == "loops"


def test_records_show_every_group_that_has_some(both: tuple[Study, Path]) -> None:
    study, results = both
    files = names.inputs(study, "records", results)
    assert files == [paths.dataset(results, study.name, name) for name in ("loops", "times")]
    figure, table = build(records, study, results)
    assert [axis.get_xlabel() for axis in figure.axes] == ["applied field (T)", *["time (ns)"] * 3]
    assert table.groupby("group").size().to_dict() == {"loops": 2 * 13, "times": 3}
    assert [part.get_suptitle() for part in figure.subfigs] == ["group loops", "group times"]


def test_the_coercive_field_is_marked_where_the_loop_passes_zero(both: tuple[Study, Path]) -> None:
    study, results = both
    figure, table = build(records, study, results)
    stars = sorted(line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "*")
    data = read.read_dataset(paths.dataset(results, study.name, "loops"))
    first = data.isel(film=np.flatnonzero(data["seed"].values == 1))
    assert np.isfinite(first["coercive_B"].values).all() and stars == sorted(first["coercive_B"].values.ravel())
    loops = table[table["group"] == "loops"]
    for _, film in loops.groupby("point"):
        falling, rising = film.iloc[:7], film.iloc[6:]
        assert film["coercive_falling"].iloc[0] == pytest.approx(np.interp(0, falling["mz"][::-1], falling["Bz"][::-1]))
        assert film["coercive_rising"].iloc[0] == pytest.approx(np.interp(0, rising["mz"], rising["Bz"]))
    assert table[table["group"] == "times"]["coercive_falling"].isna().all()


def test_the_report_lists_the_fields_of_loops(both: tuple[Study, Path]) -> None:
    study, results = both
    report.run(study, results)
    page = paths.report(results, study.name).read_text()
    rows = page.split("<h3>Hysteresis loops</h3>")[1].split("</table>")[0]
    data = read.read_dataset(paths.dataset(results, study.name, "loops"))
    for Ku1 in (0.8e6, 1.2e6):
        fields = data["coercive_B"].values[data["Ku1"].values == Ku1]
        for branch in (0, 1):
            assert quantities.spread(fields[:, branch].mean(), fields[:, branch].std(ddof=1), "T") in rows
    assert "833 mT (loops)" in page and "(times)" not in page.split("no finer than these")[1].split("</p>")[0]


def test_fields_are_means_over_the_loops_that_show_them() -> None:
    """Three seeds of one condition, of which one never saturates and one more was not relaxed."""
    coercive = [[-0.1, 0.2], [-0.3, 0.2], [-0.2, 0.5], [9.0, 9.0]]
    saturation = [[0.5, 0.7], [NAN, 0.9], [0.7, 1.1], [9.0, 9.0]]
    data = xr.Dataset(
        {
            "coercive_B": (("film", "branch"), coercive),
            "saturation_B": (("film", "branch"), saturation),
            "knee_B": (("film", "branch"), np.full((4, 2), NAN)),
            "status": ("film", ["relaxed", "relaxed", "relaxed", "not relaxed"]),
            "Ms": ("film", np.full(4, 1e6)),
        },
        attrs={"model": "llg"},
    )
    (row,) = loop_fields.conditions(data, ["Ms"]).to_dict("records")
    assert row["films"] == 3 and row["coercive_falling"] == pytest.approx(-0.2)
    assert row["coercive_falling_spread"] == pytest.approx(0.1)
    assert row["coercive"] == pytest.approx((0.15 + 0.25 + 0.35) / 3)
    assert row["coercive_error"] == pytest.approx(0.1 / np.sqrt(3))
    assert row["saturation_falling"] == pytest.approx(0.6) and row["saturation_falling_films"] == 2
    assert row["saturation"] == pytest.approx((0.6 + 0.9) / 2) and row["saturation_rising_films"] == 3
    assert np.isnan(row["knee"]) and row["knee_films"] == 0


def test_a_field_no_loop_shows_has_no_panel(both: tuple[Study, Path]) -> None:
    """Loops of films that reverse in one step have no knee."""
    study, results = both
    figure, table = build(loop_fields, study, results)
    assert table["knee"].isna().all() and table["films"].tolist() == [2, 2]
    assert [axis.get_ylabel() for axis in figure.axes] == ["coercive field (T)", "saturation field (T)"]


# --- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mean", "deviation", "text"),
    [
        (-0.0123456, 0.00041, "−12.3 ± 0.4 mT"),
        (-0.0123456, 0.0041, "−12.3 ± 4.1 mT"),
        (0.625, 2e-9, "625 ± 0 mT"),
        (1.4583, 0.0, "1.46 ± 0.00 T"),
        (0.9998, 0.0002, "1.00 ± 0.00 T"),
        (1.2, 0.34, "1.20 ± 0.34 T"),
        (0.001, 0.25, "1 ± 250 mT"),
        (0.0, 0.0, "0 ± 0 T"),
        (-0.0123456, NAN, "−12.3 mT"),
        (NAN, NAN, "–"),
    ],
)
def test_means_and_their_scatter_share_a_prefix_and_a_place(mean: float, deviation: float, text: str) -> None:
    assert quantities.spread(mean, deviation, "T") == text


@pytest.mark.parametrize("value", [9.9998e-4, 999.6e-6, 1.0000001e-3])
def test_the_prefix_is_that_of_the_rounded_value(value: float) -> None:
    assert quantities.quantity(value, "J/m^2", 3) == "1 mJ/m²"


def test_predictions_are_written_without_powers_of_ten() -> None:
    """Read an order of magnitude too high, and a value that rounds up to the next prefix."""
    row = {"D_bulk": 9.9998e-4, "true": 9.9998e-4, "predicted": 9.9997e-4, "lowest": 2e-4, "highest": 1.21e-2}
    words = outliers._test_words(
        pd.Series(row | {"repeats": 3, "outlier_in": 2}), "D_bulk", ("D_bulk",), {"D_bulk": "J/m^2"}
    )
    assert "read as 1 mJ/m²\n(0.2 to 12.1)" in words and "= 1 mJ/m²" in words and "e+" not in words


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_titles_of_errors_are_inside_the_figure(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = {"Ms": 2.345e5, "Ku1": 3.456e5, "D_bulk": 4.567e-4, "A": 5.678e-12}
    space = SPACE | {"Ms": [1e6, 1.2e6], "Ku1": [1e6, 1.2e6], "D_bulk": [0.0, 1e-3], "A": [1e-11, 2e-11]}
    study = load(tmp_path, {"films": group(space={"grid": space}, seeds=[1, 2, 3])})
    rows = [
        {"training": "mod-n1-r01", "network": "mod", "n_data": 1, "repeat": repeat, "target": name}
        | {"mae": 0.2 * value * repeat, "baseline_mae": value}
        for name, value in list(targets.items())[:count]
        for repeat in (1, 2)
    ]
    monkeypatch.setattr(read, "test_errors", lambda *_: pd.DataFrame(rows))
    figure, _ = build(errors, study, tmp_path)
    figure.canvas.draw()
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert len(shown) == count
    boxes = [axis.title.get_window_extent() for axis in shown]
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
