"""Claims about which network reads better, and with how many training data."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import numpy as np
import pandas as pd

from weiss.figures.labels import RANDOM, Network
from weiss.report.case import Case, Decided
from weiss.report.findings import number
from weiss.report.verdicts import OPEN, Evidence, sign


def _pairs(case: Case) -> dict[str, list[tuple[Network, Network]]]:
    """Networks from random weights with their pretrained siblings of the same architecture, by start of the latter."""
    pairs: dict[str, list[tuple[Network, Network]]] = {}
    for network in case.networks.values():
        plain = [n for n in case.networks.values() if n.plain and n.architecture == network.architecture]
        if not network.plain and plain:
            pairs.setdefault(network.start, []).append((plain[0], network))
    return pairs


def _tried(case: Case, members: Iterable[Network]) -> str:
    """Say if the source has no number of any of these networks."""
    rows = (*case.published.of("mae"), *case.published.of("pretraining_gain"))
    named = {row.network for row in rows} & {network.label for network in members}
    return "" if named else " (The source prints no numbers of this start.)"


def pretraining(case: Case) -> Decided:
    """One claim per way to start, as a source that has one says nothing of the others."""
    sentence = "Starting from {} instead of " + RANDOM + " lowers the error."
    pairs = _pairs(case)
    for start, members in pairs.items():
        evidence = [
            case.lower(f"{target}, N = {size}: {a.label} − {b.label}", (a.label, size), (b.label, size), target)
            for (a, b), target, size in product(members, case.targets, case.sizes)
        ]
        yield sentence.format(start) + _tried(case, [b for _, b in members]), evidence
    printed = dict.fromkeys(row.network for row in case.published.of("pretraining_gain") if row.n_data)
    absent = [label for label in printed if label not in case.networks]
    if absent or not pairs:
        why = f"{', '.join(absent) or 'a pretrained network'} is not in this study"
        yield sentence.format("trained weights"), [Evidence("pretraining", verdict=OPEN, why=why)]


def pretraining_scarce(case: Case) -> Decided:
    sentence = "Starting from {} gains more where there are fewer training data."
    pairs = _pairs(case)
    if len(case.sizes) < 2 or not pairs:
        yield sentence.format("trained weights"), [_one_size(case)]
        return
    few, many = case.sizes[0], case.sizes[-1]
    for start, members in pairs.items():
        evidence = [
            _gain_difference(
                case, f"{target}: gain of {b.label} at N = {few} − at N = {many}", (a.label, b.label), few, many, target
            )
            for (a, b), target in product(members, case.targets)
        ]
        yield sentence.format(start) + _tried(case, [b for _, b in members]), evidence


def _gain_difference(case: Case, what: str, pair: tuple[str, str], few: int, many: int, target: str) -> Evidence:
    gains = [case.published.value("pretraining_gain", target=target, network=pair[1], n_data=n) for n in (few, many)]
    text = number(gains[0] - gains[1]) if None not in gains else "–"
    why = [case.obstacle(label, size, target) for label, size in product(pair, (few, many))]
    if any(why):
        return Evidence(what, published=text, verdict=OPEN, why="; ".join(dict.fromkeys(filter(None, why))))
    first, second = (case.gains((pair[0], size), (pair[1], size), target) for size in (few, many))
    return sign(what, (first - second).dropna(), text)


def _one_size(case: Case) -> Evidence:
    why = "only one number of training seeds" if len(case.sizes) < 2 else "no network of this study is pretrained"
    return Evidence("numbers of training seeds", verdict=OPEN, why=why)


def _alike() -> list[Evidence]:
    return [Evidence("networks", verdict=OPEN, why="no two networks of different size in this study")]


def larger(case: Case) -> Decided:
    least = case.smallest()
    evidence = [
        case.lower(f"{target}, N = {size}: {least} − {n.label}", (least, size), (n.label, size), target)
        for n, target, size in product((n for n in case.larger() if n.plain), case.targets, case.sizes)
    ]
    yield "A large network reads better than the smallest one, both from random weights.", evidence or _alike()


def pretrained_beat_smallest(case: Case) -> Decided:
    sentence = "Every large network that starts from {} reads better than the smallest one."
    least = case.smallest()
    starts = dict.fromkeys(n.start for n in case.larger() if not n.plain)
    for start in starts:
        members = [n for n in case.larger() if n.start == start]
        evidence = [
            case.lower(f"{target}, N = {size}: {least} − {n.label}", (least, size), (n.label, size), target)
            for n, target, size in product(members, case.targets, case.sizes)
        ]
        yield sentence.format(start), evidence
    if not starts:
        yield sentence.format("trained weights"), _alike()


def more_data(case: Case) -> Decided:
    sentence = "More training data lower the error of the larger networks."
    if len(case.sizes) < 2:
        yield sentence, [_one_size(case)]
        return
    few, many = case.sizes[0], case.sizes[-1]
    evidence = [
        case.lower(f"{target}, {n.label}: N = {few} − N = {many}", (n.label, few), (n.label, many), target)
        for n, target in product(case.larger(), case.targets)
    ]
    yield sentence, evidence or _alike()


def more_data_smallest(case: Case) -> Decided:
    sentence = "More training data do less for the smallest network than for a larger one."
    least = case.smallest()
    if len(case.sizes) < 2 or least is None:
        yield sentence, [_one_size(case)] if len(case.sizes) < 2 else _alike()
        return
    few, many = case.sizes[0], case.sizes[-1]
    evidence = []
    for target in case.targets:
        own = case.lower(f"{target}, {least} itself: N = {few} − N = {many}", (least, few), (least, many), target)
        evidence.append(Evidence(own.what, own.here, own.published))
        for network in case.larger():
            what = f"{target}: gain of {network.label} − gain of {least}, N = {few} to {many}"
            kinds = list(product((network.label, least), (few, many)))
            printed = [case.published.value("mae", target=target, network=n, n_data=k) for n, k in kinds]
            text = number(printed[0] - printed[1] - printed[2] + printed[3]) if None not in printed else "–"
            if why := [reason for kind in kinds if (reason := case.obstacle(*kind, target))]:
                evidence.append(Evidence(what, published=text, verdict=OPEN, why="; ".join(dict.fromkeys(why))))
                continue
            first, second = (case.gains((label, few), (label, many), target) for label in (network.label, least))
            evidence.append(sign(what, (first - second).dropna(), text))
    yield sentence, evidence


def harder(case: Case) -> Decided:
    """Which parameter is the harder one is taken from the published errors."""
    printed = {target: [r.value for r in case.published.of("mae") if r.target == target] for target in case.targets}
    ranked = sorted((t for t in case.targets if printed[t]), key=lambda t: np.median(printed[t]))
    if len(ranked) < 2:
        yield (
            "One parameter is harder to read than another.",
            [Evidence("parameters", verdict=OPEN, why="no two parameters of this study have published errors")],
        )
        return
    easy, hard = ranked[0], ranked[-1]
    evidence = []
    for network, size in product(case.networks.values(), case.sizes):
        what = f"{network.label}, N = {size}: error of {hard} − error of {easy}"
        values = [case.published.value("mae", target=t, network=network.label, n_data=size) for t in (hard, easy)]
        text = number(values[0] - values[1]) if None not in values else "–"
        why = [reason for t in (hard, easy) if (reason := case.obstacle(network.label, size, t))]
        if why:
            evidence.append(Evidence(what, published=text, verdict=OPEN, why="; ".join(dict.fromkeys(why))))
            continue
        first, second = (case.of(network.label, size, t)["mae"] for t in (hard, easy))
        evidence.append(sign(what, first - second, text))
    yield f"{hard} is harder to read than {easy}: its error is larger.", evidence


def flattened(case: Case) -> Decided:
    """The network, the parameter and the number of seeds are those of the published predictions."""
    printed = case.published.of("prediction_median")
    if not printed:
        return
    network, target = printed[0].network, printed[0].target
    quoted = sorted(
        (row.values[target], row.value) for row in printed if (row.network, row.target) == (network, target)
    )
    sentence = (
        f"{network} flattens {target}: it reads too much at the lowest and too little at the highest true value, and "
        "spans less of the range than larger networks."
    )
    size = case.sizes[-1] if case.sizes else 0
    if why := case.obstacle(network, size, target):
        yield sentence, [Evidence(network, verdict=OPEN, why=why)]
        return
    rows = _end_rows(case, network, size, target)
    if rows.empty:
        yield sentence, [Evidence(network, verdict=OPEN, why="there are no predictions on disk")]
        return
    evidence = []
    for end, (true, read) in (("low", quoted[0]), ("high", quoted[-1])):
        off = rows[f"predicted_{end}"] - rows[end]
        what = f"{network} at {target} = {rows[end].median():g}: {'read − true' if end == 'low' else 'true − read'}"
        text = f"reads {number(read)} at {target} = {true:g}"
        found = sign(what, off if end == "low" else -off, text)
        here = f"reads {number(rows[f'predicted_{end}'].median())}; {found.here}"
        evidence.append(Evidence(what, here, text, found.verdict, found.why))
    spans = _span(rows)
    for other in case.larger():
        what = f"span of {other.label} − span of {network}, as shares of the true range of {target}"
        if why := case.obstacle(other.label, size, target):
            evidence.append(Evidence(what, verdict=OPEN, why=why))
            continue
        against = _end_rows(case, other.label, size, target)
        differences = [] if against.empty else (_span(against) - spans).dropna()
        evidence.append(sign(what, differences))
    yield sentence, evidence


def _end_rows(case: Case, network: str, size: int, target: str) -> pd.DataFrame:
    ends = case.found.ends
    if ends.empty:
        return ends
    repeats = case.of(network, size, target).reset_index().set_index("training")["repeat"]
    rows = ends[(ends["target"] == target) & ends["training"].isin(repeats.index)]
    return rows.assign(repeat=rows["training"].map(repeats)).set_index("repeat")


def _span(rows: pd.DataFrame) -> pd.Series:
    return (rows["predicted_high"] - rows["predicted_low"]) / (rows["high"] - rows["low"])
