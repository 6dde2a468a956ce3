"""What claims are decided from: the networks, errors and maps of a study, and what stands in the way of a verdict."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from weiss.figures.labels import Network, networks
from weiss.report import statistics
from weiss.report.collect import Collected
from weiss.report.findings import number
from weiss.report.verdicts import OPEN, Evidence, sign

SETS = "set of training seeds"
"""What is counted where repeats that were trained on the same seeds are one."""


class Decision(NamedTuple):
    """A sentence with its comparisons.

    Attributes
    ----------
    sentence : str
    evidence : list of Evidence
    in_source : bool
        Whether the source says so, too; else the question is asked of this study alone.
    """

    sentence: str
    evidence: list[Evidence]
    in_source: bool = True


Decided = Iterable[Decision]


class Case:
    """What is known of a study when its claims are decided.

    Parameters
    ----------
    found : Collected
    errors : DataFrame
    """

    def __init__(self, found: Collected, errors: pd.DataFrame) -> None:
        self.found, self.errors = found, errors
        self.published = found.study.published
        self.runs = statistics.runs(found)
        self.regions = statistics.regions(found)
        self.networks: dict[str, Network] = networks(found.study)
        self.sizes: list[int] = sorted({t.n_data for t in found.study.trainings.values()})
        self.targets: tuple[str, ...] = next((t.targets for t in found.study.trainings.values()), ())

    # --- networks ---

    def parameters(self, architecture: str) -> float | None:
        """Trained parameters of an architecture: counted, else published."""
        for key, result in self.found.trainings.items():
            label = self.found.study.trainings[key].network
            if self.networks[label].architecture == architecture and isinstance(result.get("parameters"), int):
                return result["parameters"]
        return self.published.value("parameters", network=architecture)

    def smallest(self) -> str | None:
        """Label of the network with the fewest parameters that starts from random weights; None if all are alike."""
        known = {n.architecture: self.parameters(n.architecture) for n in self.networks.values()}
        known = {name: value for name, value in known.items() if value is not None}
        if len(known) < 2:
            return None
        least = min(known, key=lambda name: known[name])
        return next((n.label for n in self.networks.values() if n.architecture == least and n.plain), None)

    def larger(self) -> list[Network]:
        """Networks of another architecture than the smallest."""
        least = self.smallest()
        if least is None:
            return []
        return [n for n in self.networks.values() if n.architecture != self.networks[least].architecture]

    def obstacle(self, label: str, n_data: int, target: str) -> str:
        """Say why the error of a network decides nothing; nothing if it does."""
        if label not in self.networks:
            return f"{label} is not in this study"
        planned = [t for t in self.found.study.trainings.values() if (t.network, t.n_data) == (label, n_data)]
        if not planned:
            return f"{label} was not run"
        rows = self.errors[
            (self.errors["network"] == label) & (self.errors["n_data"] == n_data) & (self.errors["target"] == target)
        ]
        if rows.empty:
            return f"{label} has no result yet"
        row = rows.iloc[0]
        if row["median"] >= row["baseline"]:
            return f"{label} is no better than the median predictor at {target}"
        if pd.isna(row["high"]):
            return f"{label} has one training only: not told from the median predictor at {target}"
        if row["high"] >= row["baseline"]:
            return f"{label} is not clearly better than the median predictor at {target}"
        return ""

    def of(self, label: str, n_data: int, target: str) -> pd.DataFrame:
        """Trainings found of one kind, by repeat."""
        rows = self.runs
        rows = rows[(rows["network"] == label) & (rows["n_data"] == n_data) & (rows["target"] == target)]
        return rows.set_index("repeat")

    def gains(self, worse: tuple[str, int], better: tuple[str, int], target: str) -> pd.Series:
        """Error of one kind minus that of another, by repeat, where one's training seeds hold the other's."""
        first, second = self.of(*worse, target), self.of(*better, target)
        both = [
            repeat
            for repeat in first.index.intersection(second.index)
            if first["seeds"][repeat] <= second["seeds"][repeat] or second["seeds"][repeat] <= first["seeds"][repeat]
        ]
        return first["mae"][both] - second["mae"][both]

    def independent(self, values: pd.Series, *kinds: tuple[str, int]) -> list[float]:
        """Average values by repeat over repeats whose trainings were made with the same seeds.

        Such repeats saw the same films and differ in their random numbers only: counted apart they would make
        intervals too narrow.

        Parameters
        ----------
        values : Series
            By repeat.
        *kinds : (str, int)
            Labels and numbers of training seeds of the networks the values are made of.
        """
        drawn = [self.of(*kind, self.targets[0])["seeds"] for kind in kinds]
        sets = [str([sorted(seeds[repeat]) for seeds in drawn]) for repeat in values.index]
        return values.groupby(pd.Series(sets, index=values.index, dtype=object), sort=False).mean().tolist()

    def speaks(self, target: str, *labels: str) -> bool:
        """Whether the source prints errors of all these networks: of others it claims nothing here."""
        printed = {row.network for row in self.published.of("mae") if row.target == target}
        return printed.issuperset(labels)

    def lower(self, what: str, worse: tuple[str, int], better: tuple[str, int], target: str) -> Evidence:
        """Decide whether `better` has the lower error."""
        printed = [self.published.value("mae", target=target, network=n, n_data=k) for n, k in (worse, better)]
        text = number(printed[0] - printed[1]) if None not in printed else "–"
        why = [reason for kind in (worse, better) if (reason := self.obstacle(*kind, target))]
        if why:
            return Evidence(what, published=text, verdict=OPEN, why="; ".join(dict.fromkeys(why)))
        return sign(what, self.independent(self.gains(worse, better, target), worse, better), text, SETS)

    # --- maps ---

    def differing(self) -> list[str]:
        """Parameters that differ between inner and outer region in some mapped film."""
        rows = self.regions
        return [] if rows.empty else list(dict.fromkeys(rows["target"][rows["auc"].notna()]))

    def map_obstacle(self, target: str) -> str:
        """Say why the maps decide nothing; nothing if they do."""
        training = self.found.study.maps[self.found.shown_map].training
        return self.obstacle(training.network, training.n_data, target)

    def films(self, target: str, differing: bool = True) -> pd.DataFrame:
        """One row per film: medians over the maps of the shown network."""
        rows = self.regions[self.regions["target"] == target]
        rows = rows[rows["auc"].notna()] if differing else rows
        numbers = [name for name in rows if name.startswith("R")] + ["auc", "inner", "outer"]
        grouped = rows.astype(dict.fromkeys(numbers, float)).groupby("point", sort=False)
        films = grouped[numbers].median()
        films["condition"] = grouped["condition"].first()
        return films.sort_values("inner", kind="stable")
