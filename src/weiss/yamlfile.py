"""Reading a YAML file into plain values, strictly, and remembering on which line each key stands.

The values follow the YAML 1.2 core schema: ``1e-3`` is a number and ``no`` is a word. (YAML 1.1, and so PyYAML by
itself, takes them for text and for *false*.) Refused: duplicate keys, keys that are not text, numbers that are not
finite, text of several lines, anchors that contain themselves, tags that build objects, and files too large to be a
study.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from weiss.errors import UserError

_LARGEST_FILE = 4_000_000
_MOST_VALUES = 400_000
_DEEPEST = 40
_LARGEST_INTEGER = 2**63 - 1

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS = {word: None for word in ("", "~", "null", "Null", "NULL")}
_WORDS |= {word: True for word in ("true", "True", "TRUE")} | {word: False for word in ("false", "False", "FALSE")}
_CORE = "tag:yaml.org,2002:"
_PLAIN = "plain"

Key = tuple[Hashable, ...]


@dataclass(frozen=True)
class Document:
    """A YAML file as plain values.

    Attributes
    ----------
    path : Path
        Where it was read from.
    value : Any
        dict, list, str, int, float, bool or None.
    lines : dict
        Line number (from 1) of every key path, for example ``("films", "uniform", "seeds")``.
    """

    path: Path
    value: Any
    lines: dict[Key, int] = field(repr=False)

    def where(self, *key: Hashable) -> str:
        """Name a key for a message: ``file:line: a.b[2]``, with the line of the nearest key that exists."""
        known = next((key[:n] for n in range(len(key), -1, -1) if key[:n] in self.lines), ())
        line = f":{self.lines[known]}" if known in self.lines and known else ""
        return f"{self.path}{line}: {spell(key)}" if key else f"{self.path}"


def spell(key: Key) -> str:
    """Spell a key path as a user would: ``films.uniform.grid[1]``."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


class _Strict(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Composes nodes only; plain scalars are marked and resolved here, not by the YAML 1.1 rules of the parent."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode and implicit[0]:
            return _PLAIN
        return super().resolve(kind, value, implicit)


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise UserError(f"larger than {_LARGEST_FILE // 1_000_000} MB, not a study file", str(path))
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise UserError("no such file", str(path), "give the path of a study file, such as config/demo.yaml") from None
    except IsADirectoryError:
        raise UserError("is a folder, expected a YAML file", str(path)) from None
    except UnicodeDecodeError:
        raise UserError("is not a text file (UTF-8), expected YAML", str(path)) from None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", str(path)) from None


def read_yaml(path: Path) -> Document:
    """Read one YAML file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Document

    Raises
    ------
    weiss.errors.UserError
        With file and line, for anything that cannot be read or is refused (see the module).
    """
    path = Path(path)
    text = _text_of(path)
    try:
        _refuse_deep(path, text)
        loader = _Strict(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{min(mark.line + 1, len(text.splitlines()))}" if mark else ""
        parts = [part for part in (error.context, error.problem) if part]
        hint = "indent with spaces, not tabs" if "\t" in _line(text, mark) else None
        raise UserError(f"not valid YAML: {', '.join(parts)}", f"{path}{line}", hint) from None
    except yaml.YAMLError as error:
        raise UserError(f"not valid YAML: {error}", str(path)) from None
    if node is None:
        raise UserError("is empty, expected a study", str(path), "start from config/demo.yaml")
    builder = _Builder(path)
    return Document(path, builder.build(node, ()), builder.lines)


def _refuse_deep(path: Path, text: str) -> None:
    """Look through the flat stream of events first: composing recurses in C and would end the process."""
    depth = 0
    for event in yaml.parse(text, Loader=_Strict):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise UserError("is too deeply nested for a study", f"{path}:{event.start_mark.line + 1}")


def _unprintable(text: str) -> bool:
    return any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text)


def _line(text: str, mark: Any) -> str:
    lines = text.splitlines()
    return lines[mark.line] if mark is not None and mark.line < len(lines) else ""


class _Builder:
    """Turns composed nodes into plain values."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[Key, int] = {}
        self._count = 0

    def _refuse(self, node: yaml.Node, key: Key, what: str, fix: str | None = None) -> UserError:
        name = f": {spell(key)}" if key else ""
        return UserError(what, f"{self.path}:{node.start_mark.line + 1}{name}", fix)

    def build(self, node: yaml.Node, key: Key) -> Any:
        self._count += 1
        if self._count > _MOST_VALUES or len(key) > _DEEPEST:
            raise self._refuse(node, key[:3], "too many or too deeply nested values (an anchor inside itself?)")
        self.lines.setdefault(key, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, key)
        if isinstance(node, yaml.SequenceNode):
            self._check_tag(node, key, "seq")
            return [self.build(child, (*key, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, key)

    def _check_tag(self, node: yaml.Node, key: Key, expected: str) -> None:
        if node.tag not in (_CORE + expected, "!"):
            raise self._refuse(
                node, key, f"the tag {node.tag.removeprefix(_CORE)!r} is not allowed here", "leave it out"
            )

    def _mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, Any]:
        self._check_tag(node, key, "map")
        values: dict[str, Any] = {}
        for name_node, value_node in node.value:
            name = name_node.value
            if not isinstance(name_node, yaml.ScalarNode):
                raise self._refuse(name_node, key, "a key must be a word, got a list or mapping")
            if _unprintable(name):
                raise self._refuse(name_node, key, f"the key {name!r} holds a line break or control character")
            if name == "<<":
                raise self._refuse(name_node, key, "merge keys (<<) are not part of YAML 1.2", "write the keys out")
            if name in values:
                first = self.lines[(*key, name)]
                raise self._refuse(name_node, (*key, name), f"is given twice (first on line {first})", "remove one")
            self.lines[(*key, name)] = name_node.start_mark.line + 1
            values[name] = self.build(value_node, (*key, name))
        return values

    def _scalar(self, node: yaml.ScalarNode, key: Key) -> Any:
        text = node.value
        if _unprintable(text):
            raise self._refuse(node, key, "holds a line break or control character", "write it on one line")
        if node.tag != _PLAIN:
            self._check_tag(node, key, "str")
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            number: int | float = (
                int(text, 0) if text[:2] in ("0o", "0x") else int(text) if len(text) < 40 else math.inf
            )
            if abs(number) > _LARGEST_INTEGER:
                raise self._refuse(node, key, f"{text[:24]} is too large a number")
            return number
        if _NOT_FINITE.fullmatch(text):
            raise self._refuse(node, key, f"expected a finite number, got {text}")
        if _FLOAT.fullmatch(text):
            number = float(text)
            if not math.isfinite(number):
                raise self._refuse(node, key, f"expected a finite number, got {text}")
            return number
        return text
