"""The commands the README and the cluster guide tell people to type, and those that look after a run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from campaign import ROOT, Campaign, copy_of_the_workflow, films

COMMANDS = ("make", "snakemake", "weiss", "git", "cd", ".", "source", "pip", "python3", "squeue")


def commands(document: str) -> list[str]:
    """What a document tells people to type: its shell blocks, and the commands in its indented blocks."""
    text = (ROOT / document).read_text()
    fenced = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", flags=re.M | re.S)
    lines = "".join(fenced.findall(text)).replace("\\\n", " ").splitlines()
    lines += [line for line in text.splitlines() if re.match(r" {4}\S", line) and line.split()[0] in COMMANDS]
    stripped = (re.sub(r"\s+#.*", "", line.strip().removeprefix("$ ")) for line in lines)
    return [line for line in stripped if line and not line.startswith("#")]


def harmless(command: str) -> str | None:
    """The same command, made quick and harmless; None for what only moves about or asks Slurm."""
    first, *rest = shlex.split(command)
    if first in ("git", "cd", ".", "source", "pip", "python3", "squeue"):
        return None
    if first == "make":
        return f"make --dry-run {' '.join(rest)}"
    if first == "snakemake":
        quick = "--dry-run" if not {"--report", "--unlock"} & set(rest) else "--list-rules"
        kept = [word for word in rest if word not in ("--report", "--unlock", "--dry-run", "report.html")]
        return shlex.join([sys.executable, "-m", "snakemake", quick, *kept])
    if first == "weiss":
        if rest[0] == "cancel":  # tests/slurm does
            return None
        return shlex.join([sys.executable, "-m", "weiss.cli", *rest])
    raise AssertionError(f"the test does not know {command!r}: teach it")


@pytest.mark.parametrize("document", ["README.md", "docs/cluster.md"])
def test_commands_of_the_documents_work(document: str, tmp_path: Path) -> None:
    lines = commands(document)
    assert lines, f"{document} tells no command"
    folder = copy_of_the_workflow(tmp_path / "clone")
    shutil.copy2(ROOT / "Makefile", folder)
    for name in ("pyproject.toml", "setup.py", "constraints.txt"):
        shutil.copy2(ROOT / name, folder)
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    for line in lines:
        command = harmless(line)
        if command is None:
            continue
        done = subprocess.run(
            shlex.split(command), cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert not (folder / "results").exists()


def test_the_readme_begins_with_what_people_need() -> None:
    told = commands("README.md")
    for command in (
        "make demo",
        "make test",
        "snakemake --profile profiles/slurm --configfile config/mamada2023.yaml",
    ):
        assert command in told


def test_make_notices_what_its_environment_was_made_from(tmp_path: Path) -> None:
    """A finished environment is left alone; one older than pyproject.toml is made again."""
    for name in ("Makefile", "pyproject.toml", "setup.py", "constraints.txt"):
        shutil.copy2(ROOT / name, tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)

    def plan() -> str:
        return subprocess.run(["make", "-n", "demo"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    assert "pip install" in plan()
    (tmp_path / ".venv" / ".ready").touch()
    assert "pip install" not in plan()
    assert "snakemake --profile profiles/local" in plan()
    later = (tmp_path / ".venv" / ".ready").stat().st_mtime + 10
    os.utime(tmp_path / "pyproject.toml", (later, later))
    assert "pip install" in plan()


def test_status_of_a_study_nobody_ran(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, films())
    state = json.loads(campaign.weiss("status", str(campaign.file), "--json"))
    assert state["films"] == {"done": 0, "total": 8}
    assert state["stages"]["simulate"]["waiting"] == 2
    assert not state["head"]
    assert not campaign.results.exists()


def test_cancel_without_slurm_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = Campaign(tmp_path, films())
    monkeypatch.setenv("PATH", str(tmp_path))
    text = campaign.weiss("cancel", str(campaign.file), fails=True)
    assert "no command 'squeue' here" in text
    assert "Traceback" not in text
