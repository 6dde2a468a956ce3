"""Charge, walls, domain widths and means of states whose numbers are known.

Charges: the definition Q = ∫ m·(∂x m × ∂y m)/4π, whole for a map of the torus onto the sphere (Berg and Lüscher 1981),
−[cos θ]/2 for a round texture. Walls: m_z = −tanh(x/Δ), of width πΔ (Lilley 1950). Stripes of period p: wall 2/p per
area, domain width p/2.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from weiss.errors import UserError
from weiss.llg import geometry, states
from weiss.llg.mesh import Mesh
from weiss.llg.observables.domains import width_from_spectrum, width_from_walls
from weiss.llg.observables.mean import mean
from weiss.llg.observables.topology import charge, charge_density
from weiss.llg.observables.walls import wall_density, wall_segments, wall_widths

FILM = Mesh((64, 50, 1), (2e-9, 2.5e-9, 1e-9), (True, True, False))
OPEN = Mesh(FILM.cells, FILM.cell)


def integral(density, mesh):
    return density.sum(axis=(1, 2)) * mesh.cell[0] * mesh.cell[1]


@pytest.mark.parametrize("polarity", [1, -1])
@pytest.mark.parametrize("helicity", [0.0, 1.0, math.pi / 2])
@pytest.mark.parametrize("centre", [None, (0.0, 0.0), (31e-9, 100e-9)])
def test_charge_of_a_skyrmion(polarity, helicity, centre):
    m = states.skyrmion(FILM, 25e-9, 20e-9, polarity, helicity, centre)
    assert charge(m, FILM)[0] == pytest.approx(polarity, abs=1e-12)
    assert integral(charge_density(m, FILM), FILM)[0] == pytest.approx(polarity, abs=0.03)


def test_charge_of_an_antiskyrmion_and_of_several():
    m = states.skyrmion(FILM, 25e-9, 20e-9)
    assert charge(m * np.array([1, -1, 1]).reshape(3, 1, 1, 1), FILM)[0] == pytest.approx(1, abs=1e-12)
    four = Mesh((128, 100, 1), FILM.cell, FILM.periodic)
    assert charge(np.tile(m, (1, 1, 2, 2)), four)[0] == pytest.approx(-4, abs=1e-12)


def test_the_charge_density_is_of_second_order():
    """Also on the open film, whose ends the skyrmion does not reach."""
    for periodic in ((True, True, False), (False, False, False)):
        errors = []
        for cells in (40, 80, 160):
            mesh = Mesh((cells, cells, 1), (160e-9 / cells, 160e-9 / cells, 1e-9), periodic)
            m = states.skyrmion(mesh, 25e-9, 30e-9, 1)
            errors.append(1 - integral(charge_density(m, mesh), mesh)[0])
        orders = np.log2(np.divide(errors[:-1], errors[1:]))
        assert orders[-1] == pytest.approx(2, abs=0.1), errors


@pytest.mark.parametrize("polarity", [1, -1])
@pytest.mark.parametrize("circulation", [1, -1])
def test_charge_of_a_vortex(polarity, circulation):
    """±1/2: its rim lies on the equator, its middle at a pole. Turning the other way round changes nothing."""
    m = states.vortex(OPEN, 20e-9, polarity, circulation)
    assert charge(m, OPEN)[0] == pytest.approx(polarity / 2, abs=1e-12)
    disk = states.masked(m, geometry.disk(OPEN, 100e-9))
    assert charge(disk, OPEN)[0] == pytest.approx(polarity / 2, abs=1e-12)
    assert integral(charge_density(disk, OPEN), OPEN)[0] == pytest.approx(polarity / 2, abs=0.03)


def test_charge_of_a_periodic_film_is_whole_in_every_layer():
    mesh = Mesh((32, 24, 3), (1e-9, 2e-9, 3e-9), (True, True, False))
    found = charge(states.random(mesh, 1), mesh)
    assert found.shape == (3,) and np.abs(found).max() > 1
    np.testing.assert_allclose(found, np.round(found), atol=1e-12)
    layers = np.concatenate([states.skyrmion(FILM, 25e-9, 20e-9, p) for p in (1, -1)], axis=1)
    np.testing.assert_allclose(charge(layers, Mesh((64, 50, 2), FILM.cell, FILM.periodic)), (1, -1), atol=1e-12)


def test_charge_without_texture():
    for m in (states.uniform(OPEN, (1, 1, 1)), states.domain_wall(OPEN, 10e-9), np.zeros((3, *OPEN.shape))):
        assert charge(m, OPEN)[0] == 0 and not charge_density(m, OPEN).any()


def test_charge_density_of_a_vortex_core():
    """The sphere projected stereographically onto the plane, Usov and Peschany's core: q = (4b²/(b² + r²)²)/4π."""
    mesh = Mesh((41, 41, 1), (0.25e-9, 0.25e-9, 1e-9))
    b = 20e-9
    q = charge_density(states.vortex(mesh, b), mesh)[0]
    x, y = geometry.offsets(mesh, None)
    expected = b**2 / (math.pi * (b**2 + (x**2 + y**2)[0]) ** 2)
    np.testing.assert_allclose(q[1:-1, 1:-1], expected[1:-1, 1:-1], rtol=1e-3)
    np.testing.assert_allclose(q, expected, rtol=0.02)


@pytest.mark.parametrize("normal", ["x", "y"])
@pytest.mark.parametrize("position", [61.3e-9, 62.0e-9, 63.75e-9])
def test_a_straight_wall_is_found_where_it_is(normal, position):
    m = states.domain_wall(OPEN, 12e-9, normal=normal, position=position)
    segments = wall_segments(m, OPEN)
    axis = 0 if normal == "x" else 1
    assert len(segments) == (49 if normal == "x" else 63)
    np.testing.assert_allclose(segments[:, :, axis], position, atol=1e-18)
    along = np.sort(np.unique(np.round(segments[:, :, 1 - axis], 14)))
    np.testing.assert_allclose(along, geometry.centres(OPEN, "y" if normal == "x" else "x"), atol=1e-14)
    assert wall_density(m, OPEN) == pytest.approx(1 / (63 * 2e-9 if normal == "x" else 49 * 2.5e-9))
    np.testing.assert_allclose(wall_widths(m, OPEN), 12e-9, rtol=1e-9)


@pytest.mark.parametrize("angle", [0.1, 0.6, 1.2, 2.5])
def test_an_oblique_wall(angle):
    x, y = geometry.offsets(OPEN)
    delta = 4e-9
    across = (x * math.cos(angle) + y * math.sin(angle)) / delta
    m = np.stack([np.zeros_like(across), 1 / np.cosh(across), -np.tanh(across)])
    assert np.ptp(wall_widths(m, OPEN)) < 1e-3 * math.pi * delta
    assert np.median(wall_widths(m, OPEN)) == pytest.approx(math.pi * delta, rel=1e-12)
    points = wall_segments(m, OPEN).reshape(-1, 2) - np.array(OPEN.size[:2]) / 2
    np.testing.assert_allclose(points @ [math.cos(angle), math.sin(angle)], 0, atol=1e-15)


@pytest.mark.parametrize("periodic", [True, False])
def test_the_wall_around_a_skyrmion(periodic):
    """A circle of radius R; its profile has the slope coth(R/Δ)/Δ there."""
    mesh, radius, width = (FILM if periodic else OPEN), 30e-9, 15e-9
    m = states.skyrmion(mesh, radius, width)
    segments = wall_segments(m, mesh)
    points = segments.reshape(-1, 2) - np.array(mesh.size[:2]) / 2
    np.testing.assert_allclose(np.hypot(*points.T), radius, rtol=2e-3)
    length = np.hypot(*(segments[:, 1] - segments[:, 0]).T).sum()
    assert length == pytest.approx(2 * math.pi * radius, rel=3e-3)
    assert wall_widths(m, mesh).mean() == pytest.approx(width * math.tanh(radius * math.pi / width), rel=5e-3)
    if periodic:
        moved = states.skyrmion(mesh, radius, width, centre=(0.0, 0.0))
        assert wall_density(moved, mesh) == pytest.approx(wall_density(m, mesh), rel=1e-9)


def test_walls_of_single_cells():
    """A cell down in a film up has a diamond around it, which cuts the edges of the squares in half."""
    mesh = Mesh((6, 6, 1), (1e-9, 1e-9, 1e-9))
    m = states.uniform(mesh, (0, 0, 1))
    m[2, 0, 2, 2] = -1
    assert len(wall_segments(m, mesh)) == 4
    assert wall_density(m, mesh) == pytest.approx(4 * math.sqrt(0.5) * 1e-9 / 25e-18)


@pytest.mark.parametrize(("up", "down", "joined"), [(0.5, -0.9, True), (0.9, -0.5, False)])
def test_cells_that_touch_at_a_corner(up, down, joined):
    """They are one domain where they are the stronger ones; the walls are closed lines either way."""
    mesh = Mesh((6, 6, 1), (1e-9, 1e-9, 1e-9))
    m_z = np.full(mesh.shape, up)
    m_z[0, 2, 2] = m_z[0, 3, 3] = down
    segments = wall_segments(np.stack([np.sqrt(1 - m_z**2), 0 * m_z, m_z]), mesh) * 1e9
    assert len(segments) == 8
    assert (np.unique(np.round(segments.reshape(-1, 2), 6), axis=0, return_counts=True)[1] == 2).all()
    between = segments[(np.abs(segments - 3) < 0.5 + 1e-9).all(axis=(1, 2))].mean(axis=1)
    assert len(between) == 2
    # Each of the two pieces is on its own side of the diagonal through the cells, or of the other diagonal.
    x, y = (between - 3).T
    across, along = np.sort(x - y), np.sort(x + y)
    assert across[0] < -0.1 < 0.1 < across[1] if joined else along[0] < -0.1 < 0.1 < along[1]


def test_vacuum_has_no_wall():
    m = states.masked(states.domain_wall(OPEN, 12e-9), geometry.disk(OPEN, 80e-9))
    segments = wall_segments(m, OPEN)
    assert 70e-9 < np.ptp(segments[:, :, 1]) <= 80e-9
    np.testing.assert_allclose(segments[:, :, 0], OPEN.size[0] / 2, atol=1e-18)
    np.testing.assert_allclose(wall_widths(m, OPEN), 12e-9, rtol=1e-9)
    with pytest.raises(UserError, match="no four neighbouring cells hold material"):
        wall_density(np.zeros_like(m), OPEN)


@pytest.mark.parametrize("normal", ["x", "y"])
@pytest.mark.parametrize("periods", [1, 2, 5])
@pytest.mark.parametrize("share", [0.1, 1.0])
def test_stripes(normal, periods, share):
    """Narrow walls, and walls as wide as the domains; both widths are half the period."""
    mesh = Mesh((80, 60, 2), (2e-9, 3e-9, 4e-9), (True, True, False))
    period = mesh.size[0 if normal == "x" else 1] / periods
    m = states.stripes(mesh, period, share * period / 2, normal=normal)
    assert wall_density(m, mesh) == pytest.approx(2 / period, rel=1e-9)
    assert width_from_walls(m, mesh) == pytest.approx(period / 2, rel=1e-9)
    assert width_from_spectrum(m, mesh) == pytest.approx(period / 2, rel=1e-9)
    assert len(wall_widths(m, mesh)) == 2 * periods * (60 if normal == "x" else 80)


def test_stripes_in_an_open_film():
    mesh = Mesh((160, 120, 1), (2e-9, 2e-9, 2e-9))
    m = states.stripes(mesh, 32e-9, 6e-9)
    assert width_from_walls(m, mesh) == pytest.approx(16e-9, rel=0.01)
    assert width_from_spectrum(m, mesh) == pytest.approx(16e-9, rel=0.05)


def test_a_labyrinth():
    """A random pattern with one wavelength, 24 nm: the spectrum finds it; the walls give 12 nm or less."""
    mesh = Mesh((128, 96, 1), (2e-9, 3e-9, 1e-9), (True, True, False))
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(128, 2e-9), np.fft.fftfreq(96, 3e-9)))
    noise = np.fft.fft2(np.random.default_rng(1).standard_normal(k.shape))
    pattern = np.fft.ifft2(noise * np.exp(-(((k * 24e-9 - 1) / 0.05) ** 2))).real
    m_z = np.tanh(3 * pattern / pattern.std())
    m = np.stack([np.sqrt(1 - m_z**2), 0 * m_z, m_z])[:, None]
    assert width_from_spectrum(m, mesh) == pytest.approx(12e-9, rel=0.03)
    assert 0.75 * 12e-9 < width_from_walls(m, mesh) < 12e-9


def test_a_uniform_film_has_no_domains():
    m = states.uniform(FILM, (0, 0, 1))
    assert width_from_walls(m, FILM) == width_from_spectrum(m, FILM) == math.inf
    assert len(wall_widths(m, FILM)) == len(wall_segments(m, FILM)) == 0


def test_mean():
    m = states.uniform(OPEN, (0, 0.6, 0.8))
    np.testing.assert_allclose(mean(m), (0, 0.6, 0.8), atol=1e-15)
    m[:, :, :, :32] = [[[[1.0]]], [[[0.0]]], [[[0.0]]]]
    np.testing.assert_allclose(mean(m), (0.5, 0.3, 0.4), atol=1e-15)
    Ms = np.ones(OPEN.shape)
    Ms[..., :32] = 3
    np.testing.assert_allclose(mean(m, Ms), (0.75, 0.15, 0.2), atol=1e-15)
    np.testing.assert_allclose(mean(states.masked(m, Ms > 2)), (1, 0, 0), atol=1e-15)
