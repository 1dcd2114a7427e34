"""Writes docs/settings.md from Settings, so that what is documented is what is read.

`python -m builder.settings_docs` writes it; a test holds the page against the code.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from src.config import Settings

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"

INTRODUCTION = """\
# Settings

<!-- Written by `make docs` from src/config.py; edits here are lost. -->

Each is an environment variable of the worker. A value that is not of its type, or outside its
rule, keeps the worker from starting, with a message that names it.

| variable | default | values | meaning |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    return INTRODUCTION + "\n".join(_rows()) + "\n"


def _rows() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        default = "unset" if field.default is None else f"`{_written(field.default)}`"
        yield f"| `{name.upper()}` | {default} | {_values(field)} | {field.description} |"


def _written(value: object) -> str:
    """A default as one would put it into the environment."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _values(field: FieldInfo) -> str:
    kinds = [kind for kind in get_args(field.annotation) if kind is not NoneType]
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{value}`" for value in kinds)
    kind = kinds[0] if kinds else field.annotation
    name = {"int": "whole number", "float": "number", "Path": "path", "bool": "`true` or `false`"}
    rules = " ".join(_rule(rule) for rule in field.metadata)
    return f"{name.get(getattr(kind, '__name__', ''), 'text')} {rules}".strip()


def _rule(rule: object) -> str:
    words = {"gt": "above", "ge": "from", "le": "to", "lt": "below"}
    return " ".join(f"{words[name]} {getattr(rule, name)}" for name in words if hasattr(rule, name))


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
