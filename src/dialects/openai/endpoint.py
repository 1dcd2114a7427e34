"""How callers name OpenAI's endpoint."""

from __future__ import annotations

import re

#: OpenAI's and vLLM-Omni's path, alone or at the end of a URL.
ROUTE = re.compile(r"(.*/)?v1/videos(/sync)?")
NAME = "openai"


def is_endpoint(said: str) -> bool:
    """Whether a name, a path or a URL is this API's for making a video.

    >>> is_endpoint("https://api.openai.com/v1/videos"), is_endpoint("/v1/videos/video_1/content")
    (True, False)
    """
    path = said.strip().casefold().partition("?")[0].rstrip("/")
    return path == NAME or ROUTE.fullmatch(path) is not None
