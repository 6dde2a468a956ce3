"""The GPU's kernels as far as a machine without a GPU can prove them: NVRTC compiles them, and on the CPU they agree
with the plain ones."""

from __future__ import annotations

import types
from pathlib import Path

import numpy as np
import pytest

from physics.films import film
from physics.gpu_checks import batch_is_not_felt, draw, kernels_agree, problem, whole_step_agrees
from physics.gpu_on_host import HEAD, build, kernels_on_host, launcher
from weiss import arrays
from weiss.tdgl import batches, hysteresis, rhs, rhs_gpu, rkc, simulate
from weiss.tdgl.dipole import cutoff_kernel

NAMES = ("evaluate", "begin", "stage", "finish", "close_blocks", "close_films")
DTYPES = [np.float32, np.float64]
SHAPES = [(8, 12), (9, 12), (6, 7), (256, 256)]
"""Wide loads and two rows a thread; one row; neither; many blocks a film."""


# --- compiled for the GPU --------------------------------------------------------------------------------------------


def compile_for(architecture: int, source: str, options: tuple[str, ...], ptx: bool = False) -> bytes:
    """Compile as CuPy does on a machine whose GPU has this architecture; machine code, or PTX."""
    pytest.importorskip("cupy", reason="CuPy has no wheel for this machine")
    from cupy_backends.cuda.libs import nvrtc

    target = f"--gpu-architecture={'compute' if ptx else 'sm'}_{architecture}"
    flags = (*options, "-ftz=true", target, "--device-as-default-execution-space")  # CuPy adds the last three
    program = nvrtc.createProgram(source, "kernels.cu", (), ())
    try:
        nvrtc.compileProgram(program, flags)
        return (nvrtc.getPTX if ptx else nvrtc.getCUBIN)(program)
    except nvrtc.NVRTCError as error:
        raise ValueError(nvrtc.getProgramLog(program)) from error
    finally:
        nvrtc.destroyProgram(program)


@pytest.mark.parametrize("architecture", [80, 90])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES[:3])
def test_kernels_compile(architecture: int, dtype: type, shape: tuple[int, int]) -> None:
    """To machine code of A100 and H100, with every kernel that rhs_gpu launches in it."""
    form = rhs_gpu.layout(*shape, np.dtype(dtype))
    code = compile_for(architecture, rhs_gpu.source(), rhs_gpu.options(form))
    assert set(HEAD.findall(rhs_gpu.source())) == set(NAMES)
    for name in NAMES:
        assert f".text.{name}".encode() in code
    assert b".text.product" in compile_for(architecture, arrays.PRODUCT, rhs_gpu.options(form))


def test_an_error_in_a_kernel_is_found() -> None:
    """The test above can fail."""
    form = rhs_gpu.layout(8, 8, np.dtype(np.float32))
    broken = rhs_gpu.source().replace("store(d_out + o, out);", "store(d_out + o, output);")
    assert broken != rhs_gpu.source()
    with pytest.raises(ValueError, match="output"):
        compile_for(90, broken, rhs_gpu.options(form))


@pytest.mark.parametrize(("dtype", "load"), [(np.float32, "v4.f32"), (np.float64, "v2.f64")])
def test_fields_are_loaded_sixteen_bytes_at_a_time(dtype: type, load: str) -> None:
    """As memory likes it; only the neighbours of a thread's first and last cell come alone."""
    form = rhs_gpu.layout(256, 256, np.dtype(dtype))
    text = compile_for(90, rhs_gpu.source(), rhs_gpu.options(form), ptx=True).decode()
    body = text[text.index(".entry stage(") :]
    body = body[: body.index("\n}")]
    # Seven fields and d1 for every row, two more rows of d1, and J.
    assert body.count(f"ld.global.nc.{load}") >= 8 * form.rows + 3
    assert body.count(f"st.global.{load}") >= form.rows
    assert body.count("st.global") == body.count(f"st.global.{load}")
    assert ".local" not in body, "an array went to local memory"


# --- run on the CPU --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the host's libraries lie."""
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture
def on_host(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `rhs_gpu` launch its kernels on the CPU, with NumPy for CuPy and groups of two films."""
    monkeypatch.setattr(rhs_gpu, "kernel", kernels_on_host(folder))
    monkeypatch.setattr(rhs_gpu, "films_at_once", lambda *_: 2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("varies", [True, False], ids=["J varies", "J is thin"])
@pytest.mark.parametrize("cells", SHAPES)
def test_kernels_agree_with_the_plain_ones(on_host: None, dtype: type, varies: bool, cells: tuple[int, int]) -> None:
    """Evaluate, stage, finish and close on random films, to rounding."""
    kernels_agree(np, dtype, varies, cells)


def test_a_cell_that_is_not_a_number_stays_one(on_host: None) -> None:
    """Clipping must not hide it from the driver."""
    m = draw((1, 4, 4), np.float32)()
    state = rhs.State.like(m, np)
    state.m[...] = m
    d = np.zeros_like(m)
    d[0, 1, 2] = np.nan
    rhs_gpu.finish(np, state, [d] * 3, np.zeros(1, int), 0.9, state)
    assert np.isnan(state.m[0, 1, 2]) and np.isnan(state.m).sum() == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_whole_step_agrees_with_its_stages(on_host: None, dtype: type) -> None:
    """Seven films with two to six stages, in groups of two: as stage after stage."""
    whole_step_agrees(np, dtype)


def test_nothing_is_transformed_for_films_that_are_done(on_host: None) -> None:
    """One transform for every film and stage but the first, of films that lie together."""
    medium, stages, tables, plan, start = problem(np, 7, (8, 12), np.float32)
    transformed = 0

    def convolve(field: np.ndarray, out: np.ndarray, live: np.ndarray) -> None:
        nonlocal transformed
        transformed += int(live.sum())
        assert not (np.diff(live.astype(int)) > 0).any(), "films that still run must come first"
        plan(field, out, live)

    rhs_gpu.all_stages(np, convolve, stages, tables, medium, start, rkc.Workspace.like(start.m, np))
    assert transformed == (stages - 1).sum()


def test_a_film_does_not_feel_its_batch(on_host: None) -> None:
    """Bit for bit: alone, and among six others; a step and its measures."""
    batch_is_not_felt(np)


@pytest.mark.parametrize("dtype", DTYPES)
def test_product_with_the_dipole_kernel(folder: Path, dtype: type) -> None:
    """Three spectra, in place."""
    size, threads = 15 * 8, 32
    rng = np.random.default_rng(2)
    kernel = rng.standard_normal(size).astype(dtype)
    spectra = (rng.standard_normal((3, size)) + 1j * rng.standard_normal((3, size))).astype(
        np.result_type(dtype, np.complex64)
    )
    expected = spectra * kernel
    flags = rhs_gpu.options(rhs_gpu.layout(8, 8, np.dtype(dtype)))
    product = launcher(build(arrays.PRODUCT, flags, folder), "product")
    product((-(-size // threads), 3), (threads,), (np.int32(size), kernel, spectra))
    np.testing.assert_array_equal(spectra, expected)


class Plan:
    """A cuFFT plan on the CPU: the transform its layout describes, of fields that must lie as it says."""

    def __init__(self, shape, inembed, istride, idist, onembed, ostride, odist, kind, batch, order, axis, size) -> None:  # type: ignore[no-untyped-def]
        assert (istride, ostride, idist, odist) == (1, 1, np.prod(inembed), np.prod(onembed)) and size == onembed[1]
        self.shape, self.into, self.out, self.batch, self.forward = shape, inembed, onembed, batch, inembed == shape

    def fft(self, field: np.ndarray, out: np.ndarray, direction: int) -> None:
        given, there = (
            array.reshape(-1)[: self.batch * np.prod(s)] for array, s in ((field, self.into), (out, self.out))
        )
        given = given.reshape(self.batch, *self.into)
        cells = np.prod(self.shape)
        there[:] = (np.fft.rfft2(given) if self.forward else np.fft.irfft2(given, s=self.shape) * cells).ravel()


@pytest.mark.parametrize("dtype", DTYPES)
def test_convolver_with_plans(folder: Path, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """The GPU's convolver with NumPy's transforms for cuFFT's: eight films in groups of three, some of them live."""
    cupy_cuda = pytest.importorskip("cupy", reason="CuPy has no wheel for this machine").cuda
    kinds = {
        name: name for name in ("CUFFT_R2C", "CUFFT_C2R", "CUFFT_D2Z", "CUFFT_Z2D", "CUFFT_FORWARD", "CUFFT_INVERSE")
    }
    monkeypatch.setattr(cupy_cuda, "cufft", types.SimpleNamespace(PlanNd=Plan, CuFFTError=RuntimeError, **kinds), False)
    monkeypatch.setattr(arrays, "films_at_once", lambda *_: 3)
    device = types.ModuleType("cupy")
    vars(device).update({name: getattr(np, name) for name in dir(np) if not name.startswith("__")})
    device.RawKernel = lambda source, name, options: launcher(build(source, options, folder), name)
    cells = (8, 12)
    kernel, field = cutoff_kernel(*cells, 5.9), draw((8, *cells), dtype)()
    expected = np.fft.irfft2(np.fft.rfft2(field.astype(float)) * kernel, s=cells)
    convolve = arrays.convolver(device, kernel, cells, np.dtype(dtype))
    for live in ([1] * 8, [1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 0, 0, 1], [0] * 8):
        chosen, out = np.array(live, bool), np.full(field.shape, np.nan, dtype)
        convolve(field, out, chosen)
        np.testing.assert_allclose(out[chosen], expected[chosen], rtol=0, atol=500 * np.finfo(dtype).eps)


def test_films_through_the_sweep(on_host: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two films in one batch through a short sweep, on the GPU's kernels and on the CPU's."""
    given = [
        (film(J, D, 8, quarter=30.0, loop_samples=21, precision="float64"), 1) for J, D in ((2.0, 0.5), (1.0, 1.2))
    ]
    expected = dict(simulate(given, batch=2))
    device = types.ModuleType("device")
    vars(device).update({name: getattr(np, name) for name in dir(np) if not name.startswith("__")})
    device.asarray = np.ascontiguousarray  # what comes from the host lies contiguous on a GPU
    for module in (batches, hysteresis):
        monkeypatch.setattr(module, "namespace", lambda name: device)
    monkeypatch.setattr(rkc, "kernels", lambda xp: rhs_gpu)
    for i, got in simulate(given, device="gpu"):
        assert got.status == expected[i].status
        np.testing.assert_allclose(got.loop_m, expected[i].loop_m, atol=1e-5)
        np.testing.assert_allclose(got.m, expected[i].m, atol=1e-3)


def test_arrays_the_kernels_cannot_walk_are_refused(on_host: None) -> None:
    """A transposed field would be read as if it were not."""
    m = draw((1, 4, 8), np.float32)()
    state = rhs.State.like(m, np)
    state.low = np.ascontiguousarray(state.low.swapaxes(1, 2)).swapaxes(1, 2)
    with pytest.raises(ValueError, match="C-contiguous"):
        rhs_gpu.finish(np, state, [m] * 3, np.zeros(1, int), 0.9, state)
