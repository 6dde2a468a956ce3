"""Tables of the report, ready to print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from weiss.figures import groups, loop_fields, quantities, read
from weiss.figures.labels import networks
from weiss.figures.read import published_auc
from weiss.report.collect import Collected
from weiss.report.findings import condition, duration, measured, number, setting
from weiss.study import Study


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
        _loops(found),
        _networks(found),
        _errors(found, errors),
        _films(found, films),
        _groups(found),
        _trainings(found),
        _maps(found),
        _benchmarks(found.benchmarks),
    ]
    return [table for table in tables if table.rows]


def _networks(found: Collected) -> Table:
    """Table I of the published source, if there is one: what the networks are."""
    published = found.study.published
    counted = {found.study.trainings[key].network: result.get("parameters") for key, result in found.trainings.items()}
    rows, sources = [], []
    for network in networks(found.study).values():
        row = [network.label, network.architecture, network.start, _whole(counted.get(network.label))]
        for quantity in ("parameters", "imagenet_accuracy") if published else ():
            printed = published.row(quantity, network=network.architecture)
            row.append("–" if printed is None else _plain(printed.value))
            sources += [f"{network.architecture}: {printed.source}"] if printed else []
        rows.append(tuple(row))
    columns = ["network", "architecture", "starts from", "parameters here"]
    note = "Parameters are those trained, counted; a network without a number has not been run."
    if published:
        columns += ["parameters published", "ImageNet %, quoted"]
        note += (
            " The accuracies are quoted from the source, nothing here was tested on ImageNet. Published numbers: "
            f"{'; '.join(dict.fromkeys(sources))}."
        )
    return Table("Networks", tuple(columns), tuple(rows), note, words=3)


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"


def _errors(found: Collected, errors: pd.DataFrame) -> Table:
    """Table II of the published source, if there is one: every network asked for, run or not."""
    published = found.study.published
    known = {(row.target, row.network, row.n_data): row for row in errors.itertuples()}
    planned = Counter((t.network, t.n_data) for t in found.study.trainings.values())
    rows = []
    for target, network, n_data in _kinds(found):
        row, asked = known.get((target, network, n_data)), planned[network, n_data]
        printed = published.value("mae", target=target, network=network, n_data=n_data) if published else None
        shown = partial(measured, found.study, target)
        quoted = [shown(printed)] if published else []
        if row is None:
            cells = [f"0 of {asked}" if asked else "0", "missing" if asked else "not run", "–", *quoted, "–", "–"]
        else:
            interval = "–" if pd.isna(row.low) else f"{shown(row.low)} – {shown(row.high)}"
            ratio = number(row.median / row.baseline, 2) if row.baseline else "–"
            count = str(row.repeats) if row.repeats == asked else f"{row.repeats} of {asked}"
            cells = [count, shown(row.median), interval, *quoted, shown(row.baseline), ratio]
        rows.append((target, network, str(n_data), *cells))
    columns = ("parameter", "network", "N_data", "repeats", "median MAE", "95 % interval")
    columns += (*(("published",) if published else ()), "median predictor", "ratio")
    note = (
        "MAE: mean absolute error on the central window of the test films, each under four rotations. Median and "
        "bootstrap interval are over repeats; few repeats give an interval that is too narrow, and as all repeats are "
        "tested on the same films, it does not hold the scatter from film to film. The median predictor "
        "always answers the median of the training values; the ratio is to its error."
    )
    if published:
        note += f" Published: medians in {published.title}."
    return Table("Test error", columns, tuple(rows), note, words=2)


def _kinds(found: Collected) -> list[tuple[str, str, int]]:
    """Targets, networks and numbers of training seeds of the study, and those it lacks but the source has."""
    study = found.study
    if not study.trainings:
        return []
    targets = next(iter(study.trainings.values())).targets
    printed = study.published.of("mae") if study.published else ()
    labels = dict.fromkeys([*networks(study), *(row.network for row in printed if row.target in targets)])
    sizes = sorted({t.n_data for t in study.trainings.values()})
    own = {(label, size) for label in networks(study) for size in sizes}
    other = {(row.network, row.n_data) for row in printed if row.target in targets}
    return [
        (target, label, size)
        for target in targets
        for label in labels
        for size in sorted({*sizes, *(size for _, size in other)})
        if (label, size) in own | other
    ]


def _films(found: Collected, films: pd.DataFrame) -> Table:
    published = found.study.published is not None and bool(found.study.published.of("auc"))
    rows = []
    for row in films.itertuples():
        auc = f"{row.auc:.3f}" if row.auc is not None and not pd.isna(row.auc) else "–"
        printed = published_auc(found.study, row.target, row.condition) if auc != "–" else None
        quoted = f"{printed.value:g} ({printed.network})" if printed else "–"
        rows.append(
            (
                row.map,
                f"{condition(found.study, row.condition)}, seed {row.seed}",
                row.target,
                auc,
                *((quoted,) if published else ()),
                *(
                    measured(found.study, row.target, value)
                    for value in (row.mae, row.mae_inner, row.mae_outer, row.baseline_mae)
                ),
            )
        )
    return Table(
        "Parameter maps",
        (
            *("map", "film", "parameter", "AUC"),
            *(("AUC published",) if published else ()),
            *("MAE", "MAE inner", "MAE outer", "median predictor"),
        ),
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


def _loops(found: Collected) -> Table:
    """Fields of hysteresis loops, a row for each condition."""
    rows, steps = [], []
    for group in found.groups:
        if group.loops is None:
            continue
        params = found.study.groups[group.name].points[0].params
        steps.append(f"{quantities.quantity(2 * params['loop_B'] / params['loop_steps'], 'T', 3)} ({group.name})")
        varied = groups.varied(found.study.groups[group.name])
        for row in group.loops.to_dict("records"):
            values = condition(found.study, {name: row[name] for name in varied})
            rows.append((group.name, values, str(row["films"]), *(_field(row, name) for name in loop_fields.FIELDS)))
    return Table(
        "Hysteresis loops",
        ("group", "condition", "films", *(name.replace("_", ", ") for name in loop_fields.FIELDS)),
        tuple(rows),
        "Fields on the falling and the rising branch, along the largest field of the loop: where the mean "
        "magnetisation passes zero (coercive), where it comes to 99 % of saturation, and where the knee before it lies "
        "(the latter two without sign). Mean ± standard deviation over the seeds of the films that came to their end; "
        "in brackets how many loops show the field, where not all do. A dash: none does. Fields are interpolated "
        f"between the steps of a loop, or are steps (knee), and are no finer than these: {', '.join(steps)}.",
        words=2,
    )


def _field(row: dict, name: str) -> str:
    text = quantities.spread(row[name], row[f"{name}_spread"], "T")
    count = row[f"{name}_films"]
    return text if count in (0, row["films"]) else f"{text} ({count} of {row['films']})"


def _groups(found: Collected) -> Table:
    rows = []
    for group in found.groups:
        grid = found.study.groups[group.name].grid
        rows.append(
            (
                group.name,
                f"{grid[0]} × {grid[1]}" if grid else "–",
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
        "Evaluations of the right-hand side of the equation of motion (llg: of the effective field), all films "
        "together. Time is the sum over the "
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
                _validation(found.study, found.study.trainings[key].targets, result.get("validate_mae")),
                duration(timing.get("seconds")),
                str(timing.get("device", "–")),
            )
        )
    return Table(
        "Trainings",
        ("training", "weights", "films", "best epoch", "ended by", "validation MAE", "time", "device"),
        tuple(rows),
        _multiples(found.study),
    )


def _validation(study: Study, targets: Sequence[str], value: float | None) -> str:
    """The validation error of one target in its unit; of several it is a mean in multiples of their scales."""
    if len(targets) > 1 or value is None:
        return number(value)
    return measured(study, targets[0], value * read.scale(study, targets[0]))


def _multiples(study: Study) -> str:
    """What a mean error over several targets is made of; nothing where it is that of the errors themselves."""
    targets = next((training.targets for training in study.trainings.values()), ())
    scales = {target: read.scale(study, target) for target in targets}
    if len(targets) < 2 or set(scales.values()) == {1.0}:
        return ""
    sizes = (f"{name} of {quantities.quantity(scale, read.units(study, name))}" for name, scale in scales.items())
    return f"Validation MAE: mean over the parameters, each in multiples: {', '.join(sizes)}."


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
