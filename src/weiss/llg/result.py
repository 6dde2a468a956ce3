"""What a finished micromagnetic film is: its state, what was recorded on the way, and what is measured on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from weiss.llg.film import Film
from weiss.llg.mesh import Mesh
from weiss.llg.observables.domains import width_from_walls
from weiss.llg.observables.mean import mean
from weiss.llg.observables.topology import charge
from weiss.llg.stored import ENERGIES

NO_LOOP = np.full(2, np.nan)


@dataclass(frozen=True)
class Records:
    """What a driver kept on its way.

    Attributes
    ----------
    t : (records,) ndarray
        Times in s; nan where the driver knows none.
    B : (records, 3) ndarray
        Applied field in T.
    m : (records, 3) ndarray
        Mean magnetisation over Ms.
    """

    t: np.ndarray
    B: np.ndarray
    m: np.ndarray


@dataclass(frozen=True)
class FilmResult:
    """One simulated film; the attributes are those of `weiss.llg.stored.VARIABLES`, and seconds.

    Attributes
    ----------
    m : (3, nz, ny, nx) ndarray
        Final state.
    record_t, record_B, record_m : ndarray
        As in `Records`.
    energy_exchange, energy_anisotropy, energy_dmi, energy_zeeman, energy_demag, energy_total : float
        Energies of the final state in J.
    torque_T : float
        Largest µ0 |m × H| of the final state in T.
    mean_mx, mean_my, mean_mz : float
        Mean of the final state, weighted by Ms.
    topological_charge : float
        Mean of the layers.
    domain_width : float
        In m; infinite without domains, nan for a wire of single cells.
    coercive_B, saturation_B, knee_B : (2,) ndarray
        Fields of the loop in T, see `weiss.llg.drivers.hysteresis.Loop`; nan without a loop.
    status : str
        "relaxed", "not relaxed", or "finished" after a series.
    evaluations, steps, rejected : int
    seconds : float
        The film's share of the wall time of its batch.
    """

    m: np.ndarray = field(repr=False)
    record_t: np.ndarray = field(repr=False)
    record_B: np.ndarray = field(repr=False)
    record_m: np.ndarray = field(repr=False)
    energy_exchange: float
    energy_anisotropy: float
    energy_dmi: float
    energy_zeeman: float
    energy_demag: float
    energy_total: float
    torque_T: float
    mean_mx: float
    mean_my: float
    mean_mz: float
    topological_charge: float
    domain_width: float
    coercive_B: np.ndarray
    saturation_B: np.ndarray
    knee_B: np.ndarray
    status: str
    evaluations: int
    steps: int
    rejected: int
    seconds: float


def measured(
    mesh: Mesh,
    film: Film,
    m: np.ndarray,
    energies: Mapping[str, float],
    torque_T: float,
    status: str,
    counts: tuple[int, int, int],
    seconds: float,
    records: Records | None = None,
    loop: Sequence[np.ndarray] = (NO_LOOP, NO_LOOP, NO_LOOP),
) -> FilmResult:
    """Put a result together from what a driver hands out, with what is measured on the final state.

    Parameters
    ----------
    m : (3, nz, ny, nx) ndarray
        Final state.
    energies : mapping
        Energy in J by term, and "total".
    counts : (int, int, int)
        Evaluations, accepted and rejected steps.
    records : Records, optional
        Default: one, of the final state.
    loop : three (2,) ndarrays
        Coercive, saturation and knee field in T.
    """
    average = mean(m, film.Ms)
    if records is None:
        B = np.asarray(film.B, float).reshape(3, -1).mean(axis=1)
        records = Records(np.array([np.nan]), B[None], average[None])
    return FilmResult(
        m=m,
        record_t=records.t,
        record_B=records.B,
        record_m=records.m,
        **{f"energy_{name}": float(energies.get(name, 0.0)) for name in (*ENERGIES, "total")},
        torque_T=float(torque_T),
        **{f"mean_m{axis}": float(value) for axis, value in zip("xyz", average, strict=True)},
        topological_charge=float(charge(m, mesh).mean()),
        # A wire of single cells has no walls in a plane.
        domain_width=float(width_from_walls(m, mesh)) if min(mesh.cells[:2]) > 1 else np.nan,
        **dict(zip(("coercive_B", "saturation_B", "knee_B"), loop, strict=True)),
        status=status,
        evaluations=int(counts[0]),
        steps=int(counts[1]),
        rejected=int(counts[2]),
        seconds=float(seconds),
    )
