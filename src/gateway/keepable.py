"""What can be written down of a video and its request; pure.

SQLite takes nearly anything, PostgreSQL does not, and neither takes half a surrogate pair.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .refusals import BadRequest
from .video import Video

#: Characters of a model's name and of an idempotency key, as their columns have it.
LONGEST = 200


def check_keepable(video: Video, body: Mapping[str, Any]) -> None:
    """Raises BadRequest that names the field and the rule."""
    _check_json(body)
    for field, value in (("model", video.model), ("Idempotency-Key", video.idempotency_key)):
        if value is not None and len(value) > LONGEST:
            rule = f"must be at most {LONGEST} characters"
            raise BadRequest(f"{field} {rule}, got {len(value)}", param=field)
        _check_text(field, value)
    _check_text("prompt", video.prompt)


def as_kept(body: object) -> Any:  # noqa: ANN401  JSON
    """A body as it comes back from where it is kept: JSON has no tuples."""
    return json.loads(json.dumps(body))


def _check_json(body: object) -> None:
    try:
        json.dumps(body, allow_nan=False)
    except ValueError:
        raise BadRequest("the body must be JSON, which has no NaN and no Infinity") from None
    except RecursionError:
        raise BadRequest("the body must be JSON that is nested less deeply") from None


def _check_text(field: str, value: str | None) -> None:
    if value is not None and ("\0" in value or not _is_unicode(value)):
        rule = "must be text without NUL and without half a surrogate pair"
        raise BadRequest(f"{field} {rule}", param=field)


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
