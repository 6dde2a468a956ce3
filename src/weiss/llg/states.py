r"""States to start from: functions (mesh, …) -> (3, nz, ny, nx) float64 array of unit vectors.

Lengths are in m, positions are measured from the corner of the mesh. The width of a wall is everywhere that of Lilley:
π/|dθ/dx| where m_z = 0, which is πΔ for the profile :math:`\cos\theta = -\tanh(x/\Delta)`, with Δ = √(A/K) in a film
without dipolar field (Lilley, Phil. Mag. 41, 792 (1950); Hubert and Schäfer, Magnetic Domains, 1998).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from weiss.arrays import random_stream
from weiss.errors import UserError
from weiss.llg import dataset, ovf
from weiss.llg.geometry import centres, offsets
from weiss.llg.mesh import AXES, Mesh

_IMAGES = 3
"""Copies of a periodic film on either side that add their walls to its own."""


def random(mesh: Mesh, seed: int) -> np.ndarray:
    """Independent directions in every cell, uniform on the sphere (normalised Gaussian vectors; Muller 1959)."""
    m = random_stream("llg", "random", seed).standard_normal((3, *mesh.shape))
    return m / np.linalg.norm(m, axis=0)


def uniform(mesh: Mesh, direction: Sequence[float]) -> np.ndarray:
    """The same direction (of any length but 0) everywhere."""
    vector = np.asarray(direction, float)
    length = np.linalg.norm(vector)
    if vector.shape != (3,) or not 0 < length < np.inf:
        raise UserError(f"{direction!r} is not a direction", fix="give three finite numbers that are not all 0")
    return np.array(np.broadcast_to((vector / length).reshape(3, 1, 1, 1), (3, *mesh.shape)))


def domain_wall(
    mesh: Mesh,
    width: float,
    kind: str = "bloch",
    normal: str = "x",
    position: float | None = None,
    sense: int = 1,
    pair: bool = False,
) -> np.ndarray:
    """A straight 180° wall, m_z = +1 before it and −1 behind it.

    θ = 2 arctan exp((x − x0)/Δ) is the angle from +z, Δ = width/π (Landau and Lifshitz 1935). m turns within the plane
    of the wall (Bloch) or within that of z and the normal (Néel).

    Parameters
    ----------
    mesh : Mesh
    width : float
        πΔ, in m.
    kind : {"bloch", "neel"}
    normal : {"x", "y"}
        Direction across the wall.
    position : float, optional
        Of the wall, in m; the middle of the mesh by default, a quarter of it for a pair.
    sense : {1, −1}
        Sign of m in the wall: along +y (Bloch, normal x), along −x (Bloch, normal y) or along the normal (Néel) for 1.
    pair : bool
        Put a second wall half the mesh further on, in which m goes on turning the same way, as DMI has it: on a
        periodic axis the state then has no jump.

    Returns
    -------
    (3, nz, ny, nx) ndarray of float64

    Raises
    ------
    UserError
        If kind, normal or sense is another one, or the width is not positive.
    """
    length = mesh.size[_plane_axis(normal)]
    if position is None:
        position = length / 4 if pair else length / 2
    if not pair:
        return _turned(mesh, width, kind, normal, [position], sense)
    return _turned(mesh, width, kind, normal, _every(mesh, normal, length / 2, position), sense)


def stripes(
    mesh: Mesh, period: float, width: float, kind: str = "bloch", normal: str = "x", sense: int = 1
) -> np.ndarray:
    """Stripes up and down by turns, `period` in m from one to the next of its kind, with walls as in `domain_wall`.

    m turns the same way through all walls; where `width` comes near half the period it is a spiral.

    Raises
    ------
    UserError
        If a periodic mesh does not hold a whole number of periods, or as in `domain_wall`.
    """
    along = _plane_axis(normal)
    if not period > 0:
        raise UserError(f"stripes of period {period!r} m", fix="take a positive length in m")
    periods = mesh.size[along] / period
    if mesh.periodic[along] and abs(periods - round(periods)) > 1e-6 * periods:
        raise UserError(
            f"{periods:.4g} periods of {period * 1e9:.4g} nm along a periodic mesh of {mesh.size[along] * 1e9:.4g} nm",
            fix="let a whole number of them fit",
        )
    return _turned(mesh, width, kind, normal, _every(mesh, normal, period / 2, period / 4), sense)


def vortex(
    mesh: Mesh, core_radius: float, polarity: int = 1, circulation: int = 1, centre: tuple[float, float] | None = None
) -> np.ndarray:
    """A vortex with the core of Usov and Peschany, J. Magn. Magn. Mater. 118, L290 (1993).

    m_z = p (b² − r²)/(b² + r²) and m_φ = c 2br/(b² + r²) for r < b; m_z = 0 and m_φ = c beyond.

    Parameters
    ----------
    mesh : Mesh
    core_radius : float
        b, in m.
    polarity : {1, −1}
        p, sign of m_z in the middle.
    circulation : {1, −1}
        c, 1 for counter-clockwise.
    centre : (float, float), optional
        In m; the middle of the mesh by default.

    Returns
    -------
    (3, nz, ny, nx) ndarray of float64

    Raises
    ------
    UserError
        If the radius is not positive or a sign is not 1 or −1.
    """
    _check_length("a core radius", core_radius)
    _check_sign("polarity", polarity)
    _check_sign("circulation", circulation)
    x, y = offsets(mesh, centre)
    r = np.hypot(x, y)
    radius = np.minimum(r, core_radius)
    m_z = polarity * (core_radius**2 - radius**2) / (core_radius**2 + radius**2)
    m_phi = circulation * 2 * core_radius * radius / (core_radius**2 + radius**2)
    turn = m_phi / np.where(r > 0, r, 1.0)
    return _layers(mesh, -y * turn, x * turn, m_z)


def skyrmion(
    mesh: Mesh,
    radius: float,
    width: float,
    polarity: int = -1,
    helicity: float = 0.0,
    centre: tuple[float, float] | None = None,
) -> np.ndarray:
    """A skyrmion of topological charge `polarity` in a film magnetised the other way.

    θ(r) = 2 arctan(sinh(R/Δ)/sinh(r/Δ)), Δ = width/π, is the angle from the direction far away (Braun, Phys. Rev. B 50,
    16485 (1994); Wang, Yuan and Wang, Commun. Phys. 1, 31 (2018)). In the plane m points along φ + helicity for
    polarity −1, and the other way for 1: the state of polarity 1 is the other one reversed, and the same DMI wants it.

    Parameters
    ----------
    mesh : Mesh
    radius : float
        R, where m_z = 0, in m.
    width : float
        Of the wall around it, πΔ, in m.
    polarity : {1, −1}
        Sign of m_z in the middle.
    helicity : float
        In rad: 0 and π for Néel skyrmions, ±π/2 for Bloch skyrmions.
    centre : (float, float), optional
        In m; the middle of the mesh by default.

    Returns
    -------
    (3, nz, ny, nx) ndarray of float64

    Raises
    ------
    UserError
        If radius or width is not positive or the polarity not 1 or −1.
    """
    _check_length("a skyrmion radius", radius)
    _check_length("a wall width", width)
    _check_sign("polarity", polarity)
    x, y = offsets(mesh, centre)
    r, delta = np.hypot(x, y), width / math.pi
    # The ratio of the two sinh without their overflow.
    above = -np.expm1(-2 * radius / delta) * np.exp(np.minimum(radius - r, 0) / delta)
    below = -np.expm1(-2 * r / delta) * np.exp(np.minimum(r - radius, 0) / delta)
    theta = 2 * np.arctan2(above, below)
    phi = np.arctan2(y, x) + helicity
    m = _layers(mesh, np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta))
    return -polarity * m


def from_file(mesh: Mesh, path: Path) -> np.ndarray:
    """The state in a file: netCDF as `weiss.llg.dataset` writes it (.nc), else OVF 2.0. Nothing is interpolated.

    Vectors of any length are taken and normalised; cells that hold 0 stay 0, as vacuum does.

    Raises
    ------
    UserError
        If the file cannot be read, is of another mesh, holds more than one state or no vectors.
    """
    if Path(path).suffix == ".nc":
        m, found = dataset.to_states(dataset.read(path), str(path))
        if m.ndim != 4:
            raise UserError(f"{len(m)} states, expected one", str(path), "choose one with isel(film=…) and save it")
        m = m.astype(float)
        ovf.check_mesh(found, mesh, path)
    else:
        m = ovf.read(path, mesh).values
        if len(m) != 3:
            raise UserError(f"{len(m)} components per cell, expected 3", str(path), "give a file of vectors")
    length = np.linalg.norm(m, axis=0)
    if not length.any():
        raise UserError("the magnetisation is 0 in every cell", str(path))
    return m / np.where(length > 0, length, 1.0)


def masked(state: np.ndarray, Ms: float | np.ndarray) -> np.ndarray:
    """The state with zero vectors where Ms, a number or (nz, ny, nx), is 0: vacuum."""
    return np.where(np.asarray(Ms) != 0, state, 0.0)


def _turned(mesh: Mesh, width: float, kind: str, normal: str, walls: Sequence[float], sense: int) -> np.ndarray:
    """Walls one behind the other, m turning on by π in each."""
    _check_length("a wall width", width)
    _check_sign("sense", sense)
    if kind not in ("bloch", "neel"):
        raise UserError(f"a wall of kind {kind!r}", fix="take bloch or neel")
    x = centres(mesh, normal)
    # The angle modulo 2π of a wall far behind is 0, of one far before π: walls beyond the mesh come in pairs.
    theta = sum(2 * np.arctan(np.exp(np.clip((x - wall) * math.pi / width, -700, 700))) for wall in walls)
    inplane, m_z = sense * np.sin(theta), np.cos(theta)
    if normal == "y":
        inplane, m_z = inplane[:, None], m_z[:, None]
    none = np.zeros_like(inplane)
    # z × normal is the direction within the wall.
    along_normal, along_wall = (none, inplane) if kind == "bloch" else (inplane, none)
    if normal == "x":
        return _layers(mesh, along_normal, along_wall, m_z)
    return _layers(mesh, -along_wall, along_normal, m_z)


def _every(mesh: Mesh, normal: str, spacing: float, first: float) -> list[float]:
    """Positions of equally spaced walls, one of them at `first`, over the mesh and `_IMAGES` copies on either side.

    As many before `first` as make m point up just before it: an even number.
    """
    length = mesh.size[_plane_axis(normal)]
    before = 2 * math.ceil((_IMAGES * length + first) / (2 * spacing))
    behind = math.ceil(((_IMAGES + 1) * length - first) / spacing)
    return [first + number * spacing for number in range(-before, behind + 1)]


def _layers(mesh: Mesh, m_x: np.ndarray, m_y: np.ndarray, m_z: np.ndarray) -> np.ndarray:
    return np.stack([np.broadcast_to(component, mesh.shape) for component in (m_x, m_y, m_z)])


def _plane_axis(normal: str) -> int:
    if normal not in ("x", "y"):
        raise UserError(f"a wall with normal {normal!r}", fix="take x or y")
    return AXES.index(normal)


def _check_length(what: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise UserError(f"{what} of {value!r} m", fix="take a positive length in m")


def _check_sign(what: str, value: int) -> None:
    if value not in (1, -1):
        raise UserError(f"{what} {value!r}", fix="take 1 or -1")
