"""What models can do and LocalAI's and OpenAI's APIs have no field of their own for.

Both have an open object for such (`params`, `extra_params`): here are the names that are read in
it, with the meanings that they have in ModelsLab's API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ..generation import Delivery, MediaReference, Parameters, VideoFormat
from .fields import given, unknown
from .lora import Loras, check_strengths
from .rules import validated
from .values import (
    ClipSkip,
    Count,
    FixedSeed,
    Flag,
    Guidance,
    Interpolation,
    InterpolationExp,
    InterpolationScale,
    Media,
    MediaList,
    MotionBucket,
    Name,
    Names,
    Scale,
    Scales,
    Shift,
    Unit,
)


def _word(value: object) -> object:
    return value.strip().casefold() if isinstance(value, str) else value


OutputFormat = Annotated[Literal["mp4", "gif"], BeforeValidator(_word)]


class Extras(BaseModel):
    """The names that are read."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    output_format: OutputFormat = Field("mp4", description="What the frames are wrapped in.")
    temp: Flag = Field(False, description="The result may be deleted after a day.")
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
    flow_shift: Shift | None = Field(None, description="Shift of a flow-matching schedule.")
    last_image: Media | None = Field(
        None, description="What the last frame should be, where the model can."
    )
    strength: Unit | None = Field(
        None, description="How far the video may depart from what it starts from."
    )
    clip_skip: ClipSkip | None = Field(
        None,
        description="Which layer of CLIP is read, counted from the end: 2 is the last but one.",
    )
    min_guidance_scale: Guidance | None = Field(
        None, description="Guidance of the first frame (Stable Video Diffusion)."
    )
    max_guidance_scale: Guidance | None = Field(
        None, description="Guidance of the last frame (Stable Video Diffusion)."
    )
    motion_bucket_id: MotionBucket | None = Field(
        None, description="More is more motion (Stable Video Diffusion)."
    )
    noise_aug_strength: Unit | None = Field(
        None, description="Noise on the image (Stable Video Diffusion)."
    )
    latent_interpolation_method: Interpolation | None = Field(
        None, description="How latents are interpolated (AnimateDiff)."
    )
    enhance_prompt: Flag = Field(False, description="Embellish the prompt first.")
    use_improved_sampling: Flag = Field(
        False, description="Steadier over time, and slower, where the model can."
    )
    improved_sampling_seed: FixedSeed = Field(42, description="Seed of the improved sampling.")
    upscale_width: Count | None = Field(None, description="Width after a second, upscaling pass.")
    upscale_height: Count | None = Field(None, description="Height after a second, upscaling pass.")
    upscale_strength: Unit | None = Field(
        None, description="How far upscaling may depart from the first pass."
    )
    upscale_guidance_scale: Guidance | None = Field(None, description="Guidance while upscaling.")
    upscale_num_inference_steps: Count | None = Field(
        None, description="Denoising steps while upscaling."
    )
    enable_frame_interpolation: Flag = Field(
        False, description="Put frames in between: N become (N - 1) * 2^exp + 1."
    )
    frame_interpolation_exp: InterpolationExp | None = Field(
        None, description="How often the frame rate is doubled; once without it."
    )
    frame_interpolation_scale: InterpolationScale | None = Field(
        None, description="Size at which motion is looked for, as a share of the frames' (RIFE)."
    )
    lora: Loras | None = Field(
        None, description='LoRAs, in place of lora_models: `{"name": "anime", "scale": 0.8}`.'
    )
    lora_models: Names | None = Field(None, description="LoRAs, by name.")
    lora_strength: Scales = Field(
        (1.0,), description="One strength for all LoRAs, or one for each."
    )
    motion_module: Name | None = Field(None, description="AnimateDiff's motion module.")
    motion_loras: Names | None = Field(None, description="Motion LoRAs, by name (AnimateDiff).")
    motion_lora_strength: Scales = Field(
        (1.0,), description="One strength for all motion LoRAs, or one for each."
    )
    adapter_lora: Name | None = Field(
        None, description="LoRA that belongs to the motion module (AnimateDiff)."
    )
    domain_lora_scale: Scale = Field(1.0, description="How much of `adapter_lora` is mixed in.")
    ip_adapter_id: Name | None = Field(None, description="IP-Adapter, by name.")
    ip_adapter_image: Media | None = Field(None, description="The image that it reads.")
    ip_adapter_scale: Scale = Field(0.6, description="How much of the image is mixed in.")
    controlnet: Name | None = Field(None, description="ControlNet, by name.")
    controlnet_images: MediaList | None = Field(
        None, description="The images that it reads, in the order of the frames."
    )

    @model_validator(mode="after")
    def _strengths_pair_up(self) -> Self:
        check_strengths(self)
        return self


@dataclass(frozen=True, kw_only=True)
class Read:
    """What stood in the open object, in our words."""

    parameters: dict[str, Any]
    last_image: MediaReference | None
    ip_adapter_image: MediaReference | None
    controlnet_images: tuple[MediaReference, ...] | None
    delivery: Delivery
    #: Our names -> the caller's, with the object's name before them.
    field_names: dict[str, str]
    warnings: tuple[str, ...]


def parameters_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of Extras as parameters; a "no" asks for nothing, so that no model warns of it."""
    ours = {
        name: value for name, value in said.items() if name in _PARAMETERS and value is not False
    }
    if "clip_skip" in ours:  # diffusers counts the layers that are skipped
        ours["clip_skip"] = ours["clip_skip"] - 1 if ours["clip_skip"] > 1 else None
    if said.get("lora"):
        names, scales = zip(*said["lora"], strict=True)
        ours |= {"lora_models": names, "lora_strength": scales}
    return ours


_PARAMETERS = frozenset(item.name for item in fields(Parameters))
#: Of adapters and the like, which no model has defaults for.
DEFAULTS = Parameters(
    **parameters_of({
        name: item.default for name, item in Extras.model_fields.items() if item.default is not None
    })
)  # fmt: skip


def read(extras: Mapping[str, Any] | None, *, name: str, as_base64: bool) -> Read:
    """Read an open object; `name` is its field's.

    Raises InvalidRequest for a wrong value, and only warns of names that are not known.
    """
    said = given(extras or {})
    known = {item: value for item, value in said.items() if item in Extras.model_fields}
    body = validated(Extras, known, under=f"{name}.")
    asked = {item: getattr(body, item) for item in known}
    field_names = {item: f"{name}.{item}" for item in known}
    if "lora" in known:
        field_names |= dict.fromkeys(("lora_models", "lora_strength"), f"{name}.lora")
    return Read(
        parameters=parameters_of(asked),
        last_image=_reference(body.last_image, f"{name}.last_image"),
        ip_adapter_image=_reference(body.ip_adapter_image, f"{name}.ip_adapter_image"),
        controlnet_images=tuple(
            MediaReference(field=f"{name}.controlnet_images", value=value)
            for value in body.controlnet_images or ()
        )
        or None,
        delivery=Delivery(
            format=VideoFormat(body.output_format), temp=body.temp, as_base64=as_base64
        ),
        field_names=field_names,
        warnings=tuple(_warnings(said, name)),
    )


def _reference(value: str | None, field: str) -> MediaReference | None:
    return MediaReference(field=field, value=value) if value else None


def _warnings(said: Mapping[str, Any], name: str) -> Iterator[str]:
    if "lora" in said:
        yield from (
            f"{name}.{item}: not used beside {name}.lora, ignored"
            for item in ("lora_models", "lora_strength")
            if item in said
        )
    yield from unknown(said, Extras.model_fields, under=f"{name}.")
