"""Videos to keep."""

from __future__ import annotations

from typing import Any

from src.gateway.video import Api, Video

#: A double that a single-precision column would not give back.
NOW = 1_791_234_567.123457

BODY: dict[str, Any] = {
    "prompt": "a fox, 狐, 🦊",
    "seed": 2**63 + 1,
    "fps": 23.976,
    "lora": {"name": None, "scale": [0.1, -1e300]},
    "odd": "NUL \x00 and half a pair \ud800 in JSON",
    "init_image": "data:image/png;base64," + "A" * 100_000,
}


def a_video(**changes: Any) -> Video:
    """A video of somebody's, just asked for."""
    said: dict[str, Any] = {
        "owner": "somebody",
        "api": Api.OPENAI,
        "endpoint": "/v1/videos",
        "created_at": NOW,
        "looked_at": NOW,
        "expires_at": NOW + 86_400,
    }
    return Video(**(said | changes))


def number_of(video: Video) -> int:
    """As good a number as ModelsLab's: 53 bits of the id."""
    return int(video.id[:13], 16)
