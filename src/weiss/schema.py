"""The study schema: where it lies, checking a study against it in one clear line, and filling in its defaults.

Besides ``study.schema.json`` there is one file per model, ``models/<model>.schema.json``, with the parameters of a
condition and the settings of the model. Adding such a file makes the model known here. A parameter of a condition may
have a default (it may then be left out), units (``x-units``), and may be that of an inner region (``x-inner-of``).

The schemas are JSON Schema (2020-12) without alternatives (``anyOf``, ``oneOf``): every fault has one cause and one
message. ``default`` supplies what is left out; the default of a section supplies its missing keys.
"""

from __future__ import annotations

import copy
import difflib
import json
import math
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from weiss.errors import UserError
from weiss.yamlfile import Document

Schema = dict[str, Any]

_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def schema_folder() -> Path:
    """Find the schemas: inside the installed package, else in the source tree's ``workflow/schemas``.

    Raises
    ------
    FileNotFoundError
        If the installation is incomplete.
    """
    package = Path(__file__).resolve().parent
    candidates = (package / "schemas", package.parents[1] / "workflow" / "schemas")
    for folder in candidates:
        if (folder / "study.schema.json").is_file():
            return folder
    raise FileNotFoundError(f"study.schema.json is in none of {', '.join(map(str, candidates))}: reinstall weiss")


@cache
def models() -> dict[str, Schema]:
    """Schemas of the models by name."""
    files = sorted((schema_folder() / "models").glob("*.schema.json"))
    return {path.name.removesuffix(".schema.json"): json.loads(path.read_text(encoding="utf-8")) for path in files}


def parameter_defaults(model: str) -> dict[str, float]:
    """Values of the parameters of a condition that may be left out."""
    known = models()[model]["$defs"]["parameters"]["properties"]
    return {name: float(part["default"]) for name, part in known.items() if "default" in part}


@cache
def study_schema() -> Schema:
    """Schema of a study, with a section for the settings of each model in every group of films."""
    schema = json.loads((schema_folder() / "study.schema.json").read_text(encoding="utf-8"))
    group = schema["$defs"]["films"]
    group["additionalProperties"] = False
    group["properties"]["model"]["enum"] = list(models())
    for name, model in models().items():
        group["properties"][name] = model["$defs"]["settings"]
    return schema


def _is_integer(_checker: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@cache
def _validator() -> Draft202012Validator:
    strict = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
    return extend(Draft202012Validator, type_checker=strict)(study_schema())


def suggest(word: str, known: Iterable[str]) -> str:
    """Hint at the nearest known word, else list them all."""
    names = list(known)
    lower = {name.lower(): name for name in reversed(names)}
    near = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    return f"did you mean {lower[near[0]]!r}?" if near else f"known: {', '.join(names) or 'none'}"


def show(value: object) -> str:
    """Show a value of the study file in a message, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else text[:37] + "..."


def validate(document: Document) -> None:
    """Check a study file against the schema.

    Raises
    ------
    weiss.errors.UserError
        With file, line and key of the first fault. Unknown keys come first: a misspelt key is often the reason for
        the others.
    """
    if not isinstance(document.value, dict):
        raise UserError(f"expected a mapping of keys to values, got {_kind(document.value)}", str(document.path))
    faults = list(_validator().iter_errors(document.value))
    if faults:
        raise min((_explain(document, fault) for fault in faults), key=lambda found: found[0])[1]


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return f"{str(value).lower()} (true or false)"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if value is None:
        return "nothing"
    return f"the text {show(value)}" if isinstance(value, str) else show(value)


def _explain(document: Document, fault: ValidationError) -> tuple[tuple[int, int], UserError]:
    """Word a fault, and rank it: unknown keys first, then by line."""
    key, rule, value, limit = tuple(fault.absolute_path), fault.validator, fault.instance, fault.validator_value
    rank, what, fix = 1, fault.message, None
    if rule == "additionalProperties":
        known = list(fault.schema.get("properties", {}))
        unknown = next(name for name in value if name not in known)
        rank, key = 0, (*key, unknown)
        what, fix = "unknown key", suggest(unknown, known)
    elif "propertyNames" in fault.absolute_schema_path:
        key = (*key, value)
        what = f"{value!r} cannot be a name: expected lower-case letters, digits, - and _, at most 40"
    elif rule == "required":
        missing = next(name for name in limit if name not in value)
        what = f"the key {missing!r} is missing"
    elif rule == "type":
        kinds = [limit] if isinstance(limit, str) else limit
        what = f"expected {' or '.join(_WORDS[kind] for kind in kinds)}, got {_kind(value)}"
    elif rule == "enum":
        words = [str(word) for word in limit]
        what = f"expected one of {', '.join(words)}, got {show(value)}"
    elif rule in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
        words = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most"}
        what = f"expected {words.get(rule, 'less than')} {limit}, got {show(value)}"
    elif rule == "minItems":
        what = "is empty, expected at least one value" if not value else f"expected {limit} values, got {len(value)}"
    elif rule == "maxItems":
        what = f"expected at most {limit} values, got {len(value)}"
    elif rule == "uniqueItems":
        twice = next(item for item in value if value.count(item) > 1)
        what = f"{show(twice)} is given twice"
    elif rule == "minProperties":
        expected = list(fault.schema.get("properties", {}))
        what = f"is an empty mapping, expected one of {', '.join(expected)}" if expected else "is an empty mapping"
        if expected and limit > 1:
            what = f"expected {', '.join(expected)} and at least one parameter with its bounds"
    elif rule == "maxProperties":
        what = f"expected only one of {', '.join(fault.schema['properties'])}, got {' and '.join(value)}"
    elif rule == "pattern":
        what = f"{show(value)} is not allowed here, expected text matching {limit}"
        if key == ("name",):
            what = f"{show(value)} cannot be a name: expected lower-case letters, digits, - and _, at most 40"
    elif rule == "minLength":
        what = "is empty text"
    elif rule == "maxLength":
        what = f"is longer than {limit} characters"
    line = next(document.lines[key[:n]] for n in range(len(key), -1, -1) if key[:n] in document.lines)
    return (rank, line), UserError(what, document.where(*key), fix)


def fill(value: Any, schema: Schema, root: Schema) -> Any:
    """Return a copy of a valid value with every default filled in and every number of its declared type.

    Parameters
    ----------
    value : Any
        Part of a study that has passed `validate`.
    schema, root : dict
        The part's schema, and the whole schema that its ``$ref`` point into.

    Returns
    -------
    Any
        Whole numbers where the schema asks for numbers become floats, so that ``2`` and ``2.0`` mean the same.
    """
    schema = resolve(schema, root)
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        filled = dict(value)
        for name, part in properties.items():
            part = resolve(part, root)
            if "default" in part:
                default = copy.deepcopy(part["default"])
                if name not in filled:
                    filled[name] = default
                elif isinstance(default, dict) and isinstance(filled[name], dict):
                    filled[name] = {**default, **filled[name]}
        others = schema.get("additionalProperties")
        others = others if isinstance(others, dict) else {}
        return {name: fill(part, properties.get(name, others), root) for name, part in filled.items()}
    if isinstance(value, list):
        return [fill(item, schema.get("items", {}), root) for item in value]
    if "number" in kinds and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def resolve(schema: Schema, root: Schema) -> Schema:
    """Follow a schema's ``$ref`` into the whole schema; keys beside the reference win."""
    if "$ref" not in schema:
        return schema
    target: Any = root
    for part in schema["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return {**resolve(target, root), **{key: part for key, part in schema.items() if key != "$ref"}}


def number_fault(value: float, schema: Schema) -> str | None:
    """Say why a number breaks the limits of its schema, or None."""
    if not math.isfinite(value):
        return f"expected a finite number, got {value}"
    if "minimum" in schema and value < schema["minimum"]:
        return f"expected at least {schema['minimum']}, got {value:g}"
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        return f"expected more than {schema['exclusiveMinimum']}, got {value:g}"
    if "maximum" in schema and value > schema["maximum"]:
        return f"expected at most {schema['maximum']}, got {value:g}"
    return None
