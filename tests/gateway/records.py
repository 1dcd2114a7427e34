"""What tests ask of OpenAI's routes: a body, a record when its video is over, a list."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.gateway.fakes import settled

SMALL = settled({"prompt": "a fox"})
#: The same as a form's fields are.
FORM = {name: str(value) for name, value in SMALL.items()}


def over(http: httpx.Client, video: dict[str, Any]) -> dict[str, Any]:
    """A video's record once it is over."""
    until = time.monotonic() + 30
    while video["status"] in ("queued", "in_progress") and time.monotonic() < until:
        time.sleep(0.02)
        video = http.get(f"/v1/videos/{video['id']}").json()
    return video


def ids(http: httpx.Client, **query: Any) -> list[str]:
    return [video["id"] for video in http.get("/v1/videos", params=query).json()["data"]]


def wait_until(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + 20
    while not holds() and time.monotonic() < until:
        time.sleep(0.05)
    return holds()
