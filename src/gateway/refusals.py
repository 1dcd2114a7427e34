"""What the gateway answers instead of a video; each API writes it in its own words.

Refusal                      an HTTP status, a sentence, and a stable word for programs
├── BadRequest          400
├── Unauthorized        401
├── LimitReached        402  this key's month is used up
├── Forbidden           403
├── NotFound            404
├── Conflict            409
├── TooLarge            413
├── NotInRange          416  a part of a video that is behind its end
├── NotMade             422  the video failed, so that there is nothing to be read
├── TooMany             429  come back after some seconds
├── EndpointFailed      502  the endpoint answered what it should not
├── Unavailable         503  the endpoint or the database cannot be reached
└── TookTooLong         504
"""

from __future__ import annotations

from typing import ClassVar


class Refusal(Exception):
    """The request is not served; the message goes out as it is."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "error"

    def __init__(
        self, message: str, *, param: str | None = None, retry_after: float | None = None
    ) -> None:
        """`param` is the field at fault; `retry_after` is in seconds."""
        super().__init__(message)
        self.param = param
        self.retry_after = retry_after


class BadRequest(Refusal):
    """A field is wrong, or the body is."""

    status, code = 400, "invalid_request"


class Unauthorized(Refusal):
    """No key, or one that nobody knows."""

    status, code = 401, "invalid_api_key"


class LimitReached(Refusal):
    """The key has used what it may in a month."""

    status, code = 402, "insufficient_quota"


class Forbidden(Refusal):
    """The key is known and may not do this."""

    status, code = 403, "forbidden"


class NotFound(Refusal):
    """There is no such thing, or it is somebody else's."""

    status, code = 404, "not_found"


class Conflict(Refusal):
    """Not now: the video is in another state."""

    status, code = 409, "conflict"


class TooLarge(Refusal):
    """More bytes than are taken."""

    status, code = 413, "too_large"


class NotInRange(Refusal):
    """A part was asked for that there is not."""

    status, code = 416, "range_not_satisfiable"


class NotMade(Refusal):
    """The video failed: there is nothing to be read."""

    status, code = 422, "video_failed"


class TooMany(Refusal):
    """Too many requests, or too many videos under way."""

    status, code = 429, "rate_limit_exceeded"


class EndpointFailed(Refusal):
    """The endpoint answered what it should not."""

    status, code = 502, "endpoint_failed"


class Unavailable(Refusal):
    """The endpoint, or the database, cannot be reached."""

    status, code = 503, "unavailable"


class TookTooLong(Refusal):
    """The video is not there in the time that the caller can wait."""

    status, code = 504, "timed_out"
