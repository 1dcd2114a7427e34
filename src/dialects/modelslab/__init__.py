"""ModelsLab's video API, the worker's mother tongue. Its words live in this folder only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import WorkerError
from ...generation import GenerationRequest, GenerationResult, Report, Unmade
from ..outcome import Outcome
from .answer import answer, failure
from .body import Beyond
from .outcome import outcome
from .processing import processing
from .request import KNOWN, decode
from .webhook import made, not_made

#: Every field of a body; and those of them that are other APIs' words.
FIELDS, BEYOND = KNOWN, frozenset(Beyond.model_fields)


class ModelsLab:
    """ModelsLab's text2video, img2video and video2video."""

    name = "modelslab"

    def decode_request(self, payload: Mapping[str, Any]) -> GenerationRequest:
        """Read a body. Raises InvalidRequest, whose message names every wrong field."""
        return decode(payload)

    def encode_response(self, result: GenerationResult) -> dict[str, Any]:
        """Write `status, generationTime, id, output, proxy_links, meta, warnings, timings`."""
        return answer(result).model_dump()

    def encode_error(
        self,
        error: WorkerError,
        about: Unmade | None = None,  # noqa: ARG002  ModelsLab's failures say no more
    ) -> dict[str, Any]:
        """Write `status, message`."""
        return failure(error).model_dump()

    def encode_progress(self, report: Report) -> dict[str, Any]:
        """Write `status, tip, eta, message, id, output, future_links, meta` and the steps."""
        return processing(report).model_dump(mode="json")

    def encode_webhook(self, result: GenerationResult) -> dict[str, Any]:
        """Write `status, id, output, proxy_links, generationTime, track_id, meta`."""
        return made(result).model_dump()

    def encode_failed_webhook(
        self, error: WorkerError, request: GenerationRequest, job_id: str
    ) -> dict[str, Any]:
        """Write `status, id, message, track_id`."""
        return not_made(error, job_id, request.delivery.track_id).model_dump()

    def outcome(self, answer: Mapping[str, Any]) -> Outcome:
        """Read an answer back. Raises ValueError where there is no video in it."""
        return outcome(answer)
