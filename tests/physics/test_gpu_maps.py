"""What maps must get right on a GPU: `pytest -m gpu tests/physics/test_gpu_maps.py` on a machine that has one."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from unit import synthetic
from weiss import gather, learn, maps, paths, simulate
from weiss.errors import UserError
from weiss.learn.networks import build
from weiss.learn.networks.regressor import Regressor
from weiss.learn.reproducible import torch_device
from weiss.maps import precision
from weiss.maps.network import PRECISIONS, reader
from weiss.maps.sliding import slide

pytestmark = pytest.mark.gpu

WINDOW = 64
NETWORKS = ("mod", "mob")


@pytest.fixture(scope="module", autouse=True)
def device() -> torch.device:
    """Skip, saying why, where torch has no GPU."""
    try:
        return torch_device("gpu")
    except UserError as error:
        pytest.skip(str(error))


def film(cells: int) -> np.ndarray:
    """Random cells ±1."""
    return np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (cells, cells))


def network(name: str) -> Regressor:
    """A network whose running statistics are those of a batch, so that no layer is idle."""
    made = build(name, 2, seed=1)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    images = torch.from_numpy(np.random.default_rng(3).choice([-1.0, 1.0], (16, WINDOW, WINDOW))).float()
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        made(images)
    return made.eval()


def read(module: Regressor, device: torch.device, name: str = "float32", batch: int = 256, **how: int) -> np.ndarray:
    """Map a film as a job does."""
    on_device = module.to(device)
    cells, stride = how.get("cells", 96), how.get("stride", 4)
    return slide(reader(on_device, name, batch), film(cells), WINDOW, stride, batch, device)


@pytest.mark.parametrize("name", NETWORKS)
def test_float32_maps_agree_with_the_cpu(device: torch.device, name: str) -> None:
    here = read(network(name), torch.device("cpu"))
    there = read(network(name), device)
    assert here.std(axis=(1, 2)).min() > 1e-3
    assert np.abs(there - here).max() < 1e-4 * np.abs(here).max()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_map_does_not_feel_its_batch(device: torch.device, name: str) -> None:
    together = read(network(name), device, batch=4096)
    for batch in (1, 100):
        np.testing.assert_allclose(read(network(name), device, batch=batch), together, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", PRECISIONS)
def test_a_window_does_not_feel_its_neighbours(device: torch.device, kind: str) -> None:
    """Next to other windows and in another place of a batch as large: the same answer."""
    ask = reader(network("mod").to(device), kind, 64)
    windows = torch.from_numpy(np.random.default_rng(5).choice([-1.0, 1.0], (64, WINDOW, WINDOW))).float().to(device)
    first, other = ask(windows), ask(torch.cat([torch.ones_like(windows[:50]), windows[:14]]))
    torch.testing.assert_close(other[50:], first[:14], rtol=0, atol=1e-6)


def test_float32_maps_are_the_same_bytes(device: torch.device) -> None:
    once, again = (read(network("mob"), device) for _ in range(2))
    np.testing.assert_array_equal(once, again)


@pytest.mark.parametrize("name", NETWORKS)
def test_reduced_precisions_differ_as_their_numbers_do(device: torch.device, name: str) -> None:
    """Mean change against float32; finer numbers change less. Not every kernel has a tf32 form, so that may be none."""
    exact = read(network(name), device).astype(float)
    changes = {kind: np.abs(read(network(name), device, kind) - exact).mean() / exact.std() for kind in PRECISIONS}
    assert changes["float32"] == 0
    assert changes["tf32"] < 0.02
    assert 1e-6 < changes["float16"] < 0.02
    assert 3 * changes["float16"] < changes["bfloat16"] < 0.2


@pytest.mark.parametrize("kind", PRECISIONS)
def test_a_large_film_needs_less_than_four_gigabytes(device: torch.device, kind: str) -> None:
    """The largest network over a 1024² film in batches of the default size; every 16th cell, as memory is a batch's."""
    module = network("reg").to(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    read(module, device, kind, batch=1024, cells=1024, stride=16)
    assert torch.cuda.max_memory_allocated(device) < 4e9


@pytest.mark.parametrize("kind", PRECISIONS)
def test_the_host_does_not_wait_for_every_batch(device: torch.device, kind: str) -> None:
    """As often for sixteen batches as for two, counted by torch."""
    ask, waits = reader(network("mod").to(device), kind, 128), []
    slide(ask, film(64), WINDOW, 4, 128, device)
    torch.cuda.set_sync_debug_mode("warn")
    try:
        for stride in (4, 2):
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                slide(ask, film(64 if stride == 4 else 90), WINDOW, stride, 128, device)
            waits.append(len([one for one in said if "synchroniz" in str(one.message)]))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert waits[0] == waits[1] > 0


@pytest.mark.parametrize("kind", PRECISIONS)
def test_a_job_measures_its_precision(tmp_path: Path, kind: str) -> None:
    """From films to files; the map is the one of the CPU but for what the precision changes."""
    study, results = synthetic.write_study(tmp_path), tmp_path / "results"
    for shard in study.shards:
        simulate.run(study, shard, results, solver=synthetic.made_up_solver)
    for group in study.groups:
        gather.run(study, group, results)
    learn.run(study, "mod-n2-r01", results)
    job = study.maps["mod-n2-r01"]
    maps.run(replace(study, maps={job.id: replace(job, precision=kind)}), job.id, results, device="gpu")
    found = json.loads((paths.maps(results, study.name, job.id) / "metrics.json").read_text())
    assert found["timing"]["device"].startswith("cuda")
    assert found["precision"]["name"] == kind
    if kind == "float32":
        assert found["precision"]["sampled"] == 0
    else:
        assert found["precision"]["sampled"] == 2 * precision.SAMPLE
        assert found["precision"]["mean_change"]["J"] <= found["precision"]["max_change"]["J"]
        assert kind == "tf32" or found["precision"]["mean_change"]["J"] > 0
