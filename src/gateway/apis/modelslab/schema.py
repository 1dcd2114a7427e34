"""What OpenAPI says of ModelsLab's routes: bodies, answers, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from ....dialects.modelslab.endpoint import endpoint_named
from .answers import Error, Failed, Success, UnderWay

_KEY = {"type": "string", "description": "The key, if it is not in the Authorization header."}
_NUMBER = {
    "type": ["integer", "string"],
    "description": "The `id` of the answer that said `processing`.",
}
_EVERY = {
    HTTPStatus.BAD_REQUEST: "A field is wrong, or the body is.",
    HTTPStatus.UNAUTHORIZED: "No key, or one that nobody knows.",
    HTTPStatus.FORBIDDEN: "The key may not use the endpoint.",
    HTTPStatus.NOT_FOUND: "There is no such video, or no such model.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "More bytes than are taken.",
    HTTPStatus.TOO_MANY_REQUESTS: "Come back after `Retry-After` seconds.",
    HTTPStatus.BAD_GATEWAY: "The endpoint answered what it should not.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The endpoint or the database cannot be reached.",
}
_OF_CALLS = {
    HTTPStatus.PAYMENT_REQUIRED: "The key's month is used up.",
    HTTPStatus.CONFLICT: "`Idempotency-Key` was used before, for another request.",
}

Responses = dict[int | str, dict[str, Any]]


def fetch_responses() -> Responses:
    """The answers of a fetch."""
    return _responses({"model": Success | UnderWay | Failed}, _EVERY)


def call_responses(fetch: str) -> Responses:
    """The answers of a call for a video; `fetch` is the operation that goes on from there."""
    link = {"operationId": fetch, "parameters": {"number": "$response.body#/id"}}
    made = {"model": Success | UnderWay | Failed, "links": {"fetch": link}}
    return _responses(made, _EVERY | _OF_CALLS)


def _responses(made: dict[str, Any], refusals: Mapping[HTTPStatus, str]) -> Responses:
    said: Responses = {int(HTTPStatus.OK): made}
    for status, text in refusals.items():
        said[int(status)] = {"model": Error, "description": text}
    return said


def call_body(endpoint: str) -> dict[str, Any]:
    """The body of one of the worker's endpoints, and the key. Raises ValueError for no endpoint."""
    found = endpoint_named(endpoint)
    if found is None:
        raise ValueError(f"the worker has no endpoint {endpoint}")
    schema = found.body.model_json_schema()
    properties = {"key": _KEY, **schema["properties"]}
    properties.pop("request_id", None)  # the gateway's own to say
    return _body({**schema, "properties": properties})


def fetch_body(*, has_number: bool) -> dict[str, Any]:
    """The body of a fetch, which names the video where the path does not."""
    properties = {"key": _KEY} | ({} if has_number else {"request_id": _NUMBER})
    return _body({"type": "object", "properties": properties})


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"content": {"application/json": {"schema": schema}}}}
