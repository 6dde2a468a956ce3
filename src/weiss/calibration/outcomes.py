"""What became of every film, and how that agrees with a table of the conditions that must work.

Two criteria: the film *crossed* (⟨m⟩ = 0 was reached on the wanted branch), and it crossed *unsaturated* (it never was
a single domain before). In exact arithmetic m = ±1 is a fixed point that a saturated film cannot leave; a simulation
that lets it leave, by keeping |m| below 1, can be told from one that does not by the second criterion only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import xarray as xr

REVERSED_CELLS = 0.1
"""A film is saturated when ⟨m⟩ is closer to ±1 than this many reversed cells would hold it.

One reversed cell holds ⟨m⟩ at 1 - 2/cells, and a domain has several. A film that really is saturated stays away from 1
by no more than `m_limit` in every cell (1.8e-7 in float32): 0.006 reversed cells of a 256² film. A tenth of a cell lies
well between the two for films of up to 512².
"""

CRITERIA = ("crossed", "unsaturated")


@dataclass(frozen=True)
class Agreement:
    """How conditions that work agree with a table of those that must.

    Attributes
    ----------
    conditions : int
        Conditions compared.
    share : float
        Share of them on which both agree.
    false_in, false_out : int
        Conditions that work and are not listed; that are listed and do not work.
    """

    conditions: int
    share: float
    false_in: int
    false_out: int


def film_outcomes(data: xr.Dataset, parameters: Sequence[str]) -> pd.DataFrame:
    """Read off the stored loops what became of every film.

    Parameters
    ----------
    data : xarray.Dataset
        A gathered dataset, with status and loop_m (film, loop), nan after the crossing.
    parameters : sequence of str
        Names of the parameters of a condition.

    Returns
    -------
    DataFrame
        A row per film: point, seed, the parameters; ``crossed``; ``saturated``, whether |⟨m⟩| came as close to 1 as
        `REVERSED_CELLS` allows at any time before; ``jump``, |⟨m⟩| at the last sample of the loop before the crossing,
        near 1 where the film reverses in one avalanche and near 0 where it passes smoothly, nan without a crossing.
    """
    loops = data["loop_m"].values
    cells = data.sizes["y"] * data.sizes["x"]
    known = np.isfinite(loops)
    highest = np.where(known, np.abs(loops), 0).max(axis=1)
    last = loops.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    crossed = data["status"].values.astype(str) == "crossed"
    before = np.abs(loops[np.arange(len(loops)), last])
    return pd.DataFrame(
        {"point": data["point"].values.astype(str), "seed": data["seed"].values.astype(int)}
        | {name: data[name].values.astype(float) for name in parameters}
        | {
            "crossed": crossed,
            "saturated": 1 - highest < 2 * REVERSED_CELLS / cells,
            "jump": np.where(crossed, before, np.nan),
        }
    )


def condition_outcomes(films: pd.DataFrame, parameters: Sequence[str]) -> pd.DataFrame:
    """Put the films of a condition together, whatever their seed.

    Parameters
    ----------
    films : DataFrame
        As from `film_outcomes`.
    parameters : sequence of str

    Returns
    -------
    DataFrame
        A row per condition: the parameters, ``seeds``, ``crossed`` and ``unsaturated`` (shares of the seeds that
        crossed, and that crossed without having been saturated), ``saturated`` (share that was), ``jump`` (median).
    """
    films = films.assign(unsaturated=films["crossed"] & ~films["saturated"])
    grouped = films.groupby(list(parameters), sort=True)
    return grouped.agg(
        seeds=("seed", "size"),
        crossed=("crossed", "mean"),
        unsaturated=("unsaturated", "mean"),
        saturated=("saturated", "mean"),
        jump=("jump", "median"),
    ).reset_index()


def works(shares: pd.Series | np.ndarray) -> np.ndarray:
    """Whether a condition works: more than half of its seeds do."""
    return np.asarray(shares) > 0.5


def agreement(shares: pd.Series | np.ndarray, listed: pd.Series | np.ndarray) -> Agreement:
    """Compare conditions that work with those that are listed.

    Parameters
    ----------
    shares : array_like
        Share of the seeds that meet a criterion, a number per condition.
    listed : array_like of bool
        Whether the condition is in the table.
    """
    ours, theirs = works(shares), np.asarray(listed, bool)
    return Agreement(
        len(ours), float((ours == theirs).mean()), int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    )
