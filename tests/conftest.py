"""What holds for every test."""

from __future__ import annotations

import os

import pytest

_SLURM_CONF = os.environ.get("SLURM_CONF")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Only the tests of `tests/slurm` meet a Slurm.

    Every start of Snakemake asks Slurm for its settings, and where Slurm's commands are installed and no controller
    answers, they wait for ten seconds. With an empty configuration they give up at once, as where there is no Slurm.
    A hook and not a fixture, because it comes before the fixtures of a session too.
    """
    if item.get_closest_marker("slurm") is None:
        os.environ["SLURM_CONF"] = os.devnull
    elif _SLURM_CONF is None:
        os.environ.pop("SLURM_CONF", None)
    else:
        os.environ["SLURM_CONF"] = _SLURM_CONF
