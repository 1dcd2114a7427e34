"""A failure as HTTP APIs tell it: a status, a message, and what the message is about.

The platform takes a string `error` at the top of a failed job's output for its own, so that the
`error` object of OpenAI and LocalAI cannot stand there: it is told as `failure`, and whoever
serves those APIs by HTTP answers `{"error": failure}` with `failure.code` as the status.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from pydantic import BaseModel, Field

from ..errors import InvalidRequest, RequestError, TimedOut, UnknownModel, WorkerError

#: What goes out for what is ours to mend.
OURS = "The worker could not make this video; the request is not at fault. Try again."


class Failure(BaseModel):
    """Why there is no video."""

    code: int = Field(description="The HTTP status that it stands for.")
    message: str = Field(description="Which field, which rule, which value; or a fixed sentence.")
    type: Literal["invalid_request_error", "server_error"] = Field(
        description="`invalid_request_error` for what the caller can mend, else `server_error`."
    )
    param: str | None = Field(None, description="The field, where one is at fault.")


def failure_of(error: WorkerError, *, unknown_model: int = HTTPStatus.BAD_REQUEST) -> Failure:
    """Say what the caller can act on, or that it is for us to mend.

    `unknown_model` is the status for a model that is not served, which APIs differ in.
    """
    return Failure(
        code=unknown_model if isinstance(error, UnknownModel) else _status(error),
        message=error.public or OURS,
        type="invalid_request_error" if isinstance(error, RequestError) else "server_error",
        param=_param(error),
    )


def _status(error: WorkerError) -> int:
    if isinstance(error, TimedOut):
        return HTTPStatus.GATEWAY_TIMEOUT
    if isinstance(error, RequestError):
        return HTTPStatus.BAD_REQUEST
    return HTTPStatus.INTERNAL_SERVER_ERROR


def _param(error: WorkerError) -> str | None:
    if isinstance(error, UnknownModel):
        return "model"
    return error.field if isinstance(error, InvalidRequest) else None
