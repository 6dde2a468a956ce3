"""The numbers of the report: errors with intervals, and how they stand against the median predictor."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from weiss.calibration.outcomes import CRITERIA, agreement, works
from weiss.report.collect import Collected

_MAP_NUMBERS = ("mae", "mae_inner", "mae_outer", "baseline_mae", "baseline_mae_outer", "auc")
RESAMPLES = 2000
CONFIDENCE = 0.95


def median_interval(values: list[float]) -> tuple[float, float] | None:
    """Bootstrap interval of a median over repeats.

    Parameters
    ----------
    values : list of float

    Returns
    -------
    (float, float) or None
        95 % percentile interval from 2000 resamples (seeded, so that a report repeats); None for fewer than two
        values, of which nothing can be said.
    """
    if len(values) < 2:
        return None
    interval = bootstrap(
        (np.asarray(values, dtype=float),),
        np.median,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        random_state=np.random.default_rng(0),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def runs(found: Collected) -> pd.DataFrame:
    """Test error of every training found.

    Returns
    -------
    DataFrame
        Columns training, network, n_data, repeat, seeds (trained on), target, mae, baseline, validate; a row per
        training and target.
    """
    columns = ["training", "network", "n_data", "repeat", "seeds", "target", "mae", "baseline", "validate"]
    rows = []
    for key, result in found.trainings.items():
        training = found.study.trainings[key]
        for target in training.targets:
            error, baseline = float(result[f"test_mae_{target}"]), float(result[f"baseline_mae_{target}"])
            kind = (key, training.network, training.n_data, training.repeat, frozenset(training.train_seeds))
            rows.append((*kind, target, error, baseline, float(result["validate_mae"])))
    return pd.DataFrame(rows, columns=columns)


def errors(found: Collected) -> pd.DataFrame:
    """Median test error of each network, number of training seeds and target.

    Returns
    -------
    DataFrame
        Columns target, network, n_data, repeats (found), median, low, high (None without repeats), baseline (error of
        always answering the median of the training values), validate (median validation error, all targets together).
    """
    table = runs(found)
    lines = []
    for (target, network, n_data), group in table.groupby(["target", "network", "n_data"], sort=False):
        values = group["mae"].tolist()
        low, high = median_interval(values) or (None, None)
        lines.append(
            {
                "target": target,
                "network": network,
                "n_data": n_data,
                "repeats": len(values),
                "median": float(np.median(values)),
                "low": low,
                "high": high,
                "baseline": float(group["baseline"].mean()),
                "validate": float(group["validate"].median()),
            }
        )
    columns = ["target", "network", "n_data", "repeats", "median", "low", "high", "baseline", "validate"]
    targets = list(dict.fromkeys(table["target"]))
    lines.sort(key=lambda line: targets.index(line["target"]))
    return pd.DataFrame(lines, columns=columns)


def films(found: Collected) -> pd.DataFrame:
    """Quality of every map of every film.

    Returns
    -------
    DataFrame
        Columns map, network, n_data, repeat, seed, condition (dict), target, mae, mae_inner, mae_outer, baseline_mae,
        baseline_mae_outer, auc, reason (why there is no AUC).
    """
    rows = []
    for key, metrics in found.maps.items():
        for film in metrics["films"]:
            for target, values in film["targets"].items():
                rows.append(
                    {
                        "map": key,
                        **{name: metrics[name] for name in ("network", "n_data", "repeat")},
                        "seed": film["seed"],
                        "condition": film["condition"],
                        "target": target,
                        **{name: values[name] for name in _MAP_NUMBERS},
                        "reason": values["reason"],
                    }
                )
    return pd.DataFrame(rows)


def regions(found: Collected) -> pd.DataFrame:
    """What the maps of one network read in each film: those of the network and number of seeds that figures show.

    Returns
    -------
    DataFrame
        Columns map, repeat, point, seed, condition (dict), target, inner, outer (true values), auc, and for each region
        R1 … R4 ``<region>_median``, ``<region>_true`` and ``<region>_mae``; a row per map, film with an inner region
        and target. None where a region is empty.
    """
    shown = found.study.maps[found.shown_map].training if found.shown_map else None
    rows = []
    for key, metrics in found.maps.items():
        training = found.study.maps[key].training
        if shown is None or (training.network, training.n_data) != (shown.network, shown.n_data):
            continue
        for film in metrics["films"]:
            for target, values in film["targets"].items():
                if values["regions"] is None:
                    continue
                row = {"map": key, "repeat": training.repeat, "point": film["point"], "seed": film["seed"]}
                row |= {"condition": film["condition"], "target": target, "auc": values["auc"]}
                row |= {"inner": values["true_inner"], "outer": values["true_outer"]}
                for name, region in values["regions"].items():
                    row |= {f"{name}_{key}": region[key] for key in ("median", "true", "mae")}
                rows.append(row)
    return pd.DataFrame(rows)


def calibration(found: Collected) -> pd.DataFrame:
    """Agreement of each group of films with the table of conditions that must work, best first.

    Returns
    -------
    DataFrame
        Columns group, setting (dict: what differs between groups), conditions, listed (how many must work), and for
        each criterion and for ``nucleation`` (whether a saturated film could reverse): ``<criterion>_share``,
        ``<criterion>_in`` and ``<criterion>_out``, the share that agrees and the conditions wrongly in and wrongly out;
        ``saturating``, conditions most of whose films were saturated.
    """
    table = found.calibration
    if table is None or table.empty or found.study.calibration is None:
        return pd.DataFrame()
    fixed = ["group", *found.study.calibration.parameters]
    settings = [name for name in table.columns[: table.columns.get_loc("listed")] if name not in fixed]
    rows = []
    for name, films in table.groupby("group", sort=False):
        setting = {key: value for key, value in films[settings].iloc[0].items() if not pd.isna(value)}
        row = {"group": name, "setting": setting, "conditions": len(films), "listed": int(films["listed"].sum())}
        shares = {criterion: films[criterion] for criterion in CRITERIA} | {"nucleation": films["nucleates"]}
        for criterion, values in shares.items():
            found_here = agreement(values, films["listed"])
            row |= {
                f"{criterion}_share": found_here.share,
                f"{criterion}_in": found_here.false_in,
                f"{criterion}_out": found_here.false_out,
            }
        row["saturating"] = int(works(films["saturated"]).sum())
        rows.append(row)
    return pd.DataFrame(rows).sort_values("crossed_share", ascending=False, kind="stable", ignore_index=True)
