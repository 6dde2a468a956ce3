"""Algorithm 1 against the plain loop, the judgement of maps, and the map job from dataset to files."""

from __future__ import annotations

import hashlib
import io
import json

import h5py
import numpy as np
import pytest
import synthetic
import torch
import xarray as xr
from torch import nn

from weiss import maps, paths
from weiss.errors import UserError
from weiss.learn import predict
from weiss.maps import metrics
from weiss.maps.progress import progress
from weiss.maps.sliding import slide
from weiss.maps.truth import training_median, true_map
from weiss.patterns.regions import inner_mask
from weiss.patterns.windows import window_at

WINDOW = 8


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.Flatten(), nn.Linear(64, 2)
    )
    return net.eval()


@pytest.fixture(scope="module")
def predictor(network):
    return lambda windows: network(windows[:, None])


@pytest.fixture
def film():
    return np.random.default_rng(0).choice([-1, 1], (20, 26)).astype(np.int8)


def naive(network, film, window):
    result = np.empty((2, *film.shape), dtype=np.float32)
    with torch.inference_mode():
        for i in range(film.shape[0]):
            for j in range(film.shape[1]):
                image = torch.from_numpy(window_at(film, i, j, window).astype(np.float32))
                result[:, i, j] = network(image[None, None])[0].numpy()
    return result


def test_sliding_equals_the_loop_over_windows(network, predictor, film):
    read = slide(predictor, film, WINDOW, batch=37)
    assert read.dtype == np.float32 and read.shape == (2, 20, 26)
    np.testing.assert_allclose(read, naive(network, film, WINDOW), rtol=0, atol=1e-5)


def test_result_does_not_depend_on_the_batch(predictor, film):
    reference = slide(predictor, film, WINDOW, batch=10_000)
    for batch in (1, 7, 64, 520):
        np.testing.assert_allclose(slide(predictor, film, WINDOW, batch=batch), reference, rtol=0, atol=1e-5)


def test_map_moves_with_the_film(predictor, film):
    """The film is periodic: nothing singles out its edges."""
    moved = slide(predictor, np.roll(film, (5, -9), axis=(0, 1)), WINDOW)
    np.testing.assert_allclose(moved, np.roll(slide(predictor, film, WINDOW), (5, -9), axis=(1, 2)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("stride", [2, 3, 7])
def test_stride_reads_every_nth_cell(predictor, film, stride):
    coarse = slide(predictor, film, WINDOW, stride=stride)
    np.testing.assert_allclose(coarse, slide(predictor, film, WINDOW)[:, ::stride, ::stride], rtol=0, atol=1e-5)


def test_never_more_windows_at_once_than_the_batch(predictor, film):
    sizes, told = [], []

    def watch(windows):
        sizes.append(len(windows))
        return predictor(windows)

    slide(watch, film, WINDOW, batch=50, progress=told.append)
    assert max(sizes) == 50 and sum(sizes) == film.size and told == sizes


def test_batch_must_be_positive(predictor, film):
    with pytest.raises(ValueError, match="at least 1 window"):
        slide(predictor, film, WINDOW, batch=0)


def test_window_larger_than_the_film_is_refused(predictor, film):
    with pytest.raises(ValueError, match="does not fit"):
        slide(predictor, film, 21)


# --- judging ---------------------------------------------------------------------------------------------------------


def two_regions(inside, outside, shape=(40, 40), margin=12):
    inner = inner_mask(shape, margin)
    return np.where(inner, inside, outside).astype(float), inner


@pytest.mark.parametrize(("inside", "outside", "positive"), [(1.9, 1.0, "inner"), (0.1, 1.0, "outer")])
def test_perfect_map_separates_perfectly(inside, outside, positive):
    true, inner = two_regions(inside, outside)
    found = metrics.separation(true, true, inner)
    assert found["auc"] == 1.0 and found["positive"] == positive
    wrong = metrics.separation(-true, true, inner)
    assert wrong["auc"] == 0.0


def test_area_is_the_chance_that_a_positive_cell_reads_higher():
    """Mann–Whitney: the definition of the area, counted pair by pair."""
    true, inner = two_regions(1.6, 1.0)
    read = (true + np.random.default_rng(1).normal(0, 0.6, true.shape)).round(1)
    inside, outside = read[inner], read[~inner]
    pairs = (inside[:, None] > outside).mean() + 0.5 * (inside[:, None] == outside).mean()
    found = metrics.separation(read, true, inner)
    assert found["auc"] == pytest.approx(pairs, abs=1e-12)
    curve = found["roc"]
    assert (curve["false_positive"][0], curve["true_positive"][0]) == (0, 0)
    assert (curve["false_positive"][-1], curve["true_positive"][-1]) == (1, 1)
    assert len(curve["false_positive"]) <= metrics.ROC_POINTS
    assert np.trapezoid(curve["true_positive"], curve["false_positive"]) == pytest.approx(pairs, abs=2e-3)


def test_no_area_is_invented():
    true, inner = two_regions(1.0, 1.0)
    read = np.random.default_rng(2).normal(size=true.shape)
    found = metrics.separation(read, true, inner)
    assert found["auc"] is None and found["roc"] is None and "same true value" in found["reason"]
    assert metrics.film_metrics(read, true, 1.0, true.shape, None, 8, 1)["auc"] is None


def test_true_values_of_single_precision_are_compared_as_what_was_put_in():
    """Summed in single precision 1.3 and 0.7 would be off by another amount each, and equal regions would differ."""
    shape, found = (192, 192), {}
    for inside in (0.7, 1.3):
        true, inner = two_regions(inside, 1.0, shape, 48)
        found[inside] = metrics.film_metrics(true, true.astype(np.float32), 1.25, shape, 48, 32, 1)
        assert found[inside]["true_inner"] == np.float64(np.float32(inside)) == found[inside]["regions"]["R1"]["true"]
    differences = [round(abs(one["true_inner"] - one["true_outer"]), 6) for one in found.values()]
    assert differences == [0.3, 0.3]
    equal = np.full(shape, 1.3, dtype=np.float32)
    assert metrics.separation(equal, equal, inner)["auc"] is None
    equal[inner] = np.nextafter(np.float32(1.3), np.float32(2))
    assert "same true value" in metrics.separation(equal, equal, inner)["reason"]


def test_errors_inside_and_outside():
    true, _ = two_regions(2.0, 1.0)
    found = metrics.film_metrics(true + np.where(true > 1.5, 0.3, -0.1), true, 1.25, true.shape, 12, 8, 1)
    assert found["mae_inner"] == pytest.approx(0.3) and found["mae_outer"] == pytest.approx(0.1)
    assert found["mae"] == pytest.approx((0.3 * 256 + 0.1 * 1344) / 1600)
    assert found["baseline_mae_inner"] == pytest.approx(0.75) and found["baseline_mae_outer"] == pytest.approx(0.25)
    assert (found["true_inner"], found["true_outer"]) == (2.0, 1.0)


def test_region_statistics():
    true, _ = two_regions(2.0, 1.0)
    read = np.arange(1600.0).reshape(40, 40)
    found = metrics.film_metrics(read, true, 1.0, true.shape, 12, 8, 1)["regions"]
    centre = read[16:24, 16:24]
    assert [found[name]["cells"] for name in ("R1", "R2", "R3", "R4")] == [64, 192, 24**2 - 256, 1600 - 24**2]
    assert found["R1"]["median"] == np.median(centre) and found["R1"]["q25"] == np.quantile(centre, 0.25)
    assert (found["R2"]["true"], found["R3"]["true"]) == (2.0, 1.0)


def test_empty_region_has_no_numbers():
    true, _ = two_regions(2.0, 1.0)
    found = metrics.film_metrics(true, true, 1.0, true.shape, 12, 16, 1)["regions"]["R2"]
    assert found["cells"] == 0 and found["median"] is None and found["mae"] is None


def test_training_median_is_the_best_constant():
    values = [0.1, 0.2, 0.4, 1.5, 2.0]
    median = training_median([{"D": value} for value in values], "D")
    assert median == 0.4
    errors = [np.abs(np.array(values) - constant).mean() for constant in np.linspace(0, 2, 201)]
    assert np.abs(np.array(values) - median).mean() == pytest.approx(min(errors))


def test_true_maps():
    params = {"J": 2.0, "D": 1.0, "D_in": 0.1, "ny": 30, "nx": 40, "inner_margin": 10}
    expected = np.where(inner_mask((30, 40), 10), 0.1, 1.0)
    assert (true_map("tdgl", "D", params) == expected).all()
    assert (true_map("tdgl", "J", params) == 2.0).all()


# --- progress --------------------------------------------------------------------------------------------------------


def test_progress_in_a_log_is_plain_lines():
    stream = io.StringIO()
    with progress(100, "film 1/2", "windows", stream) as tick:
        for _ in range(10):
            tick(10)
    text = stream.getvalue()
    assert text.startswith("film 1/2: 100/100 windows, ") and text.count("\n") == 1 and "\r" not in text


def test_progress_in_a_terminal_is_a_bar():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    with progress(100, "film 1/2", "windows", stream) as tick:
        tick(100)
    assert "100%" in stream.getvalue()


# --- the job ---------------------------------------------------------------------------------------------------------


def test_map_file_is_self_describing():
    study, results = synthetic.finished()
    job = study.maps["mod-n2-r01"]
    with xr.open_dataset(paths.maps(results, study.name, job.id) / "maps.h5", engine="h5netcdf") as data:
        assert dict(data.sizes) == {"film": 2, "y": 64, "x": 64}
        assert {"J_map", "J_true", "D_map", "D_true", "pattern"} == set(data.data_vars)
        assert all({"units", "long_name"} <= set(data[name].attrs) for name in data.variables)
        assert tuple(data["point"].values.astype(str)) == job.points
        assert data["D_in"].values.tolist() == [0.1, 1.9]
        assert data["D_map"].dtype == np.float32
        assert data.attrs["config_digest"] == job.digest and data.attrs["window"] == 16
        for row, point in enumerate(study.groups["nonuniform"].points):
            np.testing.assert_allclose(data["D_true"].values[row], true_map("tdgl", "D", point.params))


def test_map_is_the_networks_answer_for_each_window():
    study, results = synthetic.finished()
    estimator = predict.load(paths.training(results, study.name, "mod-n2-r01") / "best.pt")
    with xr.open_dataset(paths.maps(results, study.name, "mod-n2-r01") / "maps.h5", engine="h5netcdf") as data:
        pattern = data["pattern"].values[1]
        cells = [(0, 0), (63, 1), (31, 40), (5, 63)]
        alone = predict.predict(estimator, np.stack([window_at(pattern, i, j, 16) for i, j in cells]))
        for (i, j), expected in zip(cells, alone, strict=True):
            found = [data[f"{target}_map"].values[1, i, j] for target in estimator.targets]
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_metrics_file():
    study, results = synthetic.finished()
    folder = paths.maps(results, study.name, "mod-n2-r02")
    content = json.loads((folder / "metrics.json").read_text())
    assert content["baseline"] == {"J": 1.2, "D": 1.0}
    assert content["timing"]["windows"] == 2 * 64 * 64 and content["timing"]["seconds"] > 0
    with xr.open_dataset(folder / "maps.h5", engine="h5netcdf") as data:
        for row, film in enumerate(content["films"]):
            found = film["targets"]["D"]
            error = np.abs(data["D_map"].values[row].astype(float) - data["D_true"].values[row]).mean()
            assert found["mae"] == pytest.approx(error, abs=1e-6)
            assert found["positive"] == ("outer" if film["condition"]["D_in"] < 1 else "inner")
            assert film["targets"]["J"]["auc"] is None


def test_same_maps_are_the_same_bytes(tmp_path):
    study, results = synthetic.copy(tmp_path)
    path = paths.maps(results, study.name, "mod-n2-r01") / "maps.h5"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    path.unlink()
    maps.run(study, "mod-n2-r01", results)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


def test_coarse_map_and_film_without_inner_region(tmp_path):
    synthetic.copy(tmp_path)
    changed = synthetic.CONTENT["maps"] | {"films": "uniform", "stride": 5, "batch": 64}
    study, results = synthetic.write_study(tmp_path, maps=changed), tmp_path / "results"
    maps.run(study, "mod-n2-r01", results)
    folder = paths.maps(results, study.name, "mod-n2-r01")
    with xr.open_dataset(folder / "maps.h5", engine="h5netcdf") as data:
        assert data["y"].values.tolist() == list(range(0, 48, 5))
        assert data["D_map"].dims == ("film", "y", "x") and data["D_map"].shape == (36, 10, 10)
        assert data["pattern"].dims == ("film", "y_cell", "x_cell") and data["pattern"].shape == (36, 48, 48)
    film = json.loads((folder / "metrics.json").read_text())["films"][0]["targets"]["D"]
    assert film["auc"] is None and film["regions"] is None and "no inner region" in film["reason"]


def test_network_of_another_study_is_refused(tmp_path):
    synthetic.copy(tmp_path)
    learn = synthetic.CONTENT["learn"] | {"recipe": synthetic.CONTENT["learn"]["recipe"] | {"max_epochs": 7}}
    study = synthetic.write_study(tmp_path, learn=learn)
    with pytest.raises(UserError, match="trained for another study"):
        maps.run(study, "mod-n2-r01", tmp_path / "results")


@pytest.mark.parametrize("what", ["dataset", "network"])
@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_missing_or_damaged_input_is_one_clear_line(tmp_path, what, how):
    study, results = synthetic.copy(tmp_path)
    path = paths.dataset(results, study.name, "nonuniform")
    if what == "network":
        path = paths.training(results, study.name, "mod-n2-r01") / "best.pt"
    output = paths.maps(results, study.name, "mod-n2-r01") / "maps.h5"
    output.unlink()
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError) as caught:
        maps.run(study, "mod-n2-r01", results)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert not output.exists()


def test_film_without_a_crossing_is_not_mapped(tmp_path):
    study, results = synthetic.copy(tmp_path)
    (paths.maps(results, study.name, "mod-n2-r01") / "maps.h5").unlink()
    dataset = paths.dataset(results, study.name, "nonuniform")
    with h5py.File(dataset, "r+") as file:
        file["status"][0] = "not crossed"
    with pytest.raises(UserError, match="did not reach the crossing"):
        maps.run(study, "mod-n2-r01", results)
