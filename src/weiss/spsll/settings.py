"""Material, chain and procedure: FePt and the Methods of Eagan, Copus and Iacocca by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from weiss.errors import UserError

MU0 = 4e-7 * np.pi
"""Vacuum permeability in T m/A."""

_CHOICES = {
    "taper": ("none", "hann"),
    "ends": ("free", "periodic"),
    "relaxation": ("implicit", "dynamics"),
}
_POSITIVE = (
    "Ms",
    "A",
    "a",
    "gamma",
    "coarsest_kT",
    "excitation_amplitude",
    "excitation_std_m",
    "sample_s",
    "duration_s",
    "wall_alpha",
    "wall_duration_s",
    "torque_T",
)


@dataclass(frozen=True)
class Settings:
    """What all points of a run share, in SI units.

    Attributes
    ----------
    cells : int
        Sites of the chain, one lattice constant apart.
    Ms, A, Hk, a : float
        Saturation magnetisation (A/m), exchange stiffness (J/m), anisotropy field (A/m), lattice constant (m).
    gamma : float
        Gyromagnetic ratio in rad/(s T).
    coarsest_kT : float
        Largest Δk·T: beyond it the Lorentzian of Eq. 3 is narrower than a step of the k-grid.
    dispersion_window_origin, wall_window_origin : {"excitation", "edge"} or float
        Where s(x) has its origin: the site of the Gaussian or of the wall, site 0, or a distance in m from the former.
    excitation_amplitude, excitation_std_m : float
        Gaussian in m_x at the start.
    dispersion_alpha, sample_s, duration_s, taper
        Damping, sampling interval and length of the record, and its taper in time ("none" or "hann").
    wall_alpha, wall_duration_s : float
        Damping of a relaxing wall and the time it is given.
    ends : {"free", "periodic"}
        Ends of the chain that holds the wall. Periodic ends hold a second wall, and need `relaxation="dynamics"`.
    relaxation : {"implicit", "dynamics"}
        Implicit steps of the planar wall, or Eq. 1 as it stands.
    torque_T : float
        A wall is relaxed when µ0 |m × H| is below this everywhere, in T.
    harmonics, error_harmonics : int
        Terms of Eq. 10 (of the 2·cells that the doubled chain has), and how many of the last give the width's error.
    """

    cells: int = 500
    Ms: float = 950e3
    A: float = 5.1e-12
    Hk: float = 7e6
    a: float = 0.339e-9
    gamma: float = 1.760859630e11
    coarsest_kT: float = 1.0
    dispersion_window_origin: str | float = "excitation"
    excitation_amplitude: float = 0.01
    excitation_std_m: float = 0.339e-9
    dispersion_alpha: float = 0.001
    sample_s: float = 10e-15
    duration_s: float = 10e-12
    taper: str = "none"
    wall_window_origin: str | float = "edge"
    wall_alpha: float = 1.0
    wall_duration_s: float = 100e-12
    ends: str = "free"
    relaxation: str = "implicit"
    torque_T: float = 1e-6
    harmonics: int = 700
    error_harmonics: int = 100

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing; raises UserError."""
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise UserError(f"{name} is {getattr(self, name)!r}", fix=f"choose one of {', '.join(allowed)}")
        for name in _POSITIVE:
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise UserError(f"{name} is {getattr(self, name)!r}", fix="give a positive number")
        if self.cells < 8:
            raise UserError(f"a chain of {self.cells} cells", fix="give at least 8 cells")
        if not self.Hk > self.Ms:
            raise UserError("Hk is not above Ms: the magnetisation would not stand along z", fix="give a larger Hk")
        if not self.dispersion_alpha >= 0:
            raise UserError(f"dispersion_alpha is {self.dispersion_alpha!r}", fix="give zero or a positive number")
        if not self.excitation_amplitude < 1:
            raise UserError(f"excitation_amplitude is {self.excitation_amplitude!r}", fix="give less than 1")
        if self.ends == "periodic" and self.relaxation == "implicit":
            raise UserError("implicit relaxation has free ends only", fix='set relaxation to "dynamics"')
        for name in ("dispersion_window_origin", "wall_window_origin"):
            self.origin_cell(name)

    @property
    def J(self) -> float:
        """Exchange between neighbours in units of Ms: (λ_ex / a)² with λ_ex² = 2 A / (µ0 Ms²)."""
        return 2 * self.A / (MU0 * self.Ms**2 * self.a**2)

    @property
    def h(self) -> float:
        """Local field (Hk − Ms) m_z in units of Ms: anisotropy and the film's own demagnetising field."""
        return (self.Hk - self.Ms) / self.Ms

    @property
    def rate(self) -> float:
        """γ µ0 Ms in rad/s; times in the equations are in units of its inverse."""
        return self.gamma * MU0 * self.Ms

    @property
    def gap_THz(self) -> float:
        """Frequency of uniform precession."""
        return self.rate * self.h / (2e12 * np.pi)

    @property
    def X_THz(self) -> float:
        """Half the width of the ideal band: Eq. 6, scaled, is X (1 − cos ak)."""
        return self.rate * 2 * self.J / (2e12 * np.pi)

    @property
    def wall_width_m(self) -> float:
        """π √(A / K_U) with K_U = µ0 Ms (Hk − Ms) / 2: the width of an ideal wall in the continuum."""
        return np.pi * np.sqrt(2 * self.A / (MU0 * self.Ms * (self.Hk - self.Ms)))

    @property
    def length_m(self) -> float:
        """Length of the chain."""
        return self.cells * self.a

    @property
    def centre(self) -> int:
        """Site of the Gaussian, and of the wall at the start."""
        return self.cells // 2

    def origin_cell(self, name: str) -> int:
        """Site of a window's origin; `name` is the setting. Raises UserError if it is none."""
        origin = getattr(self, name)
        if origin == "edge":
            return 0
        if origin == "excitation":
            return self.centre
        if isinstance(origin, (int, float)) and not isinstance(origin, bool) and abs(origin) <= self.length_m / 2:
            return (self.centre + round(origin / self.a)) % self.cells
        raise UserError(
            f"{name} is {origin!r}", fix='give "excitation", "edge", or a distance in m within half the chain'
        )


def settings_of(params: Mapping[str, Any]) -> Settings:
    """Settings of a point of a study; its other parameters are its own."""
    return Settings(**{field.name: params[field.name] for field in fields(Settings)})
