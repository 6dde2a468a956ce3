"""Small studies written to disk for the tests of `weiss.study`."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

import yaml

from weiss.study import Study, load_study

SMALL: dict[str, Any] = {
    "name": "small",
    "films": {
        "uniform": {
            "grid": [64, 64],
            "space": {"grid": {"J": [1.0, 2.0], "D": [0.5, 1.0, 1.5]}},
            "seeds": {"range": [1, 8]},
            "shard": {"by": ["J"], "seeds": 4},
        },
        "nonuniform": {
            "grid": [96, 96],
            "inner": {"margin": 32},
            "space": {"list": [{"J": 2.0, "D": 1.0, "D_in": 0.1}, {"J": 2.0, "D": 1.0, "D_in": 1.9}]},
            "seeds": [1],
        },
    },
    "learn": {
        "data": "uniform",
        "targets": ["J", "D"],
        "window": 32,
        "seeds": {"train": {"range": [3, 8]}, "validate": [2], "test": [1]},
        "n_data": [1, 4],
        "repeats": 3,
        "networks": {"mod": {}, "mob": {"learning_rate": 5.0e-4}},
    },
    "maps": {"films": "nonuniform", "trainings": {"networks": ["mod"], "n_data": [4], "repeats": [1]}},
}


def edited(*changes: tuple[str, Any]) -> dict[str, Any]:
    """Copy `SMALL` with some dotted keys set; the value `...` removes a key."""
    config = copy.deepcopy(SMALL)
    for key, value in changes:
        *above, last = key.split(".")
        section = config
        for part in above:
            section = section.setdefault(part, {})
        if value is ...:
            del section[last]
        else:
            section[last] = value
    return config


def load(config: dict[str, Any]) -> Study:
    """Write a config as YAML, in the order given, and load it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        return load_study(path)


def digests(study: Study) -> dict[str, str]:
    """Digest of every job of a study, by kind and id."""
    found = {f"shard {key}": job.digest for key, job in study.shards.items()}
    found |= {f"group {key}": job.digest for key, job in study.groups.items()}
    found |= {f"training {key}": job.digest for key, job in study.trainings.items()}
    found |= {f"map {key}": job.digest for key, job in study.maps.items()}
    return found | {f"figure {name}": study.figure_digest(name) for name in study.figures}


def changed(before: Study, after: Study) -> set[str]:
    """Jobs that are new, gone, or have another digest."""
    return {key for key, _ in digests(before).items() ^ digests(after).items()}
