"""LoRAs as vLLM-Omni's clients write them: an object, its JSON, or a list of them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from .values import Name, Scale, parsed

#: What clients call each part, the first that is there counts.
NAMES = ("name", "lora_name", "adapter")
PATHS = ("local_path", "path", "lora_path", "lora_local_path")
SCALES = ("scale", "lora_scale")
REPO = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)


def _loras(value: object) -> list[tuple[object, object]]:
    if isinstance(value, str):
        value = parsed(value)
    return [_lora(item) for item in (value if isinstance(value, list) else [value])]


def _lora(value: object) -> tuple[object, object]:
    """Name and scale; a path counts only where it is a repository's name, owner/name."""
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004  pydantic takes a TypeError for a bug
    path, name = _first(value, PATHS), _first(value, NAMES)
    if isinstance(path, str) and (name is None or REPO.fullmatch(path.strip())):
        name = path
    scale = _first(value, SCALES)
    return name, 1.0 if scale is None else scale


def _first(value: dict[str, Any], names: tuple[str, ...]) -> object:
    return next((value[name] for name in names if value.get(name) is not None), None)


Loras = Annotated[
    tuple[tuple[Name, Scale], ...],
    Field(min_length=1, max_length=32),
    BeforeValidator(_loras),
    Field(
        json_schema_extra={
            "rule": "must be an object with name (or path: a repository) and scale from -10 to 10, "
            "its JSON, or an array of at most 32 of them"
        }
    ),
]


def check_strengths(said: object) -> None:
    """See whether LoRAs and their strengths go together in a body that has both.

    Raises PydanticCustomError, which names the two.
    """
    for names, strengths in (
        ("lora_models", "lora_strength"),
        ("motion_loras", "motion_lora_strength"),
    ):
        count, given = len(getattr(said, names) or ()), len(getattr(said, strengths))
        if count and given not in (1, count):
            rule = f"must be one number, or one for each of {names} ({count})"
            raise PydanticCustomError("pairs", f"{strengths} {rule}, got {given}")
