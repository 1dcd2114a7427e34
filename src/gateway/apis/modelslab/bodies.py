"""What ModelsLab's clients send: the key in the body, and the body labelled as anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request

from ....dialects.fields import given
from ....dialects.values import truth
from ...accounts import Account
from ...asking import bearer
from ...bodies import idempotency_key
from ...parts import Parts
from ...refusals import BadRequest, NotFound
from ...video import Api, Call
from ..forms import body_of

#: Numbers above this are no video's: JavaScript holds no more exactly.
MOST_NUMBER = 2**53


@asynccontextmanager
async def read(request: Request) -> AsyncIterator[dict[str, Any]]:
    """JSON or a form; nothing at all is an empty object. Files are open in this block alone."""
    is_form = request.headers.get("Content-Type", "").startswith("multipart/")
    if not is_form and not (await request.body()).strip():
        yield {}
        return
    async with body_of(request) as body:
        yield body


async def account_of(request: Request, parts: Parts, body: Mapping[str, Any]) -> Account:
    """Whoever shows the key of the body, or else of the header. Raises Unauthorized."""
    for key in (value for name, value in body.items() if _is_key(name)):
        if key is not None and not isinstance(key, str):
            raise BadRequest("key must be text", param="key")
        if key and key.strip():
            return await parts.accounts.of(key.strip())
    return await parts.accounts.of(bearer(request))


async def call_of(
    request: Request, parts: Parts, account: Account, endpoint: str, body: Mapping[str, Any]
) -> Call:
    """What is asked for. Raises NotFound for a model that is not served, and as uploads do."""
    said = given(body)
    model, prompt = said.get("model_id", said.get("model")), said.get("prompt")
    refused = parts.models.refused(model)
    if refused:
        raise NotFound(refused, param="model_id")
    # What is kept of a body is never the key.
    kept = {name: value for name, value in body.items() if not _is_key(name)}
    return Call(
        api=Api.MODELSLAB,
        endpoint=endpoint,
        body=await parts.uploads.fit(kept, admit=parts.desk.admission(account)),
        model=model if isinstance(model, str) else None,
        prompt=prompt if isinstance(prompt, str) else None,
        idempotency_key=idempotency_key(request),
    )


def at_once(body: Mapping[str, Any]) -> bool:
    """Whether the caller wants no waiting; what else it may say is checked with the body."""
    try:
        return truth(given(body).get("instant_response", False))
    except ValueError:
        return False


def number_in(body: Mapping[str, Any]) -> object:
    """Which video a fetch is for, where the path does not say. Raises BadRequest."""
    said = given(body)
    number = said.get("request_id", said.get("id"))
    if number is None:
        raise BadRequest("request_id is required", param="request_id")
    return number


def number_of(said: object) -> int:
    """A video's number as it was said. Raises NotFound for what can be none."""
    digits = str(said).strip()[:80]
    if digits.isascii() and digits.isdigit() and int(digits) <= MOST_NUMBER:
        return int(digits)
    raise NotFound(f"there is no video {digits!r}")


def _is_key(name: str) -> bool:
    return name.strip().casefold() == "key"
