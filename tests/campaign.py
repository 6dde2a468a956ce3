"""A small study in a folder of its own, and the workflow run on it the way a user does."""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from weiss import paths
from weiss.store import read_computed
from weiss.study import Study, load_study

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW_PARTS = ("Snakefile", "workflow", "src", "config", "envs", "profiles")


def films(**changes: Any) -> dict[str, Any]:
    """A study of a few films of 32², swept so fast that each takes a moment; one figure, for the report to show."""
    group = {
        "model": "tdgl",
        "grid": [32, 32],
        "space": {"grid": {"J": [1.2, 2.0], "D": [0.5, 1.0]}},
        "seeds": [1, 2],
        "shard": {"by": ["J"], "seeds": 2},
        "tdgl": {"quarter": 200.0, "loop_samples": 50},
    }
    job = {"device": "cpu", "gpus": 0, "mem_mb": 500, "runtime": 10}
    compute = {stage: dict(job) for stage in ("simulate", "gather", "pretrain", "train", "map", "report")}
    compute["simulate"]["gpus"] = 1
    report = {"figures": ["loops"]}
    return {"name": "small", "films": {"uniform": group | changes}, "report": report, "compute": compute}


def slow_films() -> dict[str, Any]:
    """A study whose shards last long enough to be interrupted."""
    return films(
        space={"grid": {"J": [1.2, 2.0], "D": [0.5, 0.8, 1.1]}},
        seeds=[1],
        tdgl={"quarter": 1.0e4, "loop_samples": 50, "noise_scale": 1.0, "tolerance": 1.0e-5},
    )


def whole_campaign() -> dict[str, Any]:
    """A study with every stage: a pretraining, three small trainings, maps of a nonuniform film, figures, report."""
    study = films(seeds=[1, 2, 3], space={"grid": {"J": [1.5, 2.0], "D": [0.5, 1.0]}})
    study["films"]["nonuniform"] = {
        "model": "tdgl",
        "grid": [48, 48],
        "inner": {"margin": 16},
        "space": {"list": [{"J": 2.0, "D": 1.0, "D_in": 0.3}]},
        "seeds": [1],
        "tdgl": {"quarter": 200.0, "loop_samples": 50},
    }
    study["learn"] = {
        "data": "uniform",
        "targets": ["J", "D"],
        "window": 16,
        "seeds": {"train": [3], "validate": [2], "test": [1]},
        "n_data": [1],
        "repeats": 1,
        "pretraining": {"contours": {"categories": 4, "images": 16, "epochs": 1, "batch": 8, "warmup_epochs": 0}},
        "networks": {"mod": {}, "mob": {}, "mod_fdsl": {"network": "mod", "pretraining": "contours"}},
        "recipe": {"max_epochs": 2, "batch": 4},
    }
    study["maps"] = {
        "films": "nonuniform",
        "trainings": {"networks": ["mod"], "n_data": [1], "repeats": [1]},
        "stride": 8,
    }
    study["report"] = {"figures": ["loops", "errors", "maps"]}
    return study


class Campaign:
    """One folder with a study file and its results.

    Parameters
    ----------
    folder : Path
        Working directory of every run.
    study : dict
        Contents of the study file; written again by `write`.
    source : Path
        Where Snakefile and package come from.
    """

    def __init__(self, folder: Path, study: dict[str, Any], source: Path = ROOT) -> None:
        self.folder, self.source, self.values = folder, source, study
        folder.mkdir(parents=True, exist_ok=True)
        self.write()

    def copy(self, folder: Path, source: Path = ROOT) -> Campaign:
        """The same study and results, times and Snakemake's memory included, in another folder."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Campaign(folder, copy.deepcopy(self.values), source)

    def write(self, study: dict[str, Any] | None = None) -> None:
        """Write the study file."""
        self.values = study if study is not None else self.values
        self.file.write_text(yaml.safe_dump(self.values, sort_keys=False), encoding="utf-8")

    @property
    def file(self) -> Path:
        return self.folder / f"{self.values['name']}.yaml"

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def study(self) -> Study:
        return load_study(self.file)

    # -- running -----------------------------------------------------------------------------------------------------

    def command(self, *options: str, profile: str | Path = "local") -> list[str]:
        """The user's command; `profile` is one of the project's own, or a folder."""
        folder = profile if isinstance(profile, Path) else self.source / "profiles" / profile
        cores = ["--cores", "2"] if profile == "local" else []
        base = ["-m", "snakemake", "--snakefile", str(self.source / "Snakefile"), "--profile", str(folder), *cores]
        study = [] if "--configfile" in options else ["--configfile", str(self.file)]
        return [sys.executable, *base, *options, *study]

    def environment(self, **variables: str) -> dict[str, str]:
        """With the package of `source` in front of the installed one."""
        return {**os.environ, "PYTHONPATH": str(self.source / "src"), **variables}

    def run(
        self, *options: str, profile: str | Path = "local", fails: bool = False, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end, and check that it ends well, or (`fails`) that it does not."""
        done = subprocess.run(
            self.command(*options, profile=profile),
            cwd=self.folder,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        done.stdout += done.stderr
        assert bool(done.returncode) == fails, done.stdout[-6000:] + self.logs()
        return done

    def start(self, *options: str, profile: str | Path = "local", **variables: str) -> subprocess.Popen[bytes]:
        """Start a run in a process group of its own, and let it go."""
        with (self.folder / "head.out").open("ab") as output:
            return subprocess.Popen(
                self.command(*options, profile=profile),
                cwd=self.folder,
                env=self.environment(**variables),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def weiss(self, *arguments: str, fails: bool = False) -> str:
        """Run one `weiss` command and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "weiss.cli", *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert bool(done.returncode) == fails, done.stderr
        return done.stdout + done.stderr

    def logs(self) -> str:
        """Every job's log, for a failed test's message."""
        files = sorted((self.results / self.values["name"] / "logs").rglob("*.log"))
        return "".join(f"\n--- {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in files)

    # -- looking -----------------------------------------------------------------------------------------------------

    def computed(self) -> Counter[str]:
        """How often each point was computed, by the logs of all shards of this study."""
        count: Counter[str] = Counter()
        for log in (self.results / self.values["name"] / "sim").glob("*.computed.jsonl"):
            count.update(entry["id"] for entry in read_computed(log))
        return count

    def dataset(self, group: str = "uniform") -> bytes:
        return paths.dataset(self.results, self.values["name"], group).read_bytes()

    def assert_complete(self, lost: int = 0) -> None:
        """All points are there, and none was computed again, except as many as were lost."""
        computed = self.computed()
        assert set(computed) == set(self.study.points)
        assert computed.total() <= len(self.study.points) + lost, computed

    def wait_for(self, ready: Callable[[], bool], seconds: float = 180.0) -> None:
        """Wait until something is so, or fail."""
        deadline = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < deadline, f"waited {seconds} s in vain\n{self.head_output()}{self.logs()}"
            time.sleep(0.02)

    def head_output(self) -> str:
        path = self.folder / "head.out"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    def jobs_planned(self, *options: str) -> dict[str, int]:
        """How many jobs of each rule a dry run lists."""
        text = self.run("--dry-run", *options).stdout
        if "Nothing to be done" in text:
            return {}
        table = text.partition("Job stats:")[2].partition("total")[0].splitlines()[3:]
        return {name: int(count) for name, count in (line.split() for line in table if line.strip())}


def processes(*words: str) -> list[int]:
    """Ids of processes whose command line holds all these words."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if int(folder.name) != os.getpid() and all(word in line for word in words):
                found.append(int(folder.name))
    return found


@contextlib.contextmanager
def ended_at_exit(head: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Whatever a started run left behind is gone when the test is."""
    try:
        yield head
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(head.pid, signal.SIGKILL)
        head.wait()


def copy_of_the_workflow(folder: Path) -> Path:
    """Copy what a run needs of the source tree, so that a test may edit it."""
    folder.mkdir(parents=True)
    for part in WORKFLOW_PARTS:
        origin = ROOT / part
        if origin.is_dir():
            shutil.copytree(origin, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy2(origin, folder / part)
    return folder
