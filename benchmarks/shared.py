"""What the benchmarks have in common: a table with its origin; for films also the paper's settings, and one film."""

from __future__ import annotations

import datetime
import platform
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from weiss import __version__
from weiss.study import load_study
from weiss.tdgl import SIM_VERSION, simulate
from weiss.tdgl.loops import FilmResult

ROOT = Path(__file__).resolve().parent.parent
TABLES = ROOT / "benchmarks" / "tables"

Settings = dict[str, float | int | str]

SOLVER = f"weiss {__version__} (solver version {SIM_VERSION}), NumPy {np.__version__}"
"""What made a film."""


def settings() -> Settings:
    """Every setting as the paper's study has it."""
    study = load_study(ROOT / "config" / "mamada2023.yaml")
    return dict(study.groups["uniform"].points[0].params)


def pair(text: str) -> tuple[float, float]:
    """Read ``J,D`` from the command line."""
    J, D = (float(part) for part in text.split(","))
    return J, D


def film_of(job: tuple[Settings, int]) -> FilmResult:
    """Simulate one film; a function of its own so that a process pool can call it."""
    ((_, result),) = simulate([job])
    return result


def processor() -> str:
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def origin(versions: str = SOLVER) -> str:
    """What made a table: versions, machine, date and command line."""
    command = shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    return f"{versions}, {platform.machine()}, {datetime.date.today()}. `{command}`"


def write_table(path: Path, head: str, rows: Sequence[str], note: str, versions: str = SOLVER) -> None:
    """Write a markdown table and its origin, and print both.

    Parameters
    ----------
    path : Path
    head : str
        First line of the table, ``| a | b |``.
    rows : sequence of str
        In the same form.
    note : str
        What the rows have in common; versions, machine, date and command are added.
    versions : str
        What made them.
    """
    text = "\n".join([head, "|" + "---|" * (head.count("|") - 1), *rows, "", f"{note}, {origin(versions)}"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")
    print(text)
