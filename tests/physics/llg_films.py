"""Small films, and slow independent energies, for the tests of the micromagnetic terms.

The energies go from pair to pair in Python and use nothing of `weiss.llg.terms`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy.optimize import minimize

from weiss.llg import terms
from weiss.llg.constants import MU0
from weiss.llg.film import Film, Films
from weiss.llg.mesh import Mesh

BOUNDARIES = list(itertools.product((False, True), repeat=3))
MATERIALS = ["uniform", "jumping", "uniform with vacuum", "jumping with vacuum"]
NOW = np.zeros(1)
Cell = tuple[int, int, int]


def value(mesh: Mesh, kind: str, mean: float, rng: np.random.Generator) -> float | np.ndarray:
    """A material parameter of one of the MATERIALS: a number, or one per cell between 0.5 and 1.5 of `mean`."""
    return mean * (0.5 + rng.random(mesh.shape)) if "jumping" in kind else mean


def saturation(mesh: Mesh, kind: str, rng: np.random.Generator) -> float | np.ndarray:
    """Ms in A/m, with a quarter of the cells empty if `kind` says so."""
    Ms = value(mesh, kind, 8e5, rng)
    if "vacuum" not in kind:
        return Ms
    holes = rng.permutation(mesh.count).reshape(mesh.shape) < max(1, mesh.count // 4)
    return np.where(holes, 0.0, Ms)


def batch(mesh: Mesh, *films: Film, precision: str = "float64") -> Films:
    """Films without a demagnetising field."""
    return Films(mesh, films, demag="none", precision=precision)


def random_m(films: Films, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors, zero in vacuum."""
    m = rng.normal(size=films.shape)
    m /= np.linalg.norm(m, axis=1, keepdims=True)
    for index, film in enumerate(films.films):
        m[index] *= np.broadcast_to(np.asarray(film.Ms) > 0, films.mesh.shape)
    return m.astype(films.dtype)


def term(films: Films, name: str) -> terms.Term:
    """The term of a batch by name."""
    return next(one for one in terms.build(films, np) if one.name == name)


def added(term: terms.Term, m: np.ndarray) -> np.ndarray:
    """The compiled field."""
    out = np.zeros_like(m)
    term.add_field(m, np.zeros(len(m)), out, np.ones(len(m), bool))
    return out


def energy(term: terms.Term, m: np.ndarray) -> float:
    """Energy of a batch of one, in J."""
    return float(term.energy_density(m, NOW).sum()) * term.films.mesh.volume


def gradient_field(total: Callable[[np.ndarray], float], film: Film, mesh: Mesh, m: np.ndarray) -> np.ndarray:
    """−(1/(µ0 Ms V)) ∂E/∂m in A/m, (3, nz, ny, nx), 0 in vacuum, by differences that are exact up to m⁴."""
    Ms = np.broadcast_to(np.asarray(film.Ms, float), mesh.shape)
    out = np.zeros_like(m)
    step = 0.25
    for place in itertools.product(*(range(count) for count in m.shape)):
        if Ms[place[1:]] == 0:
            continue
        values = []
        for shift in (1, -1, 2, -2):
            moved = m.copy()
            moved[place] += shift * step
            values.append(total(moved))
        slope = (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * step)
        out[place] = -slope / (MU0 * Ms[place[1:]] * mesh.volume)
    return out


def cells(film: Film, mesh: Mesh) -> Iterator[Cell]:
    """Places (z, y, x) of the cells with material."""
    Ms = np.broadcast_to(np.asarray(film.Ms, float), mesh.shape)
    return (place for place in itertools.product(*(range(count) for count in mesh.shape)) if Ms[place] > 0)


def beyond(mesh: Mesh, place: Cell, axis: int, step: int) -> Cell | None:
    """Place of the neighbour, or None at an open end."""
    moved = list(place)
    moved[2 - axis] += step
    count = mesh.cells[axis]
    if not 0 <= moved[2 - axis] < count:
        if not mesh.periodic[axis]:
            return None
        moved[2 - axis] %= count
    return tuple(moved)


def partners(film: Film, mesh: Mesh) -> Iterator[tuple[Cell, Cell, int]]:
    """Every pair of neighbours with material once: lower, upper, axis."""
    inside = set(cells(film, mesh))
    for place in inside:
        for axis in range(3):
            other = beyond(mesh, place, axis, 1)
            if other in inside:
                yield place, other, axis


def free(film: Film, mesh: Mesh) -> Iterator[tuple[Cell, int]]:
    """Every free face: its cell, and its axis. Along an axis of one cell there is none."""
    inside = set(cells(film, mesh))
    for place in inside:
        for axis in (axis for axis in range(3) if mesh.cells[axis] > 1):
            for step in (-1, 1):
                if beyond(mesh, place, axis, step) not in inside:
                    yield place, axis


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a × b of two single vectors: NumPy's own takes ten times as long for them."""
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def relax(films: Films, m: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Minimise the energy of one film over unit vectors m = v/|v| by L-BFGS; (1, 3, nz, ny, nx)."""
    chosen = [term(films, name) for name in names]
    Ms = np.broadcast_to(np.asarray(films.films[0].Ms, float), films.mesh.shape)
    scale = 1 / (MU0 * Ms.max() ** 2)

    def cost(flat: np.ndarray) -> tuple[float, np.ndarray]:
        v = flat.reshape(films.shape)
        length = np.linalg.norm(v, axis=1, keepdims=True)
        u = v / length
        H, density = np.zeros_like(u), 0.0
        for one in chosen:
            H += added(one, u)
            density += float(one.energy_density(u, NOW).sum())
        slope = -(H - (H * u).sum(axis=1, keepdims=True) * u) / length
        return scale * density, (scale * MU0 * Ms * slope).ravel()

    found = minimize(
        cost,
        m.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 20000, "maxfun": 40000, "ftol": 0, "gtol": 1e-11, "maxcor": 30},
    )
    v = found.x.reshape(films.shape)
    return v / np.linalg.norm(v, axis=1, keepdims=True)
