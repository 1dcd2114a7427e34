"""docs/api-localai.md: LocalAI's API, from its wire models."""

from __future__ import annotations

from src.dialects import DIALECTS
from src.dialects.localai.answer import Answer, Failed, Processing, Video
from src.dialects.localai.body import Body, Unused

from .other import (
    VALUES_TEXT,
    answer_section,
    example_section,
    extras_section,
    failure_section,
    fields_section,
    processing_section,
)
from .parts import KEYS, keys, table

INTRODUCTION = """\
# LocalAI's API

<!-- Written by `make docs` from src/dialects/localai; edits here are lost. -->

The worker reads the body of LocalAI's `POST /video` from `input` of a RunPod job, and answers as
LocalAI does. `"endpoint": "/video"` beside the body's fields says so; without it,
[api.md](api.md#which-api-a-body-speaks) tells how it is seen.

What differs from LocalAI: `size`, `seconds`, `input_reference`, `end_image` and `params` are
honoured, which LocalAI reads and ignores; a failed video is a failure, and not an empty file; a
value of another type is understood where it can be.

- `start_image` goes before `input_reference`. With either, an image is what the video starts
  from; a video in `input_reference` is drawn anew.
- `size` goes over `width` and `height`, `num_frames` over `seconds` times `fps`.
- 0 is the same as not saying a figure, since clients in Go send it for what they do not mean.
"""

BODY = {
    "endpoint": "/video",
    "model": "cogvideox",
    "prompt": "A cat playing in a garden on a sunny day",
    "width": 512,
    "height": 512,
    "num_frames": 16,
    "fps": 8,
    "audio": "https://example.com/meow.mp3",
}


def page() -> str:
    """The whole document."""
    return "\n".join(
        [
            INTRODUCTION,
            VALUES_TEXT,
            fields_section(Body, Unused),
            extras_section("params"),
            answer_section(Answer),
            f"`data` has one video:\n\n{table(KEYS, keys(Video))}",
            failure_section(Failed, "404"),
            processing_section(Processing),
            example_section(DIALECTS["localai"], BODY, {"width": "wide"}),
        ]
    )
