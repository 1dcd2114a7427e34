"""A failed video as an error of HTTP, for who waited for it and for vLLM-Omni's clients."""

from __future__ import annotations

from starlette.responses import JSONResponse

from ...video import Failure, Video
from .errors import error_body
from .record import VideoObject, failure_of

UNKNOWN = Failure(status=500, code="generation_failed", message="The job failed.")
#: The job is over: OpenAI's client would ask again by itself, and have another one made.
NO_RETRY = {"x-should-retry": "false"}


def failed_answer(video: Video) -> JSONResponse:
    """Its error's status and body."""
    failure = failure_of(video) or UNKNOWN
    body = error_body(failure.status, failure.message, failure.code, failure.param)
    return JSONResponse(body, status_code=failure.status, headers=NO_RETRY)


def failed_record(video: Video, record: VideoObject) -> JSONResponse:
    """Its error's status, and the whole record as the body, as vLLM-Omni answers."""
    failure = failure_of(video) or UNKNOWN
    return JSONResponse(record.model_dump(), status_code=failure.status, headers=NO_RETRY)
