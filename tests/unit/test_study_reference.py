"""The schemas are the reference: complete, documented, and the same as config/README.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
from studies import SMALL, load

from weiss.learn.networks.names import NAMES
from weiss.models import PACKAGES, describe
from weiss.reference import rewrite
from weiss.schema import models, resolve, study_schema

README = Path(__file__).parents[2] / "config/README.md"


def _properties(schema: Any, root: dict) -> Iterator[tuple[str, dict]]:
    if isinstance(schema, dict):
        for name, part in schema.get("properties", {}).items():
            yield name, resolve(part, root)
        for part in schema.values():
            yield from _properties(part, root)
    elif isinstance(schema, list):
        for part in schema:
            yield from _properties(part, root)


def test_schemas_are_valid_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(study_schema())
    for model in models().values():
        jsonschema.Draft202012Validator.check_schema(model)


def test_every_key_is_described_and_in_the_readme() -> None:
    text = README.read_text(encoding="utf-8")
    root = study_schema()
    found = list(_properties(root, root))
    assert len(found) > 60
    for name, part in found:
        assert part.get("description", "").endswith("."), name
        if name != "range":
            assert f"`{name}`" in text or f".{name}`" in text, f"config/README.md does not tell of {name}"


def test_readme_is_what_the_schema_says() -> None:
    text = README.read_text(encoding="utf-8")
    assert rewrite(text) == text, "run: python -m weiss.reference config/README.md"


def test_every_default_is_valid_and_filled_in() -> None:
    root = study_schema()
    for name, part in _properties(root, root):
        if "default" in part and part["default"] not in (None, {}):
            validator = jsonschema.Draft202012Validator(part | {"$defs": root["$defs"]})
            assert not list(validator.iter_errors(part["default"])), name
    config = load(SMALL).config
    assert config["films"]["uniform"]["tdgl"]["gamma_per_J"] == 0.095
    assert config["films"]["uniform"]["inner"] is None
    assert config["learn"]["recipe"]["decay_steps"] == 500
    assert config["maps"]["stride"] == 1
    assert set(config["compute"]) == {"simulate", "gather", "pretrain", "train", "map", "report"}


def test_part_of_a_compute_section_keeps_the_other_defaults() -> None:
    config = load(SMALL | {"compute": {"simulate": {"mem_mb": 123}}}).compute
    assert config["simulate"]["mem_mb"] == 123
    assert config["simulate"]["gpus"] == 1 and config["gather"]["gpus"] == 0


def test_models_of_the_schemas_are_the_models_that_can_be_run() -> None:
    assert set(models()) == set(PACKAGES)
    for group in load(SMALL).groups.values():
        assert set(describe(group.model, group.parameters)) == set(group.parameters)


def test_networks_are_the_ones_that_can_be_built() -> None:
    from weiss.learn.networks import build

    for name in NAMES:
        if name != "reg":  # fifty million weights; the names of its family are checked by the others
            assert build(name, 2) is not None
