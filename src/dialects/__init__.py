"""The public APIs that we understand, and which of them a job speaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidRequest
from .base import Dialect
from .modelslab import ModelsLab
from .modelslab.endpoint import ENDPOINTS, endpoint_named
from .rules import broken

__all__ = ["Dialect", "DEFAULT", "detect"]

#: Answers whoever cannot be told to speak anything else.
DEFAULT: Dialect = ModelsLab()


def detect(payload: Mapping[str, Any]) -> Dialect:
    """Tell which API a job's input speaks, by the first rule that fits:

    1. `endpoint` says it outright, as a name, a path or a URL: ModelsLab's are text2video,
       img2video, video2video, their ultra forms, and v7's text-to-video, image-to-video and
       video-to-video. An unknown one is refused.
    2. `model_id`, or a field that only ModelsLab has, is ModelsLab.
    3. One of `start_image end_image cfg_scale step response_format` is LocalAI.
    4. One of `size seconds input_reference image_reference guidance_scale_2 true_cfg_scale
       flow_shift boundary_ratio extra_params lora` is OpenAI (vLLM-Omni).
    5. Anything else is ModelsLab.

    Until the dialects of 3 and 4 are there, ModelsLab's answers for them, and warns of the
    fields that it does not know. Raises InvalidRequest for an unknown `endpoint`.
    """
    for name, endpoint in payload.items():
        if name.strip() == "endpoint" and not _known(endpoint):
            rule = f"must be one of {', '.join(ENDPOINTS)}"
            raise InvalidRequest(broken("endpoint", endpoint, rule))
    return DEFAULT


def _known(endpoint: object) -> bool:
    if isinstance(endpoint, str):
        return not endpoint.strip() or endpoint_named(endpoint) is not None
    return endpoint is None
