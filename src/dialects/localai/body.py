"""LocalAI's request body, field by field: types, rules, meanings.

docs/api-localai.md is written from here. LocalAI has no defaults of its own here: what is not
said is the model's.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ..fields import REQUEST_ID
from ..references import ImageReference, Reference
from ..values import (
    AnySeed,
    Count,
    Duration,
    Fps,
    Guidance,
    JsonObject,
    Name,
    RequestId,
    Size,
    Text,
)


def _word(value: object) -> object:
    return value.strip().casefold() if isinstance(value, str) else value


ResponseFormat = Annotated[Literal["url", "b64_json"], BeforeValidator(_word)]

#: Clients in Go send every figure, and 0 for what they do not mean.
ZERO_IS_UNSAID = frozenset({"width", "height", "num_frames", "fps", "seed", "cfg_scale", "step"})


class Unused(BaseModel):
    """Fields that LocalAI knows and that have no use here."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    audio: Any = Field(None, description="Not supported: no model here is driven by sound.")


class Body(Unused):
    """A prompt, and what a video may start from, become a video."""

    model: Name | None = Field(
        None, description="Id or alias of a model; without it, the worker's default model."
    )
    prompt: Text = Field(description="What the video shows.")
    negative_prompt: Text | None = Field(None, description="What it should not show.")
    start_image: ImageReference | None = Field(
        None, description="The first frame, or the video's subject: URL, data URI or base64."
    )
    end_image: ImageReference | None = Field(
        None, description="What the last frame should be, where the model can."
    )
    input_reference: Reference | None = Field(
        None,
        description="An image, read as start_image; or a video, which is drawn anew. A video is "
        "told by its media type, the suffix of its URL, or how its base64 begins.",
    )
    width: Count | None = Field(None, description="Pixels, exactly as given. 0 is not said.")
    height: Count | None = Field(None, description="Pixels, exactly as given. 0 is not said.")
    size: Size | None = Field(None, description="In place of width and height, and over them.")
    num_frames: Count | None = Field(None, description="Frames, exactly as given. 0 is not said.")
    fps: Fps | None = Field(None, description="Frames per second. 0 is not said.")
    seconds: Duration | None = Field(
        None, description="Times fps, in place of num_frames, which goes over it."
    )
    seed: AnySeed | None = Field(
        None, description="The same seed gives the same video. 0 and below are random."
    )
    cfg_scale: Guidance | None = Field(
        None, description="How closely the prompt is followed. 0 is not said."
    )
    step: Count | None = Field(None, description="Denoising steps. 0 is not said.")
    response_format: ResponseFormat = Field(
        "url", description="b64_json is the video's bytes in the answer itself."
    )
    params: JsonObject | None = Field(
        None, description="What LocalAI has no field for, by the names below; values as strings."
    )
    request_id: RequestId | None = Field(None, description=REQUEST_ID)
