"""Exchange, anisotropy and Zeeman energy of the micromagnetic engine.

Reference values
----------------
* Fields: finite differences of energies summed pair by pair in Python (`physics.llg_films`), exact up to m⁴.
* Exchange: the eigenvalue (2A/µ0Ms)(2 − 2 cos kh)/h² of the discrete Laplacian for a helix; continuity of A ∂m where
  materials meet.
* Anisotropy: energies by hand; the switching field Hk/2 at 45° of Stoner and Wohlfarth, Phil. Trans. R. Soc. A 240
  (1948) 599.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from physics.llg_films import (
    BOUNDARIES,
    MATERIALS,
    NOW,
    added,
    batch,
    cells,
    energy,
    gradient_field,
    partners,
    random_m,
    saturation,
    term,
    value,
)
from weiss.llg import terms
from weiss.llg.constants import MU0
from weiss.llg.film import Film
from weiss.llg.mesh import Mesh
from weiss.llg.parameters import pack, pack_vectors

NAMES = ["anisotropy", "exchange", "zeeman"]
MESHES = [(3, 2, 2), (1, 3, 1), (4, 1, 1), (2, 2, 1)]


def material(mesh: Mesh, kind: str, rng: np.random.Generator, **more: object) -> Film:
    """A film with every energy of this file."""
    axis = rng.normal(size=(3, *mesh.shape)) if "jumping" in kind else rng.normal(size=3)
    B = rng.normal(size=(3, *mesh.shape)) if "jumping" in kind else rng.normal(size=3)
    return Film(
        Ms=saturation(mesh, kind, rng),
        A=value(mesh, kind, 1e-11, rng),
        Ku1=value(mesh, kind, 4e5, rng),
        Ku2=value(mesh, kind, -2e5, rng),
        axis=axis,
        B=B,
        **more,
    )


def slow_energy(name: str, film: Film, mesh: Mesh, m: np.ndarray) -> float:
    """Energy in J of (3, nz, ny, nx), pair by pair or cell by cell."""
    Ms, A, Ku1, Ku2 = (np.broadcast_to(np.asarray(v, float), mesh.shape) for v in (film.Ms, film.A, film.Ku1, film.Ku2))
    total = 0.0
    if name == "exchange":
        for i, j, axis in partners(film, mesh):
            coupled = 1.0 if film.grains is None or film.grains[i] == film.grains[j] else film.intergrain
            mean = 2 * A[i] * A[j] / (A[i] + A[j])
            step = m[(slice(None), *i)] - m[(slice(None), *j)]
            total += coupled * mean * (step @ step) / mesh.cell[axis] ** 2
        return total * mesh.volume
    axis, B = (
        np.broadcast_to(v if np.ndim(v) > 1 else np.reshape(v, (3, 1, 1, 1)), (3, *mesh.shape))
        for v in (film.axis, film.B)
    )
    for i in cells(film, mesh):
        here = m[(slice(None), *i)]
        u = axis[(slice(None), *i)] / np.linalg.norm(axis[(slice(None), *i)])
        if name == "anisotropy":
            total -= Ku1[i] * (here @ u) ** 2 + Ku2[i] * (here @ u) ** 4
        else:
            total -= Ms[i] * (here @ B[(slice(None), *i)])
    return total * mesh.volume


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", MATERIALS)
@pytest.mark.parametrize("periodic", BOUNDARIES)
def test_field_is_the_gradient_of_the_energy(periodic: tuple[bool, bool, bool], kind: str, name: str) -> None:
    """In every combination of boundaries and materials; compiled and plain."""
    rng = np.random.default_rng(3)
    for count in MESHES if name == "exchange" else MESHES[:1]:
        mesh = Mesh(count, (1.5e-9, 2e-9, 3e-9), periodic)
        film = material(mesh, kind, rng)
        films = batch(mesh, film)
        m, one = random_m(films, rng), term(films, name)
        expected = gradient_field(lambda v, f=film, g=mesh: slow_energy(name, f, g, v), film, mesh, m[0])
        tolerance = 1e-10 * np.abs(expected).max() + 1e-8
        assert energy(one, m) == pytest.approx(slow_energy(name, film, mesh, m[0]), rel=1e-11, abs=1e-31)
        np.testing.assert_allclose(one.field(m, NOW)[0], expected, rtol=0, atol=tolerance)
        np.testing.assert_allclose(added(one, m)[0], expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", MATERIALS)
@pytest.mark.parametrize("periodic", [(False, False, False), (True, True, False), (True, True, True)])
def test_compiled_field_in_single_precision(periodic: tuple[bool, bool, bool], kind: str, name: str) -> None:
    """Within rounding of double precision, on rows long enough to be vectorised; the energy too."""
    rng = np.random.default_rng(4)
    mesh = Mesh((37, 5, 2), (1.5e-9, 2e-9, 3e-9), periodic)
    film = material(mesh, kind, rng)
    exact = batch(mesh, film)
    m = random_m(exact, rng)
    expected = term(exact, name).field(m, NOW)
    single = term(batch(mesh, film, precision="float32"), name)
    for got in (added(single, m.astype(np.float32)), single.field(m.astype(np.float32), NOW)):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=0, atol=2e-6 * np.abs(expected).max())
    density = single.energy_density(m.astype(np.float32), NOW)
    assert density.dtype == np.float64
    assert density.shape == (1, *mesh.shape)
    wanted = term(exact, name).energy_density(m, NOW)
    np.testing.assert_allclose(density, wanted, rtol=0, atol=2e-6 * np.abs(wanted).max())


@pytest.mark.parametrize("name", NAMES)
def test_a_film_does_not_feel_its_batch(name: str) -> None:
    """To the bit, beside a film of another material, and with its numbers given cell by cell."""
    rng = np.random.default_rng(5)
    mesh = Mesh((13, 7, 2), (2e-9, 2e-9, 2e-9), (True, False, False))
    numbers = {"Ms": 8e5, "A": 1e-11, "Ku1": 3e5, "Ku2": 1e5}
    vectors = {"axis": np.array([1.0, 2.0, 3.0]), "B": np.array([0.1, 0.2, 0.3])}
    one = Film(**numbers, **vectors)
    cellwise = {key: np.full(mesh.shape, number) for key, number in numbers.items()}
    cellwise |= {key: np.broadcast_to(v[:, None, None, None], (3, *mesh.shape)) for key, v in vectors.items()}
    films = batch(mesh, one, material(mesh, "jumping with vacuum", rng), Film(**cellwise), precision="float32")
    m = random_m(films, rng)
    m[2] = m[0]
    together = added(term(films, name), m)
    assert np.array_equal(together[0], together[2])
    for index, film in enumerate(films.films):
        alone = added(term(batch(mesh, film, precision="float32"), name), m[index : index + 1])
        assert np.array_equal(together[index], alone[0])


@pytest.mark.parametrize("name", NAMES)
def test_films_that_are_not_live_are_left_alone(name: str) -> None:
    mesh = Mesh((6, 5, 1), (2e-9, 2e-9, 2e-9))
    films = batch(mesh, *[Film(Ms=8e5, A=1e-11, Ku1=1e5, B=(1, 0, 0))] * 2)
    m = random_m(films, np.random.default_rng(6))
    out = np.full_like(m, 7.0)
    term(films, name).add_field(m, np.zeros(2), out, np.array([True, False]))
    assert (out[1] == 7).all()
    assert not (out[0] == 7).all()


def test_terms_that_no_film_has_are_left_out() -> None:
    mesh = Mesh((4, 4, 1), (1e-9, 1e-9, 1e-9))
    assert [one.name for one in terms.build(batch(mesh, Film(Ms=8e5)), np)] == ["zeeman"]
    two = batch(mesh, Film(Ms=8e5, A=1e-11), Film(Ms=8e5, Ku2=np.ones(mesh.shape)))
    assert [one.name for one in terms.build(two, np)] == ["anisotropy", "exchange", "zeeman"]


# --- parameters ------------------------------------------------------------------------------------------------------


def test_uniform_parameters_take_one_row() -> None:
    mesh = Mesh((3, 4, 5), (1e-9, 1e-9, 1e-9))
    assert pack([1.0, np.full(mesh.shape, 2.0)], mesh, np.float32).shape == (2, 1, 3)
    assert pack_vectors([(1, 2, 3), np.ones((3, *mesh.shape))], mesh, np.float32).shape == (2, 3, 1, 3)
    mixed = pack([1.0, np.arange(60.0).reshape(mesh.shape)], mesh, np.float64)
    assert mixed.shape == (2, 20, 3)
    assert (mixed[0] == 1).all()
    assert np.array_equal(mixed[1].ravel(), np.arange(60.0))


def test_a_wire_keeps_what_changes_along_it() -> None:
    """One row of cells is one row, uniform or not."""
    mesh = Mesh((4, 1, 1), (1e-9, 1e-9, 1e-9))
    ramp = np.arange(4.0).reshape(mesh.shape)
    assert np.array_equal(pack([ramp, 7.0], mesh, np.float64), [[[0, 1, 2, 3]], [[7, 7, 7, 7]]])
    vector = np.stack([ramp, 2 * ramp, 3 * ramp])
    assert np.array_equal(pack_vectors([vector, (1, 2, 3)], mesh, np.float64)[0], vector.reshape(3, 1, 4))


# --- exchange --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cellwise", [False, True], ids=["uniform", "per cell"])
@pytest.mark.parametrize("turns", [1, 5, 12])
@pytest.mark.parametrize("along", [0, 1, 2])
def test_helix_is_an_eigenvector(along: int, turns: int, cellwise: bool) -> None:
    """H = −(2A/µ0Ms)(2 − 2 cos kh)/h² m, and half of that as energy."""
    count, h = [2, 3, 4], (1e-9, 1.5e-9, 2.5e-9)
    count[along] = 24
    mesh = Mesh(tuple(count), h, (True, True, True))
    Ms, A = 8e5, 1.3e-11
    film = Film(Ms=Ms, A=A, grains=np.arange(mesh.count).reshape(mesh.shape), intergrain=1 + 1e-15 * cellwise)
    phase = np.moveaxis(np.zeros(mesh.shape), 2 - along, -1) + 2 * math.pi * turns / 24 * np.arange(24)
    phase = np.moveaxis(phase, -1, 2 - along)
    m = np.stack([np.cos(phase), np.zeros(mesh.shape), np.sin(phase)])[None]
    exchange = term(batch(mesh, film), "exchange")
    assert exchange.uniform[0] != cellwise
    size = 2 * A / (MU0 * Ms) * (2 - 2 * math.cos(2 * math.pi * turns / 24)) / h[along] ** 2
    np.testing.assert_allclose(added(exchange, m), -size * m, rtol=0, atol=1e-11 * size)
    np.testing.assert_allclose(exchange.energy_density(m, NOW), 0.5 * MU0 * Ms * size, rtol=1e-11)


def test_flux_where_materials_meet() -> None:
    """A ∂θ is continuous: with slopes q/A on either side of a face the torque vanishes in the cells beside it."""
    mesh = Mesh((12, 1, 1), (2e-9, 2e-9, 2e-9), (False, True, True))
    right = (np.arange(12) >= 5).reshape(mesh.shape)
    A, Ms = np.where(right, 3e-11, 0.7e-11), np.where(right, 4e5, 9e5)
    q = 1e-11 * 1e6
    theta = q / A * 2e-9 * (np.arange(12) + 0.5 - 5)
    m = np.stack([np.cos(theta), np.sin(theta), np.zeros(mesh.shape)])[None]
    H = added(term(batch(mesh, Film(Ms=Ms, A=A)), "exchange"), m)[0]
    torque = MU0 * Ms * (m[0, 0] * H[1] - m[0, 1] * H[0]).squeeze((0, 1))
    flux = 2 * q / 2e-9
    assert np.abs(torque[0, 0, 1:-1]).max() < 1e-5 * flux
    assert torque[0, 0, 0] == pytest.approx(flux, rel=1e-5)
    assert torque[0, 0, -1] == pytest.approx(-flux, rel=1e-5)


def test_exchange_turns_nothing_as_a_whole() -> None:
    """Σ Ms m × H = 0: what one cell does to its neighbour comes back."""
    rng = np.random.default_rng(7)
    mesh = Mesh((9, 8, 3), (1e-9, 2e-9, 3e-9), (True, False, False))
    film = material(mesh, "jumping with vacuum", rng, grains=rng.integers(0, 3, mesh.shape), intergrain=0.3)
    films = batch(mesh, film)
    m = random_m(films, rng)
    torque = film.Ms * np.cross(m[0], added(term(films, "exchange"), m)[0], axis=0)
    assert np.abs(torque.sum(axis=(1, 2, 3))).max() < 1e-12 * np.abs(torque).sum()


@pytest.mark.parametrize("intergrain", [0.0, 0.4, 1.7])
def test_grain_boundaries(intergrain: float) -> None:
    """Weaker or stronger pairs between grains, against the sum over pairs."""
    rng = np.random.default_rng(8)
    mesh = Mesh((4, 3, 2), (1e-9, 2e-9, 3e-9), (True, True, False))
    film = Film(Ms=8e5, A=1e-11, grains=rng.integers(0, 3, mesh.shape), intergrain=intergrain)
    films = batch(mesh, film)
    m, one = random_m(films, rng), term(films, "exchange")
    expected = gradient_field(lambda v: slow_energy("exchange", film, mesh, v), film, mesh, m[0])
    np.testing.assert_allclose(added(one, m)[0], expected, rtol=0, atol=1e-11 * np.abs(expected).max())
    np.testing.assert_allclose(one.field(m, NOW)[0], expected, rtol=0, atol=1e-11 * np.abs(expected).max())


def test_grains_without_coupling_are_films_of_their_own() -> None:
    """intergrain 0: a grain has the field that it has with vacuum around it."""
    rng = np.random.default_rng(9)
    mesh = Mesh((10, 6, 2), (1e-9, 2e-9, 3e-9), (True, False, False))
    grains = rng.integers(0, 2, mesh.shape)
    whole = batch(mesh, Film(Ms=8e5, A=1e-11, grains=grains, intergrain=0.0))
    m = random_m(whole, rng)
    H = added(term(whole, "exchange"), m)
    for grain in range(2):
        inside = grains == grain
        part = batch(mesh, Film(Ms=np.where(inside, 8e5, 0.0), A=1e-11))
        assert np.array_equal(added(term(part, "exchange"), m * inside), H * inside)


def test_uniform_magnetisation_has_no_exchange() -> None:
    """Exactly none, beside vacuum and open ends too."""
    rng = np.random.default_rng(10)
    mesh = Mesh((9, 8, 3), (1e-9, 2e-9, 3e-9), (True, False, False))
    film = material(mesh, "jumping with vacuum", rng)
    m = np.where(film.Ms > 0, 1 / math.sqrt(3), 0.0) * np.ones((1, 3, 1, 1, 1))
    one = term(batch(mesh, film), "exchange")
    assert not added(one, m).any()
    assert not one.energy_density(m, NOW).any()


# --- anisotropy and Zeeman -------------------------------------------------------------------------------------------


def one_cell(**values: object) -> tuple[terms.Term, terms.Term]:
    """Anisotropy and Zeeman term of one cell."""
    films = batch(Mesh((1, 1, 1), (2e-9, 2e-9, 2e-9)), Film(**values))
    return term(films, "anisotropy"), term(films, "zeeman")


def at(angle: float) -> np.ndarray:
    """m in the x–z plane, `angle` in degrees from z, of one cell."""
    turn = math.radians(angle)
    return np.array([math.sin(turn), 0.0, math.cos(turn)]).reshape(1, 3, 1, 1, 1)


def test_anisotropy_by_hand() -> None:
    """cos² 30° = 3/4 and cos⁴ 30° = 9/16; the field along the axis is (2 Ku1 + 4 Ku2)/(µ0 Ms)."""
    first, _ = one_cell(Ms=8e5, Ku1=5e5)
    second, _ = one_cell(Ms=8e5, Ku2=1e5, axis=(0, 0, -7))
    assert first.energy_density(at(30), NOW).item() == pytest.approx(-375000)
    assert second.energy_density(at(30), NOW).item() == pytest.approx(-56250)
    assert added(first, at(0))[0, 2].item() == pytest.approx(994718.39, rel=1e-8)
    assert added(second, at(180))[0, 2].item() == pytest.approx(-397887.36, rel=1e-8)
    assert not added(first, at(90))[0, 2].item() > 1e-9 * 994718


def test_switching_at_45_degrees() -> None:
    """At Hk/2 against the axis at 135° the last stop is at 45°: there no torque and no stiffness, beyond it no stop."""
    Ms, K = 8e5, 5e5
    anisotropy, zeeman = one_cell(Ms=Ms, Ku1=K)

    def slope(angle: float, h: float) -> float:
        zeeman.set_uniform(2 * K / Ms * h * at(135)[:, :, 0, 0, 0])
        H = (added(anisotropy, at(angle)) + added(zeeman, at(angle))).ravel()
        return MU0 * Ms * (H[0] * math.cos(math.radians(angle)) - H[2] * math.sin(math.radians(angle))) / K

    assert slope(45, 0.5) == pytest.approx(0, abs=1e-12)
    assert (slope(45.1, 0.5) - slope(44.9, 0.5)) / math.radians(0.2) == pytest.approx(0, abs=1e-5)
    angles = np.linspace(0, 90, 181)
    assert min(slope(angle, 0.501) for angle in angles) > 0
    assert min(slope(angle, 0.499) for angle in angles) < 0


def test_zeeman_energy_and_what_changes_in_time() -> None:
    """−Ms m·B with the film's own field, the driver's and one that depends on time; vacuum feels none of them."""
    mesh = Mesh((2, 1, 1), (2e-9, 2e-9, 2e-9))
    Ms = np.array([8e5, 0.0]).reshape(mesh.shape)
    films = batch(
        mesh, Film(Ms=Ms, B=(0.1, 0, 0), B_of_time=lambda t: (0, 0.2 * t / 1e-9, 0)), Film(Ms=4e5, B=(0, 0, -0.5))
    )
    zeeman = term(films, "zeeman")
    zeeman.set_uniform(np.array([[0, 0, 0.3], [0, 0, 0.1]]))
    m = np.zeros(films.shape)
    m[0, :, 0, 0, 0], m[1, 2] = (0.6, 0.0, 0.8), 1
    t = np.array([0.5e-9, 3e-9])
    H = np.zeros_like(m)
    zeeman.add_field(m, t, H, np.array([True, True]))
    np.testing.assert_allclose(MU0 * H[0, :, 0, 0, 0], (0.1, 0.1, 0.3), rtol=1e-12)
    assert not H[0, :, 0, 0, 1].any()
    np.testing.assert_allclose(MU0 * H[1, 2], -0.4, rtol=1e-12)
    density = zeeman.energy_density(m, t)
    assert density[0].ravel() == pytest.approx([-8e5 * (0.06 + 0.24), 0])
    assert density[1].ravel() == pytest.approx([4e5 * 0.4] * 2)


def test_a_term_needs_no_more_than_its_field() -> None:
    """The other films of a batch are left alone, and half of m·H is the energy."""

    class Spring(terms.Term):
        name = "spring"

        def field(self, m: np.ndarray, t: np.ndarray) -> np.ndarray:
            return -2e3 * m

    films = batch(Mesh((4, 3, 1), (1e-9, 1e-9, 1e-9)), *[Film(Ms=8e5)] * 3)
    spring, m = Spring(films, np), random_m(films, np.random.default_rng(5))
    out = np.full_like(m, 7.0)
    spring.add_field(m, np.zeros(3), out, np.array([True, False, True]))
    assert (out[1] == 7).all()
    np.testing.assert_allclose(out[[0, 2]], 7 - 2e3 * m[[0, 2]], rtol=1e-12)
    np.testing.assert_allclose(spring.energy_density(m, np.zeros(3)), MU0 * 8e5 * 1e3, rtol=1e-12)
