"""Demagnetising tensor between cells, and its convolution kernels for open meshes and meshes with copies.

Reference values. Cube 1/3, 0.1350171805444953 and 0.06750859027224763, cell 4×4×1 0.1746837304661286 and
0.6506325390677427: from the formulas of A. J. Newell, W. Williams and D. J. Dunlop, J. Geophys. Res. 98, 9551 (1993).
MULTIPRECISION: Eqs. 27 and 32 of that paper with mpmath at 80 digits, edges as decimal fractions,

    N_xx = Σ_abc w_a w_b w_c f((i+a) dx, (j+b) dy, (k+c) dz) / (4π dx dy dz),   w_{−1, 0, 1} = −1, 2, −1,

and likewise N_xy with g, the other components by exchanging axes.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import fft

from weiss.errors import UserError
from weiss.llg.demag import kernel, newell
from weiss.llg.demag.symmetry import COMPONENTS
from weiss.llg.mesh import Mesh

PUBLISHED = [
    ((1, 1, 1), "xx", (0, 0, 0), 1 / 3),
    ((1, 1, 1), "xx", (1, 0, 0), -0.1350171805444953),
    ((1, 1, 1), "xx", (0, 1, 0), 0.06750859027224763),
    ((4, 4, 1), "xx", (0, 0, 0), 0.1746837304661286),
    ((4, 4, 1), "zz", (0, 0, 0), 0.6506325390677427),
]

MULTIPRECISION = [
    ((1, 1, 1), (1, 1, 1), [0, 0, 0, -0.016062127810508234, -0.016062127810508234, -0.016062127810508234]),
    (
        (1, 2, 5),
        (2, 1, 1),
        [
            0.00118606098103218521,
            0.00240787600360643731,
            -0.00359393698463862252,
            -0.0047420775504334072,
            -0.00666592882716267979,
            -0.00572257988786077051,
        ],
    ),
    (
        (4, 4, 1),
        (3, 2, 1),
        [
            -0.000469679097843066604,
            0.0000310726710956635251,
            0.000438606426747403079,
            -0.000598805910281738684,
            -0.0000798100672831297225,
            -0.0000530958339265832008,
        ],
    ),
    (
        (4, 4, 0.6),
        (20, 7, 3),
        [
            -2.09790554667971253e-6,
            8.43789687496665392e-7,
            1.25411585918304714e-6,
            -1.17332234264597589e-6,
            -7.5565116680586993e-8,
            -2.64477010885320149e-8,
        ],
    ),
    (
        (1, 2, 5),
        (1500, 900, 2),
        [
            -1.41962800873836054e-11,
            -4.76615545578384212e-11,
            6.18578346452220266e-11,
            -9.12691147516499823e-11,
            -5.07049021262493893e-13,
            -6.08458548444741768e-13,
        ],
    ),
]

CELLS = [(1, 1, 1), (4, 4, 1), (4, 4, 0.6), (1, 2, 5)]


def at(cell: tuple[float, ...], offset: tuple[int, ...]) -> np.ndarray:
    """The six components at one offset."""
    return newell.block((1, 1, 1), cell, offset)[:, 0, 0, 0]


def dipole(cell: tuple[float, ...], offset: tuple[int, ...]) -> np.ndarray:
    """V (δ_ij − 3 e_i e_j)/(4π r³)."""
    r = np.array(cell) * np.array(offset)
    distance = np.linalg.norm(r)
    e = r / distance
    tensor = np.prod(cell) * (np.eye(3) - 3 * np.outer(e, e)) / (4 * np.pi * distance**3)
    return tensor[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]


@pytest.mark.parametrize("cell, component, offset, value", PUBLISHED)
def test_published_values(cell: tuple, component: str, offset: tuple, value: float) -> None:
    assert abs(at(cell, offset)[COMPONENTS.index(component)] - value) < 1e-12


@pytest.mark.parametrize("cell, offset, values", MULTIPRECISION)
def test_multiprecision_values_near_and_far(cell: tuple, offset: tuple, values: list[float]) -> None:
    """Relative to the tensor at the offset itself, from touching cells to a thousand cells away."""
    assert np.abs(at(cell, offset) - values).max() < 1e-14 * np.linalg.norm(values)


def test_single_precision_would_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tensor kept in float32 misses the published values, and one calculated in float32 is nonsense at ten cells."""
    worst = max(
        abs(float(np.float32(at(cell, offset)[COMPONENTS.index(component)])) - value)
        for cell, component, offset, value in PUBLISHED
    )
    assert worst > 1e-12
    exact = newell.block((11, 11, 11), (1, 1, 1))
    monkeypatch.setattr(newell, "_WIDE", np.float32)
    single = newell.near((11, 11, 11), (1, 1, 1))
    assert abs(single[0, 0, 0, 1] - exact[0, 0, 0, 1]) > 1e-9
    assert np.linalg.norm((single - exact)[:, 10, 10, 10]) > np.linalg.norm(exact[:, 10, 10, 10])


@pytest.mark.parametrize("cell", [*CELLS, (100, 100, 1)])
def test_doubles_are_enough_for_the_gate(cell: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a long double is only a double: still 1e-12 everywhere."""
    exact = newell.block((12, 8, 6), cell)
    monkeypatch.setattr(newell, "_WIDE", np.float64)
    assert np.abs(newell.block((12, 8, 6), cell) - exact).max() < 1e-12


@pytest.mark.parametrize("cell", CELLS)
def test_trace(cell: tuple) -> None:
    trace = newell.block((40, 30, 20), cell)[:3].sum(axis=0)
    trace[0, 0, 0] -= 1
    assert np.abs(trace).max() < 1e-12


@pytest.mark.parametrize("cell", CELLS)
def test_formulas_and_quadrature_agree_where_they_meet(cell: tuple) -> None:
    """Just beyond NEAR, where `block` takes quadrature, the formulas still have their digits."""
    counts = [int(3 * max(cell) / edge) + 1 for edge in cell]
    z, y, x = (edge * np.arange(count) / max(cell) for edge, count in zip(cell[::-1], counts[::-1], strict=True))
    distance = np.sqrt(x**2 + y[:, None] ** 2 + z[:, None, None] ** 2)
    meet = (distance >= newell.NEAR) & (distance < newell.NEAR + 0.5)
    formulas, quadrature = newell.near(counts, cell)[:, meet], newell.block(counts, cell)[:, meet]
    assert meet.sum() > 2
    assert (np.abs(formulas - quadrature) / np.linalg.norm(formulas, axis=0)).max() < 1e-13


@pytest.mark.parametrize("cell", [(1, 1, 1), (1, 2, 5)])
@pytest.mark.parametrize("offset", [(1, 2, 1), (2, 0, 1), (6, 5, 4), (30, 11, 7)])
def test_symmetries(cell: tuple, offset: tuple) -> None:
    """Parity along every axis, and axes that change their names."""
    tensor = at(cell, offset)
    size = np.linalg.norm(tensor)
    for signs in product((1, -1), repeat=3):
        parity = [1, 1, 1, signs[0] * signs[1], signs[0] * signs[2], signs[1] * signs[2]]
        mirrored = at(cell, tuple(s * o for s, o in zip(signs, offset, strict=True)))
        assert np.abs(mirrored - parity * tensor).max() < 1e-14 * size
    turned = at(cell[1:] + cell[:1], offset[1:] + offset[:1])
    assert np.abs(turned - tensor[[1, 2, 0, 5, 3, 4]]).max() < 1e-14 * size


def test_cells_add_up() -> None:
    """Eight columns of 4 × 4 × 2 unit cells, uniform, are one cell of 4 × 4 × 2; and so for two such blocks apart."""
    fine = newell.block((12, 7, 5), (1, 1, 1), (-3, -3, -1))
    mean = np.zeros((2, 6))
    for a, b, c in product(range(-3, 4), range(-3, 4), range(-1, 2)):
        weight = (4 - abs(a)) * (4 - abs(b)) * (2 - abs(c)) / 32
        mean[0] += weight * fine[:, c + 1, b + 3, a + 3]
        mean[1] += weight * fine[:, c + 3, b + 3, a + 7]
    assert np.abs(mean[0] - at((4, 4, 2), (0, 0, 0))).max() < 1e-13
    assert np.abs(mean[1] - at((4, 4, 2), (1, 0, 1))).max() < 1e-13


@pytest.mark.parametrize("cell, order", [((1, 1, 1), 4), ((4, 4, 1), 2), ((1, 2, 5), 2)])
def test_far_field_is_a_dipole(cell: tuple, order: int) -> None:
    """The difference falls like (h/r)², and like (h/r)⁴ for cubes, which have no quadrupole correction."""
    errors = []
    for distance in (40, 80, 160):
        offset = (2 * distance, distance, distance)
        tensor = at(cell, offset)
        errors.append(np.linalg.norm(tensor - dipole(cell, offset)) / np.linalg.norm(tensor))
    assert errors[0] < 1e-2
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.02)
    assert errors[1] / errors[2] == pytest.approx(2**order, rel=0.02)


# --- kernels ---------------------------------------------------------------------------------------------------------


def field(mesh: Mesh, M: np.ndarray, demag: str, images: tuple[int, int, int] = (0, 0, 0)) -> np.ndarray:
    """H = −N·M through the spectrum of a kernel."""
    made = kernel(mesh, demag, images)
    nz, ny, nx = mesh.shape
    transformed = fft.rfftn(M, made.padded, axes=(1, 2, 3))
    H = np.zeros_like(M)
    for i, j in product(range(3), repeat=2):
        name = "".join(sorted("xyz"[i] + "xyz"[j]))
        if name in made.spectrum:
            H[i] -= fft.irfftn(made.spectrum[name] * transformed[j], made.padded)[:nz, :ny, :nx]
    return H


def direct(mesh: Mesh, M: np.ndarray, images: tuple[int, int, int] = (0, 0, 0)) -> np.ndarray:
    """H = −N·M, pair by pair; along an axis with copies every cell sees the periods around itself."""
    nx, ny, nz = mesh.cells
    H = np.zeros_like(M)
    reach = [(c + 0.5) * n if c else n - 1 for c, n in zip(images, mesh.cells, strict=True)]
    steps = [np.arange(-int(r), int(r) + 1) for r in reach]
    N = newell.block([len(s) for s in steps], mesh.cell, [s[0] for s in steps])
    full = N[[[0, 3, 4], [3, 1, 5], [4, 5, 2]]]
    for (c, oz), (b, oy), (a, ox) in product(enumerate(steps[2]), enumerate(steps[1]), enumerate(steps[0])):
        pairs = list(zip((ox, oy, oz), reach, images, strict=True))
        weight = np.prod([0.5 if copies and abs(o) == r else 1.0 for o, r, copies in pairs])
        for z, y, x in product(range(nz), range(ny), range(nx)):
            source = (z - oz, y - oy, x - ox)
            inside = [0 <= s < n for s, n in zip(source, mesh.shape, strict=True)]
            if all(ok or copies for ok, copies in zip(inside, images[::-1], strict=True)):
                s = tuple(s % n for s, n in zip(source, mesh.shape, strict=True))
                H[:, z, y, x] -= weight * full[:, :, c, b, a] @ M[:, s[0], s[1], s[2]]
    return H


@pytest.mark.parametrize("cells", [(5, 4, 3), (6, 7, 1), (4, 1, 1), (1, 3, 2)])
def test_open_kernel_against_the_sum_over_pairs(cells: tuple) -> None:
    mesh = Mesh(cells, (2e-9, 3e-9, 1.5e-9))
    M = np.random.default_rng(1).normal(size=(3, *mesh.shape))
    assert np.abs(field(mesh, M, "open") - direct(mesh, M)).max() < 1e-13


@pytest.mark.parametrize(
    "cells, images",
    [
        ((4, 3, 2), (1, 2, 0)),
        ((4, 4, 1), (2, 0, 0)),
        ((3, 2, 2), (0, 0, 2)),
        ((1, 4, 2), (3, 1, 0)),
        ((2, 2, 2), (1,) * 3),
    ],
)
def test_kernel_with_copies_against_the_sum_over_pairs(cells: tuple, images: tuple) -> None:
    mesh = Mesh(cells, (2e-9, 3e-9, 1.5e-9), tuple(count > 0 for count in images))
    M = np.random.default_rng(2).normal(size=(3, *mesh.shape))
    assert np.abs(field(mesh, M, "images", images) - direct(mesh, M, images)).max() < 1e-13


def test_what_a_kernel_holds() -> None:
    mesh = Mesh((6, 5, 1), (1e-9, 1e-9, 1e-9), (True, False, False))
    flat = kernel(mesh, "images", [2, 0, 0])
    assert flat.padded == (1, 9, 6) and set(flat.spectrum) == {"xx", "yy", "zz", "xy"}
    assert all(part.shape == (1, 9, 4) and part.dtype == np.float64 for part in flat.spectrum.values())
    assert kernel(mesh, "images", (2, 0, 0)) is flat
    thick = kernel(Mesh((6, 5, 3), (1e-9, 1e-9, 1e-9)), "open")
    assert thick.padded == (5, 9, 11) and list(thick.spectrum) == list(COMPONENTS)


@pytest.mark.parametrize(
    "demag, images, says",
    [
        ("periodic", (0, 0, 0), "take one of open, images, film"),
        ("images", (0, 0, 0), "without copies"),
        ("images", (0, 1, 0), "make it periodic along y"),
        ("images", (-1, 0, 0), "three whole numbers"),
        ("open", (1, 0, 0), 'take "images"'),
        ("film", (0, 0, 0), "periodic along x and y"),
    ],
)
def test_surroundings_that_make_no_sense(demag: str, images: tuple, says: str) -> None:
    with pytest.raises(UserError, match=says):
        kernel(Mesh((4, 4, 1), (1e-9, 1e-9, 1e-9), (True, False, False)), demag, images)
