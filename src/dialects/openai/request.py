"""From a `/v1/videos` body to a GenerationRequest; nothing said is dropped in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import InvalidRequest
from ...generation import GenerationRequest, MediaReference, Parameters, Task
from .. import extras
from ..fields import asks, given, unknown
from ..references import is_video
from ..rules import broken, validated
from ..values import sides_of
from .body import REFERENCES, Body, Unused, VideoParams

#: OpenAI's own models, which nobody else has: programs name them without a thought.
OPENAIS_OWN = re.compile(r"sora(-.*)?", re.IGNORECASE)
#: Fields that are parameters under our name for them; those with figures of their own apart.
SAME = (
    *("prompt", "negative_prompt", "num_inference_steps", "guidance_scale", "guidance_scale_2"),
    *("boundary_ratio", "flow_shift", "true_cfg_scale"),
    *("enable_frame_interpolation", "frame_interpolation_exp", "frame_interpolation_scale"),
)
FIGURES = ("width", "height", "num_frames", "fps")
#: What fields of no use say where they ask for nothing.
HARMLESS = {"num_outputs_per_prompt": ("1",), "quality": ("default", "standard", "auto")}
#: What the platform wraps a body in that came to its `/openai/v1/videos`.
WRAPPED = ("openai_route", "openai_input")


def decode(payload: Mapping[str, Any]) -> GenerationRequest:
    """Read a body, in the platform's wrapping or without. Raises InvalidRequest, which names
    every problem.
    """
    said = _unwrapped(given(payload))
    said.pop("endpoint", None)
    body = validated(Body, {name: said[name] for name in said if name in Body.model_fields})
    beyond = extras.read(
        body.extra_params, name="extra_params", as_base64=body.response_format == "b64_json"
    )
    figures, names, ignored = _figures(body)
    reference = _reference(body)
    return GenerationRequest(
        task=_task(reference, body),
        model=None if _is_openais(body.model) else body.model,
        # As vLLM-Omni has it, extra_params goes over what the body itself says.
        parameters=Parameters(**(_parameters(body) | figures | beyond.parameters)),
        defaults=extras.DEFAULTS,
        seconds=None if "num_frames" in figures else body.seconds,
        image=reference if _task(reference, body) is Task.IMG2VIDEO else None,
        video=reference if _task(reference, body) is Task.VIDEO2VIDEO else None,
        last_image=beyond.last_image,
        ip_adapter_image=beyond.ip_adapter_image,
        controlnet_images=beyond.controlnet_images,
        delivery=beyond.delivery,
        warnings=(
            *ignored,
            *_doubled(body, beyond),
            *_warnings(said, body, figures),
            *beyond.warnings,
        ),
        field_names=names | _name_of(reference) | beyond.field_names,
    )


def _unwrapped(said: dict[str, Any]) -> dict[str, Any]:
    if not said.keys() & set(WRAPPED):
        return said
    inner = said.get("openai_input")
    if not isinstance(inner, Mapping):
        rule = "must be a JSON object"
        raise InvalidRequest(broken("openai_input", inner, rule), field="openai_input")
    beside = {name: value for name, value in said.items() if name not in WRAPPED}
    return beside | given(inner)


def _is_openais(model: str | None) -> bool:
    return model is not None and OPENAIS_OWN.fullmatch(model) is not None


def _parameters(body: Body) -> dict[str, Any]:
    said = {name: getattr(body, name) for name in SAME}
    # A "no" asks for nothing: it is left to the defaults, so that no model need warn of it.
    said = {name: value for name, value in said.items() if value is not None and value is not False}
    if body.lora:
        names, scales = zip(*body.lora, strict=True)
        said |= {"lora_models": names, "lora_strength": scales}
    if body.seed is not None and body.seed >= 0:
        said["seed"] = body.seed
    return said


def _figures(body: Body) -> tuple[dict[str, int], dict[str, str], list[str]]:
    """Width, height, num_frames and fps; what the caller calls each; warnings of the others.

    The body's own go over those of video_params, and size over width and height.
    """
    more = given(body.video_params or {})
    known = {name: value for name, value in more.items() if name in FIGURES}
    inner = validated(VideoParams, known, under="video_params.")
    own = [(name, name, getattr(body, name)) for name in FIGURES]
    inside = [(name, f"video_params.{name}", getattr(inner, name)) for name in FIGURES]
    size = zip(("width", "height"), sides_of(body.size), strict=True) if body.size else ()
    figures: dict[str, int] = {}
    names: dict[str, str] = {}
    ignored: list[str] = []
    for name, theirs, value in (*((side, "size", number) for side, number in size), *own, *inside):
        if value is None:
            continue
        if figures.setdefault(name, value) != value:
            ignored.append(f"{theirs}: not used beside {names[name]}, ignored")
        names.setdefault(name, theirs)
    return figures, names, [*ignored, *unknown(more, FIGURES, under="video_params.")]


def _reference(body: Body) -> MediaReference | None:
    """What to start from; the wire model has seen that there is one at most."""
    for field in REFERENCES:
        if getattr(body, field):
            return MediaReference(field=field, value=getattr(body, field))
    return None


def _task(reference: MediaReference | None, body: Body) -> Task:
    if reference is None:
        return Task.TEXT2VIDEO
    told = reference.field.startswith("input") and is_video(reference.value)
    return Task.VIDEO2VIDEO if body.video_reference or told else Task.IMG2VIDEO


def _name_of(reference: MediaReference | None) -> dict[str, str]:
    """What the caller calls the medium, and the LoRAs, for messages."""
    names = dict.fromkeys(("lora_models", "lora_strength"), "lora")
    return names | (dict.fromkeys(("image", "video"), reference.field) if reference else {})


def _doubled(body: Body, beyond: extras.Read) -> Iterator[str]:
    """Fields that extra_params says otherwise."""
    own = _parameters(body)
    told = {beyond.field_names.get(name, name): name for name in beyond.parameters}
    for theirs, name in told.items():
        if name in own and own[name] != beyond.parameters[name]:
            field = "lora" if name in ("lora_models", "lora_strength") else name
            yield f"{field}: not used beside {theirs}, ignored"


def _warnings(said: Mapping[str, Any], body: Body, figures: Mapping[str, int]) -> Iterator[str]:
    if _is_openais(body.model):
        yield "model: OpenAI's own, not served here; the worker's default model is used instead"
    if body.seconds and "num_frames" in figures and not _agree(body.seconds, figures):
        yield "seconds: not used beside num_frames, ignored"
    for name in Unused.model_fields:
        if name in said and _means(name, said[name]):
            yield f"{name}: not supported, ignored"
    yield from unknown(said, Body.model_fields)


def _agree(seconds: float, figures: Mapping[str, int]) -> bool:
    return "fps" in figures and round(seconds * figures["fps"]) == figures["num_frames"]


def _means(name: str, value: object) -> bool:
    """Whether a field of no use was meant to do something."""
    if isinstance(value, str | int) and str(value).strip().casefold() in HARMLESS.get(name, ()):
        return False
    return asks(value)
