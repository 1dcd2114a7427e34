"""What the pages about the APIs are made of: fields, keys, rules and examples, from the models."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from src.dialects.rules import rule_of, without_null

#: The heads of tables.
FIELDS = ("Field", "Type", "Default", "Rule", "Meaning")
KEYS = ("Key", "Type", "Meaning")


def fields(model: type[BaseModel]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each field of a wire model, and its JSON Schema with `required` in it."""
    schema = model.model_json_schema()
    required = schema.get("required", ())
    for name, item in schema["properties"].items():
        yield name, {**without_null(item), "required": name in required}


def rows(named: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[tuple[str, ...]]:
    """A row under FIELDS for each field."""
    for name, schema in named:
        yield f"`{name}`", _type(schema), _default(schema), _rule(schema), schema["description"]


def keys(model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    """A row under KEYS for each key of an answer."""
    for name, schema in fields(model):
        yield f"`{name}`", _type(schema), schema["description"]


def _type(schema: Mapping[str, Any]) -> str:
    branches = schema.get("anyOf", [schema])
    names = [str(item.get("type", "any")) for item in branches if item.get("type") != "null"]
    if names == ["array"]:
        kind = schema["items"].get("type", "object")
        return "object" if kind == "array" else f"array of {kind}s"  # a LoRA is a pair here
    return " or ".join(names) if "$ref" not in schema else "object"


def _default(schema: Mapping[str, Any]) -> str:
    default = schema.get("default")
    if schema["required"]:
        return "required"
    if isinstance(default, list):
        (default,) = default
    return "" if default is None else f"`{json.dumps(default)}`"


def _rule(schema: Mapping[str, Any]) -> str:
    if "type" not in schema and "rule" not in schema:
        return ""
    return rule_of(schema).removeprefix("must be ")


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    cells = [list(header)]
    cells += [["---"] * len(cells[0]), *(list(row) for row in rows)]
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def example(title: str, value: Mapping[str, Any]) -> str:
    """A piece of JSON with a line above it."""
    return f"\n{title}\n\n```json\n{json.dumps(value, indent=2)}\n```"
