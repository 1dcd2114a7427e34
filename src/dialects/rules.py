"""From a wire model to words: what a field must be, and what is wrong with a body.

The words follow from the model's JSON Schema, so that messages and documents cannot drift
from what is checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ..errors import InvalidRequest, shown

Schema = Mapping[str, Any]
Wire = TypeVar("Wire", bound=BaseModel)

KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "a string",
}


#: Fields whose words are the caller's own: messages go into the log.
PRIVATE = frozenset({"prompt", "negative_prompt"})


def validated(model: type[Wire], body: Mapping[str, Any], under: str = "") -> Wire:
    """Read a body, or an object in it, by its wire model.

    `under` is what messages have before each field's name, such as "params.". Raises
    InvalidRequest with every problem in one message: field, rule, and value cut short.
    """
    try:
        return model.model_validate(body)
    except ValidationError as error:
        problems = list(_problems(model, body, error))
        message = "; ".join(f"{under}{words}" for _, words in problems)
        field = next((name for name, _ in problems if name), None)
        raise InvalidRequest(message, field=f"{under}{field}" if field else None) from error


def rule_of(schema: Schema) -> str:
    """What a value must be, from the JSON Schema of its field."""
    schema = without_null(schema)
    if "rule" in schema:
        return str(schema["rule"])
    if "enum" in schema:
        return f"must be one of {', '.join(schema['enum'])}"
    return f"must be {KINDS[schema['type']]}{_bounds(schema)}"


def without_null(schema: Schema) -> Schema:
    """The schema of a field's value where there is one."""
    for branch in schema.get("anyOf", ()):
        if "rule" not in schema and branch != {"type": "null"}:
            return {**schema, **branch}
    return schema


def _bounds(schema: Schema) -> str:
    if "maxLength" in schema:
        return f" of at most {schema['maxLength']} characters"
    if "minimum" in schema and "maximum" in schema:
        return f" from {_figure(schema['minimum'])} to {_figure(schema['maximum'])}"
    if "exclusiveMinimum" in schema:
        return f" above {schema['exclusiveMinimum']:g} and at most {schema['maximum']:g}"
    return f", at least {schema['minimum']:g}" if "minimum" in schema else ""


def _figure(value: float) -> str:
    if value == -(2**63):
        return "-2^63"
    return "2^63 - 1" if value == 2**63 - 1 else f"{value:g}"


def _problems(
    model: type[BaseModel], body: Mapping[str, Any], error: ValidationError
) -> Iterator[tuple[str, str]]:
    """Each wrong field, and what is wrong with it; "" for a rule on several."""
    schemas = _schemas(model)
    told: set[str] = set()
    for problem in error.errors(include_url=False, include_input=False):
        field = str(problem["loc"][0]) if problem["loc"] else ""
        if not field:  # a rule on several fields names them itself
            yield "", problem["msg"]
        elif problem["type"] == "missing":
            yield field, f"{field} is required"
        elif field not in told:  # a list may have many wrong items
            told.add(field)
            yield field, broken(field, body[field], rule_of(schemas[field]))


@cache
def _schemas(model: type[BaseModel]) -> Mapping[str, Schema]:
    properties: dict[str, Schema] = model.model_json_schema()["properties"]
    return properties


def broken(field: str, value: object, rule: str) -> str:
    """Name the field, the rule and the value, for values of any kind and size."""
    return f"{field} {rule}, got {_unseen(value) if field in PRIVATE else _seen(value)}"


def _unseen(value: object) -> str:
    """What can be said of a value that no message shows."""
    return f"{len(value)} characters" if isinstance(value, str) else type(value).__name__


def _seen(value: object) -> str:
    """The value as it may stand in a message: no inside of objects, and no secrets of URLs."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        items = ["an array" if isinstance(item, list) else _seen(item) for item in value[:3]]
        more = f" and {len(value) - 3} more" if value[3:] else ""
        return f"[{', '.join(items)}]{more}"
    if isinstance(value, str) and "://" in value:
        return shown(re.sub(r"//[^/@]*@", "//", value.partition("?")[0]))
    return shown(value)
