"""From a GenerationResult to ModelsLab's answer: its keys, its "yes" and "no", its meta."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, Field

from ...errors import WorkerError
from ...generation import GenerationRequest, GenerationResult, Parameters, Task
from ..failure import OURS
from ..made import Seconds, seconds_of, warnings_of

_EVERY_META = (
    "file_prefix", "fps", "height", "instant_response", "model_id", "num_frames",
    "num_inference_steps", "seed", "temp", "width",
)  # fmt: skip

#: Keys that `meta` always has, null where the model has no use for them: those of ModelsLab's
#: own example answers.
META: Mapping[Task, frozenset[str]] = MappingProxyType({
    Task.TEXT2VIDEO: frozenset(_EVERY_META) | {
        "base64", "clip_skip", "guidance_scale", "improved_sampling_seed", "negative_prompt",
        "output_type", "prompt", "upscale_guidance_scale", "upscale_height",
        "upscale_num_inference_steps", "upscale_strength", "upscale_width",
        "use_improved_sampling",
    },
    Task.IMG2VIDEO: frozenset(_EVERY_META) | {
        "init_image", "max_guidance_scale", "min_guidance_scale", "motion_bucket_id",
        "noise_aug_strength",
    },
    Task.VIDEO2VIDEO: frozenset(_EVERY_META) | {
        "base64", "clip_skip", "guidance_scale", "init_video", "negative_prompt", "output_type",
        "prompt", "strength",
    },
})  # fmt: skip

#: What stands for a parameter that the model has no use for, where it is not null.
UNUSED = {"use_improved_sampling": "no"}

#: A URL of this length is echoed whole; base64 is not.
ECHOED_URL = 2048


def _is_none(value: object) -> bool:
    return value is None


class Answer(BaseModel):
    """One video made."""

    status: Literal["success"] = Field("success", description="Always so in an answer.")
    generationTime: float = Field(  # noqa: N815  ModelsLab's spelling
        description="Seconds from the job's arrival to its answer."
    )
    id: int = Field(description="A number that follows from the job's id; below 2^53.")
    output: list[str] = Field(description="The video: one URL, or its bytes in base64.")
    proxy_links: list[str] = Field(description="The same video by way of a CDN.")
    meta: dict[str, Any] = Field(description="Every parameter that was effective; see below.")
    warnings: list[str] = Field(description="What was asked for and not done; see below.")
    timings: Seconds = Field(description="Where the time went.")
    poster: str | None = Field(
        None,
        exclude_if=_is_none,
        description="The first frame as a jpg; there only with BUCKET_POSTER.",
    )


class Failure(BaseModel):
    """No video made."""

    status: Literal["error"] = Field("error", description="Always so in a failure.")
    message: str = Field(description="Which field, which rule, which value.")


def answer(result: GenerationResult) -> Answer:
    """Say what came of a request."""
    return Answer(
        generationTime=round(result.total_seconds, 2),
        id=number_of(result.job_id),
        output=[result.output],
        proxy_links=list(result.proxy_links),
        meta=meta(result),
        warnings=warnings_of(result),
        timings=seconds_of(result),
        poster=result.poster,
    )


def failure(error: WorkerError) -> Failure:
    """Say what the caller can act on, or that it is for us to mend."""
    return Failure(message=error.public or OURS)


def number_of(job_id: str) -> int:
    """The number that ModelsLab's clients expect for an id; JavaScript holds 53 bits exactly."""
    return int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:8], "big") >> 11


def meta(result: GenerationResult) -> dict[str, Any]:
    """Every effective parameter, in alphabetical order as ModelsLab has it."""
    more = {"enhanced_prompt": result.enhanced_prompt, **_grown(result)}
    return meta_of(result.request, result.file_prefix, more)


def meta_of(
    request: GenerationRequest, file_prefix: str, more: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """The meta of a request whose result there may not be yet."""
    always = META[request.task]
    values = {
        **_parameters(request.parameters),
        **_inputs(request),
        **_delivery(request),
        "file_prefix": file_prefix,
        "model_id": request.model,
        **more,
    }
    return {
        name: values.get(name, UNUSED.get(name))
        for name in sorted(always | values.keys())
        if name in always or values[name] not in (None, "")
    }


def _grown(result: GenerationResult) -> dict[str, Any]:
    """The file's own figures, where they are not those of the frames that were generated first:
    upscaled, interpolated, or made smaller to fit into the answer.
    """
    parameters = result.request.parameters
    first = (parameters.width, parameters.height, parameters.num_frames)
    made = (result.width, result.height, result.num_frames)
    if all(side in (None, own) for side, own in zip(first, made, strict=True)):
        return {}
    return {
        "output_width": result.width,
        "output_height": result.height,
        "output_num_frames": result.num_frames,
        "output_fps": _written(float(result.fps)),
    }


def _parameters(effective: Parameters) -> dict[str, Any]:
    values = {name: _written(value) for name, value in effective.given().items()}
    if effective.clip_skip:
        values["clip_skip"] = effective.clip_skip + 1
    if "flow_shift" in values:
        values["sample_shift"] = values.pop("flow_shift")
    return values


def _inputs(request: GenerationRequest) -> dict[str, str]:
    """Every medium that was used, by the caller's name for it."""
    echoes: dict[str, list[str]] = {}
    for references in request.media().values():
        for item in references:
            echoes.setdefault(item.field, []).append(_echo(item.value))
    return {field: ",".join(values) for field, values in echoes.items()}


def _delivery(request: GenerationRequest) -> dict[str, Any]:
    delivery = request.delivery
    return {
        "base64": _written(delivery.as_base64),
        "instant_response": _written(delivery.instant_response),
        "output_type": delivery.format.value,
        "temp": _written(delivery.temp),
        "track_id": delivery.track_id,
        "webhook": delivery.webhook,
    }


def _written(value: object) -> object:
    """A value as ModelsLab writes it: yes and no, 7 rather than 7.0, lists with commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, tuple):
        items = [_written(item) for item in value]
        return items[0] if len(items) == 1 else ",".join(map(str, items))
    return value


def _echo(value: str) -> str:
    """A URL as it came; of anything longer, how it begins."""
    limit = ECHOED_URL if value[:8].casefold().startswith(("http://", "https://")) else 80
    if len(value) <= limit:
        return value
    kind, comma, _ = value[:80].partition(",")
    head = kind + comma if comma and value.startswith("data:") else value[:24]
    return f"{head}... ({len(value)} characters)"
