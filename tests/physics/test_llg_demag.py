"""Demagnetising field and energy of films.

Reference values
----------------
* Cell on itself and on its neighbour, cubes: N_xx(0) = 1/3, N_xx(1,0,0) = −0.1350171805444953,
  N_xx(0,1,0) = 0.06750859027224763; a prism of 4 × 4 × 1: N_xx = 0.1746837304661286, N_zz = 0.6506325390677427: Newell,
  Williams and Dunlop, J. Geophys. Res. 98 (1993) 9551, and Aharoni, J. Appl. Phys. 83 (1998) 3432.
* Any uniformly magnetised body of cubic symmetry has the energy density µ0 Ms²/6, for the trace of N is 1; in a sphere
  the field is −M/3 (Osborn, Phys. Rev. 67 (1945) 351). In an infinite film magnetised along its normal it is −M.
* Fields of random films: the sum over pairs of cells in Python, and finite differences of the energy.
"""

from __future__ import annotations

import itertools
import types
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from physics.gpu_on_host import HEAD, kernels_on_host
from physics.llg_films import NOW, added, random_m, saturation, term
from physics.test_gpu_kernels import compile_for
from weiss.arrays import select_device
from weiss.errors import UserError
from weiss.llg import demag
from weiss.llg.constants import MU0
from weiss.llg.demag import convolution, convolution_cpu, convolution_gpu, newell
from weiss.llg.film import Film, Films
from weiss.llg.mesh import Mesh
from weiss.llg.terms.demag import Demag

CELL = (4e-9, 3e-9, 5e-9)
MESHES = [
    ((8, 8, 1), "open"),
    ((7, 5, 1), "open"),
    ((1, 6, 1), "open"),
    ((9, 1, 1), "open"),
    ((40, 33, 1), "open"),
    ((6, 4, 2), "open"),
    ((5, 7, 3), "open"),
    ((3, 4, 5), "open"),
    ((1, 1, 4), "open"),
    ((8, 6, 1), "film"),
    ((7, 9, 1), "film"),
    ((6, 5, 3), "film"),
    ((8, 7, 1), "images"),
    ((6, 5, 2), "images"),
]
MATERIALS = ["uniform", "jumping", "uniform with vacuum", "jumping with vacuum"]
TOLERANCES = {"float64": 1e-12, "float32": 1e-6}


def films(
    cells: Sequence[int], kind: str, *Ms: float | np.ndarray, precision: str = "float64", cell: Sequence[float] = CELL
) -> Films:
    """A batch of films; "images" has two copies along x and y."""
    mesh = Mesh(tuple(cells), tuple(cell), (kind != "open", kind != "open", False))
    images = (2, 2, 0) if kind == "images" else (0, 0, 0)
    return Films(mesh, tuple(Film(one) for one in Ms), kind, images, precision)


def draw(cells: Sequence[int], kind: str, materials: Sequence[str], precision: str) -> tuple[Films, np.ndarray]:
    """Films of some materials with a random magnetisation."""
    rng = np.random.default_rng(7)
    mesh = Mesh(tuple(cells), CELL)
    batch = films(cells, kind, *(saturation(mesh, material, rng) for material in materials), precision=precision)
    return batch, random_m(batch, rng)


def uniform(batch: Films, direction: Sequence[float]) -> np.ndarray:
    """The first film magnetised in one direction, where it has material."""
    inside = np.broadcast_to(np.asarray(batch.films[0].Ms) > 0, batch.mesh.shape)
    return (np.asarray(direction, float)[:, None, None, None] * inside)[None].astype(batch.dtype)


def energy(batch: Films, m: np.ndarray) -> float:
    """Energy of the first film in J."""
    return float(term(batch, "demag").energy_density(m, NOW)[0].sum()) * batch.mesh.volume


# --- against known fields --------------------------------------------------------------------------------------------


def test_two_cubes() -> None:
    """One of two cubes magnetised, along x and along y: its own field, and what the other feels."""
    batch = films((2, 1, 1), "open", 8e5, cell=(3e-9, 3e-9, 3e-9))
    for component, far in ((0, -0.1350171805444953), (1, 0.06750859027224763)):
        m = np.zeros(batch.shape)
        m[0, component, 0, 0, 0] = 1
        H = added(term(batch, "demag"), m)[0]
        expected = np.zeros_like(H)
        expected[component, 0, 0] = -8e5 * np.array([1 / 3, far])
        np.testing.assert_allclose(H, expected, atol=8e5 * 1e-12)


def test_prism() -> None:
    """Mean field of a uniformly magnetised prism of 4 × 4 × 1, cut into cubes."""
    batch = films((4, 4, 1), "open", 8e5, cell=(2e-9, 2e-9, 2e-9))
    for direction, component, factor in (((1, 0, 0), 0, 0.1746837304661286), ((0, 0, 1), 2, 0.6506325390677427)):
        H = added(term(batch, "demag"), uniform(batch, direction))[0, component]
        assert H.mean() == pytest.approx(-factor * 8e5, rel=1e-12)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_cube(count: int) -> None:
    """Energy density µ0 Ms²/6 in every direction."""
    batch = films((count, count, count), "open", 8e5, cell=(2e-9, 2e-9, 2e-9))
    for direction in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (2 / 3, -1 / 3, 2 / 3)):
        expected = MU0 * 8e5**2 / 6 * batch.mesh.volume * batch.mesh.count
        assert energy(batch, uniform(batch, direction)) == pytest.approx(expected, rel=1e-12)


def test_sphere() -> None:
    """A sphere of cubes 20 across: its energy, and −M/3 around its middle, nearly so for the steps of its surface."""
    z, y, x = np.meshgrid(*[np.arange(20) - 9.5] * 3, indexing="ij")
    radius = np.sqrt(x * x + y * y + z * z)
    batch = films((20, 20, 20), "open", np.where(radius < 10, 8e5, 0.0), cell=(1e-9, 1e-9, 1e-9))
    m = uniform(batch, (0, 0, 1))
    assert energy(batch, m) == pytest.approx(MU0 * 8e5**2 / 6 * 1e-27 * (radius < 10).sum(), rel=1e-12)
    H = added(term(batch, "demag"), m)[0]
    middle = H[:, radius < 5] / 8e5
    np.testing.assert_allclose(middle.mean(axis=1), [0, 0, -1 / 3], atol=1e-13)
    np.testing.assert_allclose(middle, np.broadcast_to([[0], [0], [-1 / 3]], middle.shape), atol=0.003)
    assert (H[:, radius > 10] == 0).all()


def test_thin_film() -> None:
    """N_zz is 1 in a film without end, and near to it amid a large square one; N_xx is 0 and nearly so."""
    endless = films((12, 10, 1), "film", 8e5)
    np.testing.assert_allclose(added(term(endless, "demag"), uniform(endless, (0, 0, 1)))[0, 2], -8e5, rtol=1e-12)
    assert abs(added(term(endless, "demag"), uniform(endless, (1, 0, 0)))).max() < 1e-12 * 8e5
    square = films((64, 64, 1), "open", 8e5, cell=(5e-9, 5e-9, 1e-9))
    assert added(term(square, "demag"), uniform(square, (0, 0, 1)))[0, 2, 0, 32, 32] / 8e5 == pytest.approx(
        -1, abs=0.01
    )
    assert abs(added(term(square, "demag"), uniform(square, (1, 0, 0)))[0, 0, 0, 32, 32]) < 0.01 * 8e5


@pytest.mark.parametrize("cells", [(3, 4, 1), (3, 2, 3)])
def test_sum_over_pairs(cells: tuple[int, int, int]) -> None:
    """Every cell's field from every other, with Ms that jumps and vacuum."""
    batch, m = draw(cells, "open", ["jumping with vacuum"], "float64")
    octant = newell.block(cells, CELL)
    Ms = np.broadcast_to(np.asarray(batch.films[0].Ms, float), batch.mesh.shape)
    expected = np.zeros_like(m[0])
    for here, there in itertools.product(np.ndindex(batch.mesh.shape), repeat=2):
        distance = np.subtract(here, there)
        xx, yy, zz, xy, xz, yz = octant[(slice(None), *abs(distance))]
        z, y, x = np.where(distance < 0, -1, 1)
        xy, xz, yz = x * y * xy, x * z * xz, y * z * yz
        N = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        expected[(slice(None), *here)] -= N @ (Ms[there] * m[(0, slice(None), *there)])
    expected *= Ms > 0
    one = term(batch, "demag")
    for H in (added(one, m), one.field(m, NOW)):
        np.testing.assert_allclose(H[0], expected, atol=1e-12 * abs(expected).max())


# --- fast against simple ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize(("cells", "kind"), MESHES)
def test_fast_is_simple(cells: tuple[int, int, int], kind: str, precision: str) -> None:
    """Random films of every material in one batch, against the plain convolution in double precision."""
    batch, m = draw(cells, kind, MATERIALS, precision)
    expected = term(batch, "demag").field(m.astype(np.float64), NOW)
    for H in (added(term(batch, "demag"), m), term(batch, "demag").field(m, NOW)):
        assert H.dtype == batch.dtype
        for got, wanted in zip(H, expected, strict=True):
            assert abs(got - wanted).max() < TOLERANCES[precision] * abs(wanted).max()


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize(("cells", "kind"), [((130, 70, 1), "open"), ((60, 50, 2), "open"), ((96, 80, 1), "film")])
def test_several_blocks(
    cells: tuple[int, int, int], kind: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meshes whose rows and columns go in several blocks, the last of them not full."""
    monkeypatch.setattr(convolution_cpu, "BLOCK_BYTES", 2**14)
    batch, m = draw(cells, kind, ["jumping"], precision)
    kernel = demag.kernel(batch.mesh, kind)
    convolve = convolution_cpu.Convolution(kernel, batch.dtype)
    out = np.zeros_like(m)
    convolve(m, np.asarray(term(batch, "demag").Ms), out, np.ones(1, bool))
    expected = term(batch, "demag").field(m.astype(np.float64), NOW)
    assert -(-3 * batch.mesh.shape[0] * batch.mesh.shape[1] // convolve.row_block) > 1
    assert -(-(convolve.padded[2] // 2 + 1) // convolve.column_block) > 1
    assert abs(out - expected).max() < TOLERANCES[precision] * abs(expected).max()


def test_blocks_cover_all() -> None:
    """With at most half a block beyond it."""
    for count, most in itertools.product(range(1, 60), range(1, 20)):
        size = convolution_cpu.block_size(count, most)
        assert 1 <= size <= most
        assert 0 <= -(-count // size) * size - count < size


def test_it_adds() -> None:
    """To what the field holds, and only for films that are live."""
    batch, m = draw((6, 5, 1), "open", MATERIALS, "float64")
    one = term(batch, "demag")
    start = np.random.default_rng(1).normal(size=m.shape)
    out, live = start.copy(), np.array([True, False, True, False])
    one.add_field(m, np.zeros(4), out, live)
    np.testing.assert_array_equal(out[~live], start[~live])
    np.testing.assert_allclose(out[live], (start + added(one, m))[live], rtol=1e-12)


def test_linear() -> None:
    """H(a m + b n) = a H(m) + b H(n)."""
    batch, m = draw((9, 8, 2), "open", ["jumping"], "float64")
    one, n = term(batch, "demag"), random_m(batch, np.random.default_rng(3))
    expected = 1.5 * added(one, m) - 0.7 * added(one, n)
    np.testing.assert_allclose(added(one, 1.5 * m - 0.7 * n), expected, atol=1e-13 * abs(expected).max())


@pytest.mark.parametrize("material", MATERIALS)
@pytest.mark.parametrize(
    ("cells", "kind"), [((4, 3, 1), "open"), ((3, 3, 2), "open"), ((4, 3, 1), "film"), ((3, 4, 2), "images")]
)
def test_field_is_the_gradient_of_the_energy(cells: tuple[int, int, int], kind: str, material: str) -> None:
    """−(1/(µ0 Ms V)) ∂E/∂m; differences of an energy quadratic in m are exact."""
    batch, m = draw(cells, kind, [material], "float64")
    Ms = np.broadcast_to(np.asarray(batch.films[0].Ms, float), batch.mesh.shape)
    H, step = term(batch, "demag").field(m, NOW)[0], 0.1
    for place in np.ndindex(H.shape):
        if Ms[place[1:]] == 0:
            assert H[place] == 0
            continue
        there, back = m.copy(), m.copy()
        there[(0, *place)] += step
        back[(0, *place)] -= step
        slope = (energy(batch, there) - energy(batch, back)) / (2 * step)
        expected = -slope / (MU0 * Ms[place[1:]] * batch.mesh.volume)
        assert H[place] == pytest.approx(expected, abs=1e-9 * abs(H).max())


# --- bit for bit -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize(("cells", "kind"), [((33, 20, 1), "open"), ((16, 12, 3), "open"), ((32, 16, 1), "film")])
def test_alone_as_in_a_batch(cells: tuple[int, int, int], kind: str, precision: str) -> None:
    """Also where Ms is stored as one number alone and cell by cell in the batch."""
    batch, m = draw(cells, kind, MATERIALS, precision)
    together = added(term(batch, "demag"), m)
    for index, film in enumerate(batch.films):
        solo = Films(batch.mesh, (film,), batch.demag, batch.images, precision)
        np.testing.assert_array_equal(added(term(solo, "demag"), m[index : index + 1])[0], together[index])


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize(("cells", "kind"), [((130, 70, 1), "open"), ((30, 20, 3), "open"), ((64, 64, 1), "film")])
def test_any_number_of_threads(
    cells: tuple[int, int, int], kind: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads share the blocks of one film, or the films of a batch."""
    monkeypatch.setattr(convolution_cpu, "BLOCK_BYTES", 2**14)
    batch, m = draw(cells, kind, MATERIALS[:count], "float32")
    kernel, Ms = demag.kernel(batch.mesh, kind), np.asarray(term(batch, "demag").Ms)
    fields = []
    for threads in (1, 2, 3, 7):
        out = np.zeros_like(m)
        convolution_cpu.Convolution(kernel, batch.dtype, threads)(m, Ms, out, np.ones(count, bool))
        fields.append(out)
    for field in fields[1:]:
        np.testing.assert_array_equal(field, fields[0])


@pytest.mark.parametrize(("cells", "kind"), [((7, 5, 1), "open"), ((5, 4, 3), "open"), ((8, 6, 1), "film")])
def test_a_broken_film_stays_alone(cells: tuple[int, int, int], kind: str) -> None:
    """A value that is not a number reaches every cell of its film, and no other film, then or later."""
    batch, m = draw(cells, kind, MATERIALS[:2] * 2, "float32")
    one = term(batch, "demag")
    expected, broken = added(one, m), m.copy()
    broken[1, 0, 0, 0, 0] = np.nan
    H = added(one, broken)
    assert np.isnan(H[1]).any(axis=0).all()
    np.testing.assert_array_equal(H[[0, 2, 3]], expected[[0, 2, 3]])
    np.testing.assert_array_equal(added(one, m), expected)


def test_callers_at_the_same_time() -> None:
    """Threads that share a plan do not share its memory."""
    batch, m = draw((48, 40, 1), "open", ["jumping"] * 6, "float32")
    one = term(batch, "demag")
    together = added(one, m)

    def alone(index: int) -> np.ndarray:
        out = np.zeros_like(m)
        for _ in range(20):
            out[index] = 0
            one.add_field(m, NOW, out, np.arange(6) == index)
        return out[index]

    with ThreadPoolExecutor(6) as pool:
        np.testing.assert_array_equal(list(pool.map(alone, range(6))), together)


# --- around it -------------------------------------------------------------------------------------------------------


def test_films_without() -> None:
    """ "none" builds no term."""
    batch = Films(Mesh((4, 4, 1), CELL), (Film(8e5),), "none")
    with pytest.raises(StopIteration):
        term(batch, "demag")


def test_plans_are_kept() -> None:
    """Terms that are built again use them."""
    arguments = (np, Mesh((6, 6, 1), CELL), "open", (0, 0, 0), "float32")
    assert convolution.planned(*arguments) is convolution.planned(*arguments)


# --- the GPU's kernels -----------------------------------------------------------------------------------------------


class Plan:
    """A cuFFT plan on the CPU: the transforms of one axis that its layout describes."""

    def __init__(self, shape, inembed, istride, idist, onembed, ostride, odist, kind, batch, order, axis, size) -> None:  # type: ignore[no-untyped-def]
        assert shape == inembed == onembed
        self.length, self.kind, self.batch = shape[0], kind, batch
        self.into, self.out = (istride, idist), (ostride, odist)

    def _view(self, array: np.ndarray, layout: tuple[int, int], length: int) -> np.ndarray:
        stride, distance = (number * array.itemsize for number in layout)
        flat = array.reshape(-1)
        assert (self.batch - 1) * layout[1] + (length - 1) * layout[0] < flat.size
        return np.lib.stride_tricks.as_strided(flat, (self.batch, length), (distance, stride))

    def fft(self, array: np.ndarray, out: np.ndarray, direction: str) -> None:
        n, half, real = self.length, self.length // 2 + 1, ("f", "d")
        whole = array.dtype.kind == out.dtype.kind == "c"
        assert whole == (self.kind in ("CUFFT_C2C", "CUFFT_Z2Z"))
        given = self._view(array, self.into, n if whole or array.dtype.char in real else half)
        target = self._view(out, self.out, n if whole or out.dtype.char in real else half)
        if whole:
            target[...] = np.fft.fft(given) if direction == "CUFFT_FORWARD" else np.fft.ifft(given, norm="forward")
        elif array.dtype.char in real:
            target[...] = np.fft.rfft(given)
        else:
            target[...] = np.fft.irfft(given, n, norm="forward")
            given[...] = np.nan  # cuFFT may write to what it transforms back to reals


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the host's libraries lie."""
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture
def device(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """NumPy as CuPy, groups of four films at most, and kernels and transforms on the CPU."""
    cupy_cuda = pytest.importorskip("cupy", reason="CuPy has no wheel for this machine").cuda
    names = ("R2C", "C2R", "C2C", "D2Z", "Z2D", "Z2Z", "FORWARD", "INVERSE")
    kinds = {f"CUFFT_{name}": f"CUFFT_{name}" for name in names}
    fake = types.SimpleNamespace(PlanNd=Plan, CuFFTError=RuntimeError, **kinds)
    monkeypatch.setattr(cupy_cuda, "cufft", fake, False)
    monkeypatch.setattr(convolution_gpu, "films_at_once", lambda *_: 4)
    monkeypatch.setattr(convolution_gpu, "kernel", kernels_on_host(folder, convolution_gpu))
    return np


def gpu_agrees(xp: ModuleType, cells: tuple[int, int, int], kind: str, precision: str) -> None:
    """Eleven films, with and without gaps, against the plain convolution."""
    batch, m = draw(cells, kind, [MATERIALS[k % 4] for k in range(11)], precision)
    one = Demag(batch, np)
    expected = one.field(m.astype(np.float64), NOW)
    convolve = convolution_gpu.Convolution(xp, demag.kernel(batch.mesh, kind, batch.images), batch.dtype)
    there, Ms = xp.asarray(m), xp.asarray(one.Ms)
    for chosen in ([1] * 11, [0, 1, 1] + [0] * 8, [1, 0] * 5 + [1], [0] * 11, [1] * 11):
        live = np.array(chosen, bool)
        out = xp.ones_like(there)
        convolve(there, Ms, out, live)
        got = out if xp is np else out.get()
        assert (got[~live] == 1).all()
        for field, wanted in zip(got[live] - 1, expected[live], strict=True):
            assert abs(field - wanted).max() < 2 * TOLERANCES[precision] * abs(wanted).max()


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ((7, 5, 1), "open"),
        ((8, 6, 1), "film"),
        ((5, 4, 3), "open"),
        ((6, 5, 2), "film"),
        ((1, 1, 3), "open"),
        ((4, 1, 2), "open"),
    ],
)
def test_gpu_kernels_on_the_cpu(device: ModuleType, cells: tuple[int, int, int], kind: str, precision: str) -> None:
    """Copies, products and layouts of the GPU's convolution, with NumPy's transforms for cuFFT's."""
    gpu_agrees(device, cells, kind, precision)


@pytest.mark.parametrize("precision", TOLERANCES)
def test_gpu_kernels_compile(precision: str) -> None:
    """To machine code of an H100."""
    code = compile_for(90, convolution_gpu.source(), convolution_gpu.options(np.dtype(precision)))
    names = HEAD.findall(convolution_gpu.source())
    assert len(names) == 4
    for name in names:
        assert f".text.{name}".encode() in code


@pytest.mark.gpu
@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize(("cells", "kind"), [*MESHES, ((256, 256, 1), "open"), ((128, 128, 1), "film")])
def test_on_a_gpu(cells: tuple[int, int, int], kind: str, precision: str) -> None:
    """The same on a real one."""
    try:
        select_device("gpu", "simulate")
    except UserError as error:
        pytest.skip(str(error))
    import cupy

    gpu_agrees(cupy, cells, kind, precision)
