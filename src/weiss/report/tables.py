"""Tables of the report, ready to print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from weiss.report.collect import Collected
from weiss.report.findings import condition, duration, number, setting


@dataclass(frozen=True)
class Table:
    """A table as the page prints it.

    Attributes
    ----------
    title, note : str
    columns : tuple of str
    rows : tuple of tuple of str
    words : int
        How many leading columns hold words and are set flush left.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    words: int = 1


def all_tables(found: Collected, errors: pd.DataFrame, films: pd.DataFrame, calibration: pd.DataFrame) -> list[Table]:
    """Give all tables that have rows, in the order of the page."""
    tables = [
        _calibration(calibration),
        _errors(errors),
        _films(films),
        _groups(found),
        _trainings(found),
        _maps(found),
        _benchmarks(found.benchmarks),
    ]
    return [table for table in tables if table.rows]


def _errors(errors: pd.DataFrame) -> Table:
    rows = []
    for row in errors.itertuples():
        interval = "–" if pd.isna(row.low) else f"{number(row.low)} – {number(row.high)}"
        ratio = number(row.median / row.baseline, 2) if row.baseline else "–"
        rows.append(
            (
                row.target,
                row.network,
                str(row.n_data),
                str(row.repeats),
                number(row.median),
                interval,
                number(row.baseline),
                ratio,
            )
        )
    return Table(
        "Test error",
        ("parameter", "network", "N_data", "repeats", "median MAE", "95 % interval", "median predictor", "ratio"),
        tuple(rows),
        "MAE: mean absolute error on the central window of the test films, each under four rotations. Median and "
        "bootstrap interval are over repeats; few repeats give an interval that is too narrow, and as all repeats are "
        "tested on the same films, it does not hold the scatter from film to film. The median predictor "
        "always answers the median of the training values; the ratio is to its error.",
        words=2,
    )


def _films(films: pd.DataFrame) -> Table:
    rows = []
    for row in films.itertuples():
        auc = f"{row.auc:.3f}" if row.auc is not None and not pd.isna(row.auc) else "–"
        rows.append(
            (
                row.map,
                f"{condition(row.condition)}, seed {row.seed}",
                row.target,
                auc,
                *(number(value) for value in (row.mae, row.mae_inner, row.mae_outer, row.baseline_mae)),
            )
        )
    return Table(
        "Parameter maps",
        ("map", "film", "parameter", "AUC", "MAE", "MAE inner", "MAE outer", "median predictor"),
        tuple(rows),
        "AUC: area under the ROC curve of telling the region with the larger true value from the other by the read "
        "value; a dash where both regions have the same true value or the film has no inner region. Windows of "
        "neighbouring cells overlap, so it describes one film and is no significance. The median "
        "predictor answers the median of the training values everywhere; where that is the true outer value it is "
        "right there by construction.",
        words=3,
    )


def _calibration(calibration: pd.DataFrame) -> Table:
    rows = []
    for row in calibration.to_dict("records"):
        parts = [
            f"{row[f'{criterion}_share']:.1%} (+{row[f'{criterion}_in']} −{row[f'{criterion}_out']})"
            for criterion in ("crossed", "unsaturated", "nucleation")
        ]
        rows.append(
            (row["group"], setting(row["setting"]) or "–", str(row["conditions"]), *parts, str(row["saturating"]))
        )
    return Table(
        "Agreement with the table of conditions that must work",
        ("group", "setting", "conditions", "crossed", "crossed unsaturated", "could leave saturation", "saturate"),
        tuple(rows),
        "Share of the conditions on which films and table agree, in brackets how many are wrongly in (+) and wrongly "
        "out (−); a condition is in if most of its seeds are. Could leave saturation: what the nucleation field of a "
        "saturated film alone would say, without simulating. Saturate: conditions whose films were a single domain.",
        words=2,
    )


def _groups(found: Collected) -> Table:
    rows = []
    for group in found.groups:
        ny, nx = found.study.groups[group.name].grid
        rows.append(
            (
                group.name,
                f"{ny} × {nx}",
                f"{_count(group.gathered)} of {group.planned}",
                f"{group.shards_done} of {group.shards}",
                "–" if group.evaluations is None else f"{group.evaluations:,}",
                duration(group.seconds) if group.timed else "–",
                str(group.reused),
                ", ".join(group.devices) or "–",
            )
        )
    return Table(
        "Simulations",
        ("group", "cells", "films", "shards", "evaluations", "time", "from elsewhere", "device"),
        tuple(rows),
        "Evaluations of the right-hand side of the equation of motion, all films together. Time is the sum over the "
        "films this study computed; films from elsewhere were on disk already.",
    )


def _count(value: int | None) -> str:
    return "none" if value is None else str(value)


def _trainings(found: Collected) -> Table:
    rows = []
    for key, result in found.trainings.items():
        timing = result.get("timing") or {}
        rows.append(
            (
                key,
                _whole(result.get("parameters")),
                _whole(result.get("train_films")),
                f"{_whole(result.get('best_epoch'))} of {_whole(result.get('epochs'))}",
                str(result.get("stop_reason", "–")).replace("_", " "),
                number(result.get("validate_mae")),
                duration(timing.get("seconds")),
                str(timing.get("device", "–")),
            )
        )
    return Table(
        "Trainings",
        ("training", "weights", "films", "best epoch", "ended by", "validation MAE", "time", "device"),
        tuple(rows),
    )


def _maps(found: Collected) -> Table:
    rows = []
    for key, metrics in found.maps.items():
        timing = metrics.get("timing") or {}
        rows.append(
            (
                key,
                str(len(metrics["films"])),
                _whole(timing.get("windows")),
                number(timing.get("windows_per_second")),
                duration(timing.get("seconds")),
                str(timing.get("device", "–")),
            )
        )
    return Table("Mapping", ("map", "films", "windows", "windows per s", "time", "device"), tuple(rows))


def _benchmarks(table: pd.DataFrame) -> Table:
    rows = [
        (str(row.rule), str(row.jobs), duration(row.seconds), f"{number(row.max_rss_mb)} MB")
        for row in table.itertuples()
    ]
    return Table(
        "Time by rule",
        ("rule", "jobs", "time", "most memory"),
        tuple(rows),
        "As the workflow measured its jobs; time is the sum over jobs, start-up included.",
    )


def _whole(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "–"


def versions(rows: Sequence[tuple[str, str]]) -> Table:
    """Make the table of versions."""
    return Table("Versions", ("what", "version"), tuple(rows))
