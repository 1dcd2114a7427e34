"""What OpenAPI says of the bodies, which are read by hand: a form and JSON mean the same here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....dialects.openai.body import REFERENCES, Body
from ....dialects.rules import without_null

Schema = dict[str, Any]

#: What may be a file of a form, beside everything else that it may be.
FILE: Schema = {"type": "string", "format": "binary"}
PROMPT: Schema = {"type": "string", "maxLength": 10_000, "description": "What the video shows."}


def creating() -> Schema:
    """OpenAPI's `requestBody` of `/v1/videos`: the worker's own fields."""
    fields: Schema = Body.model_json_schema()["properties"]
    said = {name: schema for name, schema in fields.items() if name != "request_id"}
    return _request_body(said, files=REFERENCES, required=["prompt"])


def editing() -> Schema:
    """The same of `/v1/videos/edits`."""
    video: Schema = {
        "description": 'A file, its URL or data URI, or `{"id": ...}` of a video that was made.',
        "anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
        ],
    }
    return _request_body({"prompt": PROMPT, "video": video}, files=("video",), required=["video"])


def remixing() -> Schema:
    """The same of a remix."""
    return _request_body({"prompt": PROMPT}, files=(), required=["prompt"])


def _request_body(
    said: Mapping[str, Schema], *, files: tuple[str, ...], required: list[str]
) -> Schema:
    form = {name: FILE if name in files else _in_a_form(schema) for name, schema in said.items()}
    return {
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": {"type": "object", "properties": fields, "required": required}}
                for kind, fields in (("multipart/form-data", form), ("application/json", said))
            },
        }
    }


def _in_a_form(schema: Schema) -> Schema:
    """A field that has no null in a form, and an object as its JSON."""
    plain = dict(without_null(schema))
    plain.pop("anyOf", None)
    plain.pop("default", None)
    if plain.get("type") in ("object", "array"):
        return {"type": "string", "description": plain.get("description", "")}
    return plain
