"""Figures of networks on curves: what they show of which trainings, and what they say of files that are not sound.

The chains are simulated, short ones; what the trainings leave behind is made up.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure

from weiss import gather, paths, simulate
from weiss.curve_trainings import CurveTraining
from weiss.errors import UserError
from weiss.figures import curve_tasks, draw, names, read, registry, style
from weiss.learn.curves import baselines
from weiss.learn.curves.intervals import coverage_table
from weiss.published import read_published
from weiss.study import Study, load_study

TABLES = Path(__file__).resolve().parents[2] / "config" / "tables"
ON_CURVES = tuple(row.name for row in names.FIGURES.values() if row.needs == "curves")
SMALL = {"cells": 64, "harmonics": 100, "error_harmonics": 20, "duration_s": 5e-13, "coarsest_kT": 5.0}
PAIRS = [{"sigma": 1.51e-8, "tau": 1.24e-8}, {"sigma": 2.29e-8, "tau": 3e-9}]
RANDOM = {"random": {"n": 80, "seed": 1, "sigma": [2e-8, 1e-7], "tau": [5e-10, 5e-9]}}
SPLIT = {"validate": 0.1, "calibrate": 0.4, "test": 0.3}
BOTH = ["sigma", "tau"]
CURVES: dict[str, Any] = {
    "defects": {"data": "dispersions", "network": "curve_cnn", "targets": BOTH, "n_data": [4, 9]},
    "walls": {"data": "walls", "network": "two_branch", "targets": BOTH, "resimulate": "width_m"},
    "bands": {"data": "dispersions", "network": "tfc", "also": ["spectra"]},
    "echo": {"data": "dispersions", "network": "tfc_echo", "also": ["pairs"]},
}
REASONS = ("patience", "overfitting")


def load(folder: Path, curves: dict[str, Any], repeats: int = 2, published: bool = True) -> Study:
    films = {
        name: {"model": "spsll", "space": space, "spsll": SMALL | {"what": what}, "shard": {"conditions": 80}}
        for name, space, what in (
            ("walls", RANDOM, "wall"),
            ("dispersions", RANDOM, "dispersion"),
            ("pairs", {"list": PAIRS}, "dispersion"),
            ("spectra", {"list": PAIRS}, "spectrum"),
        )
    }
    tasks = {name: {"split": SPLIT, "repeats": repeats} | task for name, task in curves.items()}
    content = {"name": "small-curves", "films": films, "curves": tasks}
    if published:
        shutil.copy(TABLES / "eagan2025_published.csv", folder / "published.csv")
        content["report"] = {"published": "published.csv"}
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return load_study(path)


def rows_of(study: Study, results: Path, group: str, points: tuple[str, ...]) -> Any:
    data = read.read_dataset(paths.dataset(results, study.name, group))
    place = {point: row for row, point in enumerate(data["point"].values.astype(str))}
    return data.isel(film=[place[point] for point in points])


def parameters(study: Study, results: Path, job: CurveTraining) -> tuple[pd.DataFrame, dict[str, float]]:
    """Made-up predictions of a network that answers parameters: σ 10 nm too high in the first repeat, 4 in others."""
    rng, parts = np.random.default_rng(job.seed), []
    for role in ("calibrate", "test"):
        data = rows_of(study, results, job.data, job.points[role])
        table = pd.DataFrame({"point": data["point"].values.astype(str), "role": role})
        for name, off in (("sigma", 1e-8 if job.repeat == 1 else 4e-9), ("tau", 1e-9)):
            table[name] = data[name].values
            table[f"{name}_pred"] = data[name].values + off + 1e-10 * rng.standard_normal(len(table))
        if job.resimulate:
            again = data["width_m"].values + 1e-10 * job.repeat + 2e-11 * rng.standard_normal(len(table))
            again[0] = np.nan
            table["width_m"] = data["width_m"].values
            poor = data["width_m"].values - 3e-10
            poor[:3] = np.nan
            for column, values in (("width_m_pred", again), ("width_m_linear", poor)):
                table[column] = np.nan if role == "calibrate" else values
        parts.append(table)
    numbers = {f"{kind}_mae_{name}": 7e-9 for kind in ("test", "median", "linear") for name in BOTH}
    numbers |= {f"neighbours_mae_{name}": 1.234e-9 for name in BOTH}
    numbers |= {"mean_width_m_error_mean": 1e-11, "mean_width_m_error_std": 3e-10} if job.resimulate else {}
    return pd.concat(parts), numbers


def bands(study: Study, results: Path, job: CurveTraining) -> tuple[pd.DataFrame, dict[str, float]]:
    """Made-up predictions of a network that answers bands: the best fit, with X 0.1 THz too high in the 2nd repeat."""
    parts = []
    for role, group in (("calibrate", job.data), ("test", job.data), *((name, name) for name in job.also)):
        data = rows_of(study, results, group, job.points[role])
        ridge, band = data["ridge_THz"].values, curve_tasks.band(study, group, data["k"].values)
        found, error = baselines.bounded_form(ridge, band)
        table = pd.DataFrame({"point": data["point"].values.astype(str), "role": role})
        table = table.assign(sigma=data["sigma"].values, tau=data["tau"].values)
        table[list(curve_tasks.COEFFICIENTS)] = found + np.eye(6)[0] * 0.1 * (job.repeat - 1)
        ideal = baselines.form(np.eye(6)[:1] * band.X, band)
        table = table.assign(mae=error, ideal_mae=np.abs(ideal - ridge).mean(1), linear_mae=0.4, neighbours_mae=0.2)
        parts.append(table.assign(form_mae=error))
    return pd.concat(parts), {}


def leave(study: Study, results: Path) -> None:
    """Write what finished trainings leave behind."""
    for job in study.curve_trainings.values():
        folder = paths.training(results, study.name, job.id)
        folder.mkdir(parents=True, exist_ok=True)
        epoch = np.arange(1, 31)
        losses = {"train_loss": 4 / epoch, "validate_loss": 5 / epoch + 0.01 * np.abs(epoch - 20)}
        pd.DataFrame({"epoch": epoch, "step": 3 * epoch, "learning_rate": 1e-3} | losses).to_csv(
            folder / "epochs.csv", index=False
        )
        table, numbers = (bands if job.answers else parameters)(study, results, job)
        table.to_csv(folder / "predictions.csv", index=False)
        about = {"best_epoch": 20 + job.repeat, "stop_reason": REASONS[job.repeat % 2]}
        (folder / "result.json").write_text(json.dumps(about | numbers))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    folder = tmp_path_factory.mktemp("curves")
    study, results = load(folder, CURVES), folder / "results"
    for shard in study.shards:
        simulate.run(study, shard, results)
    for name in study.groups:
        gather.run(study, name, results)
    leave(study, results)
    return study, results


@pytest.fixture
def copy(finished: tuple[Study, Path], tmp_path: Path) -> tuple[Study, Path]:
    study, results = finished
    shutil.copytree(results / study.name, tmp_path / study.name)
    return study, tmp_path


def build(name: str, study: Study, results: Path) -> tuple[Figure, pd.DataFrame]:
    with style.style():
        return registry.module(name).build(study, results)


def words(figure: Figure) -> str:
    """All that is written in a figure, panel by panel."""
    texts = [text.get_text() for axis in figure.axes for text in axis.texts]
    legends = [axis.get_legend() for axis in figure.axes if axis.get_legend()] + figure.legends
    texts += [text.get_text() for legend in legends for text in (*legend.get_texts(), legend.get_title())]
    return "\n".join([*texts, *(axis.get_title() for axis in figure.axes)])


# --- which figures, and of what ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tasks", "offered"),
    [
        (("defects",), ("curve_learning", "defects_read", "coverage")),
        (("walls",), ("curve_learning", "defects_read", "widths_read", "coverage")),
        (("bands",), ("curve_learning", "bands_learned", "band_errors")),
        ((), ()),
    ],
)
def test_figures_are_offered_by_what_networks_answer(tmp_path: Path, tasks: tuple, offered: tuple) -> None:
    study = load(tmp_path, {name: CURVES[name] for name in tasks})
    assert tuple(name for name in study.figures if name in ON_CURVES) == offered


def test_without_chains_predicted_besides_there_are_no_bands_to_show(tmp_path: Path) -> None:
    study = load(tmp_path, {"bands": CURVES["bands"] | {"also": []}})
    assert "bands_learned" not in study.figures and "band_errors" in study.figures


@pytest.mark.parametrize("name", ON_CURVES)
def test_every_figure_is_drawn_and_repeats_to_the_byte(finished: tuple[Study, Path], name: str) -> None:
    study, results = finished
    row = names.FIGURES[name]
    assert row.category == "Networks on curves" and row.caption.endswith(".")
    assert all(path.is_file() for path in names.sources(name))
    draw.run(study, name, results)
    figure, table = build(name, study, results)
    assert paths.figure(results, study.name, name).read_bytes() == style.png(figure)
    assert len(table) and "task" in table
    for axis in (axis for axis in figure.axes if axis.get_visible()):
        assert axis.get_title() and (axis.get_xlabel() or name == "bands_learned")


@pytest.mark.parametrize("name", ON_CURVES)
def test_a_figure_reads_no_more_than_its_inputs(copy: tuple[Study, Path], tmp_path: Path, name: str) -> None:
    study, results = copy
    wanted = set(names.inputs(study, name, results))
    assert wanted
    for path in (results / study.name).rglob("*"):
        if path.is_file() and path not in wanted:
            path.unlink()
    build(name, study, results)


def test_the_largest_number_of_chains_is_shown(finished: tuple[Study, Path]) -> None:
    study, results = finished
    assert {job.n_data for job in study.curve_trainings.values() if job.task == "defects"} == {4, 9}
    shown = names.curve_trainings(study, "defects_read").values()
    assert {job.n_data for job in shown if job.task == "defects"} == {9}
    assert {job.task for job in shown} == {"defects", "walls"}
    assert not any("defects-n4" in str(path) for path in names.inputs(study, "curve_learning", results))


def test_a_figure_is_redrawn_for_its_own_trainings_and_printed_numbers(finished: tuple[Study, Path]) -> None:
    study, _ = finished

    def changed(other: Study) -> set[str]:
        return {name for name in ON_CURVES if study.figure_digest(name) != other.figure_digest(name)}

    def with_other(training: str) -> Study:
        job = dataclasses.replace(study.curve_trainings[training], digest="another")
        return dataclasses.replace(study, curve_trainings=study.curve_trainings | {training: job})

    assert changed(with_other("defects-n9-r01")) == {"curve_learning", "defects_read", "coverage"}
    assert changed(with_other("defects-n4-r01")) == set()
    bands = next(key for key in study.curve_trainings if key.startswith("bands"))
    assert changed(with_other(bands)) == {"curve_learning", "bands_learned", "band_errors"}
    assert changed(dataclasses.replace(study, published=None)) == {"bands_learned", "band_errors", "widths_read"}


# --- what they show ---------------------------------------------------------------------------------------------------


def test_learning_marks_what_was_kept_and_says_why_it_ended(finished: tuple[Study, Path]) -> None:
    figure, table = build("curve_learning", *finished)
    assert table.groupby("training")["kept"].sum().eq(1).all()
    kept = table[table["kept"]]
    assert (kept["epoch"] == 20 + kept["repeat"]).all() and (kept["train_loss"] == 4 / kept["epoch"]).all()
    assert len(figure.axes) >= 4 and all(axis.get_yscale() == "log" for axis in figure.axes if axis.get_visible())
    assert "overfitting: 1 of 2" in words(figure) and "no improvement: 1 of 2" in words(figure)
    labels = [axis.get_ylabel() for axis in figure.axes if axis.get_visible()]
    assert labels == ["mean squared error (scaled)"] * 2 + ["mean squared error (THz²)"] * 2


def test_parameters_are_the_mean_over_repeats_beside_what_needs_no_network(finished: tuple[Study, Path]) -> None:
    figure, table = build("defects_read", *finished)
    assert set(table["task"]) == {"defects", "walls"} and len(figure.axes) == 4
    for target, off in (("sigma", 7e-9), ("tau", 1e-9)):
        rows = table[table["target"] == target]
        assert np.allclose(rows["predicted"] - rows["true"], off, atol=4e-10)
        assert (rows["lowest"] <= rows["predicted"]).all() and (rows["predicted"] <= rows["highest"]).all()
    spread = table[table["target"] == "sigma"].eval("highest - lowest")
    assert np.allclose(spread, 6e-9, atol=6e-10)
    found = figure.axes[0].texts[0].get_text().splitlines()
    assert found[0] == "error (MAE, nm)" and "network: 7" in found and "nearest neighbours: 1.23" in found
    assert any(line.startswith(("mean of 2: 7", "mean of 2: 6.9")) for line in found)
    assert "(nm)" in figure.axes[1].get_xlabel() and r"\tau" in figure.axes[1].get_ylabel()


def test_a_band_is_that_of_its_coefficients(finished: tuple[Study, Path]) -> None:
    study, results = finished
    figure, table = build("bands_learned", study, results)
    assert {*zip(table["task"], table["group"], strict=True)} == {("bands", "spectra"), ("echo", "pairs")}
    job = next(job for job in study.curve_trainings.values() if job.task == "bands" and job.repeat == 2)
    made = pd.read_csv(paths.training(results, study.name, job.id) / "predictions.csv")
    chain = made[(made["role"] == "spectra") & (made["sigma"] == 2.29e-8)].iloc[0]
    rows = table[(table["task"] == "bands") & (table["sigma"] == 2.29e-8)]
    k, a = rows["k"].to_numpy(), 0.339e-9
    gap, zone = rows["ideal"].min(), np.abs(k) * a / np.pi
    by_hand = gap + chain["X"] * (1 - np.cos(k * a)) + sum(chain[f"c{n}"] * zone ** (n + 1) for n in range(1, 6))
    np.testing.assert_allclose(rows["highest"], by_hand, atol=1e-9)
    np.testing.assert_allclose(rows["highest"] - rows["lowest"], 0.1 * (1 - np.cos(k * a)), atol=1e-9)
    np.testing.assert_allclose(rows["predicted"], (rows["highest"] + rows["lowest"]) / 2)
    assert set(rows["X_printed"]) == {3.65} and np.allclose(rows["X"], chain["X"] - 0.05)
    assert f"X predicted {chain['X'] - 0.05:.2f}" in words(figure) and "printed 3.65" in words(figure)


def test_without_a_spectrum_the_ridge_is_a_line(finished: tuple[Study, Path]) -> None:
    figure, table = build("bands_learned", *finished)
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [bool(axis.collections[:-1]) for axis in shown] == [True, True, False, False]
    ridge = table[(table["task"] == "echo") & (table["sigma"] == 1.51e-8)]["ridge"]
    np.testing.assert_array_equal(shown[2].lines[0].get_ydata(), ridge)


def test_a_chain_left_out_is_shown_without_a_prediction(copy: tuple[Study, Path]) -> None:
    study, results = copy
    for job in names.curve_trainings(study, "bands_learned").values():
        path = paths.training(results, study.name, job.id) / "predictions.csv"
        made = pd.read_csv(path)
        made[(made["role"] != "spectra") | (made["sigma"] != 2.29e-8)].to_csv(path, index=False)
    figure, table = build("bands_learned", study, results)
    lost = table[(table["group"] == "spectra") & (table["sigma"] == 2.29e-8)]
    assert lost["predicted"].isna().all() and lost["ridge"].notna().all() and "nothing predicted" in words(figure)


def test_errors_over_k_are_those_of_the_chains(finished: tuple[Study, Path]) -> None:
    study, results = finished
    figure, table = build("band_errors", study, results)
    over, chains = (table[(table["panel"] == panel) & (table["task"] == "bands")] for panel in ("over k", "chains"))
    assert len(over) == 33 * 4 and over["k"].min() == 0, "64 places of k are 33 of |k|"
    weights = np.where((over["k"] > 0) & (over["k"] < over["k"].max()), 2, 1)
    for method in ("ideal band", "best fit of the form"):
        mine = (over["method"] == method).to_numpy()
        mean = np.average(over["mae"][mine], weights=weights[mine])
        assert mean == pytest.approx(chains.loc[chains["method"] == method, "mae"].mean())
    network = over[over["method"] == "network"]
    best = over.loc[over["method"] == "best fit of the form", "mae"].to_numpy()
    np.testing.assert_allclose(network.loc[network["repeat"] == 1, "mae"], best, atol=1e-9)
    assert network.loc[network["repeat"] == 2, "mae"].sum() > best.sum()
    assert set(chains["method"]) == set(curve_tasks.BANDS.values())
    assert "printed: 0.29 to 0.36 THz" in words(figure)


def test_what_is_printed_over_k_is_not_drawn_chain_by_chain(finished: tuple[Study, Path]) -> None:
    figure, _ = build("band_errors", *finished)
    labels = [[patch.get_label() for patch in axis.patches] for axis in figure.axes]
    assert all("printed: 0.29 to 0.36 THz" in found for found in labels[::2])
    assert not any("printed" in label for found in labels[1::2] for label in found)


def test_a_network_that_is_shown_the_curve_is_marked(finished: tuple[Study, Path]) -> None:
    figure, _ = build("band_errors", *finished)
    marked = {axis.get_title().split("\n")[0] for axis in figure.axes if "is shown the curve" in axis.get_title()}
    assert marked == {"echo"}


def test_widths_stand_beside_the_printed_and_the_mean_width(finished: tuple[Study, Path]) -> None:
    study, results = finished
    figure, table = build("widths_read", study, results)
    assert set(table["task"]) == {"walls"} and (table["T"] < table[["sigma", "tau"]].min(axis=1)).all()
    both = table.dropna(subset=["predicted", "linear"])
    error = (both["predicted"] - both["width"]) * 1e9
    text = words(figure)
    assert f"network: {error.mean():.2g} ± {error.std(ddof=0):.3g}; no wall: 2" in text
    assert "linear regression: −0.3 ± " in text and "; no wall: 6" in text
    assert "always the mean width: 0.01 ± 0.3" in text and "printed: 0.077 ± 0.835" in text
    assert f"where both gave a wall: {len(table) - 6} of {len(table)}" in text and len(both) == len(table) - 6
    assert table["predicted"].isna().sum() == 2 and table["linear"].isna().sum() == 6
    bars = sum(bar.get_height() for bar in figure.axes[1].patches if hasattr(bar, "get_height"))
    assert bars == len(both), "no error is lost beyond the axis"


def test_predictions_that_never_give_a_wall(copy: tuple[Study, Path]) -> None:
    study, results = copy
    for job in names.curve_trainings(study, "widths_read").values():
        folder = paths.training(results, study.name, job.id)
        made = pd.read_csv(folder / "predictions.csv").assign(width_m_pred=np.nan)
        made.to_csv(folder / "predictions.csv", index=False)
        about = json.loads((folder / "result.json").read_text())
        about |= dict.fromkeys(("mean_width_m_error_mean", "mean_width_m_error_std"))
        (folder / "result.json").write_text(json.dumps(about))
    figure, table = build("widths_read", study, results)
    text = words(figure)
    assert f"network: –; no wall: {len(table)}" in text and f"where both gave a wall: 0 of {len(table)}" in text
    assert "always" not in text


def test_without_printed_numbers_none_are_shown(finished: tuple[Study, Path]) -> None:
    study, results = finished
    other = dataclasses.replace(study, published=None)
    for name in ("bands_learned", "band_errors", "widths_read"):
        assert "printed" not in words(build(name, other, results)[0])


def test_coverage_is_that_of_the_table(finished: tuple[Study, Path]) -> None:
    study, results = finished
    figure, table = build("coverage", study, results)
    files = [paths.training(results, study.name, f"defects-n9-r{repeat:02d}") for repeat in (1, 2)]
    expected = coverage_table([pd.read_csv(folder / "predictions.csv") for folder in files], BOTH)
    mine = table[table["task"] == "defects"].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine[expected.columns.tolist()], expected)
    assert set(mine["n_data"]) == {9} and len(figure.axes) == 8
    assert set(mine["method"]) <= set(words(figure).splitlines())


def test_coverage_stands_before_where_a_valid_one_lies(finished: tuple[Study, Path]) -> None:
    figure, table = build("coverage", *finished)
    rows = table[(table["task"] == "defects") & (table["target"] == "sigma") & (table["method"] == "conformal")]
    bars = [bar for bar in figure.axes[0].patches if bar.get_zorder() < figure.axes[0].lines[0].get_zorder()]
    drawn = [[bar.get_y(), bar.get_y() + bar.get_height()] for bar in bars]
    np.testing.assert_allclose(drawn, rows[["expected_low", "expected_high"]])
    np.testing.assert_allclose([bar.get_x() + bar.get_width() / 2 for bar in bars], rows["level"])
    assert "range of a valid method" in words(figure) and not figure.axes[1].patches


def test_one_repeat_has_no_ensemble(finished: tuple[Study, Path], tmp_path: Path) -> None:
    study, results = load(tmp_path, {"walls": CURVES["walls"]}, repeats=1), tmp_path / "results"
    shutil.copytree(finished[1] / study.name / "dataset", results / study.name / "dataset")
    leave(study, results)
    assert "ensemble" not in words(build("coverage", study, results)[0])
    assert "mean of" not in words(build("defects_read", study, results)[0])


# --- printed numbers --------------------------------------------------------------------------------------------------


def test_numbers_of_the_paper() -> None:
    paper = read_published(TABLES / "eagan2025_published.csv")
    assert [paper.value("band_mae_THz", condition=end) for end in ("low", "high")] == [0.29, 0.36]
    assert [paper.value(f"wall_error_{part}_nm") for part in ("mean", "std", "peak")] == [0.077, 0.835, 0.065]
    assert paper.figure("bands_learned") == "Fig. 3" and paper.figure("widths_read") == "Fig. 5"
    assert paper.figure("curve_learning") == "Figs. 3 and 5"


# --- what does not work -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ON_CURVES)
def test_missing_input_is_named(copy: tuple[Study, Path], name: str) -> None:
    study, results = copy
    for path in names.inputs(study, name, results)[:2]:
        kept = path.read_bytes()
        path.unlink()
        with pytest.raises(UserError, match="missing") as caught:
            build(name, study, results)
        assert str(path) in str(caught.value)
        path.write_bytes(kept)


@pytest.mark.parametrize(
    ("name", "file", "lost"),
    [
        ("curve_learning", "epochs.csv", "validate_loss"),
        ("curve_learning", "result.json", "best_epoch"),
        ("defects_read", "predictions.csv", "sigma_pred"),
        ("defects_read", "result.json", "median_mae_sigma"),
        ("bands_learned", "predictions.csv", "c5"),
        ("band_errors", "predictions.csv", "form_mae"),
        ("widths_read", "predictions.csv", "width_m_linear"),
        ("widths_read", "result.json", "mean_width_m_error_std"),
        ("coverage", "predictions.csv", "tau_pred"),
    ],
)
def test_what_a_file_lacks_is_named(copy: tuple[Study, Path], name: str, file: str, lost: str) -> None:
    study, results = copy
    job = next(iter(names.curve_trainings(study, name).values()))
    path = paths.training(results, study.name, job.id) / file
    if file == "result.json":
        content = json.loads(path.read_text())
        del content[lost]
        path.write_text(json.dumps(content))
    else:
        pd.read_csv(path).drop(columns=lost).to_csv(path, index=False)
    with pytest.raises(UserError) as caught:
        build(name, study, results)
    assert lost in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["defects_read", "band_errors", "widths_read", "coverage"])
def test_repeats_must_have_the_same_test_chains(copy: tuple[Study, Path], name: str) -> None:
    study, results = copy
    job = next(job for job in names.curve_trainings(study, name).values() if job.repeat == 2)
    path = paths.training(results, study.name, job.id) / "predictions.csv"
    made = pd.read_csv(path)
    made[made["point"] != made.loc[made["role"] == "test", "point"].iloc[0]].to_csv(path, index=False)
    with pytest.raises(UserError, match=r"the test chains are not those of .*-r01") as caught:
        build(name, study, results)
    assert str(path) in str(caught.value)
    made[made["role"] != "test"].to_csv(path, index=False)
    with pytest.raises(UserError, match="no chain has the role test"):
        build(name, study, results)


def test_a_predicted_chain_that_is_not_in_the_dataset_is_named(copy: tuple[Study, Path]) -> None:
    study, results = copy
    for job in names.curve_trainings(study, "band_errors").values():
        path = paths.training(results, study.name, job.id) / "predictions.csv"
        made = pd.read_csv(path)
        made.loc[made["role"] == "test", "point"] = "nobody" + made["point"]
        made.to_csv(path, index=False)
    with pytest.raises(UserError, match=r"nobody.* is not in this dataset"):
        build("band_errors", study, results)
