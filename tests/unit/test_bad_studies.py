"""Malformed studies: each gives one clear line with file and key (or line), exit code 2, and writes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from studies import SMALL, edited

from weiss.cli import main
from weiss.errors import UserError
from weiss.study import load_study

NAN, INF = float("nan"), float("inf")
GRID = {"J": [1.0, 2.0], "D": [0.5, 1.0]}

# Key that is set (the value ... removes it) → value, the key the message must name, a word it must hold.
EDITS: list[tuple[str, Any, str, str]] = [
    # types
    ("films", [1, 2], "films", "expected a mapping"),
    ("films.uniform.grid", 64, "films.uniform.grid", "expected a list"),
    ("films.uniform.grid", [64, "wide"], "films.uniform.grid[1]", "whole number"),
    ("films.uniform.grid", [64.0, 64], "films.uniform.grid[0]", "whole number"),
    ("films.uniform.tdgl", {"a0": "5.9x"}, "films.uniform.tdgl.a0", "expected a number"),
    ("films.uniform.tdgl", {"A0": True}, "films.uniform.tdgl.A0", "expected a number, got true"),
    ("films.uniform.space", {"grid": {"J": [True], "D": [1.0]}}, "films.uniform.space.grid.J[0]", "got true"),
    ("films.uniform.seeds", [1.5], "films.uniform.seeds[0]", "whole number"),
    ("films.uniform.seeds", ["one"], "films.uniform.seeds[0]", "whole number"),
    ("films.uniform.seeds", [True], "films.uniform.seeds[0]", "whole number"),
    ("films.uniform.seeds", 3, "films.uniform.seeds", "expected a list or a mapping"),
    ("title", 7, "title", "expected text"),
    ("seed", "zero", "seed", "whole number"),
    ("learn.repeats", 2.5, "learn.repeats", "whole number"),
    ("learn.networks", ["mod"], "learn.networks", "expected a mapping"),
    ("learn.networks.mod", None, "learn.networks.mod", "expected a mapping, got nothing"),
    ("films.uniform", None, "films.uniform", "expected a mapping, got nothing"),
    # unknown and missing keys
    ("fims", {}, "fims", "did you mean 'films'?"),
    ("films.uniform.sedes", [1], "films.uniform.sedes", "did you mean 'seeds'?"),
    ("films.uniform.tdgl", {"tolerence": 0.1}, "films.uniform.tdgl.tolerence", "did you mean 'tolerance'?"),
    ("learn.recipe", {"lr": 0.1}, "learn.recipe.lr", "known:"),
    ("learn.recipe", {"learning_rat": 0.1}, "learn.recipe.learning_rat", "did you mean 'learning_rate'?"),
    ("learn.networks.mod", {"weight": None}, "learn.networks.mod.weight", "did you mean 'weights'?"),
    ("maps.strid", 2, "maps.strid", "did you mean 'stride'?"),
    ("compute.simulat", {}, "compute.simulat", "did you mean 'simulate'?"),
    ("compute.simulate", {"memory": 4}, "compute.simulate.memory", "unknown key"),
    ("name", ..., "study.yaml", "'name' is missing"),
    ("films", ..., "study.yaml", "'films' is missing"),
    ("films.uniform.grid", ..., "films.uniform", "'grid' is missing"),
    ("learn.seeds.test", ..., "learn.seeds", "'test' is missing"),
    # sizes and limits
    ("films.uniform.grid", [-64, 64], "films.uniform.grid[0]", "at least 8"),
    ("films.uniform.grid", [0, 64], "films.uniform.grid[0]", "at least 8"),
    ("films.uniform.grid", [64], "films.uniform.grid", "expected 2 values"),
    ("films.uniform.grid", [64, 64, 64], "films.uniform.grid", "at most 2"),
    ("films.uniform.grid", [10**6, 10**6], "films.uniform.grid[0]", "at most 16384"),
    ("films.uniform.seeds", [-1], "films.uniform.seeds[0]", "at least 0"),
    ("films.uniform.shard", {"seeds": 0}, "films.uniform.shard.seeds", "at least 1"),
    ("films.uniform.tdgl", {"m_limit": 0}, "films.uniform.tdgl.m_limit", "more than 0"),
    ("films.uniform.tdgl", {"quarter": -1}, "films.uniform.tdgl.quarter", "at least 1"),
    ("films.uniform.space", {"grid": {"J": [-1.0], "D": [1.0]}}, "films.uniform.space.grid", "J: expected more than 0"),
    ("learn.window", -4, "learn.window", "at least 8"),
    ("learn.recipe", {"momentum": 1.0}, "learn.recipe.momentum", "less than 1"),
    ("learn.recipe", {"learning_rate": 0}, "learn.recipe.learning_rate", "more than 0"),
    ("maps.stride", -1, "maps.stride", "at least 1"),
    ("maps.stride", 0, "maps.stride", "at least 1"),
    ("maps.batch", 0, "maps.batch", "at least 1"),
    ("compute.train", {"mem_mb": -1}, "compute.train.mem_mb", "at least 100"),
    ("seed", -1, "seed", "at least 0"),
    # empty
    ("films", {}, "films", "is an empty mapping"),
    ("films.uniform.seeds", [], "films.uniform.seeds", "is empty"),
    ("films.uniform.space", {}, "films.uniform.space", "expected one of grid, list, table, random"),
    ("films.uniform.space", {"list": []}, "films.uniform.space.list", "is empty"),
    ("films.uniform.space", {"list": [{}]}, "films.uniform.space.list[0]", "empty mapping"),
    ("films.uniform.space", {"grid": {"J": [], "D": [1.0]}}, "films.uniform.space.grid.J", "is empty"),
    ("films.uniform.shard", {"by": []}, "films.uniform.shard.by", "is empty"),
    ("learn.networks", {}, "learn.networks", "is an empty mapping"),
    ("learn.n_data", [], "learn.n_data", "is empty"),
    ("learn.targets", [], "learn.targets", "is empty"),
    ("report.figures", [], "report.figures", "is empty"),
    # numbers that are none
    ("films.uniform.tdgl", {"H": NAN}, "films.uniform.tdgl.H", "finite"),
    ("films.uniform.tdgl", {"quarter": INF}, "films.uniform.tdgl.quarter", "finite"),
    ("films.uniform.space", {"list": [{"J": 1.0, "D": NAN}]}, "films.uniform.space.list[0].D", "finite"),
    ("films.uniform.space", {"random": {"n": 3, "J": [0.1, INF]}}, "films.uniform.space.random.J[1]", "finite"),
    ("seed", 10**30, "seed", "too large"),
    # given twice
    ("films.uniform.seeds", [1, 2, 1], "films.uniform.seeds[2]", "1 is given twice"),
    ("films.uniform.space", {"grid": {"J": [1.0, 1], "D": [1.0]}}, "films.uniform.space.grid.J[1]", "twice"),
    ("films.uniform.space", {"grid": {"J": [0.3, 0.1 + 0.2], "D": [1]}}, "films.uniform.space.grid.J[1]", "twice"),
    (
        "films.uniform.space",
        {"list": [{"J": 2, "D": 1}, {"D": 1.0, "J": 2.0}]},
        "films.uniform.space.list[1]",
        "is given twice (first at",
    ),
    ("learn.n_data", [1, 1], "learn.n_data", "1 is given twice"),
    ("learn.targets", ["J", "J"], "learn.targets", "twice"),
    ("learn.seeds.train", [3, 4, 5, 6, 3], "learn.seeds.train[4]", "3 is given twice"),
    ("films.copy", SMALL["films"]["uniform"], "films.copy", "is also in films.uniform"),
    # names and paths
    ("name", "../escape", "name", "cannot be a name"),
    ("name", "/tmp/x", "name", "cannot be a name"),
    ("name", "", "name", "cannot be a name"),
    ("name", "Upper Case", "name", "cannot be a name"),
    ("name", "a\n", "name", "control character"),
    ("title", "one\ntwo", "title", "write it on one line"),
    ("name", "points", "name", "folder that all studies share"),
    ("films.a/b", SMALL["films"]["uniform"], "films.a/b", "cannot be a name"),
    ("films.uniform.space", {"table": "../secret.csv"}, "films.uniform.space.table", "leaves the folder"),
    ("films.uniform.space", {"table": "/etc/passwd"}, "films.uniform.space.table", "leaves the folder"),
    ("films.uniform.space", {"table": "absent.csv"}, "films.uniform.space.table", "no such file"),
    ("films.uniform.space", {"table": "."}, "films.uniform.space.table", "no such file"),
    ("films.uniform.space", {"table": "a\0b.csv"}, "films.uniform.space.table", "control character"),
    ("learn.networks.mod", {"weights": "absent.pt"}, "learn.networks.mod.weights", "no such weights file"),
    ("learn.networks.mod", {"weights": "a\0b"}, "learn.networks.mod.weights", "control character"),
    ("compute.simulate", {"partition": "a; rm -rf /"}, "compute.simulate.partition", "not allowed"),
    ("compute.simulate", {"extra": "--wrap=$(reboot)"}, "compute.simulate.extra", "not allowed"),
    ("compute.simulate", {"extra": "--a\n--b"}, "compute.simulate.extra", "control character"),
    # spaces
    ("films.uniform.space", {"grid": GRID, "list": [{"J": 1, "D": 1}]}, "films.uniform.space", "only one of"),
    ("films.uniform.space", {"grid": {"J": [1.0]}}, "films.uniform.space.grid", "D of the model tdgl is missing"),
    ("films.uniform.space", {"grid": {**GRID, "K": [1.0]}}, "films.uniform.space.grid", "no parameter 'K'"),
    ("films.uniform.space", {"grid": {"j": [1.0], "D": [1.0]}}, "films.uniform.space.grid", "did you mean 'J'?"),
    (
        "films.uniform.space",
        {"list": [{"J": 1, "D": 1}, {"J": 1}]},
        "films.uniform.space.list[1]",
        "the same parameters",
    ),
    (
        "films.uniform.space",
        {"grid": {"J": {"range": [0.1, 2.0, 0]}, "D": [1]}},
        "films.uniform.space.grid.J.range",
        "step must be more than 0",
    ),
    (
        "films.uniform.space",
        {"grid": {"J": {"range": [2.0, 0.1, 0.1]}, "D": [1]}},
        "films.uniform.space.grid.J.range",
        "below the first",
    ),
    (
        "films.uniform.space",
        {"grid": {"J": {"range": [0.1, 2.0]}, "D": [1]}},
        "films.uniform.space.grid.J.range",
        "expected 3 values",
    ),
    (
        "films.uniform.space",
        {"grid": {"J": {"range": [0.1, 1e12, 1e-12]}, "D": [1]}},
        "films.uniform.space.grid.J.range",
        "more than 200000",
    ),
    (
        "films.uniform.space",
        {"grid": {"J": {"range": [0.001, 1, 0.001]}, "D": {"range": [0.001, 1, 0.001]}}},
        "films.uniform.space.grid",
        "1000000 conditions",
    ),
    ("films.uniform.space", {"grid": {"J": {"rnge": [1, 2, 1]}, "D": [1]}}, "films.uniform.space.grid.J.rnge", "range"),
    ("films.uniform.seeds", {"range": [1, 4000000000]}, "films.uniform.seeds.range", "more than 1000000"),
    ("films.uniform.seeds", {"range": [1, 500000]}, "films.uniform", "are more than 1000000 films"),
    ("films.uniform.seeds", {"range": [5, 1]}, "films.uniform.seeds.range", "below the first"),
    ("films.uniform.space", {"random": {"n": 5}}, "films.uniform.space.random", "at least one parameter"),
    ("films.uniform.space", {"random": {"n": 0, "J": [1, 2]}}, "films.uniform.space.random.n", "at least 1"),
    ("films.uniform.space", {"random": {"n": 10**9, "J": [1, 2]}}, "films.uniform.space.random.n", "more than 200000"),
    ("films.uniform.space", {"random": {"n": 5, "J": [2, 1]}}, "films.uniform.space.random.J", "not below the upper"),
    ("films.uniform.space", {"random": {"n": 5, "J": [2]}}, "films.uniform.space.random.J", "expected 2 values"),
    # inner regions
    (
        "films.uniform.space",
        {"list": [{"J": 1, "D": 1, "D_in": 2}]},
        "films.uniform.space.list[0]",
        "D_in needs an inner region",
    ),
    ("films.nonuniform.inner", ..., "films.nonuniform.space.list[0]", "D_in needs an inner region"),
    ("films.uniform.inner", {"margin": 8}, "films.uniform.inner", "needs a value that differs there"),
    ("films.nonuniform.inner", {"margin": 48}, "films.nonuniform.inner.margin", "leaves no inner region"),
    ("films.nonuniform.inner", {"margin": 0}, "films.nonuniform.inner.margin", "at least 1"),
    ("films.nonuniform.inner", {}, "films.nonuniform.inner", "'margin' is missing"),
    # things that are not there
    ("films.uniform.model", "mumax", "films.uniform.model", "expected one of llg, spsll, tdgl"),
    ("films.uniform.model", "llg", "films.uniform.space.grid", "the model llg has no parameter 'J'"),
    ("films.uniform.tdgl", {"kernel": "lattise"}, "films.uniform.tdgl.kernel", "expected one of cutoff, lattice"),
    ("films.uniform.tdgl", {"crossing": 3}, "films.uniform.tdgl.crossing", "expected one of 1, 2"),
    ("films.uniform.shard", {"by": ["Q"]}, "films.uniform.shard.by[0]", "not a parameter of this group"),
    ("films.uniform.shard", {"by": ["D_in"]}, "films.uniform.shard.by[0]", "not a parameter of this group"),
    ("learn.data", "unifrom", "learn.data", "did you mean 'uniform'?"),
    ("learn.targets", ["J", "K"], "learn.targets[1]", "not a parameter of films.uniform"),
    ("learn.networks", {"modd": {}}, "learn.networks.modd", "did you mean 'mod'?"),
    ("learn.networks", {"resnet-of-mine": {}}, "learn.networks.resnet-of-mine", "known: mod"),
    ("maps.films", "absent", "maps.films", "no group of films named 'absent'"),
    ("maps.trainings", {"networks": ["reg"]}, "maps.trainings.networks[0]", "no training with networks reg"),
    ("maps.trainings", {"n_data": [2]}, "maps.trainings.n_data[0]", "learn has 1, 4"),
    ("maps.trainings", {"repeats": [1, 4]}, "maps.trainings.repeats[1]", "learn has 1-3"),
    ("maps.trainings", {"repeats": [0]}, "maps.trainings.repeats[0]", "learn has 1-3"),
    ("learn", ..., "maps", "no learn section"),
    ("report.figures", ["lops"], "report.figures[0]", "did you mean 'loops'?"),
    # parts that do not fit
    ("learn.window", 65, "learn.window", "larger than the 64 × 64 films"),
    ("films.nonuniform.grid", [96, 63], "films.nonuniform.inner.margin", "expected less than 31.5"),
    ("learn.n_data", [1, 7], "learn.n_data[1]", "the pool learn.seeds.train has 6"),
    ("learn.seeds.validate", [3], "learn.seeds.validate", "seed 3 is also in learn.seeds.train"),
    ("learn.seeds.test", [2], "learn.seeds.test", "seed 2 is also in learn.seeds.validate"),
    ("learn.seeds.test", [9], "learn.seeds.test", "has no seed 9, it has 1-8"),
    ("learn.seeds.train", {"range": [3, 12]}, "learn.seeds.train", "has no seed 9-12"),
    ("learn.data", "nonuniform", "learn.data", "are nonuniform"),
    ("maps.stride", 70, "maps.stride", "reads no cell of the inner region"),
    ("maps.stride", 97, "maps.stride", "larger than the 96 × 96 films"),
    ("films.uniform.tdgl", {"integrator": "euler", "dt": 0.125}, "films.uniform.tdgl.dt", "unstable at J 2"),
    ("compute.train", {"device": "gpu", "gpus": 0}, "compute.train", "gpus is 0"),
    ("compute.train", {"device": "tpu"}, "compute.train.device", "expected one of auto, cpu, gpu"),
]

# The whole file → a place and a word the message must hold.
TEXTS: list[tuple[str, str | bytes, str, str]] = [
    ("empty", "", "study.yaml: ", "is empty"),
    ("comments only", "# nothing\n\n", "study.yaml: ", "is empty"),
    ("null", "null\n", "study.yaml: ", "expected a mapping of keys to values, got nothing"),
    ("a list", "- a\n- b\n", "study.yaml: ", "expected a mapping of keys to values, got a list"),
    ("a word", "hello\n", "study.yaml: ", "expected a mapping of keys to values, got the text"),
    ("a number", "3\n", "study.yaml: ", "expected a mapping of keys to values, got 3"),
    ("a key twice", "name: a\nseed: 1\nname: b\n", "study.yaml:3: name", "given twice (first on line 1)"),
    ("a nested key twice", "films:\n  a: {grid: [8, 8], grid: [9, 9]}\n", "study.yaml:2: films.a.grid", "given twice"),
    ("tabs", "name: a\nfilms:\n\tuniform: 1\n", "study.yaml:3: ", "spaces, not tabs"),
    ("bracket left open", "name: [a\nseed: 1\n", "study.yaml:2: ", "not valid YAML"),
    ("two colons", "name: a: b\n", "study.yaml:1: ", "not valid YAML"),
    ("two documents", "name: a\n---\nname: b\n", "study.yaml:2: ", "single document"),
    ("object tag", "name: !!python/object/apply:os.system [reboot]\n", "study.yaml:1: name", "not allowed"),
    ("scalar object tag", "name: !!python/name:os.system x\n", "study.yaml:1: name", "not allowed"),
    ("anchor in itself", "name: &a [*a]\n", "study.yaml:1: name", "too deeply nested"),
    ("unknown anchor", "name: *a\n", "study.yaml:1: ", "undefined alias"),
    ("merge key", "a: &a {b: 1}\nc: {<<: *a}\n", "study.yaml:2: c", "merge keys"),
    ("a list as key", "? [a]\n: 1\n", "study.yaml:1: ", "a key must be a word"),
    ("very deep", "name: " + "[" * 900 + "]" * 900, "study.yaml:1: ", "too deeply nested"),
    ("absurdly deep", "name: " + "[" * 100_000 + "]" * 100_000, "study.yaml:1: ", "too deeply nested"),
    ("binary", b"\x89HDF\r\n\x1a\n\x00\xff\xfe", "study.yaml: ", "not a text file"),
    ("control characters", "name: a\x07\n", "study.yaml: ", "not valid YAML"),
    ("JSON cut off", '{"name": "a", "films": {', "study.yaml:1: ", "not valid YAML"),
    ("huge file", "#" * 5_000_000, "study.yaml: ", "larger than 4 MB"),
    ("YAML 1.1 word", "name: yes\nfilms: no\n", "study.yaml:2: films", 'got the text "no"'),
]

# Contents of rows.csv → the place and a word the message must hold.
TABLES: list[tuple[str, str | bytes, str, str]] = [
    ("empty", "", "rows.csv: ", "expected a header"),
    ("header only", "J,D\n", "rows.csv: ", "expected a header"),
    ("no header", "1.0,2.0\n1.5,2.0\n", "rows.csv:2: ", "no parameter '1.0'"),
    ("a word", "J,D\n1.0,0.5\n1.0,much\n", "rows.csv:3: ", "D must be a number, got 'much'"),
    ("an empty cell", "J,D\n1.0,\n", "rows.csv:2: ", "D must be a number"),
    ("too few cells", "J,D\n1.0,0.5\n1.0\n", "rows.csv:3: ", "expected 2 values (J, D), got 1"),
    ("too many cells", "J,D\n# note\n1.0,0.5,7\n", "rows.csv:3: ", "got 3"),
    ("nan", "J,D\n1.0,nan\n", "rows.csv:2: ", "finite"),
    ("inf", "J,D\n-inf,1\n", "rows.csv:2: ", "finite"),
    ("row twice", "J,D\n1.0,0.5\n2,1\n1,0.50\n", "rows.csv:4: ", "J 1, D 0.5 is given twice (first at"),
    ("column twice", "J,J\n1.0,0.5\n", "rows.csv:1: ", "one different name per column"),
    ("unnamed column", "J,\n1.0,0.5\n", "rows.csv:1: ", "one different name per column"),
    ("unknown column", "J,D,DD\n1.0,0.5,1\n", "rows.csv:2: ", "no parameter 'DD'"),
    ("out of limits", "J,D\n1.0,0.5\n1.0,-3\n", "rows.csv:3: ", "D: expected at least 0"),
    ("open quote", 'J,D\n1.0,"0.5\n', "rows.csv:2: ", "not a row"),
    ("binary", b"\xff\xfe\x00J", "rows.csv: ", "cannot be read as text"),
]


@pytest.fixture
def study_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "secret.csv").write_text("J,D\n1.0,1.0\n")
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder / "study.yaml"


def _refusal(path: Path, capsys: pytest.CaptureFixture[str], stage: str = "check") -> str:
    """Run a stage; assert what holds for every refusal; return the message."""
    before = sorted(path.parent.rglob("*")) if path.parent.is_dir() else []
    assert main([stage, str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("weiss: error: ") and err.endswith("\n") and err.count("\n") == 1, err
    assert "Traceback" not in err and len(err) < 500
    assert (sorted(path.parent.rglob("*")) if path.parent.is_dir() else []) == before
    return err


@pytest.mark.parametrize(("key", "value", "names", "says"), EDITS, ids=[f"{e[0]}={str(e[1])[:30]}" for e in EDITS])
def test_bad_value(key, value, names, says, study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study_file.write_text(yaml.safe_dump(edited((key, value)), sort_keys=False), encoding="utf-8")
    message = _refusal(study_file, capsys)
    assert str(study_file) in message
    assert f" {names}: " in message or f"{names}: " in message
    assert says in message


@pytest.mark.parametrize(("content", "place", "says"), [t[1:] for t in TEXTS], ids=[t[0] for t in TEXTS])
def test_bad_file(content, place, says, study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study_file.write_bytes(content if isinstance(content, bytes) else content.encode())
    message = _refusal(study_file, capsys)
    assert place in message and says in message


@pytest.mark.parametrize(("content", "place", "says"), [t[1:] for t in TABLES], ids=[t[0] for t in TABLES])
def test_bad_table(content, place, says, study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = edited(("films.uniform.space", {"table": "rows.csv"}))
    study_file.write_text(yaml.safe_dump(config), encoding="utf-8")
    (study_file.parent / "rows.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    message = _refusal(study_file, capsys)
    assert place in message and says in message


def test_every_refusal_names_the_line_of_its_key(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = yaml.safe_dump(edited(("learn.window", 65)), sort_keys=False)
    study_file.write_text(text, encoding="utf-8")
    line = 1 + next(number for number, row in enumerate(text.splitlines()) if row.strip().startswith("window:"))
    assert f"{study_file}:{line}: learn.window: " in _refusal(study_file, capsys)


def test_a_figure_the_study_cannot_have(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = edited(("maps", ...), ("report.figures", ["roc"]))
    study_file.write_text(yaml.safe_dump(config), encoding="utf-8")
    message = _refusal(study_file, capsys)
    assert "report.figures[0]: the figure roc" in message and "possible here: loops" in message


def test_no_file(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"{study_file}: no such file" in _refusal(study_file, capsys)
    assert "no such file" in _refusal(study_file / "below.yaml" / "x", capsys)


def test_a_folder(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study_file.mkdir()
    assert "is a folder" in _refusal(study_file, capsys)


def test_a_table_behind_a_link_that_leaves_the_folder(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study_file.parent / "rows.csv").symlink_to("../secret.csv")
    study_file.write_text(yaml.safe_dump(edited(("films.uniform.space", {"table": "rows.csv"}))), encoding="utf-8")
    assert "leaves the folder" in _refusal(study_file, capsys)


@pytest.mark.parametrize("stage", ["plan", "status", "report"])
def test_other_stages_refuse_the_same_way(stage: str, study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study_file.write_text(yaml.safe_dump(edited(("fims", 1))), encoding="utf-8")
    assert "did you mean 'films'?" in _refusal(study_file, capsys, stage)


def test_results_that_are_a_file(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study_file.write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    assert main(["gather", str(study_file), "uniform", "--results", str(study_file)]) == 2
    assert f"{study_file}: is a file, expected a folder" in capsys.readouterr().err


@pytest.mark.parametrize("threads", ["0", "-1", "two", "1.5"])
def test_impossible_numbers_of_threads(threads: str, study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train", str(study_file), "mod-n1-r01", f"--threads={threads}"])
    assert caught.value.code == 2
    assert "expected a whole number from 1 on" in capsys.readouterr().err


def test_a_good_study_passes(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study_file.write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    assert main(["check", str(study_file)]) == 0
    assert capsys.readouterr().out == "ok\n"


def test_the_command_itself(study_file: Path) -> None:
    study_file.write_text(yaml.safe_dump(edited(("learn.window", 65))), encoding="utf-8")
    command = [sys.executable, "-m", "weiss.cli", "check", "study.yaml"]
    done = subprocess.run(command, cwd=study_file.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("weiss: error: study.yaml:") and done.stderr.count("\n") == 1
    assert [path.name for path in study_file.parent.iterdir()] == ["study.yaml"]


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def _paths(config: Any, prefix: tuple = ()) -> list[tuple]:
    items = config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    return [found for key, value in items for found in [(*prefix, key), *_paths(value, (*prefix, key))]]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(_paths(SMALL)), value=values)
@example(path=("films", "uniform", "space"), value={"grid": {"J": [], "D": None}})
@example(path=("name",), value="\ud800")
def test_any_value_anywhere_is_taken_or_refused_in_one_line(path: tuple, value: Any, tmp_path: Path) -> None:
    """Whatever stands at a key, the study loads or a `UserError` of one line comes back: no other exception."""
    config = edited()
    section = config
    for part in path[:-1]:
        section = section[part]
    section[path[-1]] = value
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8", errors="surrogatepass")
    try:
        load_study(file)
    except UserError as error:
        assert "\n" not in str(error) and str(file) in str(error)
