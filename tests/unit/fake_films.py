"""Small studies and a solver without physics, for tests of what happens to films rather than of how they are made."""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from weiss.study import Study, load_study


@dataclass
class FakeFilm:
    m: np.ndarray
    loop_h: np.ndarray
    loop_m: np.ndarray
    t_crossing: float
    h_crossing: float
    evaluations: int
    steps: int
    rejected: int
    avalanches: int
    seconds: float
    status: str = "crossed"


def fake_film(params: dict[str, Any], seed: int) -> FakeFilm:
    """White noise that depends on the condition and the seed, with a loop that stops half way."""
    key = [seed, *(round(1000 * params[name]) for name in ("J", "D"))]
    rng = np.random.default_rng(key)
    samples = int(params["loop_samples"])
    h = np.linspace(0.0, params["H"], samples)
    loop_m = np.where(np.arange(samples) < samples // 2, np.tanh(h), np.nan)
    return FakeFilm(
        m=rng.uniform(-1, 1, (params["ny"], params["nx"])).astype(np.float32),
        loop_h=np.where(np.isnan(loop_m), np.nan, h),
        loop_m=loop_m,
        t_crossing=float(rng.uniform(3e5, 5e5)),
        h_crossing=float(rng.uniform(0, 0.3)),
        evaluations=int(rng.integers(1000, 2000)),
        steps=int(rng.integers(100, 200)),
        rejected=3,
        avalanches=int(rng.integers(0, 9)),
        seconds=0.25,
    )


def fake_solver(films: Sequence[tuple[dict, int]], device: str, threads: int) -> Iterator[tuple[int, FakeFilm]]:
    """Yields the films in the order given."""
    for index, (params, seed) in enumerate(films):
        yield index, fake_film(params, seed)


def reversed_solver(films: Sequence[tuple[dict, int]], device: str, threads: int) -> Iterator[tuple[int, FakeFilm]]:
    """Yields the films last first."""
    for index in reversed(range(len(films))):
        yield index, fake_film(*films[index])


def no_solver(films: Sequence[tuple[dict, int]], device: str, threads: int) -> Iterator[tuple[int, FakeFilm]]:
    """For runs in which nothing may be computed."""
    raise AssertionError(f"asked to compute {len(films)} films")


def make_study(folder: Path, name: str = "small", **group: Any) -> Study:
    """A study of one group, `films`: by default 2 × 2 conditions × 3 seeds of 16 × 24 cells in 4 shards."""
    films = {
        "model": "tdgl",
        "grid": [16, 24],
        "space": {"grid": {"J": [1.0, 2.0], "D": [0.5, 1.5]}},
        "seeds": [1, 2, 3],
        "shard": {"by": ["J"], "seeds": 2},
        "tdgl": {"loop_samples": 20},
    } | group
    path = Path(folder) / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"name": name, "title": "Small films", "films": {"films": films}}))
    return load_study(path)


def sha256(path: Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder, with its sha256."""
    folder = Path(folder)
    return {str(path.relative_to(folder)): sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def temporaries(folder: Path) -> list[str]:
    return [path.name for path in Path(folder).rglob("*.tmp")]


def python(code: str, *arguments: object, **options: Any) -> subprocess.Popen:
    """Start a Python process that can import this module; its stdout and stderr are text pipes."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(Path(__file__).parent), *sys.path))}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment | options.pop("env", {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


class SmallDisk:
    """A folder on a disk that can be filled: a small file system of its own, or a limit on the size of files."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder, self.kind = Path(folder), kind
        self._ballast = self.folder / "ballast"
        self._limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self, left: int) -> None:
        """Leave room for `left` bytes only."""
        if self.kind == "limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, (left, self._limits[1]))
        else:
            status = os.statvfs(self.folder)
            self._ballast.write_bytes(bytes(status.f_bavail * status.f_frsize - left))

    def free(self) -> None:
        if self.kind == "limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, self._limits)
        else:
            self._ballast.unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(folder: Path, kind: str) -> Iterator[SmallDisk]:
    """Kind "mount" (8 MiB, needs root) or "limit"; see `disk_kinds`."""
    folder = Path(folder) / "disk"
    folder.mkdir()
    if kind == "mount":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=True)
    disk = SmallDisk(folder, kind)
    try:
        yield disk
    finally:
        disk.free()
        if kind == "mount":
            subprocess.run(["umount", "--lazy", folder], check=True)


def disk_kinds() -> list[str]:
    """A limit on file sizes works everywhere, a file system of its own where mounting is allowed."""
    return ["limit", "mount"] if _can_mount() else ["limit"]


def _can_mount() -> bool:
    if os.geteuid() != 0:
        return False
    trial = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(trial, capture_output=True).returncode == 0
