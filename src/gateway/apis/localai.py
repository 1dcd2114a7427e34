"""LocalAI's `POST /video`: waits until the video is there, and says where."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from ...dialects.fields import given
from ...dialects.localai.answer import Answer
from ...dialects.localai.body import Body
from ..accounts import Account
from ..asking import BaseUrl, Caller, PartsOf
from ..bodies import idempotency_key, json_object
from ..parts import Parts
from ..refusals import NotFound
from ..store.videos import Content
from ..video import Api, Call, Video
from ..waiting import wait_or_stop
from .links import base64_of, link_of

router = APIRouter(tags=["LocalAI"])


class Told(BaseModel):
    """Why there is no video."""

    code: int = Field(description="The HTTP status.")
    message: str = Field(description="Which field, which rule, which value.")
    type: str = Field("", description="Always empty, as LocalAI's mostly is.")


class Error(BaseModel):
    """No video."""

    error: Told


_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Error, "description": text}
    for status, text in {
        HTTPStatus.BAD_REQUEST: "A field is wrong, or the body is.",
        HTTPStatus.UNAUTHORIZED: "No key, or one that nobody knows.",
        HTTPStatus.PAYMENT_REQUIRED: "The key's month is used up.",
        HTTPStatus.FORBIDDEN: "The key may not use the endpoint.",
        HTTPStatus.NOT_FOUND: "There is no such model.",
        HTTPStatus.CONFLICT: "`Idempotency-Key` was used before, for another request.",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "More bytes than are taken.",
        HTTPStatus.TOO_MANY_REQUESTS: "Come back after `Retry-After` seconds.",
        HTTPStatus.INTERNAL_SERVER_ERROR: "The video could not be made.",
        HTTPStatus.BAD_GATEWAY: "The endpoint answered what it should not.",
        HTTPStatus.SERVICE_UNAVAILABLE: "The endpoint or the database cannot be reached.",
        HTTPStatus.GATEWAY_TIMEOUT: "The video took longer than callers wait; it was stopped.",
    }.items()
}

CANCELLED = "the job was cancelled"


def error_body(status: int, message: str) -> dict[str, Any]:
    """A refusal, or a failure."""
    return Error(error=Told(code=status, message=message)).model_dump()


@router.post(
    "/video",
    operation_id="localai_video",
    response_class=JSONResponse,
    response_model=None,
    responses={HTTPStatus.OK: {"model": Answer}, **_REFUSALS},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": Body.model_json_schema()}},
        }
    },
)
async def video(
    request: Request, parts: PartsOf, caller: Caller, base_url: BaseUrl
) -> JSONResponse:
    """Have a video made, and wait for it."""
    call = await _call(request, parts, caller)
    made = await parts.desk.submit(caller, call)
    made = await wait_or_stop(
        request, parts.desk, caller, made, seconds=parts.settings.sync_seconds
    )
    if made.is_there:
        content = await parts.videos.content(made.id) if _wants_bytes(made) else None
        return JSONResponse(_answer(made, base_url, content))
    status = made.failure.status if made.failure else HTTPStatus.INTERNAL_SERVER_ERROR
    message = made.failure.message if made.failure else CANCELLED
    return JSONResponse(error_body(int(status), message), status_code=status)


async def _call(request: Request, parts: Parts, account: Account) -> Call:
    body = await json_object(request)
    said = given(body)
    model, prompt = said.get("model"), said.get("prompt")
    refused = parts.models.refused(model)
    if refused:
        raise NotFound(refused, param="model")
    return Call(
        api=Api.LOCALAI,
        endpoint="/video",
        body=await parts.uploads.fit(body, admit=parts.desk.admission(account)),
        model=model if isinstance(model, str) else None,
        prompt=prompt if isinstance(prompt, str) else None,
        idempotency_key=idempotency_key(request),
    )


def _wants_bytes(made: Video) -> bool:
    """Whether the answer holds the video: the worker has used the key that says so."""
    return made.link is None and "b64_json" in _first(made.answer)


def _answer(made: Video, base_url: str, content: Content | None) -> dict[str, Any]:
    video = {"b64_json": base64_of(content)} if content else {"url": link_of(made, base_url)}
    return {**made.answer, "id": str(uuid.UUID(made.id)), "data": [video]}


def _first(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    data = answer.get("data")
    first = data[0] if isinstance(data, list) and data else None
    return first if isinstance(first, Mapping) else {}
