"""A campaign that is run on the test's Slurm."""

from __future__ import annotations

import os

from campaign import Campaign

IMPATIENT = """
# In the head process: look at the jobs every two seconds. The plugin itself waits ten seconds longer each time.
import sys

if "--profile" in sys.orig_argv:
    from snakemake_executor_plugin_slurm import Executor

    check = Executor.check_active_jobs

    async def check_soon(self, jobs):
        async for job in check(self, jobs):
            yield job
        self.next_seconds_between_status_checks = 2

    Executor.check_active_jobs = check_soon
"""


class SlurmCampaign(Campaign):
    """A campaign whose head looks after its jobs more often than a user's would."""

    def environment(self, **variables: str) -> dict[str, str]:
        hook = self.folder / "impatient"
        hook.mkdir(exist_ok=True)
        (hook / "sitecustomize.py").write_text(IMPATIENT)
        return super().environment(PYTHONPATH=f"{hook}{os.pathsep}{self.source / 'src'}", **variables)
