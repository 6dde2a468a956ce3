"""Something breaks; the same command is given again; all is as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from campaign import Campaign, ended_at_exit, films, processes, slow_films
from weiss import head, paths

RAISES = '''
"""Makes the solver raise after its first film, as a film whose fields stop being finite would."""
import weiss.tdgl
from weiss.errors import SimulationError

unharmed = weiss.tdgl.simulate


def simulate(films, *args, **kwargs):
    for number, (index, film) in enumerate(unharmed(films, *args, **kwargs)):
        if number == 1:
            raise SimulationError(index, "not finite at t = 12")
        yield index, film


weiss.tdgl.simulate = simulate
'''


def stop(*words: str) -> None:
    victims = processes(*words)
    assert victims
    for victim in victims:
        os.kill(victim, signal.SIGKILL)


def test_a_shard_is_killed(tmp_path: Path, undisturbed_slow_films: bytes) -> None:
    campaign = Campaign(tmp_path, slow_films())
    with ended_at_exit(campaign.start()) as head:
        campaign.wait_for(lambda: campaign.computed().total() >= 1)
        stop("simulate", str(campaign.file), "--digest")
        assert head.wait(timeout=300) != 0
    lost = len(campaign.study.points) - campaign.computed().total()
    assert lost > 0, "killed too late to prove anything"
    campaign.run()
    campaign.assert_complete()
    assert campaign.dataset() == undisturbed_slow_films


def test_the_head_is_killed(tmp_path: Path, undisturbed_slow_films: bytes) -> None:
    """Its jobs live on, on the same shards as the new head's jobs: still every film is made once."""
    campaign = Campaign(tmp_path, slow_films())
    with ended_at_exit(campaign.start()) as head:
        campaign.wait_for(lambda: campaign.computed().total() >= 1)
        os.kill(head.pid, signal.SIGKILL)
        head.wait()
        assert processes("simulate", str(campaign.file)), "the jobs were to outlive the head"
        text = campaign.run().stdout
    assert "the last run here was killed" in text
    campaign.assert_complete()
    assert campaign.dataset() == undisturbed_slow_films


def test_two_heads_in_one_folder(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, slow_films())
    with ended_at_exit(campaign.start()) as head:
        campaign.wait_for(lambda: campaign.computed().total() >= 1)
        os.kill(head.pid, signal.SIGSTOP)  # or it could be done before the second looks
        assert "cannot be locked" in campaign.run(fails=True).stdout


def test_a_shard_raises(tmp_path: Path, finished_films: Campaign) -> None:
    campaign = Campaign(tmp_path / "run", films())
    (tmp_path / "sitecustomize.py").write_text(RAISES)
    trap = f"{tmp_path}{os.pathsep}{campaign.source / 'src'}"
    campaign.run(fails=True, PYTHONPATH=trap)
    assert campaign.computed().total() == len(campaign.study.shards), "what was finished is kept"
    failed = json.loads(campaign.weiss("status", str(campaign.file), "--json"))["stages"]["simulate"]["failed"]
    assert {job["job"] for job in failed} == set(campaign.study.shards)
    assert all("not finite at t = 12" in job["what"] for job in failed)
    campaign.run()
    campaign.assert_complete()
    assert campaign.dataset() == finished_films.dataset()


def test_the_disk_is_full(tmp_path: Path, finished_films: Campaign) -> None:
    if os.geteuid() != 0:
        if os.environ.get("WEISS_REQUIRE_SLURM") == "1":
            pytest.fail("mounting a small file system needs root")
        pytest.skip("mounting a small file system needs root")
    campaign = Campaign(tmp_path, films())
    campaign.results.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(campaign.results)]
    subprocess.run(mount, check=True)
    try:
        campaign.run(fails=True)
        assert campaign.computed().total() < len(campaign.study.points), "there was room for all"
        subprocess.run(["mount", "-o", "remount,size=64m", str(campaign.results)], check=True)
        campaign.run()
        # a film may have found room and its line in the log none
        assert set(campaign.computed().values()) == {1}
        assert campaign.dataset() == finished_films.dataset()
        known = {".h5", ".json", ".jsonl", ".log", ".tsv", ".csv", ".png", ".html"}
        assert {path.suffix for path in campaign.results.rglob("*") if path.is_file()} == known, "a leftover"
    finally:
        subprocess.run(["umount", str(campaign.results)], check=True)


def test_a_part_is_truncated(tmp_path: Path, finished_films: Campaign) -> None:
    campaign = finished_films.copy(tmp_path / "run")
    victim = paths.point_file(campaign.results, next(iter(campaign.study.points)))
    whole = victim.read_bytes()
    victim.write_bytes(whole[: len(whole) // 2])
    assert "runs again" in campaign.run().stdout
    campaign.assert_complete(lost=1)
    assert campaign.computed()[victim.stem] == 2
    assert victim.read_bytes() == whole
    assert campaign.dataset() == finished_films.dataset()


def test_a_part_rots_before_it_is_gathered(tmp_path: Path, finished_films: Campaign) -> None:
    """The same size and other bytes: the dataset refuses it, and the next run makes it again."""
    campaign = finished_films.copy(tmp_path / "run")
    paths.dataset(campaign.results, "small", "uniform").unlink()
    victim = paths.point_file(campaign.results, next(iter(campaign.study.points)))
    whole = bytearray(victim.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    victim.write_bytes(whole)
    campaign.run(fails=True)
    campaign.run()
    campaign.assert_complete(lost=1)
    assert campaign.dataset() == finished_films.dataset()


@pytest.mark.parametrize("damage", ["{]", "another's"])
def test_a_manifest_is_corrupted(tmp_path: Path, finished_films: Campaign, damage: str) -> None:
    campaign = finished_films.copy(tmp_path / "run")
    victim, other = (paths.manifest(campaign.results, "small", shard) for shard in campaign.study.shards)
    whole = victim.read_text()
    victim.write_text(other.read_text() if damage == "another's" else damage)
    assert "would be removed" in campaign.run("--dry-run").stdout
    assert victim.exists()
    campaign.run()
    campaign.assert_complete()
    assert victim.read_text() == whole
    assert campaign.dataset() == finished_films.dataset()


def test_a_study_edited_under_a_planned_job_is_refused(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, films())
    shard = next(iter(campaign.study.shards))
    text = campaign.weiss("simulate", str(campaign.file), shard, "--digest", "0" * 16, fails=True)
    assert "run snakemake again" in text
    assert not campaign.results.exists()


def test_only_locks_of_the_dead_are_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Snakemake's lock files go when no head lives here and the last one ran on this machine, and only then."""
    monkeypatch.chdir(tmp_path)
    locks = tmp_path / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    left = locks / "0.output.lock"
    begin = [sys.executable, "-c", "from weiss import head; head._take_over(); print('ready', flush=True); input()"]

    def another_head() -> subprocess.Popen[str]:
        process = subprocess.Popen(begin, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        return process

    assert not head.alive()
    first = another_head()
    assert head.alive()
    left.touch()
    second = another_head()
    assert left.exists(), "the first head lives"
    first.kill()
    first.wait()
    assert head.alive()
    another_head().kill()
    assert left.exists(), "the second head lives"
    second.kill()
    second.wait()
    (tmp_path / ".snakemake" / "weiss.lock").write_text("another-machine\n")
    another_head().kill()
    assert left.exists(), "the last head ran elsewhere"
    (tmp_path / ".snakemake" / "weiss.lock").write_text(socket.gethostname() + "\n")
    another_head().kill()
    assert not left.exists()
