"""The network of a map: folded, on its own windows alone, in a chosen precision, and within bounded memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import synthetic
import torch
from torch import nn
from torch.backends import cudnn
from torch.utils._python_dispatch import TorchDispatchMode

from weiss import gather, learn, maps, paths, simulate
from weiss.errors import UserError
from weiss.learn.networks import build
from weiss.learn.networks.names import NAMES
from weiss.learn.networks.regressor import Regressor
from weiss.maps import job, precision
from weiss.maps.network import PRECISIONS, Pointwise, arithmetic, folded, reader
from weiss.maps.sliding import slide
from weiss.patterns.windows import grid_of
from weiss.study import Study

WINDOW = 32

Trained = tuple[Study, Path]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small arrays are fastest on one thread, above all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def images(count: int, seed: int = 1, window: int = WINDOW) -> torch.Tensor:
    return torch.randn((count, window, window), generator=torch.Generator().manual_seed(seed)).sign()


def network(name: str, dtype: torch.dtype = torch.float32) -> Regressor:
    """A network whose running statistics are those of a batch, as after a training, so that no layer is idle."""
    made = build(name, 2, seed=1).to(dtype)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        made(images(8, seed=0).to(dtype))
    return made.eval()


def norms(module: nn.Module) -> int:
    return sum(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules())


# --- folding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_folding_leaves_no_batch_normalisation_and_changes_nothing_but_rounding(name: str) -> None:
    """In float64, where rounding cannot hide a mistake: deep networks with random weights magnify it a thousandfold."""
    module, given = network(name, torch.float64), images(3).double()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    made = folded(module)
    with torch.inference_mode():
        expected, found = module(given), made(given)
    assert norms(module) > 0 and norms(made) == 0
    assert any(isinstance(part, Pointwise) for part in made.modules()) == (name != "mod")
    assert expected.std(dim=0).min() > 1e-3
    assert (found - expected).abs().max() < 1e-10 * expected.abs().max()
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize(("name", "share"), [("mod", 1e-6), ("mob", 5e-5)])
def test_reader_is_the_saved_network(name: str, share: float) -> None:
    module, given = network(name), images(40)
    with torch.inference_mode():
        expected = module(given)
    found = reader(module)(given)
    assert found.dtype == torch.float32 and found.shape == (40, 2)
    torch.testing.assert_close(found, expected, rtol=0, atol=share * float(expected.abs().max()))


def test_network_in_training_mode_is_refused() -> None:
    """Batch statistics would leak from window to window."""
    module = network("mod")
    module.net.features.norm3.train()
    with pytest.raises(ValueError, match="evaluation mode"):
        reader(module)


# --- windows on their own --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mod", "mob"])
def test_a_window_does_not_feel_its_neighbours(name: str) -> None:
    """Next to other windows, in another place, or alone: the same answer."""
    read, some = reader(network(name)), images(5)
    among = read(torch.cat([images(30, seed=2), some, torch.ones((20, WINDOW, WINDOW))]))[30:35]
    alone = torch.cat([read(window[None]) for window in some])
    assert torch.equal(among, alone) and torch.equal(read(some.flip(0)).flip(0), alone)
    assert alone.std(dim=0).min() > 1e-3


@pytest.mark.parametrize(("name", "cells"), [("mod", (32, 38)), ("mob", (32, 36))])
def test_a_map_does_not_feel_its_batch(name: str, cells: tuple[int, int]) -> None:
    read = reader(network(name))
    film = np.random.default_rng(0).choice([-1, 1], cells).astype(np.int8)
    stride = 2 if name == "mod" else 4
    alone = slide(read, film, WINDOW, stride, batch=1)
    together = slide(read, film, WINDOW, stride, batch=4096)
    assert alone.std(axis=(1, 2)).min() > 1e-3
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-5)


def test_last_batch_is_filled_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """All batches of a map have one shape, so that a GPU takes the same kernels for all."""
    module, given, sizes = network("mod"), images(50), []
    expected, convolve = reader(module)(given), nn.Conv2d.forward

    def watched(layer: nn.Conv2d, maps: torch.Tensor) -> torch.Tensor:
        sizes.append(len(maps))
        return convolve(layer, maps)

    monkeypatch.setattr(nn.Conv2d, "forward", watched)
    read = reader(module, fill=24)
    found = torch.cat([read(part) for part in given.split(24)])
    assert set(sizes) == {24} and found.shape == (50, 2)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


# --- memory ----------------------------------------------------------------------------------------------------------


class Largest(TorchDispatchMode):
    """Notes the bytes of the largest array made, and how many operations there were."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.operations = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        self.operations += 1
        for made in found if isinstance(found, tuple | list) else (found,):
            if isinstance(made, torch.Tensor):
                self.bytes = max(self.bytes, made.untyped_storage().nbytes())
        return found


def largest(cells: int, batch: int, read: Callable[[torch.Tensor], torch.Tensor], stride: int = 1) -> Largest:
    film = np.random.default_rng(0).choice([-1, 1], (cells, cells)).astype(np.int8)
    with Largest() as found:
        slide(read, film, WINDOW, stride, batch)
    return found


def test_memory_is_that_of_a_batch_whatever_the_film() -> None:
    """The widest layer of mod: 8 maps of half the window's side. All windows of the film are never there at once."""
    read = reader(network("mod"))
    for batch in (64, 256):
        small, large = largest(48, batch, read), largest(96, batch, read)
        assert small.bytes == large.bytes == batch * 8 * (WINDOW // 2) ** 2 * 4


def test_work_in_python_is_that_of_a_batch() -> None:
    """Four times the windows in batches four times as large: as many operations."""
    read = reader(network("mod"), fill=1024)
    assert largest(64, 1024, read).operations == largest(32, 256, reader(network("mod"), fill=256)).operations


def test_film_and_results_of_a_large_film_are_small() -> None:
    """Of 1024² cells the film, the cells' numbers and what is read are there as a whole: 4, 8 and 8 MB."""
    assert largest(1024, 2**10, lambda windows: windows[:, 0, :2].clone()).bytes == 1024**2 * 8


# --- precision -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "finest"), [("float16", 2**-11), ("bfloat16", 2**-8)])
def test_half_precision_is_near_and_is_used(name: str, finest: float) -> None:
    """Answers stay float32, because the last layer is; the network itself is left as it was."""
    module, given = network("mod"), images(64)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    exact, rounded = reader(module)(given), reader(module, name)(given)
    change = (rounded - exact).abs().mean() / exact.std()
    assert rounded.dtype == torch.float32
    assert finest / 20 < change < 20 * finest
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert len(torch.unique(rounded.to(PRECISIONS[name]).float())) < len(torch.unique(rounded))


def test_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown precision"):
        reader(network("mod"), "float8")


@pytest.mark.parametrize("name", PRECISIONS)
def test_settings_of_torch_are_as_they_were(name: str) -> None:
    def settings() -> tuple[bool, ...]:
        return torch.backends.cuda.matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic

    before = settings()
    with pytest.raises(RuntimeError, match="on the way"), arithmetic(name):
        assert settings() == (name == "tf32", name == "tf32", name != "float32", True)
        raise RuntimeError("on the way")
    assert settings() == before


@pytest.mark.parametrize("shape", [(1, 1), (64, 64), (65, 64), (512, 512), (1024, 1024), (37, 5000)])
def test_sample_is_as_large_as_allowed(shape: tuple[int, int]) -> None:
    def windows(step: int) -> int:
        return grid_of(shape[0], step).size * grid_of(shape[1], step).size

    step = precision.sample_step(*shape)
    assert windows(step) <= precision.SAMPLE
    assert step == 1 or windows(step - 1) > precision.SAMPLE


def test_change_is_bounded_by_the_range_trained_on() -> None:
    change = np.array([[0.03, -0.01], [0.0, -0.001]], np.float32)
    precision.require_small(change, {"J": 2.01, "D": 0.06}, "bfloat16", "f1")
    with pytest.raises(UserError, match=r"changes J of film f1 by 0\.02 .* use float16 or tf32"):
        precision.require_small(change, {"J": 1.9, "D": 0.06}, "bfloat16", "f1")
    with pytest.raises(UserError, match=r"changes D of film f1 .* use float32"):
        precision.require_small(change, {"J": 2.01, "D": 0.04}, "tf32", "f1")
    change[1, 0] = np.nan
    with pytest.raises(UserError, match="changes D of film f1 by nan"):
        precision.require_small(change, {"J": 2.01, "D": 0.06}, "float16", "f1")


def test_overflow_outside_the_sample_is_noticed() -> None:
    values = np.ones((2, 9, 9), np.float32)
    precision.require_finite(values, "float16", "f1")
    values[1, 3, 5] = np.inf
    with pytest.raises(UserError, match="film f1 in precision float16 is not finite"):
        precision.require_finite(values, "float16", "f1")


def test_range_of_one_value_is_its_size() -> None:
    assert precision.spread([0.5, 2.0, 1.0]) == 1.5
    assert precision.spread([2.0, 2.0]) == 2.0


# --- the job ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Films and a trained network."""
    folder = tmp_path_factory.mktemp("study")
    study = synthetic.write_study(folder)
    for shard in study.shards:
        simulate.run(study, shard, folder / "results", solver=synthetic.made_up_solver)
    for group in study.groups:
        gather.run(study, group, folder / "results")
    learn.run(study, "mod-n2-r01", folder / "results")
    return study, folder / "results"


def with_precision(study: Study, name: str) -> Study:
    made = replace(study.maps["mod-n2-r01"], precision=name, stride=3, digest=f"{name}, stride 3")
    return replace(study, maps={"mod-n2-r01": made})


def test_reduced_precision_on_a_cpu_is_refused(trained: Trained) -> None:
    study, results = trained
    with pytest.raises(UserError, match="precision bfloat16 needs a GPU"):
        maps.run(with_precision(study, "bfloat16"), "mod-n2-r01", results)


def test_change_is_measured_against_float32_and_written(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for a GPU's rounding: everything read is 0.004 too high."""
    study, results = trained
    monkeypatch.setattr(job, "reader", moved_by(0.004))
    monkeypatch.setattr(job, "_check_precision", lambda *_: None)
    monkeypatch.setattr(precision, "SAMPLE", 100)
    maps.run(with_precision(study, "bfloat16"), "mod-n2-r01", results)
    found = json.loads((paths.maps(results, study.name, "mod-n2-r01") / "metrics.json").read_text())["precision"]
    assert (found["name"], found["sampled"]) == ("bfloat16", 2 * 8 * 8)
    for kind in ("max_change", "mean_change"):
        assert found[kind] == pytest.approx({"J": 0.004, "D": 0.004}, abs=1e-6)


def test_too_large_a_change_stops_the_map(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    study, results = trained
    monkeypatch.setattr(job, "reader", moved_by(0.05))
    monkeypatch.setattr(job, "_check_precision", lambda *_: None)
    with pytest.raises(UserError, match=r"maps\.precision: precision tf32 changes J of film"):
        maps.run(with_precision(study, "tf32"), "mod-n2-r01", results)


def moved_by(much: float) -> Callable[..., Callable[[torch.Tensor], torch.Tensor]]:
    def stand_in(
        module: Regressor, name: str, fill: int, scales: Sequence[float]
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        exact = reader(module, "float32", fill, scales)
        return exact if name == "float32" else lambda windows: exact(windows) + much

    return stand_in


def test_float32_is_not_read_twice(trained: Trained) -> None:
    study, results = trained
    maps.run(with_precision(study, "float32"), "mod-n2-r01", results)
    found = json.loads((paths.maps(results, study.name, "mod-n2-r01") / "metrics.json").read_text())["precision"]
    assert found == {"name": "float32", "sampled": 0, "max_change": None, "mean_change": None}


def test_a_films_map_does_not_feel_other_films(trained: Trained) -> None:
    import xarray as xr

    study, results = trained
    whole = with_precision(study, "float32")
    path = paths.maps(results, study.name, "mod-n2-r01") / "maps.h5"
    maps.run(whole, "mod-n2-r01", results)
    with xr.open_dataset(path, engine="h5netcdf") as data:
        together = data["D_map"].values
    last = whole.maps["mod-n2-r01"].points[-1:]
    alone = replace(whole.maps["mod-n2-r01"], points=last, digest="the last film alone")
    maps.run(replace(whole, maps={"mod-n2-r01": alone}), "mod-n2-r01", results)
    with xr.open_dataset(path, engine="h5netcdf") as data:
        np.testing.assert_array_equal(data["D_map"].values[0], together[-1])


def test_batch_too_large_for_a_gpu_is_one_clear_line(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB.\nGPU 0 has ...")

    study, results = trained
    monkeypatch.setattr(job, "slide", full)
    with pytest.raises(UserError, match="no memory for 256 windows at once") as caught:
        maps.run(with_precision(study, "float32"), "mod-n2-r01", results)
    assert "\n" not in str(caught.value)
