"""Claims about which network reads better, and with how many training data.

A source that compares some networks says nothing of others: verdicts are on those whose errors it prints, the rest is
shown for comparison. Questions the source does not ask, of other ways to start, are decided from whatever there is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

from weiss.figures.labels import IMAGENET, RANDOM, Network
from weiss.report.case import SETS, Case, Decided, Decision
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


def _tried(case: Case, members: Iterable[Network]) -> bool:
    """Whether the source has a number of any of these networks."""
    rows = (*case.published.of("mae"), *case.published.of("pretraining_gain"))
    return not {row.network for row in rows}.isdisjoint(network.label for network in members)


def _shown(evidence: Evidence) -> Evidence:
    """Leave a comparison without verdict."""
    return replace(evidence, verdict="")


def pretraining(case: Case) -> Decided:
    """One sentence per way to start, as a source that has one says nothing of the others."""
    sentence = "Starting from {} instead of " + RANDOM + " lowers the error."
    pairs = _pairs(case)
    for start, members in pairs.items():
        tried, evidence = _tried(case, [b for _, b in members]), []
        for (a, b), target, size in product(members, case.targets, case.sizes):
            what = f"{target}, N = {size}: {a.label} − {b.label}"
            one = case.lower(what, (a.label, size), (b.label, size), target)
            evidence.append(_shown(one) if tried and not case.speaks(target, a.label, b.label) else one)
        yield Decision(sentence.format(start), evidence, tried)
    printed = dict.fromkeys(row.network for row in case.published.of("pretraining_gain") if row.n_data)
    absent = [label for label in printed if label not in case.networks]
    if absent or not pairs:
        why = f"{', '.join(absent) or 'a pretrained network'} is not in this study"
        yield Decision(sentence.format("trained weights"), [Evidence("pretraining", verdict=OPEN, why=why)])


def pretraining_scarce(case: Case) -> Decided:
    sentence = "Starting from {} gains more where there are fewer training data."
    pairs = _pairs(case)
    if len(case.sizes) < 2 or not pairs:
        yield Decision(sentence.format("trained weights"), [_one_size(case)])
        return
    few, many = case.sizes[0], case.sizes[-1]
    for start, members in pairs.items():
        tried, evidence = _tried(case, [b for _, b in members]), []
        for (a, b), target in product(members, case.targets):
            what = f"{target}: gain of {b.label} at N = {few} − at N = {many}"
            one = _gain_difference(case, what, (a.label, b.label), few, many, target)
            evidence.append(_shown(one) if tried and not case.speaks(target, a.label, b.label) else one)
        yield Decision(sentence.format(start), evidence, tried)


def _gain_difference(case: Case, what: str, pair: tuple[str, str], few: int, many: int, target: str) -> Evidence:
    gains = [case.published.value("pretraining_gain", target=target, network=pair[1], n_data=n) for n in (few, many)]
    text = number(gains[0] - gains[1]) if None not in gains else "–"
    why = [case.obstacle(label, size, target) for label, size in product(pair, (few, many))]
    if any(why):
        return Evidence(what, published=text, verdict=OPEN, why="; ".join(dict.fromkeys(filter(None, why))))
    first, second = (case.gains((pair[0], size), (pair[1], size), target) for size in (few, many))
    kinds = product(pair, (few, many))
    return sign(what, case.independent((first - second).dropna(), *kinds), text, SETS)


def _one_size(case: Case) -> Evidence:
    why = "only one number of training seeds" if len(case.sizes) < 2 else "no network of this study is pretrained"
    return Evidence("numbers of training seeds", verdict=OPEN, why=why)


def _alike() -> list[Evidence]:
    return [Evidence("networks", verdict=OPEN, why="no two networks of different size in this study")]


def _absent(evidence: list[Evidence]) -> list[Evidence]:
    """Say so where nothing but other networks than those of the source could be compared."""
    if not evidence:
        return _alike()
    if any(one.verdict for one in evidence):
        return evidence
    why = "no network of this study is one whose errors the source prints"
    return [Evidence("networks of the source", verdict=OPEN, why=why), *evidence]


def larger(case: Case) -> Decided:
    least = case.smallest()
    evidence = []
    for network, target, size in product((n for n in case.larger() if n.plain), case.targets, case.sizes):
        what = f"{target}, N = {size}: {least} − {network.label}"
        one = case.lower(what, (least, size), (network.label, size), target)
        evidence.append(one if case.speaks(target, least, network.label) else _shown(one))
    sentence = "A large network reads better than the smallest one, both from random weights."
    yield Decision(sentence, _absent(evidence))


def pretrained_beat_smallest(case: Case) -> Decided:
    """The source says so of every network it starts from ImageNet weights, with or without numbers."""
    sentence = "Every large network that starts from {} reads better than the smallest one."
    least = case.smallest()
    starts = dict.fromkeys(n.start for n in case.larger() if not n.plain)
    for start in starts:
        members = [n for n in case.larger() if n.start == start]
        evidence = [
            case.lower(f"{target}, N = {size}: {least} − {n.label}", (least, size), (n.label, size), target)
            for n, target, size in product(members, case.targets, case.sizes)
        ]
        yield Decision(sentence.format(start), evidence, start == IMAGENET or _tried(case, members))
    if not starts:
        yield Decision(sentence.format("trained weights"), _alike())


def more_data(case: Case) -> Decided:
    sentence = "More training data lower the error of the larger networks."
    if len(case.sizes) < 2:
        yield Decision(sentence, [_one_size(case)])
        return
    few, many = case.sizes[0], case.sizes[-1]
    evidence = []
    for network, target in product(case.larger(), case.targets):
        what = f"{target}, {network.label}: N = {few} − N = {many}"
        one = case.lower(what, (network.label, few), (network.label, many), target)
        evidence.append(one if case.speaks(target, network.label) else _shown(one))
    yield Decision(sentence, _absent(evidence))


def more_data_smallest(case: Case) -> Decided:
    sentence = "More training data do less for the smallest network than for a larger one."
    least = case.smallest()
    if len(case.sizes) < 2 or least is None:
        yield Decision(sentence, [_one_size(case)] if len(case.sizes) < 2 else _alike())
        return
    few, many = case.sizes[0], case.sizes[-1]
    evidence = []
    for target in case.targets:
        own = case.lower(f"{target}, {least} itself: N = {few} − N = {many}", (least, few), (least, many), target)
        evidence.append(_shown(own))
        for network in case.larger():
            one = _more_than_least(case, network.label, least, few, many, target)
            evidence.append(one if case.speaks(target, least, network.label) else _shown(one))
    yield Decision(sentence, _absent(evidence))


def _more_than_least(case: Case, label: str, least: str, few: int, many: int, target: str) -> Evidence:
    what = f"{target}: gain of {label} − gain of {least}, N = {few} to {many}"
    kinds = list(product((label, least), (few, many)))
    printed = [case.published.value("mae", target=target, network=n, n_data=k) for n, k in kinds]
    text = number(printed[0] - printed[1] - printed[2] + printed[3]) if None not in printed else "–"
    if why := [reason for kind in kinds if (reason := case.obstacle(*kind, target))]:
        return Evidence(what, published=text, verdict=OPEN, why="; ".join(dict.fromkeys(why)))
    first, second = (case.gains((name, few), (name, many), target) for name in (label, least))
    return sign(what, case.independent((first - second).dropna(), *kinds), text, SETS)


def harder(case: Case) -> Decided:
    """Which parameter is the harder one is taken from the published errors.

    Where values are spread more widely every reader errs more, the median predictor, too. So the error must also be
    larger as a share of that of the median predictor.
    """
    printed = {target: [r.value for r in case.published.of("mae") if r.target == target] for target in case.targets}
    ranked = sorted((t for t in case.targets if printed[t]), key=lambda t: np.median(printed[t]))
    if len(ranked) < 2:
        why = "no two parameters of this study have published errors"
        sentence = "One parameter is harder to read than another."
        yield Decision(sentence, [Evidence("parameters", verdict=OPEN, why=why)])
        return
    easy, hard = ranked[0], ranked[-1]
    evidence = []
    for network, size in product(case.networks.values(), case.sizes):
        both = _harder(case, network.label, size, easy, hard)
        speaks = case.speaks(easy, network.label) and case.speaks(hard, network.label)
        evidence += both if speaks else map(_shown, both)
    sentence = (
        f"{hard} is harder to read than {easy}: its error is larger, also as a share of the error of the median "
        "predictor."
    )
    yield Decision(sentence, _absent(evidence))


def _harder(case: Case, label: str, size: int, easy: str, hard: str) -> list[Evidence]:
    what = f"{label}, N = {size}: error of {hard} − error of {easy}"
    share = f"{what}, each divided by that of the median predictor"
    values = [case.published.value("mae", target=t, network=label, n_data=size) for t in (hard, easy)]
    text = number(values[0] - values[1]) if None not in values else "–"
    if why := [reason for t in (hard, easy) if (reason := case.obstacle(label, size, t))]:
        obstacle = "; ".join(dict.fromkeys(why))
        return [Evidence(what, published=text, verdict=OPEN, why=obstacle), Evidence(share, verdict=OPEN, why=obstacle)]
    first, second = (case.of(label, size, t) for t in (hard, easy))
    differences = first["mae"] - second["mae"]
    shares = first["mae"] / first["baseline"] - second["mae"] / second["baseline"]
    kind = (label, size)
    return [
        sign(what, case.independent(differences, kind), text, SETS),
        sign(share, case.independent(shares, kind), unit=SETS),
    ]


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
        yield Decision(sentence, [Evidence(network, verdict=OPEN, why=why)])
        return
    rows = _end_rows(case, network, size, target)
    if rows.empty:
        yield Decision(sentence, [Evidence(network, verdict=OPEN, why="there are no predictions on disk")])
        return
    # Whoever reads imperfectly is above the lowest value and below the highest: the ends alone decide nothing.
    evidence = []
    for end, (true, read) in (("low", quoted[0]), ("high", quoted[-1])):
        what = f"{network} at {target} = {rows[end].median():g}"
        here = f"reads {number(rows[f'predicted_{end}'].median())}"
        evidence.append(Evidence(what, here, f"reads {number(read)} at {target} = {true:g}"))
    spans = _span(rows)
    for other in case.larger():
        what = f"span of {other.label} − span of {network}, as shares of the true range of {target}"
        speaks = case.speaks(target, other.label)
        if why := case.obstacle(other.label, size, target):
            evidence.append(Evidence(what, verdict=OPEN if speaks else "", why=why))
            continue
        against = _end_rows(case, other.label, size, target)
        # Without predictions of a repeat there is nothing to subtract.
        differences = (_span(against) - spans).dropna() if len(against) else pd.Series(dtype=float)
        one = sign(what, case.independent(differences, (other.label, size), (network, size)), unit=SETS)
        evidence.append(one if speaks else _shown(one))
    if not any(one.verdict for one in evidence):
        why = "no larger network of the source to compare spans with"
        evidence.append(Evidence(f"span of a larger network − span of {network}", verdict=OPEN, why=why))
    yield Decision(sentence, evidence)


def _end_rows(case: Case, network: str, size: int, target: str) -> pd.DataFrame:
    ends = case.found.ends
    if ends.empty:
        return ends
    repeats = case.of(network, size, target).reset_index().set_index("training")["repeat"]
    rows = ends[(ends["target"] == target) & ends["training"].isin(repeats.index)]
    return rows.assign(repeat=rows["training"].map(repeats)).set_index("repeat")


def _span(rows: pd.DataFrame) -> pd.Series:
    return (rows["predicted_high"] - rows["predicted_low"]) / (rows["high"] - rows["low"])
