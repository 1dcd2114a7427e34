"""The request body of OpenAI's `/v1/videos` as vLLM-Omni extends it, field by field.

docs/api-openai.md is written from here. What is not said is the model's own.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from ..fields import REQUEST_ID
from ..lora import Loras
from ..references import ImageReference, Reference, VideoReference
from ..values import (
    REAL,
    WHOLE,
    AnySeed,
    Count,
    Duration,
    Flag,
    Fps,
    InterpolationExp,
    InterpolationScale,
    JsonObject,
    Name,
    RequestId,
    Shift,
    Size,
    Text,
    Unit,
)


def _word(value: object) -> object:
    return value.strip().casefold() if isinstance(value, str) else value


ResponseFormat = Annotated[Literal["url", "b64_json"], BeforeValidator(_word)]
#: vLLM-Omni's own bounds; the model's limits may be lower.
Steps = Annotated[int, Field(ge=1, le=200), WHOLE]
Guidance = Annotated[float, Field(ge=0, le=20, allow_inf_nan=False), REAL]

#: Of these one at most.
REFERENCES = ("input_reference", "input_references", "image_reference", "video_reference")


class Unused(BaseModel):
    """Fields that OpenAI or vLLM-Omni know and that have no use here."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    user: Any = Field(None, description="Not used: who may call is for the platform to decide.")
    quality: Any = Field(None, description="Not used: the operator sets VIDEO_CRF.")
    aspect_ratio: Any = Field(None, description="Not used: say size, or width and height.")
    short_edge: Any = Field(None, description="Not used: say size, or width and height.")
    num_outputs_per_prompt: Any = Field(
        None, description="Not used: a job makes one video. 1 is understood."
    )
    start_time_seconds: Any = Field(None, description="Not used: videos are read from their start.")
    generate_sound: Any = Field(
        None, description="Not used: models that make sound always do, others never."
    )
    sound_duration: Any = Field(None, description="Not used: sound is as long as its video.")
    audio_reference: Any = Field(
        None, description="Not supported: no model here is driven by sound."
    )
    source_audio: Any = Field(None, description="Not supported: no model here is driven by sound.")
    source_video: Any = Field(None, description="Not supported: say input_reference.")
    control_reference: Any = Field(
        None, description="Not supported: say controlnet in extra_params."
    )
    control_type: Any = Field(None, description="Not supported: say controlnet in extra_params.")
    frame_interpolation_model_path: Any = Field(
        None, description="Not used: weights are never read from a path that a caller names."
    )


class VideoParams(BaseModel):
    """Figures that fill what the body itself does not say."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    width: Count | None = None
    height: Count | None = None
    num_frames: Count | None = None
    fps: Fps | None = None


class Body(Unused):
    """A prompt, and what a video may start from, become a video."""

    prompt: Text = Field(description="What the video shows.")
    model: Name | None = Field(
        None,
        description="Id or alias of a model; without it, and for OpenAI's own `sora-...`, the "
        "worker's default model.",
    )
    seconds: Duration | None = Field(
        None, description="Times fps, in place of num_frames, which goes over it."
    )
    size: Size | None = Field(None, description="In place of width and height, and over them.")
    input_reference: Reference | None = Field(
        None,
        description="An image to start from, or a video to be drawn anew: URL, data URI or base64. "
        "A video is told by its media type, the suffix of its URL, or how its base64 begins.",
    )
    input_references: Reference | None = Field(
        None, description="The same, in an array of exactly one."
    )
    image_reference: ImageReference | None = Field(
        None, description='An image to start from: `{"image_url": ...}`, or its JSON.'
    )
    video_reference: VideoReference | None = Field(
        None, description='A video to be drawn anew: `{"video_url": ...}`, or its JSON.'
    )
    width: Count | None = Field(None, description="Pixels, exactly as given.")
    height: Count | None = Field(None, description="Pixels, exactly as given.")
    num_frames: Count | None = Field(
        None, description="Frames, exactly as given; without it and seconds, the model's own."
    )
    fps: Fps | None = Field(None, description="Frames per second.")
    video_params: JsonObject | None = Field(
        None,
        description="`width`, `height`, `num_frames` and `fps` once more, for what the body "
        "itself does not say.",
    )
    num_inference_steps: Steps | None = Field(None, description="Denoising steps.")
    guidance_scale: Guidance | None = Field(
        None,
        description="How closely the prompt is followed; where a model has two experts (Wan 2.2), "
        "of the first one, for high noise.",
    )
    guidance_scale_2: Guidance | None = Field(
        None, description="The same of the second expert, for low noise."
    )
    boundary_ratio: Unit | None = Field(
        None,
        description="Where the expert for high noise hands over, as a share of the schedule: "
        "0.9 gives it the first tenth.",
    )
    flow_shift: Shift | None = Field(None, description="Shift of a flow-matching schedule.")
    true_cfg_scale: Guidance | None = Field(
        None, description="Guidance by the negative prompt, beside guidance_scale (HunyuanVideo)."
    )
    seed: AnySeed | None = Field(
        None, description="The same seed gives the same video. Below 0 is random."
    )
    negative_prompt: Text | None = Field(None, description="What it should not show.")
    enable_frame_interpolation: Flag | None = Field(
        None, description="Put frames in between: N become (N - 1) * 2^exp + 1."
    )
    frame_interpolation_exp: InterpolationExp | None = Field(
        None, description="How often the frame rate is doubled; once without it."
    )
    frame_interpolation_scale: InterpolationScale | None = Field(
        None,
        description="Size at which motion is looked for: 1 is the frames' own, 0.5 suits large "
        "ones. RIFE only.",
    )
    lora: Loras | None = Field(
        None, description='`{"name": "anime", "scale": 0.8}`, its JSON, or an array of such.'
    )
    extra_params: JsonObject | None = Field(
        None, description="What there is no field for, by the names below; an object or its JSON."
    )
    return_stage_metrics: Flag | None = Field(
        None, description="Always so: `stage_durations` is in every answer."
    )
    response_format: ResponseFormat = Field(
        "url",
        description="b64_json is the video's bytes in the answer itself. This worker's own.",
    )
    request_id: RequestId | None = Field(None, description=REQUEST_ID)

    @model_validator(mode="after")
    def _one_reference(self) -> Self:
        said = [name for name in REFERENCES if getattr(self, name) is not None]
        if len(said) > 1:
            rule = "Provide only one of input_reference, image_reference, or video_reference"
            raise PydanticCustomError("references", f"{rule}, got {' and '.join(said)}")
        return self
