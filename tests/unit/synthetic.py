"""A small finished study for tests of maps, figures and report: every stage is real, only the films are made up.

They are labyrinths whose stripes widen with J and that have more flipped cells the larger D, inside and outside of the
inner region each by its own values, so that a network can learn from them within seconds.
"""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import yaml

from weiss import figures, gather, learn, maps, report, simulate
from weiss.maps.truth import true_map
from weiss.study import Study, load_study

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
