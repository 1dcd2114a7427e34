"""From ModelsLab's request body to a GenerationRequest; nothing said is dropped in silence."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ...generation import Delivery, GenerationRequest, MediaReference, Task, VideoFormat
from ..fields import asks, given, unknown
from ..rules import validated
from .body import Body, Img2Video, Text2Video, Unused, Video2Video
from .endpoint import (
    IMG2VIDEO,
    TEXT2VIDEO,
    VIDEO2VIDEO,
    Endpoint,
    endpoint_named,
    parameters,
    sides,
)

KNOWN = frozenset().union(*(body.model_fields for body in (Text2Video, Img2Video, Video2Video)))
SIZE = re.compile(r"([1-9]\d{0,4}) ?x ?([1-9]\d{0,4})", re.ASCII | re.IGNORECASE)
#: Our names -> ModelsLab's, where they differ.
FIELD_NAMES = {
    "flow_shift": "sample_shift",
    "image": "init_image",
    "video": "init_video",
    "last_image": "end_image",
}
#: What else callers may say for a parameter.
OTHER_SPELLINGS = {
    "flow_shift": ("sample_shift", "shift_sample", "flow_shift"),
    "lora_models": ("lora",),
    "lora_strength": ("lora",),
}


def decode(payload: Mapping[str, Any]) -> GenerationRequest:
    """Read a body. Raises InvalidRequest, which names every problem."""
    spelt = given(payload)
    said = _with_plain_size(_in_one_spelling(spelt))
    endpoint = _endpoint(said)
    known = {name: value for name, value in said.items() if name in endpoint.body.model_fields}
    body = validated(endpoint.body, known)
    size = _size_by_resolution(body, endpoint)
    # A "no" asks for nothing: it is left to the defaults, so that no model need warn of it.
    asked = {name: getattr(body, name) for name in known if getattr(body, name) is not False}
    return GenerationRequest(
        task=endpoint.task,
        model=body.model_id,
        parameters=parameters(asked | size),
        defaults=endpoint.defaults,
        image=_reference(body, "init_image"),
        video=_reference(body, "init_video"),
        last_image=_reference(body, "end_image"),
        ip_adapter_image=_reference(body, "ip_adapter_image"),
        controlnet_images=_references(body, "controlnet_images"),
        delivery=_delivery(body),
        warnings=tuple(_warnings(said, body, endpoint)),
        field_names=FIELD_NAMES | _spellings(spelt),
    )


def _in_one_spelling(said: dict[str, Any]) -> dict[str, Any]:
    said = dict(said)
    for other in ("shift_sample", "flow_shift"):
        if other in said and "sample_shift" not in said:
            said["sample_shift"] = said.pop(other)
    if "model" in said and "model_id" not in said:  # the other APIs' word, alone in a plain body
        said["model_id"] = said.pop("model")
    return said


def _spellings(said: Collection[str]) -> dict[str, str]:
    """What the caller calls a parameter where there is a choice, for warnings in their words."""
    spelt = {
        ours: next((name for name in names if name in said), None)
        for ours, names in OTHER_SPELLINGS.items()
    }
    return {ours: name for ours, name in spelt.items() if name}


def _with_plain_size(said: dict[str, Any]) -> dict[str, Any]:
    """ModelsLab's own Dart client says resolution "512x512"."""
    resolution = said.get("resolution")
    size = SIZE.fullmatch(resolution.strip()) if isinstance(resolution, str) else None
    if size and not {"width", "height"} & said.keys():
        del said["resolution"]
        said |= {"width": int(size[1]), "height": int(size[2])}
    return said


def _endpoint(said: dict[str, Any]) -> Endpoint:
    """Obey `endpoint` (detect has refused unknown ones), else see what there is to start from."""
    name = said.pop("endpoint", None)
    named = endpoint_named(name) if isinstance(name, str) else None
    if named:
        return named
    if "init_video" in said:
        return VIDEO2VIDEO
    return IMG2VIDEO if "init_image" in said else TEXT2VIDEO


def _size_by_resolution(body: Body, endpoint: Endpoint) -> dict[str, int]:
    said = body.model_fields_set
    if {"width", "height"} & said or not (body.resolution or body.portrait):
        return {}
    default = min(endpoint.defaults.width or 0, endpoint.defaults.height or 0)
    return sides(body.resolution or default, portrait=body.portrait)


def _reference(body: Body, field: str) -> MediaReference | None:
    value = getattr(body, field, None)
    return MediaReference(field=field, value=value) if value else None


def _references(body: Body, field: str) -> tuple[MediaReference, ...] | None:
    values = getattr(body, field) or ()
    return tuple(MediaReference(field=field, value=value) for value in values) or None


def _delivery(body: Body) -> Delivery:
    return Delivery(
        format=VideoFormat.GIF if body.output_type == "gif" else VideoFormat.MP4,
        as_base64=body.base64 or body.output_type == "base64",
        temp=body.temp,
        instant_response=body.instant_response,
        webhook=body.webhook,
        track_id=body.track_id,
    )


def _warnings(said: Mapping[str, Any], body: Body, endpoint: Endpoint) -> Iterator[str]:
    if {"width", "height"} & said.keys():
        yield from (
            f"{name}: not used beside width and height, ignored"
            for name in ("resolution", "portrait")
            if getattr(body, name)
        )
    if "lora" in said:
        yield from (
            f"{name}: not used beside lora, ignored"
            for name in ("lora_models", "lora_strength")
            if name in said
        )
    yield from _unused(said, endpoint.task, type(body))
    yield from unknown(said, KNOWN)


def _unused(said: Mapping[str, Any], task: Task, body: type[Body]) -> Iterator[str]:
    for name, value in said.items():
        if name in Unused.model_fields and asks(value):
            yield f"{name}: not supported, ignored"
        elif name in KNOWN and name not in body.model_fields:
            yield f"{name}: not a field of {task}, ignored"
