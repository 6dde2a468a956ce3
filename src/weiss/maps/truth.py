"""What a map is compared with: the true parameters of a film, and the constant answer that needs no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from weiss.models import PACKAGES


def true_map(model_name: str, target: str, params: Mapping[str, object]) -> NDArray[np.float64]:
    """Give the value of a parameter that was put into the simulation of a film, cell by cell.

    Parameters
    ----------
    model_name : str
        Model of the film; its package gives the map (``d_map`` for D, ``j_map`` for J) of a parameter that may differ
        from cell to cell. Any other is the same in all cells.
    target : str
        Parameter.
    params : mapping
        Parameters of the point.

    Returns
    -------
    ndarray of float64, shape (ny, nx)
    """
    make = getattr(import_module(PACKAGES[model_name]), f"{target.lower()}_map", None)
    if make is None:
        return np.full((int(params["ny"]), int(params["nx"])), float(params[target]))
    return np.asarray(make(dict(params)), dtype=np.float64)


def training_median(conditions: Iterable[Mapping[str, float]], target: str) -> float:
    """Give the median of a parameter over the films a network learned from: the best constant answer for them.

    The median minimises the mean absolute error, so a network that is no better has read nothing.

    Parameters
    ----------
    conditions : iterable of mapping
        One for each training film.
    target : str

    Returns
    -------
    float
    """
    return float(np.median([float(condition[target]) for condition in conditions]))
