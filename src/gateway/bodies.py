"""JSON objects out of requests, whatever they were labelled as, with nothing in them that cannot
be kept: PostgreSQL takes no NUL character, and half a character is no text.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, NoReturn

from starlette.requests import Request

from .refusals import BadRequest

#: How deep an object may be nested; those of the APIs are two deep.
MOST_DEPTH = 20
#: Integers beyond this are no field's: most databases and languages hold no more.
MOST_INTEGER = 2**63 - 1
UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")
#: Values of one body: each takes a hundred bytes here, and may be two of the body's.
MOST_VALUES = 100_000
#: Bytes that are read on the spot.
QUICK = 200_000


async def json_object(request: Request) -> dict[str, Any]:
    """The JSON object that a request's body is, whatever it was labelled as.

    Raises BadRequest, and what reading the body raises.
    """
    return await read_object(await request.body())


async def read_object(raw: bytes) -> dict[str, Any]:
    """The JSON object that these bytes say. Raises BadRequest."""
    # Megabytes of base64 take a while to go through, and others are served meanwhile.
    return await asyncio.to_thread(_read, raw) if len(raw) > QUICK else _read(raw)


def keepable(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same object. Raises BadRequest, naming the field, for what cannot be kept."""
    for name, value in body.items():
        if UNKEEPABLE.search(name):
            raise BadRequest("names of fields must be text without NUL characters")
        _check(name, value, depth=1)
    return dict(body)


def _read(raw: bytes) -> dict[str, Any]:
    # Base64 has none of these signs, and texts have few: there are no more values than signs.
    if sum(map(raw.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise BadRequest(f"the body must have at most {MOST_VALUES} values")
    try:
        body = json.loads(raw, parse_constant=_no_number)
    except (ValueError, RecursionError):  # ValueError: also what is no UTF-8, and endless digits
        raise BadRequest("the body must be a JSON object") from None
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    return keepable(body)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _check(field: str, value: object, *, depth: int) -> None:
    if isinstance(value, dict | list) and depth >= MOST_DEPTH:
        raise _refused(field, f"be nested at most {MOST_DEPTH} deep")
    if isinstance(value, dict):
        for name, item in value.items():
            _check_plain(field, name)
            _check(field, item, depth=depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(field, item, depth=depth + 1)
    else:
        _check_plain(field, value)


def _check_plain(field: str, value: object) -> None:
    if isinstance(value, str) and UNKEEPABLE.search(value):
        raise _refused(field, "be text without NUL characters and halves of characters")
    if isinstance(value, int) and abs(value) > MOST_INTEGER:
        raise _refused(field, f"be at most {MOST_INTEGER}")
    if isinstance(value, float) and not isfinite(value):  # 1e999 is JSON, and infinite
        raise _refused(field, "be a finite number")


def _refused(field: str, rule: str) -> BadRequest:
    # A field's name is the caller's own text: it may be long.
    return BadRequest(f"{field[:80]} must {rule}", param=field[:80])


def idempotency_key(request: Request) -> str | None:
    """The name that a caller gave this request, so that a repeated one makes nothing twice."""
    return request.headers.get("Idempotency-Key", "").strip() or None
