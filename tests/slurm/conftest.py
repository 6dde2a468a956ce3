"""One Slurm for all tests of this folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import cluster
from campaign import ROOT


@pytest.fixture(scope="session")
def slurm() -> Iterator[cluster.Cluster]:
    """A running Slurm. Without root or its packages the tests skip; with WEISS_REQUIRE_SLURM=1 they fail."""
    reason = cluster.why_not()
    if reason:
        if os.environ.get("WEISS_REQUIRE_SLURM") == "1":
            pytest.fail(f"WEISS_REQUIRE_SLURM=1, but {reason}")
        pytest.skip(f"{reason} (WEISS_REQUIRE_SLURM=1 makes this a failure)")
    # below /tmp and not in pytest's folder: the path of a socket must be short
    folder = Path(tempfile.mkdtemp(prefix="weiss-slurm-"))
    running = cluster.Cluster(folder / "state")
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """profiles/slurm itself, only less patient: jobs here last seconds."""
    settings = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
    settings |= {"slurm-init-seconds-before-status-checks": 2, "latency-wait": 10, "slurm-efficiency-report": False}
    folder = tmp_path_factory.mktemp("slurm-profile")
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    return folder
