"""The µMAG standard problems 3 and 4 (www.ctcms.nist.gov/~rdm/mumag.org.html), in double precision.

Reference values. Problem 3: the crossing and the parts of the energies that Martins, Ribeiro and Freitas submitted to
µMAG for 20 cells an edge. Their demagnetising energies of both states lie 0.0031 Km below those of Newell's tensor, a
constant that does not move the crossing and vanishes as the cells shrink; so what is compared is their difference, and
the total with the 0.3027 Km of Rave, Fabian and Hubert, J. Magn. Magn. Mater. 190, 332 (1998). Problem 4: crossing and
averages of solutions converged in the cell size, from which 160 x 40 cells differ by 0.15 ps and 0.002, and 200 x 50
cells by 0.1 ps and 0.001; averages of the S state with 128 x 32 cells in the test of mumax³, test/standardproblem4.mx3
(in single precision, with a demagnetising tensor integrated to 1e-4 or so).
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from weiss.llg.constants import MU0
from weiss.llg.drivers.relax import RELAXED, relax
from weiss.llg.drivers.series import series
from weiss.llg.equation import Equation
from weiss.llg.film import Film, Films
from weiss.llg.mesh import Mesh
from weiss.llg.states import uniform

# --- problem 3: the largest cube with a single domain ----------------------------------------------------------------

Ms = 8e5
Km = MU0 * Ms**2 / 2
EDGE = 40e-9
SIZES = (8.44, 8.46)
"""Edges in exchange lengths √(A/Km); the cube keeps its size, and A changes."""


def flower_and_vortex(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Starts for the two states: splayed along the easy axis z, and curling around x."""
    z, y, x = np.meshgrid(*((np.arange(count) + 0.5) / count - 0.5 for count in mesh.shape), indexing="ij")
    return np.stack([x * z, y * z, np.ones_like(x)]), np.stack([np.full_like(x, 0.3), -z, y])


def test_standard_problem_3() -> None:
    """Flower and vortex have the same energy at L = 8.4528 l_ex, where their parts are the published ones."""
    cells = 20
    mesh = Mesh((cells,) * 3, (EDGE / cells,) * 3)
    made = [Film(Ms=Ms, A=Km * (EDGE / size) ** 2, Ku1=0.1 * Km) for size in SIZES for _ in range(2)]
    films = Films(mesh, tuple(made), precision="float64")
    states = flower_and_vortex(mesh)
    found = dict(relax(Equation(films), np.stack(states * len(SIZES)), torque_T=1e-4))
    assert all(film.status == RELAXED for film in found.values())
    parts = [{name: value / (Km * EDGE**3) for name, value in found[k].energies.items()} for k in range(4)]
    above = [parts[k]["total"] - parts[k + 1]["total"] for k in (0, 2)]
    share = above[0] / (above[0] - above[1])
    assert SIZES[0] + (SIZES[1] - SIZES[0]) * share == pytest.approx(8.4528, abs=0.005)

    flower, vortex = (
        {name: first + share * (parts[k + 2][name] - first) for name, first in parts[k].items()} for k in (0, 1)
    )
    assert flower["exchange"] == pytest.approx(0.0178, abs=3e-4)
    assert vortex["exchange"] == pytest.approx(0.1727, abs=2e-4)
    # Published anisotropy energies count from the one of m along z, -0.1 Km.
    assert flower["anisotropy"] + 0.1 == pytest.approx(0.0057, abs=2e-4)
    assert vortex["anisotropy"] + 0.1 == pytest.approx(0.0519, abs=2e-4)
    assert flower["demag"] - vortex["demag"] == pytest.approx(0.2766 - 0.0754, abs=2e-4)
    assert flower["total"] + 0.1 == pytest.approx(0.3027, abs=5e-4)
    assert found[0].m[2].mean() == pytest.approx(0.971, abs=0.001)
    assert found[1].m[0].mean() == pytest.approx(0.351, abs=0.005)


# --- problem 4: reversal of a film -----------------------------------------------------------------------------------

SIZE = (500e-9, 125e-9, 3e-9)
PERMALLOY = {"Ms": 8e5, "A": 1.3e-11, "alpha": 0.02, "gamma0": 2.211e5}


def films_of(nx: int, ny: int, B: tuple[float, float, float]) -> Films:
    mesh = Mesh((nx, ny, 1), (SIZE[0] / nx, SIZE[1] / ny, SIZE[2]))
    return Films(mesh, (Film(**PERMALLOY, B=B),), precision="float64")


def s_state(nx: int, ny: int) -> np.ndarray:
    """The remanent state after saturation along (1, 1, 1)."""
    m = uniform(films_of(nx, ny, (0, 0, 0)).mesh, (1, 1, 1))[None]
    for B in (1.0, 0.3, 0.1, 0.05, 0.02, 0.01, 0.005, 0.0):
        along = (B / math.sqrt(3),) * 3
        ((_, found),) = relax(Equation(films_of(nx, ny, along)), m, torque_T=1e-6)
        assert found.status == RELAXED
        m = found.m[None]
    return m


def test_standard_problem_4_starts_from_the_s_state() -> None:
    """Averages of the relaxed state, (0.966968, 0.125273, 0) in mumax³."""
    mean = s_state(128, 32)[0].mean(axis=(1, 2, 3))
    np.testing.assert_allclose(mean, (0.9669684, 0.1252732, 0), atol=1e-4)


def test_standard_problem_4() -> None:
    """Field 1, µ0 H = (-24.6, 4.3, 0) mT: first ⟨m_x⟩ = 0 at 138.4 ps, and ⟨m⟩ at 0.1 and 0.2 ns."""
    nx, ny = 160, 40
    times = np.arange(0, 201) * 1e-12
    ((_, found),) = series(Equation(films_of(nx, ny, (-24.6e-3, 4.3e-3, 0))), s_state(nx, ny), times)
    after = int(np.argmax(found.mean[:, 0] < 0))
    (a, b), t = found.mean[after - 1 : after + 1, 0], times[after - 1]
    crossing = t + a / (a - b) * 1e-12
    assert crossing == pytest.approx(138.4e-12, abs=0.3e-12)
    np.testing.assert_allclose(found.mean[100], (0.5207, 0.6651, -0.0848), atol=0.01)
    np.testing.assert_allclose(found.mean[200], (-0.8159, -0.0621, -0.1525), atol=0.01)
