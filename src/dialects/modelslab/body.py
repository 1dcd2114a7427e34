"""ModelsLab's request bodies, field by field: types, documented defaults, rules, meanings.

docs/api.md is written from here. Fields that a client left out stay out of
`model_fields_set`, which tells what was asked from what is merely documented.
"""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..fields import REQUEST_ID
from ..lora import Loras, check_strengths
from ..values import (
    ClipSkip,
    Count,
    FixedSeed,
    Flag,
    Format,
    Fps,
    Guidance,
    HttpUrl,
    Interpolation,
    InterpolationExp,
    InterpolationScale,
    Media,
    MediaList,
    MotionBucket,
    Name,
    Names,
    RequestId,
    Scale,
    Scales,
    Seed,
    Shift,
    Text,
    TrackId,
    Unit,
)


class Unused(BaseModel):
    """Fields that ModelsLab or its clients know and that have no use here."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    watermark: Any = Field(None, description="Not supported: no video is marked.")
    id: Any = Field(None, description="Not used: the answer's id follows from the job's.")
    duration: Any = Field(None, description="Not used: say num_frames and fps.")
    aspect_ratio: Any = Field(None, description="Not used: say width and height.")
    init_audio: Any = Field(None, description="Not supported: videos are silent.")


class Beyond(Unused):
    """What other video APIs say and ModelsLab has no word for, under diffusers' and vLLM-Omni's."""

    end_image: Media | None = Field(
        None, description="What the last frame should be, where the model can (LocalAI's word)."
    )
    guidance_scale_2: Guidance | None = Field(
        None, description="Guidance of the expert for low noise, where a model has two (Wan 2.2)."
    )
    boundary_ratio: Unit | None = Field(
        None,
        description="Where the expert for high noise hands over, as a share of the schedule: "
        "0.9 gives it the first tenth (Wan 2.2).",
    )
    true_cfg_scale: Guidance | None = Field(
        None, description="Guidance by the negative prompt, beside guidance_scale (HunyuanVideo)."
    )
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
        None,
        description="vLLM-Omni's form, in place of lora_models: "
        '`{"name": "anime", "scale": 0.8}`.',
    )


class Body(Beyond):
    """Fields of every endpoint: all are optional, unless an endpoint says otherwise."""

    model_id: Name | None = Field(
        None,
        description="Id or alias of a model; without it, the worker's default model. Also spelt "
        "`model`.",
    )
    prompt: Text | None = Field(None, description="What the video shows.")
    negative_prompt: Text | None = Field(None, description="What it should not show.")
    enhance_prompt: Flag = Field(False, description="Embellish the prompt first.")
    seed: Seed | None = Field(
        None,
        description="The same seed gives the same video. null and -1 are random; "
        "`meta` echoes the seed that was used.",
    )
    width: Count = Field(
        512, description="Pixels, exactly as given. ModelsLab documents at most 512."
    )
    height: Count = Field(
        512, description="Pixels, exactly as given. ModelsLab documents at most 512."
    )
    resolution: Count | None = Field(
        None,
        description="The shorter side of a 16:9 video, in place of width and height. "
        '"512x512" is understood too.',
    )
    portrait: Flag = Field(False, description="9:16 instead of 16:9; goes with resolution.")
    num_frames: Count = Field(
        16, description="Frames, exactly as given. ModelsLab documents at most 25."
    )
    fps: Fps = Field(7, description="Frames per second. ModelsLab documents at most 16.")
    num_inference_steps: Count = Field(
        20, description="Denoising steps. ModelsLab documents at most 50."
    )
    guidance_scale: Guidance | None = Field(
        None, description="How closely the prompt is followed. ModelsLab documents 0 to 8."
    )
    sample_shift: Shift | None = Field(
        None,
        description="Shift of a flow-matching schedule; also spelt `shift_sample`, `flow_shift`. "
        "ModelsLab documents at most 10.",
    )
    clip_skip: ClipSkip | None = Field(
        None,
        description="Which layer of CLIP is read, counted from the end: 2 is the last but one; "
        "0 and 1 skip nothing. ModelsLab documents at most 2.",
    )
    use_improved_sampling: Flag = Field(
        False, description="Steadier over time, and slower, where the model can."
    )
    improved_sampling_seed: FixedSeed = Field(42, description="Seed of the improved sampling.")
    upscale_width: Count | None = Field(
        None, description="Width after a second, upscaling pass. ModelsLab documents at most 1024."
    )
    upscale_height: Count | None = Field(
        None, description="Height after a second, upscaling pass. ModelsLab documents at most 1024."
    )
    upscale_strength: Unit = Field(
        0.6, description="How far upscaling may depart from the first pass."
    )
    upscale_guidance_scale: Guidance = Field(
        15.0,
        description="Guidance while upscaling. ModelsLab documents 0 to 8, defaults of 12 and 15, "
        "and answers 15.",
    )
    upscale_num_inference_steps: Count = Field(
        20, description="Denoising steps while upscaling. ModelsLab documents at most 50."
    )
    motion_module: Name | None = Field(
        None, description="AnimateDiff's motion module; without it, the model's own."
    )
    adapter_lora: Name | None = Field(
        None, description="LoRA that belongs to the motion module; without it, the model's own."
    )
    domain_lora_scale: Scale = Field(1.0, description="How much of `adapter_lora` is mixed in.")
    motion_loras: Names | None = Field(None, description="Motion LoRAs, by name.")
    motion_lora_strength: Scales = Field(
        (1.0,), description="One strength for all motion LoRAs, or one for each."
    )
    lora_models: Names | None = Field(None, description="LoRAs, by name.")
    lora_strength: Scales = Field(
        (1.0,), description="One strength for all LoRAs, or one for each."
    )
    ip_adapter_id: Name | None = Field(None, description="IP-Adapter, by name.")
    ip_adapter_image: Media | None = Field(None, description="The image that it reads.")
    ip_adapter_scale: Scale = Field(0.6, description="How much of the image is mixed in.")
    controlnet: Name | None = Field(None, description="ControlNet, by name.")
    controlnet_images: MediaList | None = Field(
        None,
        description="The images that it reads, in the order of the frames and spread over them: "
        "one holds for the whole video.",
    )
    output_type: Format = Field(
        "mp4", description="base64 is an mp4 whose bytes come back in the answer itself."
    )
    base64: Flag = Field(
        False, description="Answer with the video's bytes in base64 instead of a link."
    )
    temp: Flag = Field(False, description="The result may be deleted after a day.")
    instant_response: Flag = Field(
        False, description="Name the links that the result will have before it is made."
    )
    webhook: HttpUrl | None = Field(None, description="URL that the result is posted to.")
    track_id: TrackId | None = Field(None, description="Your own id, echoed to the webhook.")
    request_id: RequestId | None = Field(None, description=REQUEST_ID)

    @model_validator(mode="after")
    def _strengths_pair_up(self) -> Self:
        check_strengths(self)
        return self


class Text2Video(Body):
    """text2video: a prompt becomes a video."""

    prompt: Text = Field(description="What the video shows.")
    guidance_scale: Guidance = Field(
        7.0, description="How closely the prompt is followed. ModelsLab documents 0 to 8."
    )


class Img2Video(Body):
    """img2video: an image becomes a video's first frame, or its subject."""

    init_image: Media = Field(description="The image: URL, data URI or bare base64.")
    prompt: Text | None = Field(
        None, description="What happens in the video, if the model reads a prompt."
    )
    strength: Unit = Field(0.7, description="How far the video may depart from the image.")
    min_guidance_scale: Guidance = Field(
        1.0, description="Guidance of the first frame (Stable Video Diffusion). Documented: 1 to 8."
    )
    max_guidance_scale: Guidance = Field(
        3.0,
        description="Guidance of the last frame; frames between lie on a line, which may also "
        "fall. Documented: 1 to 8.",
    )
    motion_bucket_id: MotionBucket = Field(127, description="More is more motion.")
    noise_aug_strength: Unit = Field(
        0.02, description="Noise on the image: more frees the video from it."
    )
    latent_interpolation_method: Interpolation = Field(
        "lerp", description="How latents are interpolated."
    )


class Video2Video(Body):
    """video2video: a video is drawn anew."""

    init_video: Media = Field(description="The video (mp4, gif, webm): URL, data URI or base64.")
    prompt: Text = Field(description="What the new video shows.")
    strength: Unit = Field(0.7, description="How far the new video may depart from the old one.")
    guidance_scale: Guidance = Field(
        7.0, description="How closely the prompt is followed. ModelsLab documents 0 to 8."
    )
    width: Count = Field(
        512, description="Pixels, exactly as given. ModelsLab documents at most 768."
    )
    height: Count = Field(
        512, description="Pixels, exactly as given. ModelsLab documents at most 768."
    )
