"""The table of every key of a study file, written from the schema into ``config/README.md``.

``python -m weiss.reference config/README.md`` rewrites the part between the two markers. A test compares them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weiss.schema import Schema, models, resolve, study_schema

BEGIN = "<!-- written by `python -m weiss.reference config/README.md`; edit the schema, not the table -->"
END = "<!-- end of the written part -->"

_TYPES = {"object": "mapping", "array": "list", "string": "text", "integer": "whole number", "null": "null"}


def _type(part: Schema) -> str:
    if "enum" in part:
        return ", ".join(f"`{word}`" for word in part["enum"])
    kinds = part.get("type", "object")
    names = [_TYPES.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return " or ".join(names) + _limits(part)


def _limits(part: Schema) -> str:
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {part[name]:g}" for name, sign in words.items() if name in part and part[name] < 2**20]
    return f" ({', '.join(limits)})" if limits else ""


def _default(part: Schema, required: bool) -> str:
    if required:
        return "*required*"
    if "default" not in part or part["default"] == {}:
        return ""
    return f"`{_plain(part['default'])}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _keys(schema: Schema, prefix: str, stop: tuple[str, ...]) -> Iterator[tuple[str, Schema, bool]]:
    """Keys below a section, depth first, leaving out what stands below the keys named in `stop`."""
    root = study_schema()
    for name, part in schema.get("properties", {}).items():
        part, key = resolve(part, root), f"{prefix}{name}"
        yield key, part, name in schema.get("required", ())
        if key not in stop and "range" not in part.get("properties", {}):
            yield from _keys(part, f"{key}.", stop)


def _table(rows: Iterator[tuple[str, Schema, bool]]) -> list[str]:
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, part, required in rows:
        lines.append(f"| `{key}` | {_type(part)} | {_default(part, required)} | {_cell(part['description'])} |")
    return [*lines, ""]


def _compute(schema: Schema) -> list[str]:
    root = study_schema()
    stages = {name: resolve(part, root) for name, part in schema["properties"].items()}
    lines = [
        f"| key | type | {' | '.join(f'`{name}`' for name in stages)} | meaning |",
        "|---|---|" + "---|" * len(stages) + "---|",
    ]
    for key, part in next(iter(stages.values()))["properties"].items():
        defaults = " | ".join(f"`{_plain(stage['default'][key])}`" for stage in stages.values())
        lines.append(f"| `{key}` | {_type(part)} | {defaults} | {_cell(part['description'])} |")
    return [*lines, ""]


def reference() -> str:
    """Write the reference of every key, from the schema alone.

    Returns
    -------
    str
        Markdown.
    """
    root = study_schema()
    top, group = root["properties"], root["$defs"]["films"]
    sections = {name: resolve(part, root) for name, part in top.items()}
    stop = ("films", "learn", "maps", "report", "compute")
    lines = ["### The study", "", *_table(_keys(root, "", stop))]
    lines += ["### `films.<group>`", "", group["description"], ""]
    own = {**group, "properties": {name: part for name, part in group["properties"].items() if name not in models()}}
    lines += _table(_keys(own, "", ()))
    for name, model in models().items():
        settings, parameters = model["$defs"]["settings"], model["$defs"]["parameters"]
        lines += [f"### `films.<group>.{name}`", "", model["description"], "", settings["description"], ""]
        lines += _table(_keys(settings, "", ()))
        lines += [f"Parameters of a condition of `{name}`:", "", *_table(_keys(parameters, "", ()))]
    lines += ["### `learn`", "", *_table(_keys(sections["learn"], "", ("networks", "pretraining")))]
    override = resolve({"$ref": "#/$defs/override"}, root)
    recipe = sections["learn"]["properties"]["recipe"]["properties"]
    own = {"properties": {name: part for name, part in override["properties"].items() if name not in recipe}}
    lines += ["### `learn.networks.<label>`", "", f"{override['description']} Every key of `recipe`, and:", ""]
    lines += _table(_keys(own, "", ()))
    pretraining = resolve({"$ref": "#/$defs/pretraining"}, root)
    lines += ["### `learn.pretraining.<name>`", "", pretraining["description"], "", *_table(_keys(pretraining, "", ()))]
    curves = resolve({"$ref": "#/$defs/curves"}, root)
    lines += ["### `curves.<task>`", "", curves["description"], "", *_table(_keys(curves, "", ()))]
    for name in ("maps", "report"):
        lines += [f"### `{name}`", "", *_table(_keys(sections[name], "", ()))]
    lines += ["### `compute.<stage>`", "", resolve({"$ref": "#/$defs/stage"}, root)["description"], ""]
    lines += _compute(sections["compute"])
    return "\n".join(lines)


def rewrite(text: str) -> str:
    """Put the reference between the markers of a document."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{reference()}\n{END}{after}"


def main(path: Path) -> None:
    """Rewrite the reference in a document."""
    path.write_text(rewrite(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
