"""How callers name LocalAI's endpoint."""

from __future__ import annotations

NAMES = ("localai", "video")


def is_endpoint(said: str) -> bool:
    """Whether a name, a path or a URL is this API's.

    >>> is_endpoint("http://localhost:8080/video"), is_endpoint("/api/v6/video/text2video")
    (True, False)
    """
    path = said.strip().casefold().partition("?")[0].rstrip("/")
    return path in NAMES or path.endswith("/video")
