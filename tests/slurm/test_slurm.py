"""The workflow on a real Slurm: a whole campaign, and what happens when something dies under it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import uuid
from pathlib import Path

import pytest

from campaign import Campaign, ended_at_exit, slow_films, whole_campaign
from cluster import Cluster
from on_slurm import SlurmCampaign

pytestmark = pytest.mark.slurm


@pytest.fixture(autouse=True)
def no_jobs_left(slurm: Cluster):
    yield
    slurm.ask("scancel", "--user", "root")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The dataset of the slow study, made without Slurm and without trouble."""
    campaign = Campaign(tmp_path_factory.mktemp("undisturbed") / "run", slow_films())
    campaign.run()
    return campaign.dataset()


def of_rule(slurm: Cluster, rule: str) -> list[dict[str, str]]:
    return [job for job in slurm.jobs() if re.search(rf"rule_{rule}(_|\b)", job["SubmitLine"])]


def queued(slurm: Cluster) -> list[str]:
    return slurm.ask("squeue", "--noheader", "--format=%j").split()


def test_a_campaign_completes_and_each_shard_holds_one_gpu(slurm: Cluster, profile: Path, tmp_path: Path) -> None:
    study = whole_campaign()
    study["report"]["figures"] = ["maps"]
    study["films"]["uniform"]["shard"]["seeds"] = 3
    del study["learn"]["networks"]["mob"]
    campaign = SlurmCampaign(tmp_path, study)
    campaign.run(profile=profile)
    campaign.assert_complete()
    assert (campaign.results / "small" / "report" / "index.html").stat().st_size > 10_000
    jobs = of_rule(slurm, "simulate")
    assert len(jobs) == len(campaign.study.shards)
    for job in jobs:
        assert job["State"] == "COMPLETED"
        assert re.search(r"gres/gpu=(\d+)", job["AllocTRES"])[1] == "1"
        assert re.fullmatch(r"weiss-small_[0-9a-f-]{36}", job["JobName"])
    assert {"gres/gpu" in job["AllocTRES"] for job in of_rule(slurm, "train")} == {False}
    state = json.loads(campaign.weiss("status", str(campaign.file), "--json"))
    assert all(stage["done"] == stage["total"] > 0 for stage in state["stages"].values())
    assert "Nothing to be done" in campaign.run(profile=profile).stdout


def test_a_killed_head_goes_on(slurm: Cluster, profile: Path, tmp_path: Path, undisturbed: bytes) -> None:
    campaign = SlurmCampaign(tmp_path, slow_films())
    with ended_at_exit(campaign.start(profile=profile)) as head:
        campaign.wait_for(lambda: campaign.computed().total() >= 1)
        head.send_signal(signal.SIGKILL)
    assert queued(slurm), "the jobs were to outlive the head"
    campaign.run(profile=profile)
    campaign.assert_complete()
    assert campaign.dataset() == undisturbed


def test_orphans_are_seen_and_cancelled_and_nobody_elses(
    slurm: Cluster, profile: Path, tmp_path: Path, undisturbed: bytes
) -> None:
    campaign = SlurmCampaign(tmp_path / "here", slow_films())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    # another study whose name begins alike, and the same study run from another folder
    others = {
        f"weiss-small-2_{uuid.uuid4()}": campaign.folder,
        f"weiss-small_{uuid.uuid4()}": elsewhere,
    }
    for name, folder in others.items():
        submit = ["sbatch", "--job-name", name, "--mem=10", "--output=/dev/null", "--wrap", "sleep 600"]
        subprocess.run(submit, cwd=folder, check=True, capture_output=True)
    with ended_at_exit(campaign.start(profile=profile)) as head:
        campaign.wait_for(lambda: campaign.computed().total() >= 1)
        state = json.loads(campaign.weiss("status", str(campaign.file), "--json"))
        running = state["stages"]["simulate"]["running"]
        assert state["head"] and running
        assert all("Slurm job" in job["what"] and "films" in job["what"] for job in running)
        head.send_signal(signal.SIGKILL)
    before = queued(slurm)
    assert "would cancel" in campaign.weiss("cancel", str(campaign.file), "--dry-run")
    assert queued(slurm) == before
    text = campaign.weiss("cancel", str(campaign.file))
    assert text.count("cancelled") == len(before) - len(others)
    campaign.wait_for(lambda: set(queued(slurm)) == set(others))
    assert "no Slurm job" in campaign.weiss("cancel", str(campaign.file))
    assert not json.loads(campaign.weiss("status", str(campaign.file), "--json"))["head"]
    campaign.run(profile=profile)
    campaign.assert_complete()
    assert campaign.dataset() == undisturbed


def test_a_node_dies_under_a_running_shard(slurm: Cluster, profile: Path, tmp_path: Path, undisturbed: bytes) -> None:
    campaign = SlurmCampaign(tmp_path, slow_films())
    with ended_at_exit(campaign.start(profile=profile)) as head:
        campaign.wait_for(lambda: campaign.computed().total() >= 1)
        node = slurm.ask("squeue", "--noheader", "--states=RUNNING", "--format=%N").split()[0]
        slurm.kill_node(node)
        try:
            assert head.wait(timeout=300) == 0, campaign.head_output()
        finally:
            slurm.start_node(node)
    assert "NODE_FAIL" in {job["State"] for job in of_rule(slurm, "simulate")}
    assert "Nothing to be done" in campaign.run(profile=profile).stdout
    campaign.assert_complete()
    assert campaign.dataset() == undisturbed
