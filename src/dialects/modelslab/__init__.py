"""ModelsLab's video API, the worker's mother tongue. Its words live in this folder only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import WorkerError
from ...generation import GenerationRequest, GenerationResult
from .answer import answer, failure
from .request import decode


class ModelsLab:
    """ModelsLab's text2video, img2video and video2video."""

    name = "modelslab"

    def decode_request(self, payload: Mapping[str, Any]) -> GenerationRequest:
        """Read a body. Raises InvalidRequest, whose message names every wrong field."""
        return decode(payload)

    def encode_response(self, result: GenerationResult) -> dict[str, Any]:
        """Write `status, generationTime, id, output, proxy_links, meta, warnings, timings`."""
        return answer(result).model_dump()

    def encode_error(self, error: WorkerError) -> dict[str, Any]:
        """Write `status, message`."""
        return failure(error).model_dump()
