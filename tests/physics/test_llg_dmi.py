"""Dzyaloshinskii–Moriya interaction.

Reference values
----------------
* One-dimensional problem of Cortés-Ortuño et al., New J. Phys. 20 (2018) 113015: A = 13 pJ/m, D = 3 mJ/m²,
  Ku1 = 0.4 MJ/m³, a wire of 100 cells of 1 nm; |m_x| = 0.61345 in the last cell (49.5 nm from the middle).
* Its continuum: Rohart and Thiaville, Phys. Rev. B 88 (2013) 184422: dθ/dn = D/2A at an end, and far from the other end
  sin θ = D/(2√(A K)) = 0.65779.
* Helices and other textures: the energies D m·(∇×m) and D(m_z ∇·m − (m·∇)m_z), differentiated by hand or by FFT.
* Fields: finite differences of energies summed pair by pair in Python (`physics.llg_films`).
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from physics.llg_films import (
    BOUNDARIES,
    MATERIALS,
    NOW,
    added,
    batch,
    cross,
    energy,
    free,
    gradient_field,
    partners,
    random_m,
    relax,
    saturation,
    term,
    value,
)
from weiss.llg import terms
from weiss.llg.constants import MU0
from weiss.llg.film import Film
from weiss.llg.mesh import Mesh

KINDS = ["D_bulk", "D_interfacial"]
STANDARD = {"Ms": 0.86e6, "A": 13e-12, "Ku1": 0.4e6}
D = 3e-3


def vector(bulk: float, interfacial: float, axis: int) -> np.ndarray:
    """d_a = −D_bulk e_a + D_interfacial z × e_a."""
    e = np.eye(3)[axis]
    return -bulk * e + interfacial * cross((0, 0, 1), e)


def pair_energy(film: Film, mesh: Mesh, m: np.ndarray) -> float:
    """DMI energy in J of (3, nz, ny, nx), pair by pair and free face by free face."""
    A, bulk, interfacial = (
        np.broadcast_to(np.asarray(v, float), mesh.shape) for v in (film.A, film.D_bulk, film.D_interfacial)
    )
    total = 0.0
    for i, j, axis in partners(film, mesh):
        mi, mj, both = m[(slice(None), *i)], m[(slice(None), *j)], A[i] + A[j]
        di, dj = vector(bulk[i], interfacial[i], axis), vector(bulk[j], interfacial[j], axis)
        mean = (A[i] * dj + A[j] * di) / both
        total += mean @ cross(mi, mj) / mesh.cell[axis]
        total -= cross(di - dj, mi) @ cross(di - dj, mj) / (8 * both)
    for i, axis in free(film, mesh):
        d = vector(bulk[i], interfacial[i], axis)
        total -= np.sum(cross(d, m[(slice(None), *i)]) ** 2) / (8 * A[i])
    return total * mesh.volume


def material(mesh: Mesh, kind: str, rng: np.random.Generator) -> Film:
    """A film with both DMIs."""
    return Film(
        Ms=saturation(mesh, kind, rng),
        A=value(mesh, kind, 1e-11, rng),
        D_bulk=value(mesh, kind, 2e-3, rng),
        D_interfacial=value(mesh, kind, -3e-3, rng),
    )


# --- field and energy ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MATERIALS)
@pytest.mark.parametrize("periodic", BOUNDARIES)
def test_field_is_the_gradient_of_the_pair_energy(periodic: tuple[bool, bool, bool], kind: str) -> None:
    """In every combination of boundaries and materials; compiled and plain."""
    rng = np.random.default_rng(3)
    for count in ((3, 2, 2), (1, 3, 1), (4, 1, 1)):
        mesh = Mesh(count, (1.5e-9, 2e-9, 3e-9), periodic)
        film = material(mesh, kind, rng)
        films = batch(mesh, film)
        m, dmi = random_m(films, rng), term(films, "dmi")
        expected = gradient_field(lambda v, f=film, g=mesh: pair_energy(f, g, v), film, mesh, m[0])
        scale = np.abs(expected).max()
        assert energy(dmi, m) == pytest.approx(pair_energy(film, mesh, m[0]), rel=1e-11, abs=1e-30)
        np.testing.assert_allclose(dmi.field(m, NOW)[0], expected, rtol=0, atol=1e-11 * scale)
        np.testing.assert_allclose(added(dmi, m)[0], expected, rtol=0, atol=1e-11 * scale)


@pytest.mark.parametrize("kind", MATERIALS)
@pytest.mark.parametrize("periodic", [(False, False, False), (True, True, False), (True, True, True)])
def test_compiled_field_in_single_precision(periodic: tuple[bool, bool, bool], kind: str) -> None:
    """Within rounding of double precision, on rows long enough to be vectorised."""
    rng = np.random.default_rng(4)
    mesh = Mesh((37, 5, 2), (1.5e-9, 2e-9, 3e-9), periodic)
    film = material(mesh, kind, rng)
    exact = batch(mesh, film)
    m = random_m(exact, rng)
    expected = term(exact, "dmi").field(m, NOW)
    got = added(term(batch(mesh, film, precision="float32"), "dmi"), m.astype(np.float32))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


def test_a_film_does_not_feel_its_batch() -> None:
    """To the bit, beside a film of another material, and with its numbers given cell by cell."""
    rng = np.random.default_rng(5)
    mesh = Mesh((13, 7, 2), (2e-9, 2e-9, 2e-9), (True, False, False))
    one = Film(Ms=8e5, A=1e-11, D_bulk=1e-3, D_interfacial=2e-3)
    spelled = Film(**{k: np.full(mesh.shape, getattr(one, k)) for k in ("Ms", "A", "D_bulk", "D_interfacial")})
    other = material(mesh, "jumping with vacuum", rng)
    films = batch(mesh, one, other, spelled, precision="float32")
    m = random_m(films, rng)
    m[2] = m[0]
    together = added(term(films, "dmi"), m)
    assert np.array_equal(together[0], together[2])
    for index, film in enumerate(films.films):
        alone = added(term(batch(mesh, film, precision="float32"), "dmi"), m[index : index + 1])
        assert np.array_equal(together[index], alone[0])


def test_films_that_are_not_live_are_left_alone() -> None:
    mesh = Mesh((6, 5, 1), (2e-9, 2e-9, 2e-9))
    films = batch(mesh, *[Film(Ms=8e5, A=1e-11, D_bulk=1e-3)] * 2)
    m = random_m(films, np.random.default_rng(6))
    out = np.full_like(m, 7.0)
    term(films, "dmi").add_field(m, np.zeros(2), out, np.array([True, False]))
    assert (out[1] == 7).all()
    assert not (out[0] == 7).all()


def test_a_film_of_one_layer_is_uniform_through_it() -> None:
    """Its surfaces are no free faces, those of two layers are: −D²/(8A) in each, for m along x."""
    film = Film(Ms=8e5, A=1e-11, D_bulk=1e-3)
    for layers, density in ((1, 0.0), (2, -(1e-3**2) / (8 * 1e-11))):
        films = batch(Mesh((4, 3, layers), (2e-9, 2e-9, 2e-9), (True, True, False)), film)
        m = np.zeros(films.shape)
        m[:, 0] = 1
        np.testing.assert_allclose(term(films, "dmi").energy_density(m, NOW), density, rtol=1e-12, atol=1e-9)


def test_no_term_without_dmi() -> None:
    films = batch(Mesh((4, 4, 1), (1e-9, 1e-9, 1e-9)), Film(Ms=8e5, A=1e-11))
    assert [one.name for one in terms.build(films, np)] == ["exchange", "zeeman"]


def test_dmi_without_exchange_has_no_extra_at_ends() -> None:
    """A = 0: a wire's end has nothing to tilt against; uniform m then has no energy, though a field at its ends."""
    mesh = Mesh((8, 1, 1), (1e-9, 1e-9, 1e-9), (False, True, True))
    for A in (0.0, np.zeros(mesh.shape)):
        films = batch(mesh, Film(Ms=8e5, A=A, D_interfacial=np.linspace(1e-3, 2e-3, 8).reshape(mesh.shape)))
        m = np.zeros(films.shape)
        m[:, 2] = 1
        assert abs(energy(term(films, "dmi"), m)) < 1e-40
        assert np.isfinite(term(films, "dmi").field(m, NOW)).all()


# --- sense and size --------------------------------------------------------------------------------------------------


def continuum(film: Film, m: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """D_bulk m·(∇×m) + D_interfacial(m_z ∇·m − (m·∇)m_z) from ∂_a m_b = slopes[a, b]."""
    s = slopes
    curl = np.stack([s[1, 2] - s[2, 1], s[2, 0] - s[0, 2], s[0, 1] - s[1, 0]])
    spread = m[2] * (s[0, 0] + s[1, 1]) - (m[0] * s[0, 2] + m[1] * s[1, 2])
    return film.D_bulk * (m * curl).sum(axis=0) + film.D_interfacial * spread


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("turns", [3, -3])
@pytest.mark.parametrize(("along", "around"), list(itertools.product(range(3), range(3))))
def test_helix_energy(along: int, around: int, turns: int, sign: int, kind: str) -> None:
    """A helix along any axis, turning about any axis either way: the continuum's energy times sin(kh)/(kh)."""
    count, h = [2, 3, 4], (1e-9, 1.5e-9, 2.5e-9)
    count[along] = 40
    mesh = Mesh(tuple(count), h, (True, True, True))
    film = Film(Ms=8e5, A=1e-11, **{kind: sign * 2e-3})
    k = 2 * math.pi * turns / (40 * h[along])
    phase = np.moveaxis(np.zeros(mesh.shape), 2 - along, -1) + k * h[along] * (np.arange(40) + 0.5)
    phase = np.moveaxis(phase, -1, 2 - along)
    m, slopes = np.zeros((3, *mesh.shape)), np.zeros((3, 3, *mesh.shape))
    first, second = (around + 1) % 3, (around + 2) % 3
    m[first], m[second] = np.cos(phase), np.sin(phase)
    slopes[along, first], slopes[along, second] = -k * m[second], k * m[first]
    expected = continuum(film, m, slopes) * math.sin(k * h[along]) / (k * h[along])
    got = term(batch(mesh, film), "dmi").energy_density(m[None], NOW)[0]
    favoured = along == around if kind == "D_bulk" else {along, around} == {0, 1}
    assert np.abs(expected).max() == pytest.approx(favoured * 2e-3 * abs(math.sin(k * h[along])) / h[along], rel=1e-9)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9 * abs(2e-3 * k))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("along", [0, 1])
def test_period_of_the_helix(along: int, sign: int, kind: str) -> None:
    """Of all helices in a periodic box of 8 periods L_D = 4πA/|D| the one with 8 turns is best, at −D²/(4A)."""
    A, strength = 8.78e-12, 1.58e-3
    period = 4 * math.pi * A / strength
    count = [1, 1, 1]
    count[along] = 8 * 40
    mesh = Mesh(tuple(count), (period / 40,) * 3, (True, True, True))
    film = Film(Ms=3.84e5, A=A, **{kind: sign * strength})
    films = batch(mesh, film)
    exchange, dmi = term(films, "exchange"), term(films, "dmi")
    around = along if kind == "D_bulk" else 1 - along
    phase = 2 * math.pi * (np.arange(8 * 40) + 0.5) / (8 * 40)
    energies = {}
    for turns in range(-16, 17):
        m = np.zeros(films.shape)
        m[0, (around + 1) % 3] = np.cos(turns * phase).reshape(mesh.shape)
        m[0, (around + 2) % 3] = np.sin(turns * phase).reshape(mesh.shape)
        energies[turns] = (exchange.energy_density(m, NOW) + dmi.energy_density(m, NOW)).mean()
    sense = -vector(film.D_bulk, film.D_interfacial, along)[around]
    best = min(energies, key=energies.get)
    assert best == 8 * np.sign(sense)
    assert energies[best] == pytest.approx(-(strength**2) / (4 * A), rel=0.01)


def smooth(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """A periodic texture that turns along x, y and z, and its derivatives (3, 3, nz, ny, nx) by FFT."""
    angles = [2 * math.pi * (np.arange(count) + 0.5) / count for count in mesh.cells]
    z, y, x = np.meshgrid(*angles[::-1], indexing="ij")
    m = np.stack([np.sin(x) + 0.3 * np.cos(y + z), np.cos(y - x) - 0.4 * np.sin(z), 2.2 + np.sin(y) * np.cos(z)])
    m /= np.linalg.norm(m, axis=0)
    slopes = np.empty((3, *m.shape))
    for axis in range(3):
        k = 2j * math.pi * np.fft.fftfreq(mesh.cells[axis], mesh.cell[axis])
        wave = np.moveaxis(np.fft.fft(m, axis=-1 - axis), -1 - axis, -1) * k
        slopes[axis] = np.fft.ifft(np.moveaxis(wave, -1, -1 - axis), axis=-1 - axis).real
    return m, slopes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [(24, 40, 24), (40, 24, 24), (24, 24, 40)])
def test_cells_of_any_shape_give_the_same_physics(count: tuple[int, int, int], kind: str) -> None:
    """Energy and field of a smooth texture tend to the continuum's at second order with cells that are not cubes."""
    size = (60e-9, 75e-9, 90e-9)
    film = Film(Ms=8e5, A=1e-11, **{kind: 2e-3})
    energies, fields = [], []
    for fine in (1, 2):
        cells = tuple(fine * n for n in count)
        mesh = Mesh(cells, tuple(s / n for s, n in zip(size, cells, strict=True)), (True, True, True))
        m, slopes = smooth(mesh)
        dmi = term(batch(mesh, film), "dmi")
        exact = continuum(film, m, slopes).mean()
        H = sum(np.cross(vector(film.D_bulk, film.D_interfacial, a), slopes[a], axisb=0, axisc=0) for a in range(3))
        H *= 2 / (MU0 * film.Ms)
        energies.append(abs(dmi.energy_density(m[None], NOW).mean() / exact - 1))
        fields.append(np.abs(added(dmi, m[None])[0] - H).max() / np.abs(H).max())
    assert energies[0] < 0.05
    assert energies[0] / energies[1] == pytest.approx(4, rel=0.15)
    assert fields[0] / fields[1] == pytest.approx(4, rel=0.15)


@pytest.mark.parametrize("kind", MATERIALS)
@pytest.mark.parametrize("which", [*KINDS, "both"])
def test_energy_of_a_texture_turned_about_z(which: str, kind: str) -> None:
    """By 90°, with its mesh: the same energy, free edges and holes included."""
    rng = np.random.default_rng(8)
    mesh = Mesh((6, 5, 2), (1e-9, 2e-9, 3e-9), (False, True, False))
    film = material(mesh, kind, rng)
    values = {name: getattr(film, name) for name in ("Ms", "A", *KINDS)}
    for name in KINDS:
        if which not in (name, "both"):
            values[name] = 0.0

    def turned(cells: np.ndarray) -> np.ndarray:
        return np.flip(np.swapaxes(cells, -1, -2), -1)  # x' = −y, y' = x

    m = random_m(batch(mesh, film), rng)
    rotated = turned(np.stack([-m[:, 1], m[:, 0], m[:, 2]], axis=1)).copy()
    around = Mesh((5, 6, 2), (2e-9, 1e-9, 3e-9), (True, False, False))
    there = {name: turned(v).copy() if np.ndim(v) else v for name, v in values.items()}
    before = energy(term(batch(mesh, Film(**values)), "dmi"), m)
    after = energy(term(batch(around, Film(**there)), "dmi"), rotated)
    assert after == pytest.approx(before, rel=1e-12)


# --- free ends -------------------------------------------------------------------------------------------------------


def wire(cells: int, along: int = 0, length: float = 100e-9, **dmi: float) -> np.ndarray:
    """Relaxed wire of the standard problem, free at the ends of one axis alone: (3, cells)."""
    count, periodic = [1, 1, 1], [True, True, True]
    count[along], periodic[along] = cells, False
    mesh = Mesh(tuple(count), (length / cells,) * 3, tuple(periodic))
    films = batch(mesh, Film(**STANDARD, **dmi))
    m = np.zeros(films.shape)
    m[:, 2] = 1
    # Half-way to the answer, from the boundary condition: within Δ of an end m turns towards d × m.
    depth, delta = (np.arange(cells) + 0.5) * length / cells, math.sqrt(STANDARD["A"] / STANDARD["Ku1"])
    tilt = 0.3 * (np.exp(-depth / delta) - np.exp((depth - length) / delta))
    d = vector(dmi.get("D_bulk", 0.0), dmi.get("D_interfacial", 0.0), along)
    turn = np.cross(d / np.linalg.norm(d), [0, 0, 1])
    m[0] += turn[:, None, None, None] * tilt.reshape(mesh.shape)
    return relax(films, m, ["exchange", "anisotropy", "dmi"])[0].reshape(3, cells)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("kind", "along", "component"), [(KINDS[1], 0, 0), (KINDS[1], 1, 1), (KINDS[0], 0, 1), (KINDS[0], 1, 0)]
)
def test_standard_problem(kind: str, along: int, component: int, sign: int) -> None:
    """The published number, along x and y; interfacial DMI tilts m along the wire, bulk DMI across it."""
    m = wire(100, along, **{kind: sign * D})
    d = vector(*((sign * D, 0.0) if kind == "D_bulk" else (0.0, sign * D)), along)
    assert abs(m[component, -1]) == pytest.approx(0.61345, abs=1e-4)
    assert m[component, 0] == pytest.approx(-m[component, -1], abs=1e-6)
    # 2A ∂m = −d × m at the upper end: m_component falls there if (d × z)_component > 0.
    assert np.sign(m[component, -1]) == -np.sign(np.cross(d, [0, 0, 1])[component])
    assert np.abs(np.delete(m, [component, 2], axis=0)).max() < 1e-6
    assert m[2, 50] > 0.999


def test_edge_of_the_continuum_at_second_order() -> None:
    """sin θ at the end itself, half a cell beyond the last cell with the slope D/2A that the end asks for.

    At least second order: for these numbers the h² parts of the scheme and of the extrapolation all but cancel, and
    what is left falls faster, as −0.00003 h² + 0.0002 h³ with h in nm (the same from a Newton solution for the angles).
    """
    exact = D / (2 * math.sqrt(STANDARD["A"] * STANDARD["Ku1"]))
    assert exact == pytest.approx(0.65779, abs=5e-6)
    errors = []
    for cells in (100, 200, 400):
        m = wire(cells, D_interfacial=D)
        theta = math.atan2(abs(m[0, -1]), m[2, -1]) + D / (2 * STANDARD["A"]) * (100e-9 / cells) / 2
        errors.append(math.sin(theta) - exact)
    assert abs(errors[0]) < 2e-4
    assert abs(errors[1]) < abs(errors[0]) / 4
    assert abs(errors[2]) < abs(errors[1]) / 4


@pytest.mark.parametrize(("bulk", "interfacial"), [(2e-3, 2e-3), (-1e-3, 2.5e-3)])
def test_both_at_a_free_end(bulk: float, interfacial: float) -> None:
    """2A ∂m/∂n + d × m = 0 at the end of a relaxed wire, at second order; ends by quadratic extrapolation."""
    d = vector(bulk, interfacial, 0)
    misses = []
    for cells in (50, 100, 200):
        m, h = wire(cells, length=50e-9, D_bulk=bulk, D_interfacial=interfacial), 50e-9 / cells
        one, two, three = m[:, -1], m[:, -2], m[:, -3]
        slope = (2 * one - 3 * two + three) / h
        end = (15 * one - 10 * two + 3 * three) / 8
        misses.append(np.linalg.norm(2 * STANDARD["A"] * slope + np.cross(d, end)) / np.linalg.norm(d))
    assert misses[0] < 0.05
    assert misses[0] / misses[1] > 3.2
    assert misses[1] / misses[2] > 3.2


@pytest.mark.parametrize("kind", KINDS)
def test_square_with_edges_along_x_and_y(kind: str) -> None:
    """The same profile from either pair of edges; and on cells that are not square nearly so."""

    def profiles(nx: int, ny: int) -> tuple[np.ndarray, np.ndarray]:
        mesh = Mesh((nx, ny, 1), (40e-9 / nx, 40e-9 / ny, 1e-9), (False, False, True))
        films = batch(mesh, Film(**STANDARD, **{kind: D}))
        m = np.zeros(films.shape)
        m[:, 2] = 1
        m[:, 0] = 1e-3
        out = relax(films, m, ["exchange", "anisotropy", "dmi"])[0, :, 0]
        across = (0, 1) if kind == "D_interfacial" else (1, 0)
        middle_x = out[across[0], ny // 2 - 1 : ny // 2 + 1].mean(axis=0)
        middle_y = out[across[1], :, nx // 2 - 1 : nx // 2 + 1].mean(axis=1)
        return middle_x, middle_y

    along_x, along_y = profiles(40, 40)
    np.testing.assert_allclose(np.abs(along_x), np.abs(along_y), atol=1e-6)
    assert np.sign(along_x[-1] * along_y[-1]) == (1 if kind == "D_interfacial" else -1)
    flat_x, flat_y = profiles(40, 20)
    np.testing.assert_allclose(flat_x, along_x, atol=0.004)
    np.testing.assert_allclose(flat_y, along_y.reshape(20, 2).mean(axis=1), atol=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_where_materials_meet(kind: str) -> None:
    """A and D jump: a relaxed wire's energy and end tend to a limit at second order."""
    energies = []
    for cells in (40, 80, 160, 320):
        mesh = Mesh((cells, 1, 1), (40e-9 / cells,) * 3, (False, True, True))
        right = (np.arange(cells) >= cells // 2).reshape(mesh.shape)
        film = Film(Ms=8e5, A=np.where(right, 5e-12, 15e-12), Ku1=4e5, **{kind: np.where(right, -1.5e-3, 2.5e-3)})
        films = batch(mesh, film)
        m = np.zeros(films.shape)
        m[:, 2], m[:, 0], m[:, 1] = 1, 0.01, 0.02
        m = relax(films, m, ["exchange", "anisotropy", "dmi"])
        energies.append(sum(energy(term(films, name), m) for name in ("exchange", "anisotropy", "dmi")) * cells**2)
    steps = np.diff(energies)
    assert steps[0] / steps[1] == pytest.approx(4, rel=0.2)
    assert steps[1] / steps[2] == pytest.approx(4, rel=0.2)
