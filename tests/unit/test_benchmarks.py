"""The benchmarks of films, training and maps: their JSON and tables, and that the plain loops are what they say."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from weiss.tdgl import euler, rhs, rkc
from weiss.tdgl.dipole import dipole_kernel
from weiss.tdgl.model import prepare

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def tdgl(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """benchmarks/tdgl.py as a module, whose traces in the environment and the search path are taken away after."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", os.environ.get("OPENBLAS_NUM_THREADS", "1"))
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("benchmarks_tdgl", BENCHMARKS / "tdgl.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_quick_run_ends_with_a_line_of_json(
    tdgl: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tdgl, "NUMPY_SECONDS", 0.01)
    monkeypatch.setattr(tdgl, "QUICK_SECONDS", float("inf"))  # on a slow core compiling alone may take what is given
    out = tmp_path / "table.md"
    film = ["--n", "16", "--quarter", "200", "--pairs", "2,1", "1,0.5"]
    assert tdgl.main(["--quick", "--json", *film, "--out", str(out)]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["n"], found["quarter"], found["pairs"]) == (16, 200, [[2, 1], [1, 0.5]])
    assert found["ratio_vs_paper"] is None, "the paper's film is larger and slower"
    for film in found["films"]:
        end = film["t_crossing"] or 5 * found["quarter"]
        assert film["numpy_steps"] == pytest.approx(end / found["numpy_dt"], abs=1)
    costs = [film["core_s"] for film in found["films"]]
    assert found["core_s_per_film"] == pytest.approx(sum(costs) / 2) and min(costs) > 0
    ratios = [film["numpy_steps"] * found["numpy_s_per_step"] / film["core_s"] for film in found["films"]]
    assert found["ratio_vs_numpy"] == pytest.approx(sum(ratios) / 2)
    rows = [line for line in out.read_text().splitlines() if line.startswith("| 2 | 1 |")]
    assert len(rows) == 1 and rows[0].count("|") == tdgl.HEAD.count("|")


def test_slow_core_gets_one_film(
    tdgl: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tdgl, "NUMPY_SECONDS", 0.01)
    monkeypatch.setattr(tdgl, "QUICK_SECONDS", 0.0)
    tdgl.main(["--quick", "--json", "--n", "16", "--quarter", "200", "--out", str(tmp_path / "table.md")])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["pairs"] == [list(tdgl.QUICK_PAIRS[0])]


@pytest.mark.parametrize("kernel", ["cutoff", "lattice"])
def test_numpy_step_is_the_reference_step(tdgl: ModuleType, kernel: str) -> None:
    film = {**tdgl.settings(), "ny": 24, "nx": 24, "J": 1.3, "D": 0.7, "kernel": kernel, "precision": "float64"}
    films = prepare([(film, 5)])
    equation, state = rkc.equation_of(films, np), rhs.State.like(films.m, np)
    m = np.random.default_rng(1).uniform(-1, 1, (24, 24))
    state.m[...], t, dt = m, 140.0, 0.1
    euler.step(equation, state, t, dt, np.empty_like(state.m))
    kernel_k = dipole_kernel(kernel, 24, 24, film["a0"])
    h = float(equation.h_of(np.array(t)))
    plain = tdgl.numpy_step(
        m, h, dt, films.anisotropy[0], 1.3, film["gamma_per_J"] * 1.3, kernel_k, 1 - film["m_limit"]
    )
    assert abs(plain - m).max() > 0.01
    np.testing.assert_allclose(plain, state.m[0], atol=1e-12)


def test_unknown_options_are_refused_without_a_gpu(tdgl: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tdgl.main(["--cpu", "--films", "3"])
    assert "--films" in capsys.readouterr().err


# --- learn.py ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """benchmarks/learn.py as a module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("benchmarks_learn", BENCHMARKS / "learn.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_quick_training_speed_ends_with_a_line_of_json(
    speed: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "table.md"
    small = ["--films", "20", "--size", "64", "--seconds", "0.3", "--out", str(out)]
    assert speed.main(["--quick", "--json", *small]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    (row,) = found["rows"]
    assert (row["network"], row["films"]) == ("mod", 20) and row["epochs"] >= 1
    whole = row["train_s"] + row["validate_s"] + row["other_s"]
    assert whole == pytest.approx(20 / row["samples_per_s"])
    assert found["overhead_share"] == pytest.approx(row["other_s"] / whole) and 0 < found["overhead_share"] < 1
    assert min(row["train_s"], row["validate_s"], row["other_s"]) > 0
    assert set(row["plain_samples_per_s"]) == {"0", "2"}
    best = max(row["plain_samples_per_s"].values())
    assert found["ratio_vs_dataloader"] == pytest.approx(row["samples_per_s"] / best)
    rows = [line for line in out.read_text().splitlines() if line.startswith("| mod |")]
    assert len(rows) == 1 and rows[0].count("|") == out.read_text().splitlines()[0].count("|")


def test_hours_of_the_paper_are_those_of_its_epochs(speed: ModuleType) -> None:
    """Half a second for each film to learn from or to be judged by: 250 and 1000 to learn from, 250 that judge."""
    rows = [
        speed.Row(
            network=network,
            device="",
            films=10,
            epochs=1,
            samples_per_s=1.0,
            train_s=4.0,
            validate_s=5.0,
            other_s=1.0,
            overhead_share=0.1,
            plain_samples_per_s={},
            ratio_vs_dataloader=1.0,
        )
        for network in ("mod", "reg")
    ]
    hours = 20 * 100 * (250 + 1000 + 2 * 250) / 2 / 3600
    assert speed.paper_hours(rows) == pytest.approx({"mod": hours, "reg": hours, "reg_pret": hours})
    assert list(speed.paper_hours(rows[:1])) == ["mod"]


# --- maps.py ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def sliding(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """benchmarks/maps.py as a module."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", os.environ.get("OPENBLAS_NUM_THREADS", "1"))
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("benchmarks_maps", BENCHMARKS / "maps.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_quick_maps_end_with_a_line_of_json(
    sliding: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "table.md"
    assert sliding.main(["--quick", "--json", "--device", "cpu", "--seconds", "0.02", "--out", str(out)]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    (row,) = found["rows"]
    assert (row["network"], row["precision"], row["peak"]) == ("mod", "float32", None)
    assert found["windows_per_s"] == row["windows_per_s"] > 0 and found["extrapolated"]
    assert found["ratio_vs_loop"] == pytest.approx(row["windows_per_s"] / row["loop_windows_per_s"])
    assert found["seconds_per_film"] == pytest.approx(512**2 / row["windows_per_s"])
    assert row["tera"] * 1e12 / row["windows_per_s"] == pytest.approx(3.94e6, rel=0.01), "operations of a window of mod"
    rows = [line for line in out.read_text().splitlines() if line.startswith("| mod |")]
    assert len(rows) == 1 and rows[0].count("|") == sliding.HEAD.count("|")


def test_the_loop_gives_the_map(sliding: ModuleType) -> None:
    film, device = sliding.pattern()[:80, :70], sliding.torch_device("cpu")
    module = sliding.network("mod", device)
    read = sliding.slide(sliding.reader(module), film, sliding.WINDOW, 8, 32, device)
    cells = np.array([(0, 0), (72, 64), (40, 8)])
    np.testing.assert_allclose(
        sliding.loop(module, film, cells, device), read[:, cells[:, 0] // 8, cells[:, 1] // 8].T, rtol=0, atol=1e-6
    )


def test_reduced_precision_is_refused_on_a_core(sliding: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        sliding.main(["--device", "cpu", "--precisions", "bfloat16"])
    assert "float32 alone" in capsys.readouterr().err


# --- micromagnetic films ----------------------------------------------------------------------------------------------


@pytest.fixture
def llg(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """benchmarks/llg.py as a module, on tiny films."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, os.environ.get(name, "1"))
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("benchmarks_llg", BENCHMARKS / "llg.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROUND_S", 0.001)
    monkeypatch.setattr(module, "QUICK_SIZES", (16,))
    return module


def test_quick_run_of_micromagnetic_films_ends_with_a_line_of_json(
    llg: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With scipy alone beside it, which is no peer."""
    monkeypatch.setattr(llg, "PEERS", ("scipy",))
    monkeypatch.setattr(llg, "JSON_OF", (16, "float32", 1))
    assert llg.main(["--quick", "--json", "--out", str(tmp_path / "table.md")]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["rhs_ms"] > 0 and found["rhs_ratio_vs_best_peer"] is None
    assert list(found["peers"]) == ["scipy"] and found["left_out"] == []
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert lines[2].startswith("| 16² | float32 | 1 |") and lines[2].count("|") == lines[0].count("|")


def test_the_ratio_is_to_the_fastest_peer(llg: ModuleType) -> None:
    row = llg.Row(256, "float32", 1, {"weiss": 2.0, "magnumnp": 9.0, "neuralmag-jax": 5.0, "scipy": 1.0}, {})
    assert row.ratio("rhs") == 2.5
    assert row.ratio("run") is None


def test_a_peer_that_is_not_installed_is_left_out(llg: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    peer = llg.Peer("magnumnp", "float32", 16, 1, "cpu")
    if peer.ready():
        pytest.skip("it is installed")
    peer.close()
    assert "magnumnp is left out: No module named" in capsys.readouterr().err


def test_films_are_relaxed_with_each_method(llg: ModuleType) -> None:
    rows = list(llg.relax_rows(16, 2, ("lbfgs", "minimise"), (1e-2,), "cpu", 1))
    assert [row.split("|")[1].strip() for row in rows] == ["lbfgs", "minimise"]
    for row in rows:
        cells = [cell.strip() for cell in row.split("|")[1:-1]]
        assert len(cells) == llg.RELAX_HEAD.count("|") - 1
        assert cells[4] == "2" and 0 < int(cells[5]) <= float(cells[6]) <= int(cells[7])
