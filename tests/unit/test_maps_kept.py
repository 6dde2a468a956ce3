"""Maps that are there are not made again; maps of a network that is gone are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import synthetic

from weiss import maps, paths

ID = "mod-n2-r01"


def _times(folder: Path) -> dict[str, int]:
    return {name: (folder / name).stat().st_mtime_ns for name in ("maps.h5", "metrics.json")}


def test_finished_maps_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study, results = synthetic.copy(tmp_path)
    folder = paths.maps(results, study.name, ID)
    maps.run(study, ID, results)
    before = _times(folder)
    maps.run(study, ID, results)
    assert _times(folder) == before
    assert "finished already" in capsys.readouterr().err


@pytest.mark.parametrize("change", ["maps.h5", "metrics.json", "network"])
def test_what_changed_is_made_again(tmp_path: Path, change: str) -> None:
    study, results = synthetic.copy(tmp_path)
    folder = paths.maps(results, study.name, ID)
    maps.run(study, ID, results)
    before = _times(folder)
    if change == "network":
        # the same network in other bytes, as a training on a GPU may leave it
        best = paths.training(results, study.name, ID) / "best.pt"
        best.write_bytes(best.read_bytes() + b"\0")
    else:
        (folder / change).write_bytes((folder / change).read_bytes()[:-10])
    maps.run(study, ID, results)
    assert all(_times(folder)[name] > time for name, time in before.items())
    assert json.loads((folder / "metrics.json").read_text())["map"] == ID
