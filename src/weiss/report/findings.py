"""The findings in sentences: what was done, how well parameters are read, and what a reader must be warned of."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from weiss.checks import seeds_text
from weiss.figures import read
from weiss.figures.quantities import quantity
from weiss.models import ending
from weiss.report.collect import Collected, GroupResult
from weiss.study import Study

GUESSING = 0.5
GOOD = 0.75
"""AUC from which a classifier is called good by convention (Mamada et al., Sec. IV F)."""

MOST_GROUPS_NAMED = 6


@dataclass(frozen=True)
class Card:
    """One number at the top of the page.

    Attributes
    ----------
    label, value, note : str
    good : bool or None
        Whether it beats what needs no network; None if there is nothing to compare with, or it is neither good nor bad.
    """

    label: str
    value: str
    note: str
    good: bool | None


def number(value: float | None, digits: int = 3) -> str:
    """Write a number with `digits` significant digits, a dash for nothing."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if value == 0:
        return "0"
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:,.{decimals}f}" if abs(value) < 1e6 else f"{value:.{digits - 1}e}"


def measured(study: Study, parameter: str, value: float | None) -> str:
    """Write a value, or an error, of a film parameter with its unit; a dimensionless one as a number."""
    unit = read.units(study, parameter)
    if unit == "1" or value is None or not math.isfinite(value):
        return number(value)
    return quantity(value, unit, digits=3)


def duration(seconds: float | None) -> str:
    """Write a time with a fitting unit."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{number(seconds / length)} {unit}"
    return f"{number(seconds)} s"


def condition(study: Study, values: dict[str, float]) -> str:
    """Write parameter values in plain text, with their units."""
    return ", ".join(f"{name} = {quantity(value, read.units(study, name))}" for name, value in values.items())


def done(found: Collected) -> str:
    """Say in one paragraph what was done, as far as it is on disk."""
    study = found.study
    parts = []
    for group in found.groups:
        films = f"{group.gathered} of {group.planned}" if group.gathered != group.planned else f"{group.planned}"
        films = f"none of {group.planned}" if group.gathered is None else films
        grid = study.groups[group.name].grid
        size = f" of {grid[0]} × {grid[1]} cells" if grid else ""
        parts.append(f"{films} {ending(study.groups[group.name].model).films}{size} ({group.name})")
    if len(parts) > MOST_GROUPS_NAMED:
        gathered, planned = (
            sum(getattr(group, name) or 0 for group in found.groups) for name in ("gathered", "planned")
        )
        parts = [f"{gathered:,} of {planned:,} films in {len(found.groups)} groups"]
    text = f"Simulated: {'; '.join(parts)}."
    if study.trainings:
        names = sorted({training.network for training in study.trainings.values()})
        targets = " and ".join(next(iter(study.trainings.values())).targets)
        window = next(iter(study.trainings.values())).window
        text += (
            f" {len(found.trainings)} of {len(study.trainings)} trainings ({', '.join(names)}) learned to read "
            f"{targets} from windows of {window} × {window} cells."
        )
    if study.maps:
        job = next(iter(study.maps.values()))
        unseen = "" if seen_seeds(found) else ", which they had not seen,"
        text += (
            f" {len(found.maps)} of {len(study.maps)} trained networks were slid over the films of group {job.films}"
            f"{unseen} to map the parameters."
        )
    return text


def best(errors: pd.DataFrame) -> pd.DataFrame:
    """Pick the network and number of seeds with the lowest median validation error, a row per target.

    Picked by their test error they would look better than they are: the lowest of several numbers that scatter.
    """
    if errors.empty:
        return errors
    chosen = errors.loc[errors["validate"].idxmin()]
    return errors[(errors["network"] == chosen["network"]) & (errors["n_data"] == chosen["n_data"])]


def seen_seeds(found: Collected) -> tuple[int, ...]:
    """Seeds of mapped films that films for training or validation were also made with, by the same random numbers."""
    shared: set[int] = set()
    for job in found.study.maps.values():
        mapped = {point.seed for point in found.study.groups[job.films].points}
        shared |= mapped & {*job.training.train_seeds, *job.training.validate_seeds}
    return tuple(sorted(shared))


def setting(values: dict[str, object]) -> str:
    """Write the setting of a group in plain text."""
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )


def _calibration_cards(calibration: pd.DataFrame) -> list[Card]:
    cards = []
    for criterion, label in (
        ("crossed", "agreement with the table"),
        ("unsaturated", "… counting unsaturated films only"),
    ):
        if calibration.empty:
            break
        row = calibration.loc[calibration[f"{criterion}_share"].idxmax()]
        blind = max(row["listed"], row["conditions"] - row["listed"]) / row["conditions"]
        note = f"best setting: {setting(row['setting']) or row['group']}; one answer for all conditions: {blind:.0%}"
        share = row[f"{criterion}_share"]
        cards.append(Card(label, f"{share:.0%}", note, bool(share > blind)))
    return cards


def cards(
    found: Collected, errors: pd.DataFrame, films: pd.DataFrame, calibration: pd.DataFrame | None = None
) -> list[Card]:
    """Give the numbers of the answer."""
    shown = _calibration_cards(calibration) if calibration is not None else []
    for row in best(errors).itertuples():
        better = row.median < row.baseline
        if row.baseline:
            share = f"{abs(1 - row.median / row.baseline):.0%} {'below' if better else 'above'}"
            against = f"{share} the {measured(found.study, row.target, row.baseline)} of answering the median"
        else:
            against = "answering the median is exactly right: the films have one value"
        shown.append(
            Card(
                f"error of {row.target}",
                measured(found.study, row.target, row.median),
                f"{against}; {row.network}, {row.n_data} training seed{'s' if row.n_data > 1 else ''}",
                better,
            )
        )
    for target, rows in _shown_auc(found, films):
        low, high = rows["auc"].min(), rows["auc"].max()
        value = number(low) if len(rows) == 1 else f"{number(low)}–{number(high)}"
        count = f"{len(rows)} film{'s' if len(rows) > 1 else ''}"
        note = f"telling inner from outer by {target}, {count}; guessing: {GUESSING}, good: from {GOOD}"
        good = True if low >= GOOD else False if low <= GUESSING else None
        shown.append(Card(f"AUC of the {target} map", value, note, good))
    return shown


def _shown_auc(found: Collected, films: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    if films.empty or found.shown_map is None:
        return []
    rows = films[(films["map"] == found.shown_map) & films["auc"].notna()]
    return [(str(target), group) for target, group in rows.groupby("target", sort=False)]


def _calibration_sentences(calibration: pd.DataFrame) -> list[str]:
    if calibration.empty:
        return []
    best = calibration.iloc[0]
    text = (
        f"Of {len(calibration)} settings, {setting(best['setting']) or best['group']} agrees best with the table: on "
        f"{best['crossed_share']:.1%} of {best['conditions']} conditions, with {best['crossed_in']} that cross and are "
        f"not listed and {best['crossed_out']} that are listed and do not cross."
    )
    unsaturated = calibration.loc[calibration["unsaturated_share"].idxmax()]
    other = (
        f"If films that were saturated do not count, it is "
        f"{setting(unsaturated['setting']) or unsaturated['group']}, with {unsaturated['unsaturated_share']:.1%}."
    )
    return [text, other]


def _films_sentence(found: Collected) -> str:
    """Say of a study that learns nothing how its films ended."""
    if not any(group.gathered for group in found.groups):
        return "There is no dataset on disk yet: nothing can be said about the films."
    sentences = []
    for model in dict.fromkeys(group.model for group in found.study.groups.values()):
        groups = [group for group in found.groups if found.study.groups[group.name].model == model]
        gathered = sum(group.gathered or 0 for group in groups)
        unfinished = sum(len(group.unfinished) for group in groups)
        sentences.append(f"{gathered - unfinished} of {gathered} {ending(model).films} {ending(model).done}.")
    return " ".join(sentences)


def answer(
    found: Collected, errors: pd.DataFrame, films: pd.DataFrame, calibration: pd.DataFrame | None = None
) -> list[str]:
    """Say which setting agrees with a table, how well each parameter is read, and how good the shown maps are."""
    sentences = _calibration_sentences(calibration) if calibration is not None else []
    published = found.study.published
    for row in best(errors).itertuples():
        place = {"target": row.target, "network": row.network, "n_data": row.n_data}
        printed = published.value("mae", **place) if published else None
        median, baseline = (measured(found.study, row.target, value) for value in (row.median, row.baseline))
        text = (
            f"{row.target} is read off a single window with a mean absolute error of {median} (median of "
            f"{row.repeats} {'repeats' if row.repeats > 1 else 'repeat'}, {row.network}, {row.n_data} training "
            f"{'seeds' if row.n_data > 1 else 'seed'})"
        )
        if row.median < row.baseline:
            text += f", against {baseline} for always answering the median of the training values"
            text += f"; published: {measured(found.study, row.target, printed)}." if printed is not None else "."
        else:
            every = errors[errors["target"] == row.target]
            who = "this network is not" if (every["median"] < every["baseline"]).any() else "no network here is"
            text += (
                f". Always answering the median of the training values gives {baseline}: "
                f"{who} better than that at {row.target}."
            )
        sentences.append(text)
    if len(errors.groupby(["network", "n_data"])) > 1:
        sentences.append("Network and number of training seeds are those with the lowest validation error.")
    shown = films[films["map"] == found.shown_map] if len(films) else films
    for target, rows in shown.groupby("target", sort=False) if len(shown) else ():
        listed = "; ".join(
            f"{_film(found.study, row.condition, row.seed, rows)}: {measured(found.study, target, row.mae)} against "
            f"{measured(found.study, target, row.baseline_mae)}"
            for row in rows.itertuples()
        )
        sentences.append(
            f"The {target} map of {found.shown_map} has a mean absolute error, against that of the median of the "
            f"training values everywhere, of {listed}."
        )
    for target, rows in _shown_auc(found, films):
        listed = "; ".join(
            f"{_film(found.study, row.condition, row.seed, rows)}: {row.auc:.3f}" for row in rows.itertuples()
        )
        sentences.append(
            f"A threshold on the {target} map of {found.shown_map} tells the inner from the outer region with an area "
            f"under the ROC curve of {listed} (0.5 is guessing)."
        )
    if not found.study.trainings:
        sentences.append(_films_sentence(found))
    if not sentences:
        sentences.append(
            "There is no training or map on disk yet: nothing can be said about how well parameters are read."
        )
    return sentences


def _film(study: Study, values: dict[str, float], seed: int, rows: pd.DataFrame) -> str:
    """Name a film among others by what varies."""
    names = read.varying(rows["condition"].tolist())
    text = condition(study, {name: values[name] for name in names if name in values})
    same = sum(other == values for other in rows["condition"])
    if same > 1 or not text:
        text = f"{text}, seed {seed}" if text else f"seed {seed}"
    return text


def _listed(study: Study, chosen: pd.DataFrame, rows: pd.DataFrame, value: str, against: str | None = None) -> str:
    """Name some films of several, with what was found there."""
    names = {"auc": "AUC", "mae": "error"}
    texts = []
    for row in chosen.to_dict("records"):
        told = {
            key: number(row[key]) if key == "auc" else measured(study, row["target"], row[key])
            for key in (value, against)
            if key
        }
        text = f"{_film(study, row['condition'], row['seed'], rows)}: {names[value]} {told[value]}"
        texts.append(text + (f" against {told[against]}" if against else ""))
    return f"{len(chosen)} of {len(rows)} film{'s' if len(rows) > 1 else ''} ({'; '.join(texts)})"


def _why(group: GroupResult) -> str:
    """How many films ended in which way, where there is more than one way not to come to the end."""
    if len(group.statuses) < (1 if group.reasoned else 2):
        return ""
    return f" ({', '.join(f'{count} {status}' for status, count in group.statuses.items())})"


def _left_out(found: Collected) -> str | None:
    """Group of films whose films that did not come to their end are left out of the trainings."""
    learn = found.study.config["learn"]
    return learn["data"] if learn and learn["uncrossed"] == "leave_out" else None


def _differing_recipes(found: Collected) -> list[str]:
    """Settings of the recipe, other than the initial weights, in which networks of the study differ."""
    recipes = [training.recipe for training in found.study.trainings.values()]
    names = [name for recipe in recipes[:1] for name in recipe if name != "weights"]
    return [name for name in names if len({recipe[name] for recipe in recipes}) > 1]


def warnings(found: Collected, errors: pd.DataFrame, films: pd.DataFrame) -> list[str]:
    """Say what a reader must know before believing the page."""
    listed = [f"{line[0].upper()}{line[1:]}." for line in found.study.warnings]
    compared = found.study.calibration.groups if found.study.calibration else ()
    for group in found.groups:
        if group.unfinished and group.name not in compared:  # there, which films cross is the finding
            left_out = "; they are left out of the trainings" if group.name == _left_out(found) else ""
            words = ending(found.study.groups[group.name].model)
            listed.append(
                f"{len(group.unfinished)} {words.films} of group {group.name} {words.failed}{_why(group)}: "
                f"{', '.join(group.unfinished[:5])}{' …' if len(group.unfinished) > 5 else ''}{left_out}."
            )
        if group.gathered is not None and group.gathered != group.planned:
            listed.append(f"The dataset of group {group.name} holds {group.gathered} films, the study {group.planned}.")
    if names := _differing_recipes(found):
        listed.append(
            f"Networks were trained by different recipes ({', '.join(names)}): what tells them apart may be that."
        )
    if seeds := seen_seeds(found):
        listed.append(
            f"Mapped films have the seed{'s' if len(seeds) > 1 else ''} {seeds_text(seeds)}, as have films the "
            "networks were trained or chosen with: the same random numbers made them, so the maps are no test on "
            "unseen films."
        )
    for row in errors.itertuples():
        median, high, baseline = (measured(found.study, row.target, v) for v in (row.median, row.high, row.baseline))
        who = f"{row.network} with {row.n_data} training {'seeds' if row.n_data > 1 else 'seed'}"
        if row.median >= row.baseline:
            listed.append(
                f"{who} is not better than the median predictor at {row.target}: {median} against {baseline}."
            )
        elif row.high is not None and row.high >= row.baseline:
            listed.append(
                f"{who} is not clearly better than the median predictor at {row.target}: the interval of its median "
                f"error reaches {high}, the predictor has {baseline}."
            )
        if row.repeats < 2:
            listed.append(f"{who} was trained once for {row.target}: there is no measure of its scatter.")
    for (key, target), rows in films.groupby(["map", "target"], sort=False) if len(films) else ():
        who = f"The {target} map by {key}"
        blind = rows[rows["auc"].notna() & (rows["auc"].astype(float) <= GUESSING)]
        if len(blind):
            listed.append(f"{who} does not tell inner from outer in {_listed(found.study, blind, rows, 'auc')}.")
        poor = rows[rows["mae"] >= rows["baseline_mae"]]
        if len(poor):
            where = _listed(found.study, poor, rows, "mae", "baseline_mae")
            text = f"{who} is no closer to the truth than the training median in {where}"
            if (poor["baseline_mae_outer"] == 0).any():
                text += "; outside the inner region that median happens to be the true value"
            listed.append(f"{text}.")
    ended = [key for key, result in found.trainings.items() if result.get("stop_reason") == "max_epochs"]
    if ended:
        listed.append(
            f"{len(ended)} of {len(found.trainings)} trainings ended because they ran out of epochs, before the "
            f"validation error stopped falling: {', '.join(ended[:6])}{' …' if len(ended) > 6 else ''}."
        )
    return listed
