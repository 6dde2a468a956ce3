"""Small studies with made-up films for the tests of `weiss.learn`: no simulation, but real labyrinths to learn from."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import xarray as xr
import yaml

from weiss import paths
from weiss.study import Study, load_study


def labyrinth(j: float, d: float, seed: int, size: int) -> np.ndarray:
    """Make stripes as wide as `j` says, with as many flipped pixels as `d` says: (size, size) int8 ±1."""
    draw = np.random.default_rng([seed, round(1000 * j), round(1000 * d)])
    k = np.fft.fftfreq(size)
    magnitude = np.hypot(k[:, None], k[None, :])
    wavelength = 4 + 6 * j
    shell = np.exp(-((magnitude * wavelength - 1) ** 2) / (2 * 0.15**2))
    field = np.fft.ifft2(np.fft.fft2(draw.standard_normal((size, size))) * shell).real
    flipped = draw.random((size, size)) < 0.1 * d
    return np.where((field >= 0) ^ flipped, 1, -1).astype(np.int8)


def make_study(
    folder: Path, size: int = 64, simulated: Sequence[int] = (1, 2, 3, 4), seed: int = 0, **learn: object
) -> Study:
    """Write a study of made-up films and its dataset below `folder`; keys of its `learn` section can be replaced."""
    settings = {
        "data": "films",
        "targets": ["J", "D"],
        "window": 32,
        "seeds": {"train": [3, 4], "validate": [2], "test": [1]},
        "n_data": [1],
        "repeats": 1,
        "networks": {"mod": {}},
        "recipe": {"max_epochs": 4, "patience": 4, "batch": 8},
    } | learn
    content = {
        "name": "madeup",
        "title": "Made-up labyrinths",
        "seed": seed,
        "films": {
            "films": {
                "model": "tdgl",
                "grid": [size, size],
                "space": {"grid": {"J": [0.4, 0.8, 1.2, 1.6, 2.0], "D": [0.2, 0.8, 1.4, 2.0]}},
                "seeds": list(simulated),
            }
        },
        "learn": settings,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content))
    study = load_study(path)
    write_dataset(study, folder / "results", size)
    return study


def write_dataset(study: Study, results: Path, size: int) -> Path:
    """Write the dataset of the study's group as the gather stage lays it out."""
    # Stored in an order of its own: a training must pick films by id.
    points = sorted(study.groups["films"].points, key=lambda point: point.id)
    condition = {name: np.array([point.condition[name] for point in points]) for name in ("J", "D")}
    patterns = np.stack([labyrinth(p.condition["J"], p.condition["D"], p.seed, size) for p in points])
    dataset = xr.Dataset(
        {
            "pattern": (("film", "y", "x"), patterns),
            "status": ("film", np.full(len(points), "crossed", dtype=object)),
        },
        coords={name: ("film", values, {"units": "1"}) for name, values in condition.items()}
        | {
            "seed": ("film", np.array([point.seed for point in points])),
            "point": ("film", np.array([point.id for point in points], dtype=object)),
        },
        attrs={"model": "tdgl"},
    )
    path = paths.dataset(results, study.name, "films")
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.to_netcdf(path, engine="h5netcdf")
    return path


def die_if_second(_study: Study, name: str, _results: Path, _device: str, _threads: int, outcome: Connection) -> None:
    """Be killed, or be fine, in place of a training in a process of its own."""
    if name.endswith("r02"):
        os.kill(os.getpid(), signal.SIGKILL)
    outcome.send("")
