"""Claims about parameter maps of films with another value in their middle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from weiss.figures import read
from weiss.report.case import Case, Decided, Decision
from weiss.report.findings import number
from weiss.report.verdicts import OPEN, Evidence, counted, shuffled, sign, trend

GOOD_AUC = 0.75
"""AUC from which a classifier is called good, where the source does not say its own."""


def _about_maps(
    sentence: Callable[[Case], str], decide: Callable[[Case, str], list[Evidence]]
) -> Callable[[Case], Decided]:
    """Decide for each parameter that differs in the mapped films, if the network that maps reads it at all."""

    def decided(case: Case) -> Decided:
        targets = case.differing()
        if not targets:
            why = _nothing(case)
            yield Decision(sentence(case), [Evidence("maps", verdict=OPEN, why=why)])
        for target in targets:
            why = case.map_obstacle(target)
            evidence = [Evidence(f"map of {target}", verdict=OPEN, why=why)] if why else decide(case, target)
            yield Decision(sentence(case), evidence)

    return decided


def _nothing(case: Case) -> str:
    """Say why no map can be looked at."""
    if not case.found.study.maps:
        return "this study makes no maps"
    if not case.found.maps:
        return "no map is on disk"
    if case.found.shown_map is None:
        return "trainings are missing, so the network with the lowest validation error is not known"
    return "no mapped film has another value in its middle"


def _listed(films: pd.DataFrame, column: str, most: int = 9) -> str:
    """Name a few numbers by the inner value."""
    texts = [f"{row['inner']:g}: {number(row[column])}" for _, row in films.iterrows()]
    return ", ".join(texts[:most]) + (" …" if len(texts) > most else "")


def _rises_sentence(case: Case) -> str:
    return "The value read in the middle of a film rises with the true value there."


def _rises(case: Case, target: str) -> list[Evidence]:
    films = case.films(target, differing=False).dropna(subset=["R1_median"])
    here = f"read in R1, by true value: {_listed(films, 'R1_median')}"
    return [trend(f"{target} in R1", films["inner"], films["R1_median"], here)]


def _falls_sentence(case: Case) -> str:
    return "The smaller the difference between inner and outer region, the smaller the AUC."


def _falls(case: Case, target: str) -> list[Evidence]:
    films = case.films(target)
    here = f"AUC by inner {target}: {_listed(films, 'auc')}"
    return [trend(f"AUC of the {target} map", _difference(case, target, films), films["auc"], here)]


def _difference(case: Case, target: str, films: pd.DataFrame) -> pd.Series:
    """Difference of the true values of a parameter."""
    return read.rounded(case.found.study, target, (films["inner"] - films["outer"]).abs())


def _good(case: Case) -> float:
    return case.published.value("auc_good") or GOOD_AUC


def _lowest_sentence(case: Case) -> str:
    return f"Even the smallest difference is told: its AUC is above {_good(case):g}."


def _lowest(case: Case, target: str) -> list[Evidence]:
    films = case.films(target)
    difference = _difference(case, target, films)
    areas = films["auc"][difference == difference.min()]
    least = films.loc[films["auc"].idxmin()]
    above = sign("", areas - _good(case), unit="film")
    printed = [row for row in case.published.of("auc") if row.target == target]
    here = (
        f"at a difference of {difference.min():g}: AUC {' to '.join(number(v) for v in sorted({*_ends(areas)}))} "
        f"({counted(len(areas), 'film')}); lowest of all films: {number(least['auc'])} at an inner {target} "
        f"of {least['inner']:g}"
    )
    text = "; ".join(f"{row.value:g} at {row.condition}" for row in printed) or "–"
    return [Evidence(f"AUC of the {target} map", here, text, above.verdict, above.why)]


def _ends(values: pd.Series) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _outer_border(case: Case) -> tuple[str, list[float]]:
    """Name the parameter, and its values, at which the source speaks of the outer side of the border."""
    printed = [row.values for row in case.published.of("border_outer")]
    by = next(iter(printed[0]), "") if printed else ""
    return by, [values[by] for values in printed if by in values]


def _border_sentence(case: Case) -> str:
    by, values = _outer_border(case)
    sentence = "Inside, errors are larger near the border (R2) than away from it (R1)"
    if not values:
        return f"{sentence}."
    return f"{sentence}; outside (R3, R4) so at {by} = {' and '.join(f'{value:g}' for value in values)}."


def _border(case: Case, target: str) -> list[Evidence]:
    films = case.films(target)
    by, values = _outer_border(case)
    inside = films["condition"].map(lambda condition: condition.get(by) in values)
    evidence = [_nearer(films, target, "R2", "R1", "")]
    if values:
        evidence.append(_nearer(films[inside], target, "R3", "R4", f", {by} = {', '.join(f'{v:g}' for v in values)}"))
    rest = _nearer(films[~inside], target, "R3", "R4", ", other films" if values else "")
    return [*evidence, replace(rest, verdict="", why="")]


def _nearer(films: pd.DataFrame, target: str, near: str, far: str, where: str) -> Evidence:
    both = films[[f"{near}_mae", f"{far}_mae"]].dropna()
    what = f"{target}: error in {near} − error in {far}{where}"
    if films.empty:
        return Evidence(what, verdict=OPEN, why="no such film is mapped")
    if both.empty:
        return Evidence(what, verdict=OPEN, why=f"{near} or {far} has no cell in these films")
    return sign(what, both[f"{near}_mae"] - both[f"{far}_mae"], unit="film")


@dataclass(frozen=True)
class _Drift:
    """Published readings of a parameter: at which values of which other one they are near the truth, and far."""

    other: str
    by: str
    low: float
    high: float
    far: tuple[float, ...]
    printed: str


def _drift(case: Case) -> _Drift | None:
    readings = case.published.of("reading")
    near = [next(iter(case.published.of(f"near_true_{end}")), None) for end in ("from", "to")]
    if not readings or None in near:
        return None
    by = next(iter(readings[0].values))
    printed = ", ".join(f"{row.values[by]:g}: {row.value:g}" for row in readings)
    far = tuple(row.values[by] for row in readings)
    return _Drift(readings[0].target, by, near[0].values[by], near[1].values[by], far, printed)


def _drift_sentence(case: Case) -> str:
    drift = _drift(case)
    if drift is None:
        return "In the middle the other parameters are read near their true values."
    ends = " and ".join(f"{value:g}" for value in drift.far)
    return (
        f"In the middle {drift.other} is read near its true value for {drift.low:g} ≤ {drift.by} ≤ {drift.high:g}, and "
        f"drifts at {ends}."
    )


def _others_drift(case: Case, target: str) -> list[Evidence]:
    drift = _drift(case)
    if drift is None:
        return [Evidence("readings", verdict=OPEN, why="no reading of another parameter is published")]
    other, by = drift.other, drift.by
    if why := case.map_obstacle(other):
        return [Evidence(f"map of {other}", verdict=OPEN, why=why)]
    films = case.films(other, differing=False).dropna(subset=["R1_median"])
    films[by] = [condition.get(by, np.nan) for condition in films["condition"]]
    films["off"] = (films["R1_median"] - films["R1_true"]).abs()
    between, ends = films[films[by].between(drift.low, drift.high)], films[films[by].isin(drift.far)]
    if between.empty or ends.empty:
        where = f"between {drift.low:g} and {drift.high:g}" if between.empty else f"of {drift.far}"
        return [Evidence(f"map of {other}", verdict=OPEN, why=f"no film with {by} {where}")]
    listed = ", ".join(f"{film[by]:g}: {number(film['R1_median'])}" for _, film in films.sort_values(by).iterrows())
    excess = ends["off"].mean() - between["off"].mean()
    here = f"read in R1, by {by}: {listed}; mean deviation at the ends − between: {number(excess)}"
    samples = (ends["off"].to_numpy(), between["off"].to_numpy())
    told = shuffled(samples, lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis), "independent")
    return [Evidence(f"{other} deviates more at the ends", here, drift.printed, *told), _near(case, drift)]


def _near(case: Case, drift: _Drift) -> Evidence:
    """Decide whether readings between the ends are closer to the truth than the network reads a single window."""
    training = case.found.study.maps[case.found.shown_map].training
    own = case.of(training.network, training.n_data, drift.other)["mae"].median()
    rows = case.regions[(case.regions["target"] == drift.other) & case.regions["R1_median"].notna()]
    inside = [drift.low <= condition.get(drift.by, np.nan) <= drift.high for condition in rows["condition"]]
    rows = rows[inside]
    off = (rows["R1_median"] - rows["R1_true"]).astype(float).abs().groupby(rows["point"]).median()
    what = f"{drift.other} between: test error of one window ({number(own)}) − deviation"
    return sign(what, own - off, unit="film")


rises = _about_maps(_rises_sentence, _rises)
falls = _about_maps(_falls_sentence, _falls)
lowest = _about_maps(_lowest_sentence, _lowest)
border = _about_maps(_border_sentence, _border)
others_drift = _about_maps(_drift_sentence, _others_drift)
