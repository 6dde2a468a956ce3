"""Figures: what they show is what is on disk, they repeat to the byte, and they say what they lack."""

from __future__ import annotations

import json
import subprocess
import sys
from io import BytesIO

import matplotlib
import numpy as np
import pandas as pd
import pytest
import synthetic
from PIL import Image

from weiss import figures, paths
from weiss.errors import UserError
from weiss.figures import groups, names, read, registry, style

ALL = tuple(name for name in names.FIGURES if name != "calibration")  # that one: test_calibration.py


def build(name, study, results):
    with style.style():
        return registry.module(name).build(study, results)


def shown(name):
    study, results = synthetic.finished()
    return build(name, study, results)


def table(name):
    study, results = synthetic.finished()
    return pd.read_csv(paths.figure(results, study.name, name, ".csv"))


def test_table_of_figures_is_read_without_matplotlib():
    code = "import sys, weiss.figures.names; sys.exit(any(m in sys.modules for m in ('matplotlib', 'pandas', 'torch')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("name", ALL)
def test_each_name_has_a_module_and_a_caption(name):
    row = names.FIGURES[name]
    assert callable(registry.module(name).build)
    assert (
        row.title and row.category and row.caption.endswith(".") and all(path.is_file() for path in names.sources(name))
    )


@pytest.mark.parametrize("name", ALL)
def test_figure_repeats_to_the_byte(name):
    study, results = synthetic.finished()
    figure, _ = build(name, study, results)
    assert style.png(figure) == paths.figure(results, study.name, name).read_bytes()


@pytest.mark.parametrize("name", ALL)
def test_image_carries_no_trace_of_when_and_by_what_it_was_drawn(name):
    study, results = synthetic.finished()
    with Image.open(paths.figure(results, study.name, name)) as image:
        assert not {"Software", "Creation Time", "date"} & set(image.info)
        assert image.width > 600


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("gallery", "seeds", "nonuniform", "maps")])
def test_axes_are_labelled(name):
    figure, _ = shown(name)
    drawn = [axis for axis in figure.axes if axis.get_visible() and (axis.lines or axis.patches) and not axis.images]
    rows, columns = {}, {}
    for axis in drawn:
        place = axis.get_subplotspec()
        rows.setdefault(place.rowspan.start, []).append(axis)
        columns.setdefault(place.colspan.start, []).append(axis)
    assert rows and all(any(axis.get_ylabel() for axis in axes) for axes in rows.values())
    for axes in columns.values():
        lowest = max(axes, key=lambda axis: axis.get_subplotspec().rowspan.start)
        words = [label.get_text() for label in lowest.get_xticklabels()]
        assert lowest.get_xlabel() or any("=" in word for word in words)


def test_drawing_leaves_matplotlib_as_it_was():
    before = dict(matplotlib.rcParams)
    shown("profile")
    assert dict(matplotlib.rcParams) == before


# --- films -----------------------------------------------------------------------------------------------------------


def test_loops_end_at_the_crossing():
    data = table("loops")
    for _, film in data.groupby("point"):
        last = film.iloc[-1]
        assert last["m"] == 0 and last["h"] == pytest.approx(last["h_crossing"], rel=1e-5)
    assert set(data["seed"]) == {1} and set(data["J"]) == {0.4, 1.2, 2.0}


def test_gallery_has_one_panel_per_condition_each_cell_a_sharp_square():
    figure, data = shown("gallery")
    images = [axis.images[0] for axis in figure.axes if axis.images]
    assert len(images) == len(data) == 9
    assert {image.get_interpolation() for image in images} == {"nearest"}
    assert all(set(np.unique(image.get_array())) <= {-1, 1} and image.get_clim() == (-1, 1) for image in images)
    top_left = data[(data["row"] == 0) & (data["column"] == 0)].iloc[0]
    assert (top_left["J"], top_left["D"]) == (2.0, 0.1)


def test_gallery_leaves_out_combinations_the_study_leaves_out(tmp_path):
    space = {"list": [{"J": 0.4, "D": 0.1}, {"J": 2.0, "D": 0.1}, {"J": 2.0, "D": 1.9}]}
    films = {"uniform": synthetic.CONTENT["films"]["uniform"] | {"space": space}}
    study = synthetic.write_study(tmp_path, films=films, learn=None, maps=None)
    synthetic.make_films(study, tmp_path / "results")
    figure, data = build("gallery", study, tmp_path / "results")
    assert len(data) == 3 and sum(bool(axis.images) for axis in figure.axes) == 3 and len(figure.axes) == 4


def test_gallery_of_conditions_on_no_grid(tmp_path):
    space = {"random": {"n": 8, "seed": 1, "J": [0.4, 2.0], "D": [0.1, 1.9]}}
    films = {"uniform": synthetic.CONTENT["films"]["uniform"] | {"space": space, "seeds": [1]}}
    study = synthetic.write_study(tmp_path, films=films, learn=None, maps=None)
    synthetic.make_films(study, tmp_path / "results")
    figure, data = build("gallery", study, tmp_path / "results")
    assert len(data) == 8 and data["point"].is_unique and sum(bool(axis.images) for axis in figure.axes) == 8


def test_a_map_is_drawn_at_the_scale_of_its_film_whatever_the_stride():
    _, axes = style.canvas(1, 2, 4, 2)
    for axis, stride in zip(axes[0], (1, 3), strict=True):
        image = style.parameter_map(axis, np.zeros((64, 64))[::stride, ::stride], (0, 1), stride)
        left, right, bottom, top = image.get_extent()
        centres = left + (np.arange(image.get_size()[1]) + 0.5) * (right - left) / image.get_size()[1]
        assert centres == pytest.approx(np.arange(0, 64, stride)) and (left, right) == (top, bottom)


def test_seeds_shows_one_condition():
    data = table("seeds")
    assert data["seed"].tolist() == [1, 2, 3, 4]
    assert (data["J"].unique().tolist(), data["D"].unique().tolist()) == ([1.2], [1.0])


# --- learning --------------------------------------------------------------------------------------------------------


def test_errors_are_those_of_the_trainings():
    study, results = synthetic.finished()
    data = table("errors")
    assert len(data) == len(study.trainings) * 2
    for row in data.itertuples():
        result = json.loads((paths.training(results, study.name, row.training) / "result.json").read_text())
        assert row.mae == pytest.approx(result[f"test_mae_{row.target}"], rel=1e-5)
        assert row.baseline_mae == pytest.approx(result[f"baseline_mae_{row.target}"], rel=1e-5)


def test_baseline_is_drawn():
    figure, data = shown("errors")
    for axis, target in zip(figure.axes, ("J", "D"), strict=True):
        expected = data[data["target"] == target]["baseline_mae"].mean()
        assert any(line.get_linestyle() == "--" and line.get_ydata()[0] == expected for line in axis.lines)


def test_truth_shows_every_test_film_of_every_repeat_of_the_largest_training():
    data = table("truth")
    assert set(data["n_data"]) == {2}
    assert data.groupby(["training", "target"]).size().tolist() == [9 * 4] * 4
    errors = (data["true"] - data["predicted"]).abs().groupby([data["training"], data["target"]]).mean()
    reported = table("errors").set_index(["training", "target"])["mae"]
    for key, value in errors.items():
        assert value == pytest.approx(reported[key], rel=1e-4)


def test_learning_marks_one_best_epoch_per_training():
    data = table("learning")
    assert data.groupby("training")["best"].sum().tolist() == [1] * 4
    best = data[data["best"]].set_index("training")["validate_mae"]
    assert (best == data.groupby("training")["validate_mae"].min()).all()


# --- maps ------------------------------------------------------------------------------------------------------------


def test_figures_show_the_map_of_the_lowest_validation_error(tmp_path):
    study, results = synthetic.copy(tmp_path)
    assert len(study.maps) == 2
    for wanted in study.maps:
        for key in study.maps:
            path = paths.training(results, study.name, key) / "result.json"
            content = json.loads(path.read_text()) | {"validate_mae": 0.1 if key == wanted else 0.2, "test_mae": 0.0}
            path.write_text(json.dumps(content))
        assert read.chosen_map(study, results) == wanted


def test_map_and_truth_have_the_same_colours():
    figure, data = shown("maps")
    limits = {}
    for axis in figure.axes:
        for image in axis.images:
            if image.get_cmap().name == style.MAP_COLOURS:
                limits.setdefault(image.get_clim(), []).append(image)
    assert sorted(len(images) for images in limits.values()) == [4, 4]
    for row in data.itertuples():
        assert (row.colour_low, row.colour_high) in limits
    study, results = synthetic.finished()
    maps = read.maps(study, results)
    for target in ("J", "D"):
        low, high = data[data["target"] == target][["colour_low", "colour_high"]].iloc[0]
        assert low <= maps.data[f"{target}_true"].min() and high >= maps.data[f"{target}_true"].max()


def test_profile_goes_through_the_centre():
    study, results = synthetic.finished()
    maps = read.maps(study, results)
    data = table("profile")
    film = data[(data["point"] == maps.metrics["films"][1]["point"]) & (data["target"] == "D")]
    np.testing.assert_allclose(film["read"], maps.data["D_map"].values[1, 32], rtol=1e-5)
    assert film["true"].tolist() == [1.0] * 20 + [1.9] * 24 + [1.0] * 20
    assert set(film["y"]) == {32}


def test_regions_and_roc_show_the_metrics():
    study, results = synthetic.finished()
    metrics = read.maps(study, results).metrics
    regions, roc = table("regions"), table("roc")
    assert len(regions) == 2 * 2 * 4
    for film in metrics["films"]:
        found = film["targets"]["D"]
        mine = regions[(regions["point"] == film["point"]) & (regions["target"] == "D")].set_index("region")
        assert mine.loc["R2", "median"] == pytest.approx(found["regions"]["R2"]["median"], rel=1e-5)
        curve = roc[roc["point"] == film["point"]]
        assert set(curve["target"]) == {"D"} and curve["auc"].iloc[0] == pytest.approx(found["auc"], rel=1e-5)


# --- what does not work ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_missing_input_is_named(tmp_path, name):
    study, results = synthetic.copy(tmp_path)
    path = names.inputs(study, name, results)[0]
    if names.FIGURES[name].needs == "maps":
        path = paths.maps(results, study.name, read.chosen_map(study, results)) / "maps.h5"
    paths.figure(results, study.name, name).unlink()
    path.unlink()
    with pytest.raises(UserError, match="missing") as caught:
        figures.run(study, name, results)
    assert str(path) in str(caught.value)
    assert not paths.figure(results, study.name, name).exists()


@pytest.mark.parametrize(
    ("name", "part"), [("errors", "result.json"), ("learning", "epochs.csv"), ("truth", "predictions.csv")]
)
@pytest.mark.parametrize("content", [b"", b"{}", b"\x00\xff\x00", b"a,b\n1,2\n"])
def test_damaged_input_is_named(tmp_path, name, part, content):
    study, results = synthetic.copy(tmp_path)
    path = paths.training(results, study.name, "mod-n2-r01") / part
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        figures.run(study, name, results)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["{}", '{"films": []}', '{"films": [{"point": "x"}]}', "[1]", "not"])
def test_damaged_metrics_are_named(tmp_path, content):
    study, results = synthetic.copy(tmp_path)
    path = paths.maps(results, study.name, read.chosen_map(study, results)) / "metrics.json"
    path.write_text(content)
    with pytest.raises(UserError) as caught:
        figures.run(study, "roc", results)
    assert str(path) in str(caught.value)


def test_edited_study_is_noticed():
    study, results = synthetic.finished()
    with pytest.raises(UserError, match="the study changed"):
        figures.run(study, "loops", results, expected_digest="0" * 16)


def test_unknown_figure_is_refused():
    study, results = synthetic.finished()
    with pytest.raises(UserError, match="no figure named 'loop'"):
        figures.run(study, "loop", results)


def test_only_figures_that_apply(tmp_path):
    study = synthetic.write_study(tmp_path, learn=None, maps=None)
    assert study.figures == ("loops", "gallery", "refinement", "seeds", "nonuniform")
    with pytest.raises(UserError, match="does not apply"):
        figures.run(study, "errors", tmp_path / "results")
    maps = synthetic.CONTENT["maps"] | {"films": "uniform"}
    assert set(ALL) - set(synthetic.write_study(tmp_path, maps=maps).figures) == {"regions", "roc"}
    learn = synthetic.CONTENT["learn"] | {"targets": ["J"]}
    assert set(ALL) - set(synthetic.write_study(tmp_path, learn=learn).figures) == {"roc"}


def test_film_figures_show_the_films_learned_from(tmp_path):
    assert groups.shown(synthetic.write_study(tmp_path), "gallery").name == "uniform"
    films = dict(reversed(synthetic.CONTENT["films"].items()))
    study = synthetic.write_study(tmp_path, films=films, learn=None, maps=None)
    assert {groups.shown(study, name).name for name in ("gallery", "loops", "seeds", "refinement")} == {"uniform"}
    assert groups.shown(study, "nonuniform").name == "nonuniform"


def test_spread_keeps_both_ends():
    values = [0.1 * k for k in range(1, 21)]
    picked = style.spread(values, 5)
    assert len(picked) == 5 and picked[0] == values[0] and picked[-1] == values[-1]
    assert style.spread([2, 1, 2], 5) == [1, 2]


def test_films_are_labelled_by_what_varies():
    films = [{"condition": {"J": 2.0, "D_in": value}, "seed": seed} for value, seed in ((0.1, 1), (0.1, 2), (1.9, 1))]
    assert read.film_labels(films) == [
        {"D_in": 0.1, "seed": 1},
        {"D_in": 0.1, "seed": 2},
        {"D_in": 1.9, "seed": 1},
    ]
    assert read.film_labels(films[1:]) == [{"D_in": 0.1}, {"D_in": 1.9}]
    assert style.symbol("D_in") == r"$D_\mathrm{in}$"


def test_png_is_an_image():
    study, results = synthetic.finished()
    with Image.open(BytesIO(paths.figure(results, study.name, "maps").read_bytes())) as image:
        image.verify()
