"""How good a parameter map is: errors, the separation of inner from outer, and its distribution by region."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve

from weiss.patterns.regions import inner_mask, region_masks

QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
ROC_POINTS = 201

SAME = 1e-6
"""Relative difference below which two true values are one: they are held with single precision."""


def _mean(true: NDArray) -> float:
    # Summed in single precision the mean of equal values is not their value.
    return float(true.mean(dtype=np.float64))


def mean_absolute_error(read: NDArray, true: NDArray) -> float | None:
    """Mean of ``|read - true|``, or None where there is nothing to average."""
    return float(np.abs(read.astype(np.float64) - true).mean()) if read.size else None


def separation(read: NDArray, true: NDArray, inner: NDArray[np.bool_]) -> dict[str, object]:
    """Receiver operating characteristic of telling inner cells from outer ones by the read value.

    As in Fig. 12 of Mamada et al. (arXiv 2305.14764) the region with the larger true value is the positive class and
    the read value is the score.

    Parameters
    ----------
    read, true : ndarray, shape (ny, nx)
        Map of one parameter and what was put into the simulation, same units.
    inner : ndarray of bool, shape (ny, nx)

    Returns
    -------
    dict
        ``auc`` (float, or None with the ``reason`` if both regions have the same true value or one is empty),
        ``positive`` ("inner", "outer" or None) and ``roc`` (None, or ``false_positive`` and ``true_positive`` rates: at
        most 201 vertices of the curve; the area is of the full curve).
    """
    nothing = {"auc": None, "positive": None, "roc": None}
    if inner.all() or not inner.any():
        return nothing | {"reason": "the map has no cell in one of the regions"}
    inside, outside = _mean(true[inner]), _mean(true[~inner])
    if np.isclose(inside, outside, rtol=SAME, atol=0.0):
        return nothing | {"reason": "inner and outer have the same true value"}
    positive = inner if inside > outside else ~inner
    labels, scores = positive.ravel(), read.ravel()
    false_positive, true_positive, _ = roc_curve(labels, scores)
    kept = _even_vertices(false_positive, true_positive)
    return {
        "auc": float(roc_auc_score(labels, scores)),
        "positive": "inner" if inside > outside else "outer",
        "roc": {"false_positive": false_positive[kept].tolist(), "true_positive": true_positive[kept].tolist()},
        "reason": None,
    }


def _even_vertices(false_positive: NDArray, true_positive: NDArray) -> NDArray[np.int64]:
    """Pick vertices of a curve evenly along it: both rates only grow, so their sum runs from 0 to 2 along the curve."""
    return np.unique(np.searchsorted(false_positive + true_positive, np.linspace(0.0, 2.0, ROC_POINTS)))


def region_statistics(read: NDArray, true: NDArray, masks: dict[str, NDArray[np.bool_]]) -> dict[str, dict]:
    """Summarise a map in each region.

    Parameters
    ----------
    read, true : ndarray, shape (ny, nx)
    masks : dict of str to ndarray of bool, shape (ny, nx)

    Returns
    -------
    dict of str to dict
        For each region ``cells``, ``true`` (mean true value), ``mean``, ``mae`` and the quantiles ``q05``, ``q25``,
        ``median``, ``q75``, ``q95``; everything but ``cells`` is None in an empty region.
    """
    statistics = {}
    for name, mask in masks.items():
        values = read[mask].astype(np.float64)
        row: dict[str, float | int | None] = {"cells": int(mask.sum())}
        row |= {
            "true": _mean(true[mask]) if values.size else None,
            "mean": float(values.mean()) if values.size else None,
            "mae": mean_absolute_error(read[mask], true[mask]),
        }
        row |= {key: float(np.quantile(values, q)) if values.size else None for key, q in QUANTILES.items()}
        statistics[name] = row
    return statistics


def film_metrics(
    read: NDArray, true: NDArray, baseline: float, shape: tuple[int, int], margin: int | None, window: int, stride: int
) -> dict[str, object]:
    """Judge the map of one parameter of one film.

    Parameters
    ----------
    read, true : ndarray, shape (ceil(ny / stride), ceil(nx / stride))
        Map and true values at cells 0, stride, 2 stride, …
    baseline : float
        The constant answer to compare with: the median of the training values.
    shape : (int, int)
        Film, (ny, nx) cells.
    margin : int or None
        Width of the outer region, cells; None for a film without inner region.
    window, stride : int
        Of the map, cells.

    Returns
    -------
    dict
        ``mae`` and ``baseline_mae`` over the film, the same with ``_inner`` and ``_outer``, ``true_inner``,
        ``true_outer``, the fields of `separation`, and ``regions`` as of `region_statistics`. What needs an inner
        region is None without one.
    """
    constant = np.full(read.shape, baseline)
    metrics: dict[str, object] = {
        "mae": mean_absolute_error(read, true),
        "baseline_mae": mean_absolute_error(constant, true),
        "median": float(np.median(read)),
    }
    parts = ("inner", "outer")
    if margin is None:
        metrics |= {f"{key}_{part}": None for key in ("true", "mae", "baseline_mae") for part in parts}
        metrics |= {"auc": None, "positive": None, "roc": None, "reason": "the film has no inner region"}
        return metrics | {"regions": None}
    inner = inner_mask(shape, margin)[::stride, ::stride]
    for part, mask in zip(parts, (inner, ~inner), strict=True):
        metrics[f"true_{part}"] = _mean(true[mask]) if mask.any() else None
        metrics[f"mae_{part}"] = mean_absolute_error(read[mask], true[mask])
        metrics[f"baseline_mae_{part}"] = mean_absolute_error(constant[mask], true[mask])
    masks = {name: mask[::stride, ::stride] for name, mask in region_masks(shape, margin, window).items()}
    return metrics | separation(read, true, inner) | {"regions": region_statistics(read, true, masks)}
