"""A small finished study for tests of maps, figures and report: every stage is real, only the films are made up.

They are labyrinths whose stripes widen with J and that have more flipped cells the larger D, inside and outside of the
inner region each by its own values, so that a network can learn from them within seconds.

For tests with many networks, `pretend` makes up what trainings and maps leave behind, too: results of networks that
read with a given flattening and scatter.
"""

from __future__ import annotations

import atexit
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
import yaml
from scipy import ndimage

from weiss import figures, gather, learn, maps, paths, report, simulate
from weiss.maps.metrics import film_metrics
from weiss.maps.truth import true_map
from weiss.study import Study, load_study

PUBLISHED = Path(__file__).resolve().parents[2] / "config" / "tables" / "mamada2023_published.csv"

CONTENT: dict[str, Any] = {
    "name": "small",
    "title": "Made-up films, one small network",
    "films": {
        "uniform": {
            "model": "tdgl",
            "grid": [48, 48],
            "space": {"grid": {"J": [0.4, 1.2, 2.0], "D": [0.1, 1.0, 1.9]}},
            "seeds": [1, 2, 3, 4],
            "tdgl": {"loop_samples": 120},
        },
        "nonuniform": {
            "model": "tdgl",
            "grid": [64, 64],
            "inner": {"margin": 20},
            "space": {"list": [{"J": 2.0, "D": 1.0, "D_in": 0.1}, {"J": 2.0, "D": 1.0, "D_in": 1.9}]},
            "seeds": [1],
            "shard": {"by": ["D_in"], "seeds": 1},
            "tdgl": {"loop_samples": 120},
        },
    },
    "learn": {
        "data": "uniform",
        "targets": ["J", "D"],
        "window": 16,
        "seeds": {"train": [3, 4], "validate": [2], "test": [1]},
        "n_data": [1, 2],
        "repeats": 2,
        "networks": {"mod": {}},
        "recipe": {"learning_rate": 0.02, "batch": 8, "max_epochs": 6, "patience": 6, "crops_per_film": 4},
    },
    "maps": {
        "films": "nonuniform",
        "trainings": {"networks": ["mod"], "n_data": [2], "repeats": [1, 2]},
        "batch": 1000,
    },
}


def labyrinth(j: float, seed: int, shape: tuple[int, int]) -> np.ndarray:
    """Make a random field with one length, longer for a larger `j`: (ny, nx)."""
    k = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None, :])
    shell = np.exp(-((k * (4 + 6 * j) - 1) ** 2) / (2 * 0.15**2))
    noise = np.random.default_rng([seed, 1]).standard_normal(shape)
    field = np.fft.ifft2(np.fft.fft2(noise) * shell).real
    return field / np.abs(field).max()


def made_up_film(params: dict[str, Any], seed: int) -> SimpleNamespace:
    """Stand in for a solved film."""
    shape = (int(params["ny"]), int(params["nx"]))
    field = labyrinth(float(params["J"]), seed, shape)
    flipped = np.random.default_rng([seed, 2]).random(shape) < 0.12 * true_map("tdgl", "D", params)
    m = np.where(flipped, -field, field)
    t = np.linspace(0, 5, int(params["loop_samples"]))
    h = 0.3 * np.interp(t, [0, 1, 3, 5], [0, 1, -1, 1])
    lag = 0.05 + 0.05 * float(params["D"])
    rising = np.interp(t, [0, 1, 3, 5], [1, -1, -1, 1])
    loop = np.tanh((h + np.where(t < 1, 0, np.where(rising > -1, -lag, lag))) * 20) * np.minimum(t, 1)
    end = t > 3 + (0.3 + lag) / 0.3
    return SimpleNamespace(
        m=m.astype(np.float32),
        loop_h=np.where(end, np.nan, h),
        loop_m=np.where(end, np.nan, loop),
        t_crossing=4e5,
        h_crossing=lag,
        evaluations=120_000 + seed,
        steps=4000,
        rejected=7,
        avalanches=3,
        seconds=1.5,
        status="crossed",
    )


def made_up_solver(
    films: Sequence[tuple[dict, int]], device: str, threads: int
) -> Iterator[tuple[int, SimpleNamespace]]:
    """Stand in for a solver."""
    for index, (params, seed) in enumerate(films):
        yield index, made_up_film(params, seed)


def write_study(folder: Path, **changes: Any) -> Study:
    """Write the study file, top-level keys replaced by `changes` (None leaves one out), and load it."""
    content = {key: value for key, value in (CONTENT | changes).items() if value is not None}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return load_study(path)


def make_films(study: Study, results: Path) -> None:
    """Make the points, manifests and datasets of a study."""
    for shard in study.shards:
        simulate.run(study, shard, results, solver=made_up_solver)
    for group in study.groups:
        gather.run(study, group, results)


COMPARED: dict[str, Any] = CONTENT["learn"] | {
    "seeds": {"train": {"range": [3, 12]}, "validate": [2], "test": [1]},
    "n_data": [1, 4],
    "repeats": 10,
    "pretraining": {"contours": {"kind": "contours"}},
    "networks": {
        "mod": {},
        "reg": {},
        "reg_pret": {"network": "reg", "weights": "pretrained"},
        "reg_fdsl": {"network": "reg", "pretraining": "contours"},
    },
}
"""Networks compared as in Mamada et al., to `pretend`."""

PARAMETERS = {"mod": 16000, "reg": 54_000_000, "mob": 4_200_000, "eff": 10_700_000, "mna": 3_100_000, "res": 23_000_000}

FLATTENING = {"mod": 0.4, "reg": 0.7, "reg_pret": 0.85, "reg_fdsl": 0.78}
SCATTER = {"mod": 0.24, "reg": 0.2, "reg_pret": 0.14, "reg_fdsl": 0.17}


@dataclass(frozen=True)
class Reading:
    """How well a made-up network reads: it predicts ``middle + slope (true - middle)`` and scatters about that.

    Every further target is read a little worse.
    """

    slope: float
    scatter: float


def usual(training: Any) -> Reading:
    """Networks that read as those of the paper do: better from pretrained weights and, if large, with more data."""
    kind = training.network if training.network in SCATTER else "reg_pret" if "_" in training.network else "reg"
    more = 0.85 if training.n_data > 1 and training.network != "mod" else 1.0
    return Reading(FLATTENING[kind], SCATTER[kind] * more)


def pretend(study: Study, results: Path, reading: Callable[[Any], Reading] = usual) -> None:
    """Write results of every training and map of a study whose films exist, without training anything."""
    for training in study.trainings.values():
        pretend_training(study, results, training, reading(training))
    for job in study.maps.values():
        pretend_map(study, results, job, reading(job.training))


def pretend_training(study: Study, results: Path, training: Any, reading: Reading) -> None:
    """Write result.json, epochs.csv and predictions.csv of one training."""
    rng = np.random.default_rng(training.seed)
    tests = [study.points[point] for point in training.points["test"] for _ in range(4)]
    table = pd.DataFrame({"point": [point.id for point in tests], "rotation": [0, 90, 180, 270] * (len(tests) // 4)})
    result: dict[str, Any] = {}
    for number, target in enumerate(training.targets):
        true = np.array([point.condition[target] for point in tests])
        middle = np.median([study.points[point].condition[target] for point in training.points["train"]])
        shared = np.repeat(rng.normal(0, reading.scatter * (1 + 0.4 * number), len(tests) // 4), 4)
        table[target] = true
        slope = reading.slope * (1 - 0.1 * number)
        table[f"{target}_pred"] = middle + slope * (true - middle) + shared + rng.normal(0, 0.02, true.size)
        result[f"test_mae_{target}"] = float(np.abs(table[f"{target}_pred"] - true).mean())
        result[f"baseline_mae_{target}"] = float(np.abs(middle - true).mean())
    mean = np.mean([result[f"test_mae_{target}"] for target in training.targets])
    result |= {
        "validate_mae": float(mean) + rng.normal(0, 0.005),
        "digest": training.digest,
        "network": training.network,
        "architecture": training.architecture,
        "parameters": PARAMETERS[training.architecture],
        "train_films": len(training.points["train"]),
        "epochs": 9,
        "best_epoch": 6,
        "stop_reason": "patience",
        "timing": {"seconds": 60.0, "device": "cpu"},
        "versions": {"torch": "0"},
    }
    folder = paths.training(results, study.name, training.id)
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "predictions.csv", index=False)
    curve = mean * (1 + np.exp(-np.arange(9) / 2) + 0.04 * np.abs(np.arange(9) - 5))
    epochs = pd.DataFrame({"epoch": np.arange(1, 10), "train_mae": 0.9 * curve, "validate_mae": curve})
    epochs.to_csv(folder / "epochs.csv", index=False)
    (folder / "result.json").write_text(json.dumps(result))


def pretend_map(study: Study, results: Path, job: Any, reading: Reading) -> None:
    """Write metrics.json and maps.h5 of one map: the truth blurred by the window, flattened, and scattered."""
    group = study.groups[job.films]
    ny, nx = group.grid
    films, layers = [], {}
    median = {
        target: float(np.median([study.points[point].condition[target] for point in job.training.points["train"]]))
        for target in job.training.targets
    }
    with xr.open_dataset(paths.dataset(results, study.name, job.films), engine="h5netcdf") as data:
        patterns = data["pattern"].values
    for number, point in enumerate(group.points):
        targets = {}
        for target in job.training.targets:
            rng = np.random.default_rng([job.training.seed, number, len(target)])
            true = true_map(point.model, target, point.params)
            noise = ndimage.gaussian_filter(rng.normal(0, 1, true.shape), job.training.window / 4, mode="wrap")
            blurred = ndimage.uniform_filter(true, job.training.window, mode="wrap")
            read = (
                median[target]
                + reading.slope * (blurred - median[target])
                + 0.6 * reading.scatter * noise / noise.std()
            )
            layers.setdefault(f"{target}_map", []).append(read[:: job.stride, :: job.stride])
            layers.setdefault(f"{target}_true", []).append(true[:: job.stride, :: job.stride])
            targets[target] = film_metrics(
                layers[f"{target}_map"][-1],
                layers[f"{target}_true"][-1],
                median[target],
                group.grid,
                group.inner_margin,
                job.training.window,
                job.stride,
            )
        films.append(
            {"point": point.id, "condition": point.condition, "seed": point.seed}
            | {"inner_margin": group.inner_margin, "targets": targets}
        )
    metrics = {
        "map": job.id,
        "network": job.training.network,
        "n_data": job.training.n_data,
        "repeat": job.training.repeat,
        "window": job.training.window,
        "targets": list(job.training.targets),
        "films": films,
        "digest": job.digest,
        "timing": {"seconds": 30.0, "windows": ny * nx, "windows_per_second": 1e4, "device": "cpu"},
    }
    folder = paths.maps(results, study.name, job.id)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    fine = ("y", "x") if job.stride == 1 else ("y_cell", "x_cell")
    variables = {name: (("film", "y", "x"), np.stack(layer)) for name, layer in layers.items()}
    xr.Dataset(
        variables | {"pattern": (("film", *fine), patterns)},
        coords={"y": np.arange(0, ny, job.stride), "x": np.arange(0, nx, job.stride)},
    ).to_netcdf(folder / "maps.h5", engine="h5netcdf")


def write_published(folder: Path, text: str = "") -> str:
    """Put the table of the paper beside the study file, or another; the value for ``report.published``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "published.csv").write_text(text or PUBLISHED.read_text(encoding="utf-8"), encoding="utf-8")
    return "published.csv"


def compared(folder: Path, reading: Callable[[Any], Reading] = usual, **changes: Any) -> tuple[Study, Path]:
    """A study of several networks with made-up results, set beside the paper's numbers; figures are not drawn."""
    changes = {"learn": COMPARED, "report": {"published": write_published(folder)}} | changes
    maps_of = {
        "films": "nonuniform",
        "trainings": {"networks": ["mod", "reg_pret"], "n_data": [4], "repeats": [1, 2, 3]},
    }
    study = write_study(folder, **({"films": compared_films(), "maps": maps_of} | changes))
    make_films(study, folder / "results")
    pretend(study, folder / "results", reading)
    return study, folder / "results"


def compared_films() -> dict[str, Any]:
    """Films as in the paper, but few and small."""
    films = {name: dict(section) for name, section in CONTENT["films"].items()}
    films["uniform"]["seeds"] = {"range": [1, 12]}
    films["nonuniform"]["space"] = {"grid": {"J": 2.0, "D": 1.0, "D_in": {"range": [0.1, 1.9, 0.3]}}}
    return films


@cache
def finished() -> tuple[Study, Path]:
    """The finished study, made once per process; tests only read it, or work on a `copy` of it."""
    folder = Path(tempfile.mkdtemp(prefix="weiss-synthetic-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    study = write_study(folder)
    finish(study, folder / "results")
    return study, folder / "results"


def copy(folder: Path) -> tuple[Study, Path]:
    """The finished study, copied so that a test can change it."""
    study, results = finished()
    shutil.copytree(results, folder / "results")
    shutil.copy(study.path, folder)
    return load_study(folder / study.path.name), folder / "results"


def finish(study: Study, results: Path) -> None:
    """Run every stage of a study."""
    make_films(study, results)
    for training in study.trainings:
        learn.run(study, training, results)
    for key in study.maps:
        maps.run(study, key, results)
    for name in study.figures:
        figures.run(study, name, results)
    report.run(study, results)


if __name__ == "__main__":
    finish(write_study(Path(sys.argv[1])), Path(sys.argv[1]) / "results")
