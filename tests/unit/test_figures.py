"""Figures: what they show is what is on disk, they repeat to the byte, and they say what they lack."""

from __future__ import annotations

import itertools
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
from weiss.figures import bins, errors, groups, labels, names, outliers, read, registry, similar, style
from weiss.patterns.windows import centre

# The calibration has test_calibration.py, micromagnetic films have test_llg_study.py, chains test_spsll_study.py,
# networks of curves test_curve_figures.py;
# networks needs more of them than the finished study has.
CHAINS = tuple(row.name for row in names.FIGURES.values() if row.category in ("Chains", "Networks on curves"))
ELSEWHERE = ("calibration", "networks", "magnetisation", "records", "energies", "loop_fields", *CHAINS)
ALL = tuple(name for name in names.FIGURES if name not in ELSEWHERE)


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


@pytest.mark.parametrize(
    "name", [name for name in ALL if name not in ("gallery", "seeds", "nonuniform", "outliers", "maps")]
)
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


def test_axes_carry_the_unit_of_the_model(monkeypatch):
    study, results = synthetic.finished()
    assert read.unit(study, "J") == "dimensionless"
    monkeypatch.setattr(read, "describe", lambda model, names: {name: ("mJ/m²", "") for name in names})
    for name in ("errors", "truth", "maps", "profile", "regions", "auc"):
        words = [
            text for axis in build(name, study, results)[0].axes for text in (axis.get_xlabel(), axis.get_ylabel())
        ]
        assert any("mJ/m²" in text for text in words) and not any("dimensionless" in text for text in words)


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


def test_truth_has_a_row_per_target_in_alphabetical_order():
    figure, _ = shown("truth")
    assert [axis.get_xlabel() for axis in figure.axes] == ["true $D$ (dimensionless)", "true $J$ (dimensionless)"]


def test_scattered_true_values_are_put_into_bins(tmp_path):
    study, results = synthetic.copy(tmp_path)
    rng = np.random.default_rng(1)
    for key in study.trainings:
        path = paths.training(results, study.name, key) / "predictions.csv"
        true = rng.uniform(0, 2, 300)
        pd.DataFrame(
            {"point": [f"{i:016x}" for i in range(300)], "rotation": 0, "J": true, "D": true[::-1]}
            | {"J_pred": true, "D_pred": true[::-1]}
        ).to_csv(path, index=False)
    figure, data = build("truth", study, results)
    for axis in figure.axes:
        medians = [line for line in axis.lines if len(line.get_xdata()) == 2 and np.ptp(line.get_ydata()) == 0]
        assert len(axis.patches) == bins.MOST and len(medians) >= bins.MOST
        spans = sorted(tuple(patch.get_path().get_extents().intervalx) for patch in axis.patches)
        assert all(left[1] <= right[0] for left, right in itertools.pairwise(spans))
    assert len(data) == 2 * 2 * 300


def test_bins_keep_values_that_are_few_and_fill_evenly_otherwise():
    places, member = bins.binned(np.array([2.0, 0.1, 2.0, 1.0]))
    assert places.tolist() == [0.1, 1.0, 2.0] and member.tolist() == [2, 0, 2, 1]
    values = np.random.default_rng(0).exponential(size=1000)
    places, member = bins.binned(values)
    assert places.size == bins.MOST and (np.diff(places) > 0).all()
    assert set(np.bincount(member)) == {1000 // bins.MOST}
    assert all(values[member == k].max() <= values[member == k + 1].min() for k in range(bins.MOST - 1))


def test_outliers_are_the_patches_read_worst(tmp_path):
    study, results = synthetic.copy(tmp_path)
    network, n_data = read.chosen_network(study, results)
    keys = [key for key, job in study.trainings.items() if (job.network, job.n_data) == (network, n_data)]
    points = study.trainings[keys[0]].points["test"]
    for number, key in enumerate(keys):
        path = paths.training(results, study.name, key) / "predictions.csv"
        content = pd.read_csv(path)
        order = content["point"].map({point: index for index, point in enumerate(points)})
        for target in ("J", "D"):
            content[f"{target}_pred"] = content[target] + 0.01 * order
        # The third film is read far off under one rotation, in the first repeat farther than in the second.
        odd = (content["point"] == points[2]) & (content["rotation"] == 90)
        content.loc[odd, "D_pred"] = content["D"][odd] + (8.0 if number == 0 else 0.4)
        content.to_csv(path, index=False)
    figure, data = build("outliers", study, results)
    assert data["target"].tolist() == ["J"] * 4 + ["D"] * 4
    rows = data[data["target"] == "D"].reset_index(drop=True)
    assert rows["point"].tolist() == [points[2], *points[:-4:-1]]
    assert (rows["repeats"] == 2).all() and rows["outlier_in"].tolist() == [1, 0, 0, 0]
    assert rows["error"][0] == pytest.approx((2.015 + 0.115) / 2) and rows["error"][1] == pytest.approx(0.08)
    assert sum(bool(axis.images) for axis in figure.axes) == 2 * len(data)
    words = " ".join(axis.get_title() for axis in figure.axes)
    assert "outlier in 1 of 2" in words and "distance" in words
    assert r"$D$: 4 of 4 read too high" in figure.get_supxlabel()


def test_an_outlier_lies_beyond_the_box_of_its_own_true_value():
    """At D = 1 all is read 1 too high: beyond the quartiles of all films, yet inside the box there."""
    true = np.repeat([0.1, 1.0, 1.9], 12)
    off = np.tile([-0.01, 0.0, 0.01, 0.02], 9) + np.where(true == 1.0, 1.0, 0.0)
    off[30] += 0.5
    rows = pd.DataFrame({"point": [f"film{number:02d}" for number in range(36)], "training": "mod-n1-r01"})
    rows = rows.assign(target="D", true=true, predicted=true + off)
    worst = outliers._worst(rows, ("D",))
    assert worst["point"][0] == "film30" and worst["outlier_in"].tolist() == [1, 0, 0, 0]
    assert worst["error"].tolist() == pytest.approx([0.51, 1.02, 1.02, 1.02])
    assert worst["point"].tolist()[1:] == ["film15", "film19", "film23"]


def test_outliers_show_the_test_patch_and_a_training_patch_as_near_as_any():
    study, results = synthetic.finished()
    data, films = table("outliers"), read.read_dataset(paths.dataset(results, study.name, "uniform"))
    place = {str(point): index for index, point in enumerate(films["point"].values.astype(str))}
    learned = {point for job in study.trainings.values() if job.n_data == 2 for point in job.points["train"]}
    every = [similar.windows(films["pattern"].values[place[point]], 16, 8)[0] for point in sorted(learned)]
    every = similar.features(np.concatenate(every))
    assert set(data["near_point"]) <= learned and set(data["seed"]) == {1} and not set(data["near_seed"]) & {1, 2}
    for row in data.itertuples():
        patch = centre(films["pattern"].values[place[row.point]], 16)
        assert row.mean_m == pytest.approx(patch.mean(), abs=1e-5)
        near = films["pattern"].values[place[row.near_point]][row.near_row : row.near_row + 16]
        near = similar.features(near[None, :, row.near_column : row.near_column + 16])
        distances = similar.nearest(similar.features(patch[None]), every)[1]
        own = np.sqrt((((near - similar.features(patch[None])) / every.std(axis=0)) ** 2).mean())
        assert row.near_distance == pytest.approx(distances[0], rel=1e-4) == pytest.approx(own, rel=1e-4)


def test_a_film_without_crossing_is_like_no_patch(tmp_path):
    study, results = synthetic.copy(tmp_path)
    near = set(table("outliers")["near_point"])
    path = paths.dataset(results, study.name, "uniform")
    data = read.read_dataset(path)
    left_out = data["point"].astype(str).isin(list(near))
    data["status"] = data["status"].astype(object).where(~left_out, "not crossed")
    data.to_netcdf(path, engine="h5netcdf")
    _, again = build("outliers", study, results)
    assert not near & set(again["near_point"])


def test_traits_of_a_patch_do_not_change_when_it_is_turned():
    patch = np.where(synthetic.labyrinth(1.0, 3, (48, 48)) > 0, 1, -1)[:32, :32]
    turned = np.stack([np.rot90(patch, k) for k in range(4)])
    np.testing.assert_allclose(similar.features(turned), similar.features(turned)[[0] * 4], atol=1e-5)
    other = np.where(synthetic.labyrinth(0.4, 3, (48, 48)) > 0, 1, -1)[:32, :32]
    found, distance = similar.nearest(similar.features(turned[1:2]), similar.features(np.stack([other, patch, -other])))
    assert found.tolist() == [1] and distance[0] == pytest.approx(0, abs=1e-4)


def test_a_patch_of_one_domain_has_finite_traits():
    traits = similar.features(np.stack([np.ones((16, 16)), -np.ones((16, 16))]))
    assert np.isfinite(traits).all() and traits[:, 0].tolist() == [1, -1] and (traits[:, 1] == 0).all()


def test_windows_lie_inside_the_film():
    film = np.arange(20 * 26).reshape(20, 26)
    patches, corners = similar.windows(film, 8, 6)
    assert corners.tolist() == [[i, j] for i in (0, 6, 12) for j in (0, 6, 12, 18)]
    assert all((patch == film[i : i + 8, j : j + 8]).all() for patch, (i, j) in zip(patches, corners, strict=True))


# --- several networks ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    return synthetic.compared(tmp_path_factory.mktemp("several"))


def test_networks_stand_side_by_side_by_architecture(several):
    study, results = several
    figure, data = build("networks", study, results)
    assert [label.get_text() for label in figure.axes[-1].get_xticklabels()] == ["mod", "reg"]
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["random weights", "ImageNet", "images made by formulas (contours)"]
    drawn = {(axis, line.get_label()): line.get_ydata() for axis in figure.axes for line in axis.lines}
    expected = data[(data["target"] == "D") & (data["n_data"] == 4) & (data["network"] == "reg_fdsl")]["mae"]
    assert sorted(drawn[figure.axes[3], words[2]]) == sorted(expected) and len(expected) == 10
    assert set(zip(data["network"], data["architecture"], data["start"], strict=True)) == {
        ("mod", "mod", "random weights"),
        ("reg", "reg", "random weights"),
        ("reg_pret", "reg", "ImageNet"),
        ("reg_fdsl", "reg", "images made by formulas (contours)"),
    }


def test_a_start_with_results_at_one_size_is_in_the_legend(several, tmp_path):
    study, _ = several
    synthetic.write_published(tmp_path)
    learn = synthetic.COMPARED | {"repeats": 1}
    study = synthetic.write_study(tmp_path, films=synthetic.compared_films(), learn=learn, maps=None)
    for key in [key for key in study.trainings if key.startswith("reg_pret-n1")]:
        del study.trainings[key]
    synthetic.pretend(study, tmp_path / "results")
    figure, _ = build("networks", study, tmp_path / "results")
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["random weights", "ImageNet", "images made by formulas (contours)"]
    # A single value is a dot, not a box without height.
    assert not figure.axes[0].patches or all(
        not np.isfinite(patch.get_path().get_extents().y1) for patch in figure.axes[0].patches
    )


def test_networks_applies_to_more_than_two(several, tmp_path):
    assert "networks" in several[0].figures
    two = synthetic.COMPARED | {"networks": {"mod": {}, "reg": {}, "mob": {"repeats": 0}}}
    study = synthetic.write_study(tmp_path, films=synthetic.compared_films(), learn=two, maps=None)
    assert "networks" not in study.figures and "errors" in study.figures


def test_many_networks_have_the_whole_width(several, monkeypatch):
    study, results = several
    few, _ = build("errors", study, results)
    assert [axis.get_subplotspec().rowspan.start for axis in few.axes] == [0, 0]
    monkeypatch.setattr(errors, "MOST_ABREAST", 3)
    many, _ = build("errors", study, results)
    assert [axis.get_subplotspec().rowspan.start for axis in many.axes] == [0, 1]
    assert many.get_size_inches()[0] == style.WIDTH


def test_boxes_close_up_where_a_kind_is_missing(several):
    figure, _ = build("networks", *several)
    spans = [patch.get_path().get_extents() for patch in figure.axes[0].patches]
    middles = sorted((box.x0 + box.x1) / 2 for box in spans if np.isfinite(box.y1))
    assert middles[0] == pytest.approx(0) and np.mean(middles[1:]) == pytest.approx(1) and len(middles) == 4


def test_area_is_shown_against_the_difference_beside_the_published_one(several):
    study, results = several
    figure, data = build("auc", study, results)
    assert set(data["network"]) == {"mod", "reg_pret"} and len(data) == 2 * 3 * 6
    assert sorted(set(data["difference"])) == [-0.9, -0.6, -0.3, 0.3, 0.6, 0.9]
    assert data[data["published"].notna()]["difference"].unique().tolist() == [0.3]
    metrics = read.map_metrics(study, results, "mod-n4-r01")
    film = metrics["films"][0]
    mine = data[(data["map"] == "mod-n4-r01") & (data["point"] == film["point"])]
    assert mine["auc"].tolist() == [film["targets"]["D"]["auc"]] and mine["inner"].tolist() == [0.1]
    diamonds = [line for line in figure.axes[0].lines if line.get_marker() == "D"]
    assert [line.get_ydata().tolist() for line in diamonds] == [[0.798]]
    assert any("published" in text.get_text() for text in build("roc", study, results)[0].axes[0].get_legend().texts)


def test_without_maps_the_network_of_the_lowest_validation_error_is_shown(several, tmp_path):
    study, results = several
    maps = read.chosen_network(study, results)
    assert maps == (study.maps[read.chosen_map(study, results)].training.network, 4)
    synthetic.write_published(tmp_path)
    alone = synthetic.write_study(
        tmp_path, films=synthetic.compared_films(), learn=synthetic.COMPARED, maps=None, report=study.config["report"]
    )
    losses = {}
    for key, job in alone.trainings.items():
        losses.setdefault((job.network, job.n_data), []).append(
            read.training_result(alone, results, key)["validate_mae"]
        )
    assert read.chosen_network(alone, results) == min(losses, key=lambda kind: np.median(losses[kind]))


def test_networks_are_known_by_label(several, tmp_path):
    learn = synthetic.COMPARED | {"networks": synthetic.COMPARED["networks"] | {"mob": {"repeats": 0}}}
    study = synthetic.write_study(tmp_path, films=synthetic.compared_films(), learn=learn, maps=None)
    known = labels.networks(study)
    assert [network.label for network in known.values()] == ["mod", "reg", "reg_pret", "reg_fdsl", "mob"]
    assert known["mob"].plain and not known["reg_fdsl"].plain and known["reg_pret"].start == labels.IMAGENET
    assert labels.networks(synthetic.write_study(tmp_path, learn=None, maps=None)) == {}


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
        part = "metrics.json" if name == "auc" else "maps.h5"
        path = paths.maps(results, study.name, read.chosen_map(study, results)) / part
    paths.figure(results, study.name, name).unlink()
    path.unlink()
    with pytest.raises(UserError, match="missing") as caught:
        figures.run(study, name, results)
    assert str(path) in str(caught.value)
    assert not paths.figure(results, study.name, name).exists()


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("errors", "result.json"),
        ("learning", "epochs.csv"),
        ("truth", "predictions.csv"),
        ("outliers", "predictions.csv"),
        ("outliers", "result.json"),
    ],
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
    assert set(ALL) - set(synthetic.write_study(tmp_path, maps=maps).figures) == {"regions", "roc", "auc"}
    learn = synthetic.CONTENT["learn"] | {"targets": ["J"]}
    assert set(ALL) - set(synthetic.write_study(tmp_path, learn=learn).figures) == {"roc", "auc"}


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
