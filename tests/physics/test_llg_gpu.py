"""What a GPU must get right of the micromagnetic engine: `pytest -m gpu` on a machine that has one.

References: the CPU's own results, and for standard problem 4 the published crossing and averages of
test_llg_standard_problems.py.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from physics import llg_gpu_checks as checks
from physics.llg_gpu_checks import BOUNDARIES, CELL, batch, magnetisation
from weiss.arrays import select_device, to_host
from weiss.errors import UserError
from weiss.llg.drivers.relax import METHODS, relax
from weiss.llg.drivers.series import series
from weiss.llg.equation import Equation
from weiss.llg.film import Film, Films
from weiss.llg.mesh import Mesh
from weiss.llg.states import uniform

pytestmark = pytest.mark.gpu

PRECISIONS = ["float32", "float64"]
PERIODIC = (True, True, False)


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


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("periodic", BOUNDARIES)
def test_local_field_agrees_with_the_plain_terms(
    cupy: ModuleType, precision: str, periodic: tuple[bool, bool, bool]
) -> None:
    """Uniform films and varied ones in one batch, in one launch."""
    checks.field_agrees(cupy, "svsv", Mesh((6, 5, 4), CELL, periodic), precision)


@pytest.mark.parametrize("kinds", ["sss", "svs"])
@pytest.mark.parametrize("cells", [(256, 256, 1), (300, 19, 2), (7, 1, 1), (1, 3, 1), (20, 20, 20)])
def test_local_field_of_other_meshes(cupy: ModuleType, kinds: str, cells: tuple[int, int, int]) -> None:
    """Thin films, lines and columns; rows that do not fill the last tile."""
    checks.field_agrees(cupy, kinds, Mesh(cells, CELL, PERIODIC), "float32")


@pytest.mark.parametrize("name", ["exchange", "anisotropy", "dmi", "zeeman"])
def test_every_term_agrees_by_itself(cupy: ModuleType, name: str) -> None:
    """No small field hides behind a large one."""
    checks.term_agrees(cupy, name)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("precess", [True, False])
def test_torque_with_a_term_that_has_no_snippet(cupy: ModuleType, precision: str, precess: bool) -> None:
    """dm/dt, and the field beside it."""
    checks.torque_agrees(cupy, precision, precess)


def test_local_terms_do_not_feel_the_batch(cupy: ModuleType) -> None:
    """Bit for bit."""
    checks.batch_is_not_felt(cupy)


def test_what_is_not_a_number_is_passed_on(cupy: ModuleType) -> None:
    """To where the driver sees it."""
    checks.not_a_number_is_passed_on(cupy)


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_vectors_agree_with_the_cpu(cupy: ModuleType, dtype: str) -> None:
    """Everything the integrators and the minimiser ask for."""
    checks.vectors_agree(cupy, dtype)


# --- fields with the demagnetising one -------------------------------------------------------------------------------


def surrounded(kinds: str, cells: tuple[int, int, int], demag: str, precision: str) -> Films:
    """A batch with a demagnetising field."""
    films = batch(kinds, Mesh(cells, CELL, PERIODIC if demag == "film" else (False,) * 3), precision)
    return Films(films.mesh, films.films, demag=demag, precision=precision)


@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize("demag", ["film", "open"])
@pytest.mark.parametrize("cells", [(64, 48, 1), (15, 12, 3)])
def test_fields_agree_with_the_cpu(
    gpu: None, precision: str, tolerance: float, demag: str, cells: tuple[int, int, int]
) -> None:
    """Of the largest field in the batch; one launch of the local kernel for every field."""
    films = surrounded("svs", cells, demag, precision)
    m, t, live = magnetisation(films), np.linspace(0, 1e-9, 3), np.array([True, True, False])
    here, there = Equation(films), Equation(films, "gpu")
    expected, out = np.empty(films.shape, films.dtype), there.xp.empty(films.shape, films.dtype)
    for name in ("field", "torque"):
        getattr(here, name)(m, t, expected, live)
        getattr(there, name)(there.xp.asarray(m), t, out, live)
        error = abs(to_host(out)[live] - expected[live]).max()
        assert error < tolerance * abs(expected[live]).max(), name
    assert there.local.launches == 2
    assert (there.evaluations == here.evaluations).all()


@pytest.mark.parametrize("demag", ["film", "open"])
def test_fields_do_not_feel_the_batch(gpu: None, demag: str) -> None:
    """Bit for bit: alone, and among seven."""
    films = surrounded("svsvsvs", (64, 64, 1), demag, "float32")
    m, t = magnetisation(films), np.linspace(0, 1e-9, 7)

    def torque(some: Films, m: np.ndarray, t: np.ndarray) -> np.ndarray:
        equation = Equation(some, "gpu")
        out = equation.xp.empty(some.shape, some.dtype)
        equation.torque(equation.xp.asarray(m), t, out, np.ones(len(m), bool))
        return to_host(out)

    together = torque(films, m, t)
    for k in (0, 1, 6):
        solo = Films(films.mesh, films.films[k : k + 1], demag=demag)
        np.testing.assert_array_equal(torque(solo, m[k : k + 1], t[k : k + 1])[0], together[k])


# --- films -----------------------------------------------------------------------------------------------------------


def perpendicular(seed: int, precision: str = "float64", count: int = 4) -> Films:
    """Films with a perpendicular anisotropy that differs from cell to cell."""
    mesh = Mesh((48, 32, 1), (4e-9, 4e-9, 4e-9), PERIODIC)
    rng = np.random.default_rng(seed)
    films = (
        Film(
            Ms=1.1e6,
            A=16e-12,
            Ku1=1e6 * (1 + 0.1 * rng.standard_normal(mesh.shape)),
            D_interfacial=5e-4 * k,
            B=(0.0, 0.02 * k, 0.1),
        )
        for k in range(count)
    )
    return Films(mesh, tuple(films), demag="film", precision=precision)


def near_rest(films: Films) -> np.ndarray:
    """States from which there is one way down: stripes with rounding-proof walls."""
    m = np.zeros(films.shape)
    x = 2 * np.pi * np.arange(films.mesh.cells[0]) / films.mesh.cells[0]
    m[:, 2], m[:, 0], m[:, 1] = np.cos(x), np.sin(x), 0.1
    return m


@pytest.mark.parametrize("method", METHODS)
def test_relaxed_films_agree_with_the_cpu(gpu: None, method: str) -> None:
    """Energies and states of films that relax from stripes."""
    films = perpendicular(1)
    here, there = (
        dict(relax(Equation(films, device), near_rest(films), method, torque_T=1e-6)) for device in ("cpu", "gpu")
    )
    assert sorted(there) == sorted(here)
    for k, film in there.items():
        assert film.status == here[k].status == "relaxed"
        for name, energy in here[k].energies.items():
            assert film.energies[name] == pytest.approx(energy, rel=1e-6, abs=1e-9 * abs(here[k].energies["total"]))
        np.testing.assert_allclose(film.m, here[k].m, atol=1e-3)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_films_relax_from_random(gpu: None, precision: str) -> None:
    """As many films come out as went in, at rest, with a field that says so on the CPU too."""
    films = perpendicular(2, precision, 9)
    found = dict(relax(Equation(films, "gpu"), magnetisation(films), torque_T=1e-3))
    assert sorted(found) == list(range(9))
    for k, film in found.items():
        assert film.status == "relaxed"
        solo = Films(films.mesh, films.films[k : k + 1], demag="film", precision=precision)
        H = np.empty(solo.shape, solo.dtype)
        Equation(solo).field(film.m[None], np.zeros(1), H, np.ones(1, bool))
        torque = 4e-7 * np.pi * np.linalg.norm(np.cross(film.m, H[0], axis=0), axis=0).max()
        assert torque == pytest.approx(film.torque_T, rel=0.05, abs=1e-5)


def test_relaxed_films_do_not_feel_the_batch(gpu: None) -> None:
    """Bit for bit, although others leave before and after."""
    films = perpendicular(3, "float32", 6)
    m = magnetisation(films)
    together = dict(relax(Equation(films, "gpu"), m, torque_T=3e-3))
    for k in (0, 5):
        solo = Films(films.mesh, films.films[k : k + 1], demag="film")
        ((_, alone),) = relax(Equation(solo, "gpu"), m[k : k + 1], torque_T=3e-3)
        np.testing.assert_array_equal(alone.m, together[k].m)
        assert alone.evaluations == together[k].evaluations


@pytest.mark.parametrize("precision", PRECISIONS)
def test_standard_problem_4(gpu: None, precision: str) -> None:
    """Field 1: first ⟨m_x⟩ = 0 at 138.4 ps, and ⟨m⟩ at 0.1 and 0.2 ns, from the S state relaxed on the GPU."""
    nx, ny = 160, 40
    mesh = Mesh((nx, ny, 1), (500e-9 / nx, 125e-9 / ny, 3e-9))

    def equation(B: tuple[float, float, float]) -> Equation:
        return Equation(Films(mesh, (Film(Ms=8e5, A=1.3e-11, alpha=0.02, B=B),), precision=precision), "gpu")

    m = uniform(mesh, (1, 1, 1))[None]
    for B in (1.0, 0.3, 0.1, 0.05, 0.02, 0.01, 0.005, 0.0):
        ((_, state),) = relax(equation((B / np.sqrt(3),) * 3), m, torque_T=1e-6 if precision == "float64" else 1e-5)
        m = state.m[None]
    times = np.arange(201) * 1e-12
    ((_, found),) = series(equation((-24.6e-3, 4.3e-3, 0.0)), m, times)
    after = int(np.argmax(found.mean[:, 0] < 0))
    a, b = found.mean[after - 1 : after + 1, 0]
    assert times[after - 1] + a / (a - b) * 1e-12 == pytest.approx(138.4e-12, abs=0.3e-12)
    np.testing.assert_allclose(found.mean[100], (0.5207, 0.6651, -0.0848), atol=0.01)
    np.testing.assert_allclose(found.mean[200], (-0.8159, -0.0621, -0.1525), atol=0.01)


def test_unit_length_is_kept(gpu: None) -> None:
    """|m| = 1 to 1e-6 in float32 after many steps of many stages."""
    films = perpendicular(4, "float32", 2)
    for _, film in series(Equation(films, "gpu"), magnetisation(films), [1e-10]):
        assert abs(np.linalg.norm(film.m.astype(float), axis=0) - 1).max() < 1e-6
