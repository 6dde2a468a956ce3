"""Initial states, shapes, grains and datasets, against their formulas and their statistics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from weiss.arrays import random_stream
from weiss.errors import UserError
from weiss.llg import dataset, geometry, grains, states
from weiss.llg.mesh import Mesh

OPEN = Mesh((24, 16, 2), (2e-9, 3e-9, 1e-9))
PERIODIC = Mesh(OPEN.cells, OPEN.cell, (True, True, False))
WIDTH = 12e-9


@pytest.mark.parametrize(
    "state",
    [
        states.random(OPEN, 3),
        states.uniform(OPEN, (1, 2, -3)),
        states.domain_wall(OPEN, WIDTH),
        states.domain_wall(PERIODIC, WIDTH, "neel", "y", sense=-1, pair=True),
        states.stripes(PERIODIC, 16e-9, WIDTH),
        states.vortex(OPEN, 10e-9),
        states.skyrmion(OPEN, 12e-9, WIDTH),
        states.skyrmion(OPEN, 1e-6, 1e-9, centre=(1e-9, 1.5e-9)),
    ],
)
def test_unit_vectors_on_the_mesh(state):
    assert state.shape == (3, *OPEN.shape) and state.dtype == np.float64 and state.flags.writeable
    np.testing.assert_allclose(np.linalg.norm(state, axis=0), 1, atol=1e-14)


def test_random_is_uniform_on_the_sphere():
    m = states.random(Mesh((64, 64, 4), (1e-9, 1e-9, 1e-9)), 5).reshape(3, -1)
    cells = m.shape[1]
    assert np.abs(m.mean(axis=1)).max() < 4 / math.sqrt(3 * cells)
    # m_z uniform in [-1, 1]: second and fourth moment.
    np.testing.assert_allclose((m**2).mean(axis=1), 1 / 3, atol=4 * math.sqrt(4 / 45 / cells))
    np.testing.assert_allclose((m**4).mean(axis=1), 1 / 5, atol=4 * math.sqrt(16 / 225 / cells))
    assert abs(m[0] @ m[1]) / cells < 4 / math.sqrt(15 * cells)


def test_random_depends_on_the_seed_only():
    np.testing.assert_array_equal(states.random(OPEN, 3), states.random(PERIODIC, 3))
    assert np.abs(states.random(OPEN, 3) - states.random(OPEN, 4)).max() > 1


def test_uniform():
    np.testing.assert_allclose(states.uniform(OPEN, (0, 3, 4))[:, 1, 2, 3], (0, 0.6, 0.8))
    for direction in ((0, 0, 0), (0, 1), (0, 0, math.nan)):
        with pytest.raises(UserError, match="is not a direction"):
            states.uniform(OPEN, direction)


@pytest.mark.parametrize(("normal", "axis"), [("x", 0), ("y", 1)])
@pytest.mark.parametrize("sense", [1, -1])
def test_a_wall_and_its_kinds(normal, axis, sense):
    position = 0.4 * OPEN.size[axis]
    x = geometry.centres(OPEN, normal) - position
    bloch, neel = (states.domain_wall(OPEN, WIDTH, kind, normal, position, sense) for kind in ("bloch", "neel"))
    for m, component, sign in ((bloch, 1 - axis, sense * (1 - 2 * axis)), (neel, axis, sense)):
        profile = m[:, 0, 0] if normal == "x" else m[:, 0, :, 0]
        np.testing.assert_allclose(profile[2], -np.tanh(x * math.pi / WIDTH), atol=1e-14)
        np.testing.assert_allclose(profile[component], sign / np.cosh(x * math.pi / WIDTH), atol=1e-14)
        assert not profile[1 - component].any()
        assert np.ptp(m[:, :, 0] if normal == "x" else m[..., 0], axis=1).max() == 0


@pytest.mark.parametrize("normal", ["x", "y"])
def test_a_pair_of_walls_turns_on_and_has_no_jump(normal):
    mesh = Mesh((40, 40, 1), (2e-9, 2e-9, 2e-9), (True, True, False))
    m = states.domain_wall(mesh, WIDTH, "neel", normal, pair=True)[:, 0]
    turned = m if normal == "x" else m[[1, 0, 2]].swapaxes(1, 2)
    angle = np.arctan2(turned[0, 0], turned[2, 0])
    steps = np.angle(np.exp(1j * (np.roll(angle, -1) - angle)))
    assert steps.min() > 0 and steps.sum() == pytest.approx(2 * math.pi)
    # One wall is the other one turned: the same steps half a film on.
    np.testing.assert_allclose(steps, np.roll(steps, 20), atol=1e-12)
    assert turned[2, 0, 0] > 0.99 and turned[2, 0, 20] < -0.99
    assert turned[0, 0, 9] > 0.7 and turned[0, 0, 29] < -0.7


def test_stripes():
    m = states.stripes(PERIODIC, 16e-9, 2e-9)
    assert np.sign(m[2, 0, 0]).tolist() == [1, 1, -1, -1, -1, -1, 1, 1] * 3
    np.testing.assert_allclose(m, np.roll(m, 8, 3), atol=1e-9)
    with pytest.raises(UserError, match=r"2.4 periods of 20 nm along a periodic mesh of 48 nm"):
        states.stripes(PERIODIC, 20e-9, WIDTH)
    states.stripes(OPEN, 20e-9, WIDTH)


@pytest.mark.parametrize(("polarity", "circulation"), [(1, 1), (-1, 1), (1, -1)])
def test_a_vortex(polarity, circulation):
    mesh = Mesh((21, 21, 1), (1e-9, 1e-9, 1e-9))
    m = states.vortex(mesh, 5e-9, polarity, circulation)[:, 0]
    np.testing.assert_allclose(m[:, 10, 10], (0, 0, polarity), atol=1e-15)
    # At r = b/2 on the right: m_z = 3/5, m_y = 4/5 for a counter-clockwise turn.
    half = states.vortex(mesh, 10e-9, polarity, circulation)[:, 0]
    np.testing.assert_allclose(half[:, 10, 15], (0, 0.8 * circulation, 0.6 * polarity), atol=1e-15)
    np.testing.assert_allclose(m[:, 20, 10], (-circulation, 0, 0), atol=1e-15)
    np.testing.assert_allclose(m[:, 5, 10], (circulation, 0, 0), atol=1e-12)


@pytest.mark.parametrize("polarity", [1, -1])
@pytest.mark.parametrize("helicity", [0.0, math.pi / 2, math.pi, -math.pi / 2])
def test_a_skyrmion(polarity, helicity):
    mesh = Mesh((81, 81, 1), (1e-9, 1e-9, 1e-9))
    radius, width = 20e-9, 4e-9
    m = states.skyrmion(mesh, radius, width, polarity, helicity)[:, 0]
    assert m[2, 40, 40] == pytest.approx(polarity, abs=1e-6) and m[2, 0, 0] == pytest.approx(-polarity, abs=1e-6)
    # On the wall, to the right and above.
    turned = -polarity * np.array([math.cos(helicity), math.sin(helicity)])
    np.testing.assert_allclose(m[:, 40, 60], (*turned, 0), atol=1e-9)
    np.testing.assert_allclose(m[:, 60, 40], (-turned[1], turned[0], 0), atol=1e-9)
    # The plain formula, where it does not overflow.
    r = np.arange(1, 41) * 1e-9
    theta = 2 * np.arctan(np.sinh(radius * math.pi / width) / np.sinh(r * math.pi / width))
    np.testing.assert_allclose(m[2, 40, 41:], -polarity * np.cos(theta), atol=1e-12)


def test_a_skyrmion_across_the_end_of_a_periodic_film():
    mesh = Mesh((40, 30, 1), (2e-9, 2e-9, 2e-9), (True, True, False))
    middle = states.skyrmion(mesh, 12e-9, 6e-9)
    np.testing.assert_allclose(
        states.skyrmion(mesh, 12e-9, 6e-9, centre=(0.0, 0.0)), np.roll(middle, (15, 20), (2, 3)), atol=1e-12
    )


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: states.domain_wall(OPEN, 0.0), "a wall width of 0.0 m"),
        (lambda: states.domain_wall(OPEN, WIDTH, "ising"), "a wall of kind 'ising'"),
        (lambda: states.domain_wall(OPEN, WIDTH, normal="z"), "a wall with normal 'z'"),
        (lambda: states.domain_wall(OPEN, WIDTH, sense=0), "sense 0"),
        (lambda: states.stripes(OPEN, -1e-9, WIDTH), "stripes of period"),
        (lambda: states.vortex(OPEN, -1e-9), "a core radius of"),
        (lambda: states.vortex(OPEN, 1e-9, circulation=2), "circulation 2"),
        (lambda: states.skyrmion(OPEN, math.inf, WIDTH), "a skyrmion radius of inf m"),
        (lambda: states.skyrmion(OPEN, 1e-9, WIDTH, polarity=0), "polarity 0"),
    ],
)
def test_bad_numbers_give_one_line(make, says):
    with pytest.raises(UserError) as caught:
        make()
    assert str(caught.value).startswith(says)


def test_masked():
    Ms = np.where(geometry.disk(OPEN, 30e-9), 8e5, 0.0)
    m = states.masked(states.random(OPEN, 1), Ms)
    np.testing.assert_allclose(np.linalg.norm(m, axis=0), Ms > 0, atol=1e-14)
    np.testing.assert_array_equal(states.masked(m, 8e5), m)


def test_boxes_and_combinations():
    mask = geometry.rectangle(OPEN, (8e-9, 12e-9))
    assert mask.shape == OPEN.shape and mask.dtype == bool and mask.sum() == 4 * 4 * 2
    assert mask[:, 6:10, 10:14].all()
    assert geometry.box(OPEN, (math.inf, math.inf, 1e-9), (0, 0, 0.5e-9)).sum() == 24 * 16
    assert (mask & ~geometry.rectangle(OPEN, (4e-9, 6e-9))).sum() == (16 - 4) * 2
    np.testing.assert_array_equal(mask | geometry.box(OPEN, (math.inf,) * 3), np.ones(OPEN.shape, bool))


def test_shapes_cross_the_ends_of_a_periodic_mesh():
    middle = geometry.ellipse(PERIODIC, (20e-9, 30e-9))
    np.testing.assert_array_equal(
        geometry.ellipse(PERIODIC, (20e-9, 30e-9), (0.0, 0.0)), np.roll(middle, (8, 12), (1, 2))
    )
    assert geometry.ellipse(OPEN, (20e-9, 30e-9), (0.0, 0.0)).sum() == pytest.approx(middle.sum() / 4)


def test_areas_of_round_shapes():
    mesh = Mesh((200, 100, 1), (1e-9, 2e-9, 1e-9))
    for mask, area in (
        (geometry.ellipse(mesh, (180e-9, 90e-9)), math.pi / 4 * 180 * 90),
        (geometry.disk(mesh, 150e-9), math.pi / 4 * 150**2),
        (geometry.ring(mesh, 150e-9, 80e-9), math.pi / 4 * (150**2 - 80**2)),
    ):
        assert mask.sum() * 2 == pytest.approx(area, rel=5e-3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: geometry.rectangle(OPEN, (8e-9, 12e-9), (1e-6, 0.0)),
        lambda: geometry.disk(OPEN, 1e-9),
        lambda: geometry.ring(OPEN, 20e-9, 30e-9),
    ],
)
def test_a_mask_without_a_cell_is_refused(make):
    with pytest.raises(UserError, match="holds no cell of the mesh"):
        make()


def test_a_picture(tmp_path):
    pixels = np.full((16, 24), 255, np.uint8)
    pixels[:4, :6] = 0  # top left
    pixels[15, 23] = 120
    Image.fromarray(pixels).save(tmp_path / "shape.png")
    mask = geometry.picture(OPEN, tmp_path / "shape.png")
    expected = np.zeros((16, 24), bool)
    expected[12:, :6] = True
    expected[0, 23] = True
    np.testing.assert_array_equal(mask, np.stack([expected] * 2))
    assert geometry.picture(OPEN, tmp_path / "shape.png", 0.4).sum() == 2 * 24
    Image.fromarray(np.dstack([0 * pixels] * 3 + [255 - pixels])).save(tmp_path / "clear.png")
    np.testing.assert_array_equal(geometry.picture(OPEN, tmp_path / "clear.png"), mask)


def test_pictures_that_do_not_fit(tmp_path):
    Image.new("L", (24, 16), 255).save(tmp_path / "white.png")
    Image.new("L", (16, 24), 0).save(tmp_path / "turned.png")
    (tmp_path / "text.png").write_text("text")
    for name, says in {
        "white": "holds no cell of the mesh",
        "turned": "the image has 16 × 24 pixels, the mesh 24 × 16 cells",
        "text": "not readable as an image",
        "none": "no such file",
    }.items():
        with pytest.raises(UserError, match=says):
            geometry.picture(OPEN, tmp_path / f"{name}.png")


def test_every_cell_belongs_to_the_nearest_point():
    """Against a search of all points and their copies."""
    size = 9e-9
    for mesh in (OPEN, PERIODIC):
        ids = grains.voronoi(mesh, size, 7)
        assert ids.shape == mesh.shape and ids.dtype == np.int32
        np.testing.assert_array_equal(ids[0], ids[1])
        lengths = np.array(mesh.size[:2])
        number = round(lengths.prod() / size**2)
        points = random_stream("llg", "grains", 7).random((number, 2)) * lengths
        x, y = geometry.centres(mesh, "x")[None, :, None], geometry.centres(mesh, "y")[:, None, None]
        dx, dy = x - points[:, 0], y - points[:, 1]
        if mesh.periodic[0]:
            dx -= lengths[0] * np.round(dx / lengths[0])
            dy -= lengths[1] * np.round(dy / lengths[1])
        np.testing.assert_array_equal(ids[0], (dx**2 + dy**2).argmin(axis=2))
    assert (grains.voronoi(OPEN, size, 7) != grains.voronoi(PERIODIC, size, 7)).any()
    assert (grains.voronoi(OPEN, size, 8) != grains.voronoi(OPEN, size, 7)).any()


def test_sizes_of_grains():
    """Poisson–Voronoi areas: mean size², variance 0.280 of its square (Gilbert 1962)."""
    mesh = Mesh((400, 400, 1), (1e-9, 1e-9, 1e-9), (True, True, False))
    areas = np.bincount(grains.voronoi(mesh, 10e-9, 1).ravel())
    assert len(areas) == 1600 and areas.mean() == pytest.approx(100)
    assert areas.var() / areas.mean() ** 2 == pytest.approx(0.280, rel=0.15)


@pytest.mark.parametrize("size", [1e-9, math.nan, math.inf])
def test_grains_smaller_than_a_cell_are_refused(size):
    with pytest.raises(UserError, match=r"grains of .* nm in cells of 3 nm"):
        grains.voronoi(OPEN, size, 1)


def test_dispersion_of_the_anisotropy():
    mesh = Mesh((100, 100, 1), (1e-9, 1e-9, 1e-9))
    ids = grains.voronoi(mesh, 2e-9, 1)
    per_cell = grains.Ku1_per_cell(mesh, 4e5, 0.1, 2)
    per_grain = grains.Ku1_per_grain(ids, 4e5, 0.1, 2)
    first = np.unique(ids, return_index=True)[1]
    for values in (per_cell.ravel(), per_grain.ravel()[first]):
        n = (values / 4e5 - 1) / 0.1
        assert abs(n.mean()) < 4 / math.sqrt(n.size) and n.std() == pytest.approx(1, abs=4 / math.sqrt(2 * n.size))
    np.testing.assert_array_equal(
        per_grain.ravel(), per_grain.ravel()[first][np.unique(ids, return_inverse=True)[1].ravel()]
    )
    np.testing.assert_array_equal(grains.Ku1_per_cell(mesh, 4e5, 0.1, 2), per_cell)
    np.testing.assert_array_equal(grains.Ku1_per_cell(mesh, 4e5, 0.0, 2), np.full(mesh.shape, 4e5))
    np.testing.assert_allclose(grains.Ku1_per_cell(mesh, 4e5 * ids, 0.1, 2), per_cell * ids)


@pytest.mark.parametrize("axis", [(0, 0, 1), (1, 0, 0), (1, -2, 3)])
def test_tilted_axes(axis):
    """Tilt of two normal angles: Rayleigh, mean of its square 2σ²; no direction around the axis preferred."""
    mesh = Mesh((100, 100, 1), (1e-9, 1e-9, 1e-9))
    ids = grains.voronoi(mesh, 2e-9, 1)
    sigma = 0.1
    axes = grains.axis_per_grain(ids, axis, sigma, 4)
    assert axes.shape == (3, *mesh.shape)
    np.testing.assert_allclose(np.linalg.norm(axes, axis=0), 1, atol=1e-14)
    first = np.unique(ids, return_index=True)[1]
    u, mean = axes.reshape(3, -1)[:, first], np.array(axis) / np.linalg.norm(axis)
    tilt = np.arccos(np.clip(mean @ u, -1, 1))
    assert (tilt**2).mean() == pytest.approx(2 * sigma**2, rel=4 / math.sqrt(first.size))
    sideways = u - np.outer(mean, mean @ u)
    assert np.linalg.norm(sideways.mean(axis=1)) < 4 * sigma / math.sqrt(first.size)
    covariance = np.linalg.eigvalsh(sideways @ sideways.T / first.size)
    np.testing.assert_allclose(covariance[1:], sigma**2, rtol=0.15)
    np.testing.assert_allclose(grains.axis_per_grain(ids, axis, 0.0, 4)[:, 0, 0, 0], mean, atol=1e-15)


def test_an_axis_without_length_is_refused():
    with pytest.raises(UserError, match="no length"):
        grains.axis_per_grain(np.zeros(OPEN.shape, int), (0, 0, 0), 0.1, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("films", [None, 3])
def test_states_as_a_dataset_and_back(films, dtype, tmp_path):
    m = states.random(PERIODIC, 1) if films is None else np.stack([states.random(PERIODIC, s) for s in range(films)])
    m = m.astype(dtype)
    data = dataset.to_dataset(m, PERIODIC)
    assert data["m"].dims[-4:] == ("component", "z", "y", "x")
    assert data["m"].attrs["units"] == "1" and data["x"].attrs["units"] == "m"
    np.testing.assert_allclose(data["y"], (np.arange(16) + 0.5) * 3e-9)
    dataset.write(tmp_path / "m.nc", data)
    read = dataset.read(tmp_path / "m.nc")
    assert read["component"].values.tolist() == ["x", "y", "z"] and read["z"].attrs["units"] == "m"
    for found in (data, read):
        back, mesh = dataset.to_states(found)
        np.testing.assert_array_equal(back, m)
        assert back.dtype == dtype and mesh == PERIODIC
    dataset.write(tmp_path / "again.nc", dataset.to_dataset(m, PERIODIC))
    assert (tmp_path / "again.nc").read_bytes() == (tmp_path / "m.nc").read_bytes()


def test_films_of_a_dataset_can_be_chosen():
    m = np.stack([states.random(OPEN, seed) for seed in range(3)])
    chosen, mesh = dataset.to_states(dataset.to_dataset(m, OPEN).isel(film=1))
    np.testing.assert_array_equal(chosen, m[1])
    assert mesh == OPEN


def test_bad_datasets_give_one_line(tmp_path):
    data = dataset.to_dataset(states.random(OPEN, 1), OPEN)
    with pytest.raises(UserError, match=r"states of shape \(3, 2, 16, 23\) on a mesh \(2, 16, 24\)"):
        dataset.to_dataset(states.random(OPEN, 1)[..., 1:], OPEN)
    with pytest.raises(UserError, match="cut out films only"):
        dataset.to_states(data.isel(x=slice(5)))
    with pytest.raises(UserError, match="not a dataset of magnetic states"):
        dataset.to_states(data.drop_vars("m"))
    with pytest.raises(UserError, match="not finite"):
        dataset.to_states(data.map(lambda variable: variable * np.nan, keep_attrs=True))
    with pytest.raises(UserError, match=r"none.nc: no such file"):
        dataset.read(tmp_path / "none.nc")
    (tmp_path / "text.nc").write_text("text")
    with pytest.raises(UserError, match=r"text.nc: not readable as netCDF-4"):
        dataset.read(tmp_path / "text.nc")
