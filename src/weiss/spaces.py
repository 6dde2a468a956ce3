"""Parameter spaces: from the study's grid, list, table or random draw to a list of conditions.

A condition is a mapping of parameter name to float. Its numbers are canonical (`canonical_float`), so that the same
condition written in two ways is one condition.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

from weiss.errors import UserError
from weiss.yamlfile import Document, Key

Condition = dict[str, float]

MOST_CONDITIONS = 200_000
MOST_POINTS = 1_000_000


def canonical_float(value: float) -> float:
    """Round to 12 significant digits and drop the sign of zero: 0.30000000000000004 is 0.3, 2 is 2.0."""
    return float(f"{float(value):.12g}") + 0.0


def canonical(value: Any) -> Any:
    """Give a number its canonical form, and anything else back."""
    return canonical_float(value) if isinstance(value, float) else value


def expand_range(first: float, last: float, step: float, most: int) -> list[float] | str:
    """Numbers from first to last (included) in steps, computed in decimal.

    Parameters
    ----------
    first, last, step : float
    most : int
        Longest list allowed.

    Returns
    -------
    list of float, or str
        The numbers, or what is wrong with the range.
    """
    start, stop, stride = (Decimal(repr(value)) for value in (first, last, step))
    if stride <= 0:
        return f"the step must be more than 0, got {step:g}"
    if stop < start:
        return f"the last value {last:g} is below the first {first:g}"
    if (stop - start) / stride >= most:
        return f"gives more than {most} values"
    count = int((stop - start) / stride) + 1
    return [canonical_float(float(start + stride * k)) for k in range(count)]


def expand_numbers(document: Document, key: Key, value: Any) -> list[float]:
    """Expand a list of numbers, a range or one number.

    Raises
    ------
    weiss.errors.UserError
        For an impossible range or a number given twice.
    """
    if isinstance(value, dict):
        numbers = expand_range(*value["range"], most=MOST_CONDITIONS)
        if isinstance(numbers, str):
            raise UserError(numbers, document.where(*key, "range"))
        return numbers
    numbers = [canonical_float(number) for number in (value if isinstance(value, list) else [value])]
    _refuse_twice(document, key, numbers)
    return numbers


def expand_seeds(document: Document, key: Key, value: Any) -> list[int]:
    """Expand a list of seeds or a range of them, in ascending order.

    Raises
    ------
    weiss.errors.UserError
        For an impossible range or a seed given twice.
    """
    if isinstance(value, dict):
        first, last, step = (*value["range"], 1)[:3]
        numbers = expand_range(first, last, step, most=MOST_POINTS)
        if isinstance(numbers, str):
            raise UserError(numbers, document.where(*key, "range"))
        return [int(number) for number in numbers]
    _refuse_twice(document, key, value)
    return sorted(value)


def _refuse_twice(document: Document, key: Key, numbers: list) -> None:
    seen: set = set()
    for index, number in enumerate(numbers):
        if number in seen:
            raise UserError(f"{number:g} is given twice", document.where(*key, index), "remove one")
        seen.add(number)


def random_value(seed: int, name: str, index: int, low: float, high: float) -> float:
    """Draw one number uniformly in [low, high), as a function of its place only.

    The draw of a condition depends on neither how many there are nor which other parameters there are: a larger n, or
    a further parameter, leaves it as it is.
    """
    digest = hashlib.sha256(f"weiss random space|{seed}|{name}|{index}".encode()).digest()
    fraction = int.from_bytes(digest[:8], "big") / 2**64
    return canonical_float(low + (high - low) * fraction)


def expand_space(document: Document, key: Key, space: dict[str, Any]) -> list[tuple[Condition, str]]:
    """Expand a parameter space.

    Parameters
    ----------
    document : Document
        The study file, for messages and for the place of tables.
    key : tuple
        Where in the study the space stands.
    space : dict
        One of ``grid``, ``list``, ``table``, ``random`` (the schema has been checked).

    Returns
    -------
    list of (condition, where)
        In the order given; ``where`` names the place in a file that a message about the condition should name.

    Raises
    ------
    weiss.errors.UserError
        For what a schema cannot check: ranges, sizes, tables, conditions given twice or with different parameters.
    """
    ((form, content),) = space.items()
    here = (*key, form)
    if form == "grid":
        found = _grid(document, here, content)
    elif form == "list":
        found = [(_canonical(row), document.where(*here, index)) for index, row in enumerate(content)]
    elif form == "table":
        found = _table(document, here, content)
    else:
        found = _random(document, here, content)
    if len(found) > MOST_CONDITIONS:
        raise UserError(f"{len(found)} conditions, more than {MOST_CONDITIONS}", document.where(*here))
    names = set(found[0][0])
    seen: dict[tuple, str] = {}
    for condition, where in found:
        if set(condition) != names:
            odd = ", ".join(sorted(names ^ set(condition)))
            raise UserError(f"every condition needs the same parameters, {odd} is given in some only", where)
        values = tuple(sorted(condition.items()))
        if values in seen:
            text = ", ".join(f"{name} {value:g}" for name, value in condition.items())
            raise UserError(f"the condition {text} is given twice (first at {seen[values]})", where, "remove one")
        seen[values] = where
    return found


def _canonical(row: dict[str, float]) -> Condition:
    return {name: canonical_float(value) for name, value in row.items()}


def _grid(document: Document, key: Key, grid: dict[str, Any]) -> list[tuple[Condition, str]]:
    axes = {name: expand_numbers(document, (*key, name), values) for name, values in grid.items()}
    count = math.prod(len(values) for values in axes.values())
    if count > MOST_CONDITIONS:
        raise UserError(f"gives {count} conditions, more than {MOST_CONDITIONS}", document.where(*key))
    where = document.where(*key)
    return [(dict(zip(axes, values, strict=True)), where) for values in itertools.product(*axes.values())]


def _random(document: Document, key: Key, draw: dict[str, Any]) -> list[tuple[Condition, str]]:
    bounds = {name: value for name, value in draw.items() if name not in ("n", "seed")}
    for name, (low, high) in bounds.items():
        if not low < high:
            raise UserError(f"the lower bound {low:g} is not below the upper {high:g}", document.where(*key, name))
    if draw["n"] > MOST_CONDITIONS:
        raise UserError(f"asks for {draw['n']} conditions, more than {MOST_CONDITIONS}", document.where(*key, "n"))
    where = document.where(*key)
    return [
        ({name: random_value(draw["seed"], name, index, *bounds[name]) for name in bounds}, where)
        for index in range(draw["n"])
    ]


def table_path(document: Document, key: Key, name: str) -> Path:
    """Path of a table named in a study: relative to the study file, and inside its folder.

    Raises
    ------
    weiss.errors.UserError
        If it leaves the folder or is not there.
    """
    folder = document.path.parent.resolve()
    path = (folder / name).resolve()
    if Path(name).is_absolute() or not path.is_relative_to(folder):
        raise UserError(
            f"{name!r} leaves the folder of the study file", document.where(*key), "put the table beside it"
        )
    if not path.is_file():
        raise UserError(f"no such file: {path}", document.where(*key))
    return path


def _table(document: Document, key: Key, name: str) -> list[tuple[Condition, str]]:
    path = table_path(document, key, name)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError):
        raise UserError("cannot be read as text (UTF-8), expected a CSV table", str(path)) from None
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    lines = [(number, line) for number, line in lines if not line.lstrip().startswith("#")]
    if len(lines) < 2:
        raise UserError("expected a header with the names of the parameters, and rows of numbers", str(path))
    first, *rest = lines
    where = f"{path}:{first[0]}"
    header = _cells(where, first[1])
    if "" in header or len(set(header)) < len(header):
        raise UserError(f"the header needs one different name per column, got {', '.join(header)}", where)
    return [(_row(f"{path}:{number}", header, line), f"{path}:{number}") for number, line in rest]


def _cells(where: str, line: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], strict=True))]
    except csv.Error as error:
        raise UserError(f"not a row of a CSV table: {error}", where) from None


def _row(where: str, header: list[str], line: str) -> Condition:
    cells = _cells(where, line)
    if len(cells) != len(header):
        raise UserError(f"expected {len(header)} values ({', '.join(header)}), got {len(cells)}", where)
    condition = {}
    for name, cell in zip(header, cells, strict=True):
        try:
            value = float(cell)
        except ValueError:
            raise UserError(f"{name} must be a number, got {cell!r}", where) from None
        if not math.isfinite(value):
            raise UserError(f"{name} must be a finite number, got {cell}", where)
        condition[name] = canonical_float(value)
    return condition
