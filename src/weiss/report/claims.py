"""Which claims of a published source hold here: each with the numbers that decide it.

What is compared is compared in pairs: trainings of the same repeat, whose films were made with the same seeds, or
regions of the same film. Repeats trained on the same seeds are averaged, and so are maps of the same film. A claim
about such differences holds if the bootstrap interval of their median lies on its side of zero and signs as uneven
are found by chance at most one time in twenty, and does not hold if so on the other side. A claim that one thing
rises or falls with another holds if shuffled values do as well at most one time in twenty. Anything else cannot be
decided, and it is said why. All trainings are tested on the same films: the scatter between test films is in none of
the intervals.

Networks of which the source prints no errors are shown for comparison and decide nothing. What the source does not
speak of at all, such as ways to start that it did not try, is asked, too, but is no claim of the source and not
counted as one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from weiss.report import map_claims, network_claims
from weiss.report.case import Case, Decided
from weiss.report.collect import Collected
from weiss.report.tables import Table
from weiss.report.verdicts import FAILS, HOLDS, OPEN, Evidence

MOST_REASONS = 4

NOT_IN_SOURCE = "not in the source"

DECIDE: dict[str, Callable[[Case], Decided]] = {
    "pretraining": network_claims.pretraining,
    "pretraining_scarce": network_claims.pretraining_scarce,
    "larger": network_claims.larger,
    "pretrained_beat_smallest": network_claims.pretrained_beat_smallest,
    "more_data": network_claims.more_data,
    "more_data_smallest": network_claims.more_data_smallest,
    "harder": network_claims.harder,
    "flattened": network_claims.flattened,
    "map_rises": map_claims.rises,
    "auc_falls": map_claims.falls,
    "auc_lowest": map_claims.lowest,
    "border": map_claims.border,
    "others_drift": map_claims.others_drift,
}
"""What decides each claim of `weiss.published.CLAIMS`."""


@dataclass(frozen=True)
class Claim:
    """A claim held against what was found.

    Attributes
    ----------
    name, sentence : str
    source : str
        Where it is made, or `NOT_IN_SOURCE`.
    evidence : tuple of Evidence
    in_source : bool
        Whether the source makes it.
    """

    name: str
    sentence: str
    source: str
    evidence: tuple[Evidence, ...]
    in_source: bool = True

    @property
    def verdict(self) -> str:
        """`HOLDS` if every comparison does, `FAILS` if one does not, else `OPEN`."""
        verdicts = [one.verdict for one in self.evidence if one.verdict]
        if FAILS in verdicts:
            return FAILS
        return HOLDS if verdicts and set(verdicts) == {HOLDS} else OPEN

    @property
    def table(self) -> Table:
        """The comparisons, ready to print."""
        columns = ("comparison", "here", "published", "verdict")
        return Table(self.sentence, columns, tuple(_cells(one) for one in self.evidence))

    @property
    def why(self) -> str:
        """How many comparisons hold, and why the others do not."""
        decided = [one for one in self.evidence if one.verdict]
        if not decided:
            return (
                "; ".join(dict.fromkeys(one.why for one in self.evidence if one.why))
                or "nothing here that it speaks of"
            )
        if self.verdict == HOLDS:
            return ""
        holding, failing = (sum(one.verdict == verdict for one in decided) for verdict in (HOLDS, FAILS))
        reasons = Counter(reason for one in decided if one.why for reason in one.why.split("; "))
        parts = [f"{reason} ({times} times)" if times > 1 else reason for reason, times in reasons.items()]
        if len(decided) > 1:
            opposite = f", {failing} say the opposite" if failing else ""
            parts.insert(0, f"{holding} of {len(decided)} comparisons hold{opposite}")
        return "; ".join(parts[: 1 + MOST_REASONS]) + (" …" if len(parts) > 1 + MOST_REASONS else "")


def _cells(one: Evidence) -> tuple[str, ...]:
    verdict = one.verdict or "for comparison"
    verdict = f"{verdict}: {one.why}" if one.why else verdict
    return one.what, one.here, one.published, verdict


def claims(found: Collected, errors: pd.DataFrame) -> list[Claim]:
    """Decide the claims of the published source.

    Parameters
    ----------
    found : Collected
    errors : DataFrame
        From `weiss.report.statistics.errors`.

    Returns
    -------
    list of Claim
        In the order of the published table, with what is not in the source but asked alike; none without a table, or
        for a study that learns nothing.
    """
    published = found.study.published
    if published is None or not found.study.trainings:
        return []
    case = Case(found, errors)
    listed = []
    for row in published.of("claim"):
        asked = sorted(DECIDE[row.condition](case), key=lambda decision: not decision.in_source)
        for sentence, evidence, in_source in asked:
            source = row.source if in_source else NOT_IN_SOURCE
            listed.append(Claim(row.condition, sentence, source, tuple(evidence), in_source))
    return listed


def summary(listed: list[Claim]) -> str:
    """Count the verdicts on claims of the source in a sentence."""
    counts = Counter(claim.verdict for claim in listed if claim.in_source)
    return (
        f"Of {counts.total()} published claims, {counts[HOLDS]} hold here, {counts[FAILS]} do not, and {counts[OPEN]} "
        "cannot be decided."
    )
