"""Bracketed names of a form as objects and arrays, as OpenAI's client writes them; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ..refusals import BadRequest

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]{0,200}\]){1,16})")
_STEP = re.compile(r"\[([^\[\]]*)\]")
_PLACE = re.compile(r"[0-9]{1,4}", re.ASCII)


def nested(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The object that a form's names and values say. A name given more than once is an array.

    Raises BadRequest where one name is a value and an object at once, and where it cannot be told
    which fields of an array's objects belong together.

    >>> nested([("lora[name]", "anime"), ("tags[]", "a"), ("tags[]", "b"), ("fps", "8")])
    {'lora': {'name': 'anime'}, 'tags': ['a', 'b'], 'fps': '8'}
    """
    body: dict[str, Any] = {}
    joined: set[str] = set()
    for name, value in items:
        field, steps = _split(name)
        try:
            body[field] = _put(body.get(field), steps, value)
        except ValueError as error:
            raise _refused(field, "is given in more than one shape") from error
        if "" in steps[:-1]:
            joined.add(field)
    for field in joined:
        if not _is_even(body[field]):
            raise _refused(field, "has objects of different fields in an array; give it as JSON")
    return body


def _refused(field: str, rule: str) -> BadRequest:
    return BadRequest(f"{field[:80]} {rule}", param=field[:80])


def _split(name: str) -> tuple[str, list[str]]:
    found = _NAME.fullmatch(name)
    return (found[1], _STEP.findall(found[2])) if found else (name, [])


def _put(there: Any, steps: Sequence[str], value: object) -> Any:  # noqa: ANN401  JSON
    """What stands there once the value is put at the end of these steps; None is nothing yet."""
    if not steps:
        return _beside(there, value)
    step, rest = steps[0], steps[1:]
    if not step or _PLACE.fullmatch(step):
        return _put_in_array([] if there is None else there, step, rest, value)
    there = {} if there is None else there
    if not isinstance(there, dict):
        raise ValueError("no object")  # noqa: TRY004  told as one thing with the others
    there[step] = _put(there.get(step), rest, value)
    return there


def _beside(there: Any, value: object) -> Any:  # noqa: ANN401  JSON
    if there is None:
        return value
    if isinstance(there, dict):
        raise ValueError("an object")  # noqa: TRY004  told as one thing with the others
    return [*there, value] if isinstance(there, list) else [there, value]


def _put_in_array(there: Any, step: str, rest: Sequence[str], value: object) -> list[Any]:  # noqa: ANN401
    if not isinstance(there, list):
        raise ValueError("no array")  # noqa: TRY004  told as one thing with the others
    place = int(step) if step else _next_place(there, rest)
    if place > len(there):
        raise ValueError("a gap")
    if place == len(there):
        there.append(None)
    there[place] = _put(there[place], rest, value)
    return there


def _next_place(there: list[Any], rest: Sequence[str]) -> int:
    """`a[][x]` goes into the first object that has no x yet: clients write the fields of one
    object after another, or one field of all objects after another.
    """
    for place, item in enumerate(there):
        if rest and isinstance(item, dict) and rest[0] not in item:
            return place
    return len(there)


def _is_even(value: object) -> bool:
    """Whether the objects of every array in it have the same fields."""
    if isinstance(value, dict):
        return all(map(_is_even, value.values()))
    if not isinstance(value, list):
        return True
    shapes = {frozenset(item) for item in value if isinstance(item, dict)}
    return len(shapes) < 2 and all(map(_is_even, value))
