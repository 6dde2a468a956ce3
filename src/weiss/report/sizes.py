"""What was run at another size than in the published source."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from weiss.figures.labels import IMAGENET, RANDOM, networks
from weiss.report.collect import Collected
from weiss.report.tables import Table

ADAPTIVE = 0.0
"""Stands for the time step of an integrator that chooses its own."""

_SETTINGS = {
    "learning_rate": "learning rate",
    "decay": "factor of the learning rate …",
    "decay_steps": "… every so many steps",
    "patience": "patience, epochs",
    "max_epochs": "most epochs",
}


def sizes(found: Collected) -> Table:
    """Set the size of a study beside that of the published one.

    Parameters
    ----------
    found : Collected

    Returns
    -------
    Table
        A row for each published number that the study has, too; none without a published source.
    """
    published = found.study.published
    rows = []
    for quantity, what, here in _here(found) if published else ():
        place = published.row(quantity) or published.row(quantity, condition=_grid_of(quantity, what))
        if place is None or not here:
            continue
        if quantity == "time_step" and ADAPTIVE in here:
            rows.append((what, "adaptive", _text(place.value), "different", place.source))
            continue
        low, high = min(here), max(here)
        text = _text(low) if low == high else f"{_text(low)} – {_text(high)}"
        rows.append((what, text, _text(place.value), _compared(low, high, place.value), place.source))
    return Table(
        "At what size it was run",
        ("what", "here", "published", "here is", "printed in"),
        tuple(rows),
        "Ranges are over networks or films. Times here are of whatever machine ran the job.",
    )


def _text(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e9 else f"{value:.3g}"


def _compared(low: float, high: float, printed: float) -> str:
    if low == high == printed:
        return "the same"
    if high < printed:
        return "smaller"
    return "larger" if low > printed else "partly smaller" if low < printed else "partly larger"


def _grid_of(quantity: str, what: str) -> str | None:
    """Condition of a quantity that is printed for films of several sizes."""
    return f"grid={what.split()[-2]}" if quantity == "hours_per_film" else None


def _here(found: Collected) -> Iterator[tuple[str, str, list[float]]]:
    """Numbers of a study by the name of the published quantity: quantity, words, values."""
    study = found.study
    trainings = list(study.trainings.values())
    learned = study.groups[trainings[0].data] if trainings else None
    mapped = study.groups[next(iter(study.maps.values())).films] if study.maps else None
    for group, prefix, words in ((learned, "", "films learned from"), (mapped, "mapped_", "mapped films")):
        if group is None:
            continue
        conditions = {tuple(sorted(point.condition.items())) for point in group.points}
        if group.grid:
            yield f"{prefix}grid", f"{words}: cells along a side", [float(side) for side in set(group.grid)]
        yield f"{prefix}conditions", f"{words}: conditions", [len(conditions)]
        yield f"{prefix}seeds", f"{words}: seeds", [len({point.seed for point in group.points})]
        if group.inner_margin is not None:
            yield f"{prefix}margin", f"{words}: width of the outer region", [group.inner_margin]
    yield "films", "films in all", [sum(len(group.points) for group in study.groups.values())]
    every = [point.params for group in study.groups.values() for point in group.points[:1]]
    for name in dict.fromkeys(name for params in every for name in params):
        values = {params[name] for params in every if isinstance(params.get(name), int | float)}
        if values and name not in ("ny", "nx"):
            yield name, f"setting {name}", sorted(values)
    steps = {ADAPTIVE if params["integrator"] == "rkc" else params["dt"] for params in every if "integrator" in params}
    yield "time_step", "time step of the integrator", sorted(steps)
    for result in found.groups:
        grid = study.groups[result.name].grid
        if result.timed and grid:
            yield "hours_per_film", f"hours per film of {grid[0]} cells", [result.seconds / result.timed / 3600]
    if trainings:
        yield from _learning(found)
    for name, words in (("seconds", "seconds per mapped film"), ("windows", "windows read per mapped film")):
        shares = [
            metrics["timing"][name] / len(metrics["films"]) for metrics in found.maps.values() if _timed(metrics, name)
        ]
        if shares:
            yield f"map_{name}", words, [median(shares)]


def _timed(metrics: dict, name: str) -> bool:
    return bool(metrics["films"]) and isinstance((metrics.get("timing") or {}).get(name), int | float)


def _learning(found: Collected) -> Iterator[tuple[str, str, list[float]]]:
    trainings = list(found.study.trainings.values())
    repeats: dict[tuple[str, int], int] = {}
    for training in trainings:
        repeats[training.network, training.n_data] = repeats.get((training.network, training.n_data), 0) + 1
    yield "window", "window, cells", [trainings[0].window]
    yield "train_seeds", "training seeds to draw from", [len(_pool(found))]
    yield "repeats", "repeats of a training", sorted(set(repeats.values()))
    # Starts that the source did not try are no part of its count.
    alike = {n.label for n in networks(found.study).values() if n.start in (RANDOM, IMAGENET)}
    yield "networks", f"networks run (of {len(alike)} in the study)", [len(alike & {n for n, _ in repeats})]
    for name, words in _SETTINGS.items():
        yield name, words, sorted({training.recipe[name] for training in trainings})


def _pool(found: Collected) -> set[int]:
    training = next(iter(found.study.trainings.values()))
    seeds = {point.seed for point in found.study.groups[training.data].points}
    return seeds - {*training.validate_seeds, *training.test_seeds}
