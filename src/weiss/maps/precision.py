"""What a reduced precision changes in a map: measured on some windows of each film, and bounded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from weiss.errors import UserError

SAMPLE = 4096
"""Most windows of a film that are read in float32 as well."""

MOST_MEAN_CHANGE = 0.01
"""Largest mean absolute change allowed in a film, as a share of the range of the values trained on.

The best networks of Mamada et al. (arXiv 2305.14764, Table II) err by 0.15 in J and 0.21 in D, about a tenth of the
range. A change ten times smaller and unrelated to that error raises it by half a percent, and one that always points
the same way by no more than a tenth: less than the scatter between trainings."""


def sample_step(rows: int, columns: int) -> int:
    """Cells of a map between two sampled ones, along both axes: as few as give `SAMPLE` windows at most.

    Parameters
    ----------
    rows, columns : int
        Of the map.
    """
    step = 1
    while -(-rows // step) * -(-columns // step) > SAMPLE:
        step += 1
    return step


def spread(values: Iterable[float]) -> float:
    """Range of the values trained on; where they are all equal, their size."""
    values = np.array(list(values), dtype=np.float64)
    return float(np.ptp(values) or np.abs(values).max())


def require_small(change: NDArray[np.float32], spreads: Mapping[str, float], precision: str, film: str) -> None:
    """Stop if a reduced precision changes a film's map too much.

    Parameters
    ----------
    change : ndarray, shape (targets, ...)
        Differences to float32 at the sampled windows.
    spreads : mapping of str to float
        Range of the values trained on by target, in the order of `change`.
    precision, film : str
        For the message.

    Raises
    ------
    UserError
        The mean absolute change of a target is above `MOST_MEAN_CHANGE` of its range, or not a number.
    """
    for (target, width), values in zip(spreads.items(), change, strict=True):
        mean = float(np.abs(values.astype(np.float64)).mean())
        if not mean <= MOST_MEAN_CHANGE * width:
            raise UserError(
                f"precision {precision} changes {target} of film {film} by {mean:.3g} on average, more than "
                f"{MOST_MEAN_CHANGE:g} of the range {width:.3g} of the values trained on",
                "maps.precision",
                "use float16 or tf32" if precision == "bfloat16" else "use float32",
            )


def require_finite(values: NDArray[np.float32], precision: str, film: str) -> None:
    """Stop if a map holds anything but numbers, as it does where a layer leaves the range of float16.

    Parameters
    ----------
    values : ndarray
        The map, all of it.
    precision, film : str
        For the message.

    Raises
    ------
    UserError
    """
    if not np.isfinite(values).all():
        raise UserError(
            f"the map of film {film} in precision {precision} is not finite everywhere",
            "maps.precision",
            {"float16": "use bfloat16 or tf32", "float32": "train the network again"}.get(precision, "use float32"),
        )


def summary(precision: str, changes: Sequence[NDArray[np.float32]], targets: Sequence[str]) -> dict[str, object]:
    """What ``metrics.json`` says about the precision.

    Parameters
    ----------
    precision : str
    changes : sequence of ndarray, shape (targets, ...)
        Differences to float32, film by film; empty in float32.
    targets : sequence of str

    Returns
    -------
    dict
        ``name``; ``sampled``, the number of windows read twice; ``max_change`` and ``mean_change``, absolute
        differences by target over all of them, None in float32.
    """
    if not changes:
        return {"name": precision, "sampled": 0, "max_change": None, "mean_change": None}
    change = np.abs(np.concatenate([film.reshape(len(targets), -1) for film in changes], axis=1, dtype=np.float64))
    return {
        "name": precision,
        "sampled": change.shape[1],
        "max_change": dict(zip(targets, change.max(axis=1).tolist(), strict=True)),
        "mean_change": dict(zip(targets, change.mean(axis=1).tolist(), strict=True)),
    }
