"""From LocalAI's request body to a GenerationRequest; nothing said is dropped in silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...generation import GenerationRequest, MediaReference, Parameters, Task
from .. import extras
from ..fields import asks, given, unknown
from ..references import is_video
from ..rules import validated
from ..values import sides_of
from .body import ZERO_IS_UNSAID, Body, Unused

#: Our names -> LocalAI's, where they differ.
FIELD_NAMES = {
    "image": "start_image",
    "last_image": "end_image",
    "video": "input_reference",
    "guidance_scale": "cfg_scale",
    "num_inference_steps": "step",
}


def decode(payload: Mapping[str, Any]) -> GenerationRequest:
    """Read a body. Raises InvalidRequest, which names every problem."""
    said = given(payload)
    said.pop("endpoint", None)
    said = {name: value for name, value in said.items() if not _is_unsaid(name, value)}
    body = validated(Body, {name: said[name] for name in said if name in Body.model_fields})
    beyond = extras.read(body.params, name="params", as_base64=body.response_format == "b64_json")
    image, video = _starts_from(body)
    return GenerationRequest(
        task=Task.VIDEO2VIDEO if video else Task.IMG2VIDEO if image else Task.TEXT2VIDEO,
        model=body.model,
        parameters=Parameters(**(beyond.parameters | _parameters(body))),
        defaults=extras.DEFAULTS,
        seconds=None if body.num_frames else body.seconds,
        image=image,
        video=video,
        last_image=_reference(body, "end_image") or beyond.last_image,
        ip_adapter_image=beyond.ip_adapter_image,
        controlnet_images=beyond.controlnet_images,
        delivery=beyond.delivery,
        warnings=(*_warnings(said, body), *beyond.warnings),
        field_names=_names(body, image) | beyond.field_names,
    )


def _is_unsaid(name: str, value: object) -> bool:
    if name not in ZERO_IS_UNSAID or isinstance(value, bool):
        return False
    return value == 0 or (isinstance(value, str) and value.strip() in ("0", "0.0"))


def _parameters(body: Body) -> dict[str, Any]:
    width, height = sides_of(body.size) if body.size else (body.width, body.height)
    said = {
        "prompt": body.prompt,
        "negative_prompt": body.negative_prompt,
        "width": width,
        "height": height,
        "num_frames": body.num_frames,
        "fps": body.fps,
        "seed": body.seed if body.seed and body.seed > 0 else None,
        "num_inference_steps": body.step,
        "guidance_scale": body.cfg_scale,
    }
    return {name: value for name, value in said.items() if value is not None}


def _starts_from(body: Body) -> tuple[MediaReference | None, MediaReference | None]:
    """The image and the video to start from, of which there is one at most."""
    start, other = _reference(body, "start_image"), _reference(body, "input_reference")
    if start or other is None:
        return start, None
    return (None, other) if is_video(other.value) else (other, None)


def _reference(body: Body, field: str) -> MediaReference | None:
    value = getattr(body, field)
    return MediaReference(field=field, value=value) if value else None


def _names(body: Body, image: MediaReference | None) -> dict[str, str]:
    """What the caller calls each, where it is not our name."""
    size = dict.fromkeys(("width", "height"), "size") if body.size else {}
    return FIELD_NAMES | size | ({"image": image.field} if image else {})


def _warnings(said: Mapping[str, Any], body: Body) -> Iterator[str]:
    yield from (f"{less}: not used beside {more}, ignored" for less, more in _beside(body))
    for name in Unused.model_fields:
        if name in said and asks(said[name]):
            yield f"{name}: not supported, ignored"
    yield from unknown(said, Body.model_fields)


def _beside(body: Body) -> Iterator[tuple[str, str]]:
    """Fields that another one goes over, each with that one."""
    if body.start_image and body.input_reference:
        yield "input_reference", "start_image"
    if body.end_image and "last_image" in (body.params or {}):
        yield "params.last_image", "end_image"
    if body.num_frames and body.seconds and not _agree(body):
        yield "seconds", "num_frames"
    size = sides_of(body.size) if body.size else (body.width, body.height)
    for side, own in zip(("width", "height"), size, strict=True):
        if getattr(body, side) not in (None, own):
            yield side, "size"


def _agree(body: Body) -> bool:
    return body.fps is not None and round((body.seconds or 0) * body.fps) == body.num_frames
