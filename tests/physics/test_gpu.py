"""What a GPU must get right: `pytest -m gpu` on a machine that has one."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest

from physics.films import film
from physics.gpu_checks import batch_is_not_felt, kernels_agree, moved, problem, whole_step_agrees
from physics.gpu_windows import judgements, windows_agree, windows_do_not_feel_their_batch
from weiss.arrays import convolver, films_at_once, select_device, to_host
from weiss.errors import UserError
from weiss.tdgl import rhs_gpu, rkc, simulate
from weiss.tdgl.dipole import cutoff_kernel

pytestmark = pytest.mark.gpu

DTYPES = [np.float32, np.float64]
PAIRS = [(2.0, 0.2), (2.0, 1.0), (1.5, 0.6), (1.0, 1.2), (0.5, 0.4), (0.5, 1.6)]


@pytest.fixture(scope="module", autouse=True)
def gpu() -> None:
    """Skip, saying why, where CuPy has no GPU."""
    try:
        select_device("gpu", "simulate")
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture
def cupy(gpu: None) -> ModuleType:
    """CuPy, on a GPU that works."""
    import cupy

    return cupy


# --- pieces ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("varies", [True, False], ids=["J varies", "J is thin"])
@pytest.mark.parametrize("cells", [(8, 12), (9, 12), (6, 7), (64, 64), (256, 256), (512, 96)])
def test_kernels_agree_with_the_plain_ones(cupy: ModuleType, dtype: type, varies: bool, cells: tuple[int, int]) -> None:
    """Evaluate, stage, finish and close on random films, to rounding."""
    kernels_agree(cupy, dtype, varies, cells)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cells", [(8, 12), (64, 64), (256, 256)])
def test_a_whole_step_agrees_with_its_stages(cupy: ModuleType, dtype: type, cells: tuple[int, int]) -> None:
    """Seven films with two to six stages, against the plain stages on the CPU."""
    whole_step_agrees(cupy, dtype, 7, cells)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cells", [(16, 16), (24, 10), (9, 9), (256, 256), (512, 512)])
def test_convolution_agrees_with_numpy(cupy: ModuleType, dtype: type, cells: tuple[int, int]) -> None:
    """Random fields; every film, the first few, some in the middle, and films that leave gaps."""
    rng = np.random.default_rng(4)
    kernel, films = cutoff_kernel(*cells, 5.9), 7
    field = rng.standard_normal((films, *cells)).astype(dtype)
    expected = np.fft.irfft2(np.fft.rfft2(field.astype(float)) * kernel, s=cells)
    convolve = convolver(cupy, kernel, cells, np.dtype(dtype))
    device_field = cupy.asarray(field)
    for live in ([1] * 7, [1, 1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0, 0], [0, 1, 0, 0, 0, 1, 0], [0] * 7):
        chosen = np.array(live, bool)
        out = cupy.full(field.shape, np.nan, dtype)
        convolve(device_field, out, chosen)
        error = abs(to_host(out)[chosen] - expected[chosen])
        assert error.max(initial=0) < 50 * np.finfo(dtype).eps * abs(expected).max()
    np.testing.assert_array_equal(to_host(device_field), field)


def test_transforms_do_not_feel_their_batch(cupy: ModuleType) -> None:
    """What cuFFT does in practice without promising it: one, seven and 64 films, the same numbers."""
    cells = (256, 256)
    field = cupy.asarray(np.random.default_rng(4).standard_normal((64, *cells)).astype(np.float32))
    convolve, outs = convolver(cupy, cutoff_kernel(*cells, 5.9), cells, np.dtype(np.float32)), []
    for films in (64, 7, 1):
        out = cupy.empty_like(field)
        convolve(field, out, np.arange(64) < films)
        outs.append(to_host(out))
    np.testing.assert_array_equal(outs[1][:7], outs[0][:7])
    np.testing.assert_array_equal(outs[2][0], outs[0][0])


@pytest.mark.parametrize("films", [7, 64])
def test_a_step_does_not_feel_its_batch(cupy: ModuleType, films: int) -> None:
    """Bit for bit: alone, and among others."""
    batch_is_not_felt(cupy, films, (64, 64), some=7)


def test_rolled_film_takes_the_rolled_step(cupy: ModuleType) -> None:
    """Periodic film: no cell is special."""
    medium, stages, tables, convolve, start = problem(cupy, 4, (32, 48), np.float64)
    ends = []
    for shift in ((0, 0), (5, -7)):
        there, begin = moved(cupy, medium), moved(cupy, start)
        there.anisotropy[...] = cupy.roll(there.anisotropy, shift, (1, 2))
        for name in ("m", "low", "near", "field", "spread", "rate"):
            getattr(begin, name)[...] = cupy.roll(getattr(begin, name), shift, (1, 2))
        work = rkc.Workspace.like(begin.m, cupy)
        rhs_gpu.all_stages(cupy, convolve, stages, tables, there, begin, work)
        ends.append(to_host(cupy.roll(work.end.m, (-shift[0], -shift[1]), (1, 2))))
    np.testing.assert_allclose(ends[1], ends[0], rtol=0, atol=1e-13)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_windows_agree_with_the_cpu(cupy: ModuleType, precision: str) -> None:
    """Steps with avalanches: windows, and what is put into the films."""
    given = judgements(precision)
    for judgement in given:
        windows_agree(cupy, judgement)
    windows_do_not_feel_their_batch(cupy, given[0])


def test_groups_fit_the_cache(cupy: ModuleType) -> None:
    """A power of two, smaller for larger films."""
    sizes = [films_at_once(cupy, n, n, np.dtype(np.float32)) for n in (64, 256, 512, 4096)]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] == 1
    assert all(size & (size - 1) == 0 for size in sizes)


# --- films -----------------------------------------------------------------------------------------------------------


def test_films_agree_with_the_cpu() -> None:
    """float64, so that only the order of the transforms' additions differs."""
    films = [(film(J, D, 32, quarter=500.0, precision="float64", loop_samples=101), 1) for J, D in PAIRS]
    here, there = dict(simulate(films)), dict(simulate(films, device="gpu"))
    for i in range(len(films)):
        assert there[i].status == here[i].status == "crossed"
        assert there[i].t_crossing == pytest.approx(here[i].t_crossing, abs=0.5)
        assert ((there[i].m >= 0) == (here[i].m >= 0)).mean() >= 0.999


def test_float32_films_agree_with_the_cpu() -> None:
    """As they are run: crossings, patterns and loops within what rounding moves."""
    films = [(film(J, D, 64, quarter=500.0, loop_samples=101), 1) for J, D in PAIRS]
    here, there = dict(simulate(films)), dict(simulate(films, device="gpu"))
    for i in range(len(films)):
        assert there[i].status == here[i].status
        assert there[i].t_crossing == pytest.approx(here[i].t_crossing, abs=5)
        assert ((there[i].m >= 0) == (here[i].m >= 0)).mean() >= 0.995
        assert np.nanmean(abs(there[i].loop_m - here[i].loop_m)) < 1e-3
        assert abs(there[i].m).max() <= 1


def test_nonuniform_film_agrees_with_the_cpu() -> None:
    """A full map of J, and another D inside."""
    given = [
        (
            film(
                2.0, 1.0, 32, D_in=0.4, J_in=1.2, inner_margin=8, quarter=500.0, precision="float64", loop_samples=101
            ),
            1,
        )
    ]
    ((_, here),), ((_, there),) = simulate(given), simulate(given, device="gpu")
    assert there.t_crossing == pytest.approx(here.t_crossing, abs=0.5)
    assert ((there.m >= 0) == (here.m >= 0)).mean() >= 0.999


def test_a_film_does_not_feel_its_batch() -> None:
    """Alone, among seven and among 64: the same film, bit for bit."""
    films = [(film(*PAIRS[i % 4], 32, quarter=500.0, loop_samples=101), 1 + i // 4) for i in range(64)]
    together, seven = dict(simulate(films, device="gpu")), dict(simulate(films[:7], device="gpu"))
    for i in (0, 3, 6, 63):
        ((_, alone),) = simulate([films[i]], device="gpu")
        for other in (together[i], *([seven[i]] if i in seven else [])):
            assert alone.t_crossing == other.t_crossing
            np.testing.assert_array_equal(alone.m, other.m)
            np.testing.assert_array_equal(alone.loop_m, other.loop_m)


# --- memory ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def little_memory(cupy: ModuleType) -> Iterator[None]:
    """Let CuPy have memory for about five films of 64²."""
    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    pool.set_limit(size=pool.used_bytes() + int(5.5 * rhs_gpu.bytes_per_film(64, 64, np.dtype("f4")) / 0.9))
    yield
    pool.set_limit(size=0)


@pytest.mark.parametrize("estimate", [True, False], ids=["foreseen", "not foreseen"])
def test_a_batch_that_does_not_fit_is_split(
    little_memory: None, estimate: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Films come all the same, with a line on stderr; the estimate spares the attempt."""
    films = [(film(2.0, 1.0, 64, quarter=60.0, loop_samples=11), seed) for seed in range(40)]
    if not estimate:
        monkeypatch.setattr(rhs_gpu, "most_films", lambda *_: 40)
    results = dict(simulate(films, device="gpu"))
    assert sorted(results) == list(range(40))
    said = capsys.readouterr().err
    assert ("do not fit the memory together" in said) == estimate
    assert ("ran out of memory" in said) != estimate
