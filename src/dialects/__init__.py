"""The public APIs that we understand, and which of them a job speaks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from ..errors import InvalidRequest
from . import localai, modelslab, openai
from .base import Dialect
from .fields import given
from .localai.endpoint import is_endpoint as is_localai
from .modelslab.endpoint import ENDPOINTS, endpoint_named
from .openai.endpoint import is_endpoint as is_openai
from .outcome import Outcome
from .rules import broken

__all__ = ["Dialect", "Outcome", "DIALECTS", "DEFAULT", "detect"]

#: By name.
DIALECTS: Mapping[str, Dialect] = MappingProxyType({
    dialect.name: dialect
    for dialect in (modelslab.ModelsLab(), localai.LocalAI(), openai.OpenAI())
})  # fmt: skip
#: Answers whoever cannot be told to speak anything else.
DEFAULT = DIALECTS["modelslab"]

LOCALAI_ONLY = frozenset({
    "start_image", "end_image", "cfg_scale", "step", "response_format", "params",
})  # fmt: skip
OPENAI_ONLY = frozenset({
    "size", "seconds", "input_reference", "image_reference", "guidance_scale_2", "true_cfg_scale",
    "flow_shift", "boundary_ratio", "extra_params", "lora",
    "video_params", "video_reference", "input_references",
})  # fmt: skip
#: What only ModelsLab has: not what it takes over from the others.
MODELSLAB_ONLY = (
    modelslab.FIELDS - modelslab.BEYOND - localai.FIELDS - openai.FIELDS - {"model"}
) | {"sample_shift", "shift_sample"}


def detect(payload: Mapping[str, Any]) -> Dialect:
    """Tell which API a job's input speaks, by the first rule that fits:

    1. `endpoint` says it outright, as a name, a path or a URL. ModelsLab's are text2video,
       img2video, video2video, their ultra forms, and v7's text-to-video, image-to-video and
       video-to-video; LocalAI's is /video, or `localai`; OpenAI's are /v1/videos and
       /v1/videos/sync, or `openai`. `openai_route` beside `openai_input`, in which the platform
       wraps what comes to its own /openai/..., says it as well. Any other is refused.
    2. A field that only ModelsLab has, such as `model_id` or `key`, is ModelsLab.
    3. One of `start_image end_image cfg_scale step response_format params` is LocalAI.
    4. One of `size seconds input_reference image_reference guidance_scale_2 true_cfg_scale
       flow_shift boundary_ratio extra_params lora video_params video_reference
       input_references` is OpenAI (vLLM-Omni).
    5. Anything else is ModelsLab.

    A field that is null or empty was not said. Raises InvalidRequest for an unknown `endpoint`
    or `openai_route`.
    """
    said = given(payload)
    if "endpoint" in said:
        return _named(said["endpoint"])
    if "openai_route" in said or "openai_input" in said:
        return _routed(said.get("openai_route"))
    if "key" in map(_trimmed, payload) or MODELSLAB_ONLY & said.keys():
        return DEFAULT
    if LOCALAI_ONLY & said.keys():
        return DIALECTS["localai"]
    return DIALECTS["openai"] if OPENAI_ONLY & said.keys() else DEFAULT


def _named(endpoint: object) -> Dialect:
    if isinstance(endpoint, str):
        if endpoint_named(endpoint) is not None:
            return DEFAULT
        if is_openai(endpoint):
            return DIALECTS["openai"]
        if is_localai(endpoint):
            return DIALECTS["localai"]
    raise _unknown("endpoint", endpoint, (*ENDPOINTS, "/video", "/v1/videos"))


def _routed(route: object) -> Dialect:
    if isinstance(route, str) and is_openai(route):
        return DIALECTS["openai"]
    raise _unknown("openai_route", route, ("/v1/videos", "/v1/videos/sync"))


def _unknown(field: str, said: object, names: Collection[str]) -> InvalidRequest:
    return InvalidRequest(broken(field, said, f"must be one of {', '.join(names)}"), field=field)


def _trimmed(name: str) -> str:
    return name.strip().casefold()
