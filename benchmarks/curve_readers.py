"""How well σ and τ can be read off curves by other readers than networks: a table of docs/curves.md.

    snakemake datasets --profile profiles/local --cores 2 --configfile config/eagan2025.yaml
    python benchmarks/curve_readers.py config/eagan2025.yaml        # five minutes on one core

"One number" knows the window far from its origin exactly, on which a wall depends where the origin is at the edge, and
answers the median of the training films nearest in it. Randomised trees are scikit-learn's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import sklearn
from numpy.typing import NDArray
from shared import TABLES, write_table
from sklearn.ensemble import ExtraTreesRegressor

from weiss import __version__, models
from weiss.figures.identifiability import far_window
from weiss.learn.curves import baselines
from weiss.learn.curves.data import Curves, load_splits
from weiss.spsll.settings import Settings, settings_of
from weiss.study import load_study

TREES = 300


def one_number(train: Curves, test: Curves, settings: Settings) -> NDArray[np.float64]:
    """Parameters (n, T) of films whose window far away is known, and nothing else."""
    known, asked = (
        far_window(part.parameters["sigma"], part.parameters["tau"], settings)[:, None] for part in (train, test)
    )
    return baselines.neighbours(known, train.values, asked)


def trees(train: Curves, test: Curves) -> NDArray[np.float64]:
    """Parameters (n, T) by randomised trees on what a network reads."""
    scale = train.values.std(axis=0)
    forest = ExtraTreesRegressor(TREES, random_state=0).fit(train.inputs(), train.values / scale)
    return forest.predict(test.inputs()) * scale


def main() -> None:
    """Read every group that a task of the study reads parameters from."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--results", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    study, rows = load_study(arguments.study), []
    largest = {t.task: t for t in sorted(study.curve_trainings.values(), key=lambda t: (t.n_data, -t.repeat))}
    for task, training in largest.items():
        if not training.targets:
            continue
        group = study.groups[training.data]
        data = load_splits(training, arguments.results, study.name, models.learned_in(group.model, training.targets))
        train, test = data["train"], data["test"]
        answers = {
            "median": baselines.median(train.values, len(test)),
            "one number": one_number(train, test, settings_of(group.points[0].params)),
            "linear regression": baselines.linear(train.inputs(), train.values, test.inputs(), train.widths),
            "neighbours": baselines.neighbours(train.inputs(), train.values, test.inputs(), widths=train.widths),
            f"{TREES} randomised trees": trees(train, test),
        }
        for name, values in answers.items():
            errors = 1e9 * np.abs(values - test.values).mean(axis=0)
            rows.append(f"| {task} | {len(train)} | {len(test)} | {name} | {errors[0]:.2f} | {errors[1]:.2f} |")
            print(rows[-1], flush=True)
    head = "| task | films | test films | reader | σ, nm | τ, nm |"
    versions = f"weiss {__version__}, scikit-learn {sklearn.__version__}"
    write_table(TABLES / "curve_readers.md", head, rows, "Mean absolute errors on the test films", versions)


if __name__ == "__main__":
    main()
