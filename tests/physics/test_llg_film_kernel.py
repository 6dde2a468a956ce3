"""Demagnetising tensor of a film that goes on without end along x and y.

References: a uniform sheet (no field outside, −M_z inside); the mean field of a wave of wavenumber k in a film of
thickness t, (1 − exp(−kt))/(kt) of M_z (C. Kooy and U. Enz, Philips Res. Rep. 15, 7 (1960)); the sum over waves that
look alike on the cells; sums over copies of the tensor of two cells (`test_llg_newell`), extrapolated.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import fft

from weiss.errors import UserError
from weiss.llg.demag import film, kernel
from weiss.llg.demag.symmetry import wrap
from weiss.llg.mesh import Mesh

MESHES = [
    Mesh((8, 6, 1), (4e-9, 4e-9, 0.6e-9), (True, True, False)),
    Mesh((7, 5, 3), (1e-9, 2e-9, 5e-9), (True, True, False)),
    Mesh((5, 8, 4), (2e-9, 1.5e-9, 1e-9), (True, True, False)),
    Mesh((1, 1, 2), (2e-9, 2e-9, 2e-9), (True, True, False)),
]


def square(n: int, cell: tuple[float, float, float], nz: int = 1) -> Mesh:
    return Mesh((n, n, nz), cell, (True, True, False))


@pytest.mark.parametrize("mesh", MESHES)
def test_uniform_film(mesh: Mesh) -> None:
    """N_zz = 1 within a layer, everything else 0: exact in the kernel, and to rounding in the sum it comes from."""
    tensor, raw = film.layers(mesh), film.ewald(mesh)
    raw[2, 0, 0, 0] -= 1
    assert np.abs(raw[:, :, 0, 0]).max() < 1e-14
    assert tensor[2, 0, 0, 0] == 1
    assert np.count_nonzero(tensor[:, :, 0, 0]) == 1


@pytest.mark.parametrize("mesh", MESHES)
def test_trace(mesh: Mesh) -> None:
    trace = film.layers(mesh)[:3].sum(axis=0)
    trace[0] -= 1
    assert np.abs(trace).max() < 1e-14


@pytest.mark.parametrize("mesh", MESHES)
def test_does_not_depend_on_how_it_is_split(mesh: Mesh) -> None:
    assert np.abs(film.ewald(mesh, alpha=0.7) - film.ewald(mesh)).max() < 1e-14


def test_twice_the_period_has_the_same_waves() -> None:
    """Every second wavenumber of a mesh of twice the period is one of the mesh; and x is as good as y."""
    mesh, twice = Mesh((6, 5, 2), (2e-9, 3e-9, 1e-9), (True, True, False)), (12, 10, 2)
    tensor = film.layers(mesh)
    assert np.abs(film.layers(Mesh(twice, mesh.cell, mesh.periodic))[:, :, ::2, ::2] - tensor).max() < 1e-14
    turned = film.layers(Mesh((5, 6, 2), (3e-9, 2e-9, 1e-9), mesh.periodic))
    full = wrap(turned.transpose(0, 1, 3, 2)[[1, 0, 2]], False, 5, 2)[..., :4]
    assert np.abs(full - tensor[:3]).max() < 1e-14


@pytest.mark.parametrize("along", ["x", "y"])
def test_waves_on_cells(along: str) -> None:
    """Plane waves along an axis, summed over the waves kx + 2πn/dx that look alike on the cells, 2·10⁵ of them."""
    n, edge, t = 12, 3e-9, 2e-9
    mesh = square(n, (edge, edge, t))
    tensor = film.layers(mesh)[:, 0]
    k = 2 * np.pi / (n * edge) * np.arange(1, n // 2 + 1)
    g = np.abs(k + 2 * np.pi / edge * np.arange(-100_000, 100_001)[:, None])
    expected = (np.sinc(g * edge / (2 * np.pi)) ** 2 * -np.expm1(-g * t) / (g * t)).sum(axis=0)
    row = tensor[:, 0, 1:] if along == "x" else tensor[:, 1 : n // 2 + 1, 0]
    assert np.abs(row[2] - expected).max() < 1e-10
    assert np.abs(row["xy".index(along)] - (1 - expected)).max() < 1e-10
    assert np.abs(row["yx".index(along)]).max() < 1e-14


@pytest.mark.parametrize("direction", [(1, 0), (0, 1), (2, 1)])
def test_stripes_as_cells_shrink(direction: tuple[int, int]) -> None:
    """N_zz tends to (1 − exp(−kt))/(kt) at second order, N_xx and N_xy to the rest times k_x k_x/k² and k_x k_y/k²."""
    period, t = 64e-9, 5e-9
    kx, ky = (2 * np.pi / period * number for number in direction)
    k = np.hypot(kx, ky)
    inside = -np.expm1(-k * t) / (k * t)
    expected = np.array(
        [(1 - inside) * kx * kx / k**2, (1 - inside) * ky * ky / k**2, inside, (1 - inside) * kx * ky / k**2]
    )
    errors = []
    for n in (16, 32, 64, 128):
        tensor = film.layers(square(n, (period / n, period / n, t)))[:, 0, direction[1], direction[0]]
        errors.append(np.abs(tensor[:4] - expected).max())
    assert errors[-1] < 1e-3
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.15)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.06)
    assert errors[2] / errors[3] == pytest.approx(4, rel=0.03)


def test_sums_over_copies_tend_to_it() -> None:
    """The error falls like one over the number of periods; 1e-9 is left without its first odd powers."""
    mesh = Mesh((4, 4, 2), (2e-9, 2e-9, 1e-9), (True, True, False))
    exact = kernel(mesh, "film")
    sums = {periods: kernel(mesh, "images", (periods // 2, periods // 2, 0)) for periods in (9, 17, 25, 33)}
    assert all(part.padded == exact.padded for part in sums.values())
    for name, spectrum in exact.spectrum.items():
        real = fft.irfftn(spectrum, exact.padded)
        near = {periods: fft.irfftn(part.spectrum[name], exact.padded) for periods, part in sums.items()}
        errors = {periods: np.abs(part - real).max() for periods, part in near.items()}
        if name in ("xx", "yy", "zz"):
            assert errors[9] / errors[33] == pytest.approx(33 / 9, rel=0.05)
        powers = np.array([[periods**power for power in (0, -1.0, -3.0, -5.0)] for periods in near])
        limit = np.tensordot(np.linalg.inv(powers)[0], np.stack(list(near.values())), 1)
        assert np.abs(limit - real).max() < 1e-9


def test_two_layers_are_one_of_twice_the_thickness() -> None:
    """For what is uniform along z, at every wavenumber: mean over the field's layer of the sum over the source's."""
    thin = film.layers(square(8, (2e-9, 2e-9, 1.5e-9), nz=2))
    thick = film.layers(square(8, (2e-9, 2e-9, 3e-9)))
    assert np.abs((thin[:4, 0] + thin[:4, 1]) - thick[:4, 0]).max() < 1e-14


def test_far_layers_see_only_slow_waves() -> None:
    """xz of a wave along x in the layer above: −i/2 exp(−ks) (1 − exp(−kt))²/(kt) per wave, and as much for xx."""
    n, edge, t = 8, 2e-9, 1e-9
    tensor = film.layers(square(n, (edge, edge, t), nz=7))[:, 6, 0, 1]
    g = 2 * np.pi / (n * edge) + 2 * np.pi / edge * np.arange(-3, 4)
    k = np.abs(g)
    wave = np.sinc(g * edge / (2 * np.pi)) ** 2 * np.exp(-k * 5 * t) * np.expm1(-k * t) ** 2 / (2 * k * t)
    assert abs(tensor[0] - wave.sum()) < 1e-14
    assert abs(tensor[2] + wave.sum()) < 1e-14
    assert abs(tensor[4] - (wave * np.sign(g)).sum()) < 1e-14


@pytest.mark.parametrize("periodic", [(True, False, False), (False, False, False), (True, True, True)])
def test_only_films(periodic: tuple[bool, bool, bool]) -> None:
    with pytest.raises(UserError, match="make it periodic along x and y and open along z"):
        kernel(Mesh((4, 4, 1), (1e-9, 1e-9, 1e-9), periodic), "film")
