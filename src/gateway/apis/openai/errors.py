"""Errors as OpenAI's clients read them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field

_TYPES = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.PAYMENT_REQUIRED: "insufficient_quota",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.NOT_FOUND: "not_found_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}


class Told(BaseModel):
    """What went wrong."""

    message: str = Field(description="Which field, which rule, which value; or what to do.")
    type: str = Field(description="`invalid_request_error`, `server_error`, or more exactly.")
    param: str | None = Field(description="The field at fault, where there is one.")
    code: str = Field(description="A stable word for programs.")


class Error(BaseModel):
    """An error of any status."""

    error: Told


def error_body(status: int, message: str, code: str, param: str | None = None) -> dict[str, Any]:
    """An error's body, for an answer of this status."""
    usual = (
        "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    )
    kind = _TYPES.get(HTTPStatus(status), usual) if status in set(HTTPStatus) else usual
    return Error(error=Told(message=message, type=kind, param=param, code=code)).model_dump()


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What FastAPI's `responses` says of a route's errors; every route has the first of them."""
    every = (400, 401, 403, 429, 500, 502, 503)
    return {status: {"model": Error} for status in sorted({*every, *statuses})}
