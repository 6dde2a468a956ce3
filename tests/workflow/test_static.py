"""What can be told of the workflow without running a job."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from campaign import ROOT, Campaign, copy_of_the_workflow, films, whole_campaign
from weiss.study import load_study


def tool(*command: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_ruff_is_content() -> None:
    tool("ruff", "check", ".")
    tool("ruff", "format", "--check", ".")


def test_snakefmt_is_content() -> None:
    tool("snakefmt", "--check", "Snakefile", "workflow")


def test_snakemake_lint_is_content(tmp_path: Path) -> None:
    text = tool("snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path), "--lint")
    assert "in a good condition" in text


def test_the_study_of_the_paper_plans(tmp_path: Path) -> None:
    """All jobs of config/mamada2023.yaml are listed, within a time that is printed."""
    file = ROOT / "config" / "mamada2023.yaml"
    study = load_study(file)
    started = time.monotonic()
    options = ["--snakefile", str(ROOT / "Snakefile"), "--configfile", str(file), "--cores", "1", "--dry-run"]
    text = tool("snakemake", *options, cwd=tmp_path)
    print(f"dry run of config/mamada2023.yaml: {time.monotonic() - started:.1f} s (wanted: at most 15 s)")
    counts = dict(re.findall(r"^(\w+) +(\d+)$", text, flags=re.MULTILINE))
    planned = {"simulate": study.shards, "gather": study.groups, "train": study.training_jobs, "map": study.maps}
    assert {rule: int(counts[rule]) for rule in planned} == {rule: len(jobs) for rule, jobs in planned.items()}
    assert int(counts["figure"]) == len(study.figures)
    assert sum(len(shard.points) for shard in study.shards.values()) == 3007


def test_the_demo_of_micromagnetic_films_plans(tmp_path: Path) -> None:
    """A study without learning: films, one dataset, figures and the report."""
    file = ROOT / "config" / "demo-llg.yaml"
    study = load_study(file)
    options = ["--snakefile", str(ROOT / "Snakefile"), "--configfile", str(file), "--cores", "1", "--dry-run"]
    text = tool("snakemake", *options, cwd=tmp_path)
    counts = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", text, flags=re.MULTILINE)}
    figures = {"figure": len(study.figures), "report": 1}
    assert {**counts, "all": 1, "total": 0} == {"simulate": 3, "gather": 1, "all": 1, "total": 0} | figures


def test_the_small_study_of_chains_plans(tmp_path: Path) -> None:
    """Jobs hold blocks of conditions drawn at random, and there is a dataset for each kind of chain."""
    file = ROOT / "config" / "eagan2025-small.yaml"
    study = load_study(file)
    options = ["--snakefile", str(ROOT / "Snakefile"), "--configfile", str(file), "--cores", "1", "--dry-run"]
    text = tool("snakemake", *options, cwd=tmp_path)
    counts = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", text, flags=re.MULTILINE)}
    assert counts["simulate"] == len(study.shards) == 17 and counts["gather"] == len(study.groups) == 6
    assert counts["figure"] == len(study.figures) and counts["report"] == 1


def test_every_rule_that_computes_has_log_benchmark_environment_and_digest() -> None:
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        for rule in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            for part in ("log:", "benchmark:", "conda:", "digest=", "message:", "threads:", "**compute("):
                assert part in rule, f"{path.name}: {rule.splitlines()[0]} has no {part}"


@pytest.mark.parametrize("name", ["local", "slurm"])
def test_every_key_of_a_profile_is_commented_and_known(name: str) -> None:
    text = (ROOT / "profiles" / name / "config.yaml").read_text()
    known = set(re.findall(r"--([a-z][a-z-]+)", tool("snakemake", "--help")))
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if re.match(r"[a-z]", line):
            assert line.split(":")[0] in known, line
            assert lines[number - 1].startswith("#"), f"{line!r} has no comment above it"
    assert yaml.safe_load(text)


def test_environments_hold_the_versions_of_the_constraints() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower(): line.split("==")[1] for line in lines if "==" in line}
    assert not [line for line in lines if "@" in line or "/" in line or line.startswith("-e")]
    for path in (ROOT / "envs").glob("*.yaml"):
        for requirement in yaml.safe_load(path.read_text())["dependencies"][-1]["pip"]:
            package, version = requirement.split("==")
            assert pinned[package.lower()] == version, f"{path.name}: {requirement}"


def test_every_import_is_declared() -> None:
    """What the package imports, its dependencies name: an environment here may hold more than a fresh one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *(project["optional-dependencies"][name] for name in ("sim", "train", "report"))]
    groups.append(project["optional-dependencies"]["workflow"])
    declared = {re.split(r"[^A-Za-z0-9_-]", line)[0].lower() for group in groups for line in group}
    renamed = {"yaml": "pyyaml", "sklearn": "scikit-learn", "PIL": "pillow", "cupy": "cupy-cuda13x"}
    imported = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    imported -= set(sys.stdlib_module_names) | {"weiss"}
    assert {renamed.get(name, name.replace("_", "-")) for name in imported} <= declared


def test_the_wheel_holds_schemas_and_templates(tmp_path: Path) -> None:
    source = copy_of_the_workflow(tmp_path / "source")  # building leaves files behind
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, source)
    tool("pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(source))
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    wanted = {"weiss/schemas/study.schema.json", "weiss/schemas/models/tdgl.schema.json"}
    sources = ROOT / "src"
    wanted |= {str(path.relative_to(sources)) for path in (sources / "weiss").rglob("*.py")}
    kinds = (".j2", ".css", ".js", ".html", ".cu", ".txt")
    data = [path for path in (sources / "weiss").rglob("*") if path.suffix in kinds]
    assert data
    wanted |= {str(path.relative_to(sources)) for path in data}
    assert wanted <= set(names)


MALFORMED = {
    "unknown key": (films() | {"film": {}}, "film"),
    "wrong type": (films() | {"films": [1]}, "films"),
    "negative grid": (films(grid=[-32, 32]), "grid"),
    "a path for a name": (films() | {"name": "../small"}, "name"),
    "a seed twice": (films(seeds=[1, 1]), "seeds"),
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_a_malformed_study_gives_one_line_and_no_files(tmp_path: Path, fault: str) -> None:
    study, key = MALFORMED[fault]
    campaign = Campaign(tmp_path, films())
    file = campaign.file
    file.write_text(yaml.safe_dump(study))
    text = campaign.run(fails=True).stdout
    complaints = [line for line in text.splitlines() if line.startswith("weiss: error:")]
    assert len(complaints) == 1
    assert str(file) in complaints[0]
    assert key in complaints[0]
    assert "Traceback" not in text
    assert not campaign.results.exists()


@pytest.mark.parametrize("options", [("--config", "seed=3"), ("--configfile", "small.yaml", "other.yaml")])
def test_a_study_is_one_file(tmp_path: Path, options: tuple[str, ...]) -> None:
    campaign = Campaign(tmp_path, films())
    (tmp_path / "other.yaml").write_text("{}")
    text = campaign.run(*options, fails=True).stdout
    assert [line for line in text.splitlines() if "one file" in line and line.startswith("weiss: error:")]
    assert not campaign.results.exists()


def test_a_dry_run_writes_no_results(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, whole_campaign())
    planned = campaign.jobs_planned()
    assert planned["simulate"] == len(campaign.study.shards)
    assert planned["train"] == 3
    assert not campaign.results.exists()
