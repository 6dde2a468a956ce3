"""Numbers printed in a source, to set beside those found: a CSV table. Light to import: the study asks, too.

Columns: ``quantity``, ``target`` (a parameter), ``network`` (its label in the study; for what belongs to an
architecture, the name of that), ``n_data``, ``condition``, ``value`` and ``source`` (where it is printed). Empty cells
mean "does not apply". Lines that start with # are comments; the first of them is the title of the source.

Two quantities are not numbers of the source. ``figure``: the value is the source's number of the figure named as
condition. ``claim``: the source claims what is named as condition (see `CLAIMS`); the value is 1.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from weiss.digests import digest_of
from weiss.errors import UserError
from weiss.figures.names import FIGURES

COLUMNS = ("quantity", "target", "network", "n_data", "condition", "value", "source")

CLAIMS = (
    "pretraining",
    "pretraining_scarce",
    "larger",
    "pretrained_beat_smallest",
    "more_data",
    "more_data_smallest",
    "harder",
    "flattened",
    "map_rises",
    "auc_falls",
    "auc_lowest",
    "border",
    "others_drift",
)
"""Claims that can be decided from results; `weiss.report.claims` decides them."""

_VALUE = re.compile(r"[A-Za-z][A-Za-z0-9_]*=\S+")


@dataclass(frozen=True)
class PublishedValue:
    """One printed number.

    Attributes
    ----------
    quantity : str
    target, network : str or None
    n_data : int or None
    condition : str or None
        ``name=value``, several separated by spaces; or a word.
    value : float
    source : str
        Where it is printed.
    """

    quantity: str
    target: str | None
    network: str | None
    n_data: int | None
    condition: str | None
    value: float
    source: str

    @property
    def values(self) -> dict[str, float]:
        """The condition as numbers by name; empty without one, or for a word."""
        return _values(self.condition or "")


@dataclass(frozen=True)
class Published:
    """Numbers printed in a source.

    Attributes
    ----------
    title : str
        Of the source.
    rows : tuple of PublishedValue
    """

    title: str
    rows: tuple[PublishedValue, ...] = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """Hash of title and rows."""
        fields = COLUMNS
        return digest_of([self.title, [[getattr(row, name) for name in fields] for row in self.rows]])

    def value(
        self,
        quantity: str,
        *,
        target: str | None = None,
        network: str | None = None,
        n_data: int | None = None,
        condition: str | Mapping[str, float] | None = None,
    ) -> float | None:
        """Look a number up.

        Parameters
        ----------
        quantity : str
        target, network, n_data, condition
            As in the table; what is left out must be empty there. A condition may be given as numbers by name, then
            the printed one may name fewer of them.

        Returns
        -------
        float or None
            None if it is not printed.
        """
        row = self.row(quantity, target=target, network=network, n_data=n_data, condition=condition)
        return None if row is None else row.value

    def row(
        self,
        quantity: str,
        *,
        target: str | None = None,
        network: str | None = None,
        n_data: int | None = None,
        condition: str | Mapping[str, float] | None = None,
    ) -> PublishedValue | None:
        """Look up a number and where it is printed; see `value`."""
        place = (quantity, target, network, n_data)
        for row in self.rows:
            if (row.quantity, row.target, row.network, row.n_data) == place and _fits(row, condition):
                return row
        return None

    def of(self, quantity: str) -> tuple[PublishedValue, ...]:
        """All rows of one quantity, in the order of the table."""
        return tuple(row for row in self.rows if row.quantity == quantity)

    def figure(self, name: str) -> str:
        """Say which figures of the source a figure corresponds to: ``Fig. 7``, ``Figs. 10 and 13``, or nothing."""
        numbers = [f"{row.value:g}" for row in self.of("figure") if row.condition == name]
        return f"Fig{'s' if len(numbers) > 1 else ''}. {' and '.join(numbers)}" if numbers else ""


def _fits(row: PublishedValue, condition: str | Mapping[str, float] | None) -> bool:
    if condition is None or isinstance(condition, str):
        return row.condition == _tidy(condition)
    printed = row.values
    return bool(printed) and all(name in condition and condition[name] == value for name, value in printed.items())


def _values(text: str) -> dict[str, float]:
    pairs = [pair.partition("=") for pair in text.split()]
    try:
        return {name: float(value) for name, sign, value in pairs if sign}
    except ValueError:
        return {}


def _tidy(text: str | None) -> str | None:
    """Write a condition in one form: names sorted, 2.0 as 2; a word stays as it is."""
    values = _values(text or "")
    return " ".join(f"{name}={values[name]:g}" for name in sorted(values)) if values else text or None


def read_published(path: Path) -> Published:
    """Read a table of printed numbers.

    Parameters
    ----------
    path : Path
        UTF-8 CSV with the columns `COLUMNS`.

    Returns
    -------
    Published

    Raises
    ------
    UserError
        With file, line and column: the file is missing or no such table, a value is no number, or a number is given
        twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError("no such file", str(path), "expected a CSV table of printed numbers") from None
    except (UnicodeDecodeError, OSError):
        raise UserError("cannot be read as text (UTF-8), expected a CSV table", str(path)) from None
    lines = list(enumerate(text.splitlines(), start=1))
    comments = [line.strip().lstrip("#").strip() for _, line in lines if line.lstrip().startswith("#")]
    filled = [(number, line) for number, line in lines if line.strip() and not line.lstrip().startswith("#")]
    if len(filled) < 2:
        raise UserError(f"expected a header ({','.join(COLUMNS)}) and rows of numbers", str(path))
    (first, header), *rest = filled
    if _cells(f"{path}:{first}", header) != list(COLUMNS):
        raise UserError(f"expected the header {','.join(COLUMNS)}, got {header.strip()!r}", f"{path}:{first}")
    rows: dict[tuple, int] = {}
    values = []
    for number, line in rest:
        value = _row(f"{path}:{number}", line)
        place = (value.quantity, value.target, value.network, value.n_data, value.condition)
        if value.quantity == "figure":
            place = (*place, value.value)
        if place in rows:
            what = ", ".join(str(part) for part in place if part is not None)
            raise UserError(f"{what} is given twice (first in line {rows[place]})", f"{path}:{number}", "remove one")
        rows[place] = number
        values.append(value)
    return Published(comments[0] if comments else path.stem, tuple(values))


def _cells(where: str, line: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader(io.StringIO(line), strict=True))]
    except csv.Error as error:
        raise UserError(f"not a row of a CSV table: {error}", where) from None


def _row(where: str, line: str) -> PublishedValue:
    cells = _cells(where, line)
    if len(cells) != len(COLUMNS):
        raise UserError(f"expected {len(COLUMNS)} values ({', '.join(COLUMNS)}), got {len(cells)}", where)
    row = dict(zip(COLUMNS, cells, strict=True))
    for name in ("quantity", "value", "source"):
        if not row[name]:
            raise UserError(f"column {name} is empty, expected {_EXPECTED[name]}", where)
    n_data = row["n_data"]
    if n_data and not (n_data.isdecimal() and int(n_data) > 0):
        raise UserError(f"column n_data must be a whole number of training seeds, got {n_data!r}", where)
    condition = row["condition"]
    if "=" in condition and not all(
        _VALUE.fullmatch(part) and _finite(part.partition("=")[2]) for part in condition.split()
    ):
        raise UserError(
            f"column condition must be like D_in=1.3, several separated by spaces, got {condition!r}", where
        )
    known = {"claim": CLAIMS, "figure": tuple(FIGURES)}.get(row["quantity"])
    if known and condition not in known:
        raise UserError(
            f"column condition: no {row['quantity']} named {condition!r}", where, f"expected one of {', '.join(known)}"
        )
    if not _finite(row["value"]):
        raise UserError(f"column value must be a finite number, got {row['value']!r}", where)
    return PublishedValue(
        quantity=row["quantity"],
        target=row["target"] or None,
        network=row["network"] or None,
        n_data=int(n_data) if n_data else None,
        condition=_tidy(condition),
        value=float(row["value"]),
        source=row["source"],
    )


_EXPECTED = {"quantity": "a name such as mae", "value": "a number", "source": "where it is printed"}


def _finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
