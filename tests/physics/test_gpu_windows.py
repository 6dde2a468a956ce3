"""The GPU's kernels for avalanches as far as a machine without a GPU can prove them: NVRTC compiles them, and on the
CPU they agree with the compiled ones of `avalanche`."""

from __future__ import annotations

import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from physics.films import film
from physics.gpu_checks import moved
from physics.gpu_on_host import HEAD, kernels_on_host
from physics.gpu_windows import Judgement, judged_again, judgements, windows_agree, windows_do_not_feel_their_batch
from physics.test_gpu_kernels import DTYPES, compile_for
from weiss.tdgl import avalanche, avalanche_gpu, batches, hysteresis, rhs_gpu, rkc, simulate
from weiss.tdgl.chebyshev import coefficients

NAMES = {"survey", "cover", "rest_blocks", "integrate", "insert"}


@pytest.mark.parametrize("architecture", [80, 90])
@pytest.mark.parametrize("dtype", DTYPES)
def test_kernels_compile(architecture: int, dtype: type) -> None:
    """To machine code of A100 and H100, with every kernel that avalanche_gpu launches in it."""
    code = compile_for(architecture, avalanche_gpu.source(), avalanche_gpu.options(np.dtype(dtype)))
    assert set(HEAD.findall(avalanche_gpu.source())) == NAMES
    for name in NAMES:
        assert f".text.{name}".encode() in code


def test_stage_table_holds_the_coefficients_of_every_step() -> None:
    """Rows lie where the kernel looks for them."""
    rows, reach = avalanche_gpu.stage_table()
    for s in (2, 3, 57, avalanche.MOST_STAGES):
        table, abscissae, longest = coefficients(s)
        np.testing.assert_array_equal(rows[s * (s + 1) // 2 + np.arange(s + 1)], np.column_stack([table, abscissae]))
    assert reach == longest


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the host's libraries lie."""
    return tmp_path_factory.mktemp("windows")


@pytest.fixture
def on_host(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `avalanche_gpu` launch its kernels on the CPU, with NumPy for CuPy and few threads: they are slow."""
    monkeypatch.setattr(avalanche_gpu, "kernel", kernels_on_host(folder, avalanche_gpu))
    monkeypatch.setattr(avalanche_gpu, "THREADS", 4)


@pytest.fixture(scope="module", params=["float32", "float64"])
def given(request: pytest.FixtureRequest) -> list[Judgement]:
    """Steps with avalanches, of three films at once."""
    return judgements(request.param)


def test_windows_agree_with_the_cpu(on_host: None, given: list[Judgement]) -> None:
    """Errors, boxes, steps, end states and what is put into the films."""
    flips = 0
    for judgement in given:
        windows_agree(np, judgement)
        for i, ours in zip(judgement.films, judgement.windows, strict=True):
            for window in ours:
                before = judgement.start.m[i][avalanche.place(window.box, judgement.start.m.shape[1:])]
                flips += int(((before >= 0) != (window.m >= 0)).sum())
    assert flips > 10, "the windows must hold avalanches"


def test_windows_do_not_feel_their_batch(on_host: None, given: list[Judgement]) -> None:
    """Windows of different sizes and films together and film by film: the same bit for bit."""
    windows_do_not_feel_their_batch(np, given[0])
    assert len({window.box[2:] for ours in given[0].windows for window in ours}) > 1


def test_windows_that_grow_agree_with_the_cpu(
    on_host: None, given: list[Judgement], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With hardly any difference allowed at the rim: windows grow, and some never fit."""
    monkeypatch.setattr(avalanche, "RIM", 0.02)
    boxes = {window.box for judgement in given for ours in judgement.windows for window in ours}
    grown, lost = 0, 0
    for judgement in given:
        again = judged_again(judgement)
        windows_agree(np, again)
        lost += int((again.errors == avalanche.TOO_WIDE).sum())
        for ours in again.windows:
            grown += sum(window.box not in boxes for window in ours)
    assert grown and lost


def test_where_windows_overlap_the_last_one_counts(on_host: None, given: list[Judgement]) -> None:
    """As on the CPU, which puts them in one after the other; across the film's edges too."""
    rng = np.random.default_rng(3)
    boxes = ((-4, 30, 11, 20), (2, 40, 12, 13), (-2, 35, 20, 11))
    ours = [avalanche.Window(box, *rng.uniform(-1, 1, (2, *box[2:])), np.zeros((1, 2)), 1) for box in boxes]
    windows, ends = [[], ours, ours[:1]], [moved(np, given[0].end) for _ in range(2)]
    for module, end in zip((avalanche_gpu, avalanche), ends, strict=True):
        module.insert(np, windows, end)
    for name in ("m", "low"):
        np.testing.assert_array_equal(getattr(ends[0], name), getattr(ends[1], name))
    assert (ends[0].m != given[0].end.m)[1].sum() > (ends[0].m != given[0].end.m)[2].sum() > 0


def test_windows_that_fail_agree_with_the_cpu(
    on_host: None, given: list[Judgement], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With so few steps allowed that most windows do not come to an end."""
    monkeypatch.setattr(avalanche, "MOST_STEPS", 5)
    lost, kept = 0, 0
    for judgement in given:
        again = judged_again(judgement)
        windows_agree(np, again)
        lost += int((again.errors == avalanche.TOO_WIDE).sum())
        kept += sum(map(len, again.windows))
    assert lost and kept


def test_full_map_of_exchange(on_host: None, given: list[Judgement]) -> None:
    """J that varies along both axes."""
    judgement = given[0]
    films, ny, nx = judgement.start.m.shape
    noise = np.random.default_rng(3).uniform(0.95, 1.05, (films, ny, nx)).astype(judgement.start.m.dtype)
    windows_agree(np, judged_again(replace(judgement, medium=replace(judgement.medium, exchange=noise))))


def test_no_film_asks_nothing(on_host: None, given: list[Judgement]) -> None:
    """While crossings are located no film may be free."""
    errors, windows = given[0].again(np, np.array([], int))
    assert not errors.size and not windows


def test_films_through_the_sweep(on_host: None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two films in one batch through a short sweep, all on the GPU's kernels, and on the CPU's."""
    given = [
        (film(J, D, 24, crossing=1, quarter=300.0, loop_samples=21, precision="float64"), 1)
        for J, D in ((2.0, 1.0), (1.0, 1.2))
    ]
    expected = dict(simulate(given, batch=2))
    device = types.ModuleType("device")
    vars(device).update({name: getattr(np, name) for name in dir(np) if not name.startswith("__")})
    device.asarray = np.ascontiguousarray  # what comes from the host lies contiguous on a GPU
    for module in (batches, hysteresis):
        monkeypatch.setattr(module, "namespace", lambda name: device)
    monkeypatch.setattr(rhs_gpu, "kernel", kernels_on_host(folder))
    monkeypatch.setattr(rhs_gpu, "films_at_once", lambda *_: 2)
    monkeypatch.setattr(rhs_gpu, "THREADS", 4)
    monkeypatch.setattr(rkc, "kernels", lambda xp: rhs_gpu)
    monkeypatch.setattr(avalanche, "of", lambda xp: avalanche_gpu)
    monkeypatch.setattr(avalanche, "separate", None)
    for i, got in simulate(given, device="gpu"):
        assert (got.status, got.avalanches) == (expected[i].status, expected[i].avalanches)
        assert got.avalanches > 1
        np.testing.assert_allclose(got.loop_m, expected[i].loop_m, atol=1e-5)
        np.testing.assert_allclose(got.m, expected[i].m, atol=1e-3)


def test_arrays_the_kernels_cannot_walk_are_refused(on_host: None, given: list[Judgement]) -> None:
    """A transposed field would be read as if it were not."""
    broken = moved(np, given[0].end)
    broken.low = np.ascontiguousarray(broken.low.swapaxes(1, 2)).swapaxes(1, 2)
    with pytest.raises(ValueError, match="C-contiguous"):
        avalanche_gpu.insert(np, given[0].windows, broken)
    broken = replace(given[0], m_before=given[0].m_before.astype(np.float16))
    with pytest.raises(ValueError, match="one precision"):
        broken.again(np)
