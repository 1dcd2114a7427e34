"""docs/api-openai.md: OpenAI's Videos API as vLLM-Omni extends it, from its wire models."""

from __future__ import annotations

from src.dialects import DIALECTS
from src.dialects.openai.body import Body, Unused
from src.dialects.openai.record import Answer, Failed, Processing

from .other import (
    VALUES_TEXT,
    answer_section,
    example_section,
    extras_section,
    failure_section,
    fields_section,
    processing_section,
)

INTRODUCTION = """\
# OpenAI's API

<!-- Written by `make docs` from src/dialects/openai; edits here are lost. -->

The worker reads the body of OpenAI's `POST /v1/videos`, with the fields that vLLM-Omni has
beside OpenAI's, from `input` of a RunPod job, and answers with OpenAI's video object.
`"endpoint": "/v1/videos"` beside the body's fields says so, or the wrapping in which RunPod hands
on what comes to its own `/openai/v1/videos`:
`{"openai_route": "/v1/videos", "openai_input": {...}}`. Without either,
[api.md](api.md#which-api-a-body-speaks) tells how it is seen.

- Of the references one at most. An image is what the video starts from, a video is drawn anew.
  Each may be a string, its object (`{"image_url": ...}`), or that object's JSON.
- `size` goes over `width` and `height`, and both over `video_params`. `num_frames` goes over
  `seconds` times `fps`. Where neither is said, the model's own number of frames is made, never a
  single one.
- `extra_params` goes over the fields beside it.
- OpenAI's own models (`sora-2` and the like) mean the worker's default model, with a warning.
- `guidance_scale` is of the expert for high noise, which comes first, and `guidance_scale_2` of
  the one for low noise, as vLLM-Omni's code has it; its documentation has it the other way round.
"""

BODY = {
    "endpoint": "/v1/videos",
    "model": "cogvideox",
    "prompt": "A calico cat playing a piano on stage",
    "size": "720x480",
    "seconds": "4",
    "user": "user-7",
}


def page() -> str:
    """The whole document."""
    return "\n".join(
        [
            INTRODUCTION,
            VALUES_TEXT,
            fields_section(Body, Unused),
            extras_section("extra_params"),
            answer_section(Answer),
            failure_section(Failed, "400"),
            processing_section(Processing),
            example_section(DIALECTS["openai"], BODY, {"seconds": "8s"}),
        ]
    )
