"""Finished work is identified by version numbers raised by hand: this notices a change that forgot to.

After a change that alters no result (a rename), or after raising the number:

    python tests/unit/test_versions.py
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import tokenize
from pathlib import Path

import pytest

from weiss.learn.version import CURVES_VERSION, LEARN_VERSION, PRETRAIN_VERSION
from weiss.llg.version import SIM_VERSION as LLG_VERSION
from weiss.maps.version import MAPS_VERSION
from weiss.spsll.version import SIM_VERSION as SPSLL_VERSION
from weiss.tdgl.version import SIM_VERSION as TDGL_VERSION

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("source_versions.json")
VERSIONS = {
    "llg": LLG_VERSION,
    "spsll": SPSLL_VERSION,
    "tdgl": TDGL_VERSION,
    "learn": LEARN_VERSION,
    "curves": CURVES_VERSION,
    "pretrain": PRETRAIN_VERSION,
    "maps": MAPS_VERSION,
}
# What a result depends on, by the version that stands for it.
SOURCES = {
    "llg": ("src/weiss/llg/**/*.py", "src/weiss/llg/**/*.cu", "src/weiss/arrays.py"),
    "tdgl": ("src/weiss/tdgl/*.py", "src/weiss/tdgl/*.cu", "src/weiss/arrays.py", "src/weiss/fftw_wisdom.txt"),
    "spsll": ("src/weiss/spsll/*.py", "src/weiss/arrays.py"),
    "learn": ("src/weiss/learn/**/*.py", "src/weiss/patterns/crops.py", "src/weiss/patterns/windows.py"),
    "curves": ("src/weiss/learn/curves/**/*.py", "src/weiss/learn/trainer.py"),
    "pretrain": ("src/weiss/learn/formula/*.py", "src/weiss/learn/pretrain.py"),
    "maps": ("src/weiss/maps/*.py", "src/weiss/patterns/windows.py", "src/weiss/patterns/regions.py"),
}

NOT_COUNTED = {"learn": SOURCES["pretrain"] + ("src/weiss/learn/curves/**/*.py",)}
VERSION_FILES = {package: f"src/weiss/{package}/version.py" for package in VERSIONS} | {
    name: "src/weiss/learn/version.py" for name in ("pretrain", "curves")
}


def _code(source: str) -> str:
    """Python source without comments, documentation strings and empty lines: the same on every version of Python."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    for token in tokenize.generate_tokens(io.StringIO("\n".join(lines)).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def digest(package: str) -> str:
    """Digest of the code behind a version."""
    total = hashlib.sha256()
    others = {file for pattern in NOT_COUNTED.get(package, ()) for file in ROOT.glob(pattern)}
    for pattern in SOURCES[package]:
        files = sorted(set(ROOT.glob(pattern)) - others)
        assert files, f"{pattern} matches nothing"
        for file in files:
            text = _code(file.read_text()) if file.suffix == ".py" else file.read_text()
            total.update(f"{file.relative_to(ROOT)}\n{text}\n".encode())
    return total.hexdigest()[:16]


def test_comments_do_not_count_and_code_does() -> None:
    """A reworded comment asks for nothing; a changed number does."""
    source = '"""Doc."""\n\nx = 1  # one\n'
    assert _code(source) == _code('"""Other doc."""\nx = 1  # uno\n\n') == "x = 1"
    assert _code(source) != _code(source.replace("1", "2"))


@pytest.mark.parametrize("package", sorted(SOURCES))
def test_changed_source_has_a_new_version(package: str) -> None:
    """The recorded digest belongs to the recorded version."""
    recorded = json.loads(RECORD.read_text())[package]
    assert {"version": VERSIONS[package], "digest": digest(package)} == recorded, (
        f"the code of {package} changed: if its results can differ, raise the number in "
        f"{VERSION_FILES[package]}; then run python {Path(__file__).relative_to(ROOT)}"
    )


if __name__ == "__main__":
    record = {package: {"version": VERSIONS[package], "digest": digest(package)} for package in sorted(SOURCES)}
    RECORD.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")
