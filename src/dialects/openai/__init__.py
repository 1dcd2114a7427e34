"""OpenAI's `/v1/videos` as vLLM-Omni extends it. Its words live in this folder only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import WorkerError
from ...generation import GenerationRequest, GenerationResult, Report, Unmade
from ..failure import failure_of
from ..outcome import Outcome
from .body import Body
from .record import answer, failed, outcome, processing
from .request import decode

#: Every field of a body.
FIELDS = frozenset(Body.model_fields)


class OpenAI:
    """OpenAI's Videos API; whether an image or a video comes in is told by the body."""

    name = "openai"

    def decode_request(self, payload: Mapping[str, Any]) -> GenerationRequest:
        """Read a body. Raises InvalidRequest, whose message names every wrong field."""
        return decode(payload)

    def encode_response(self, result: GenerationResult) -> dict[str, Any]:
        """Write the video object with status `completed`, and where the video is."""
        return answer(result).model_dump()

    def encode_error(self, error: WorkerError, about: Unmade | None = None) -> dict[str, Any]:
        """Write the video object with status `failed`, and `failure`, OpenAI's `error`."""
        return failed(failure_of(error), about or Unmade(job_id="unknown")).model_dump()

    def encode_progress(self, report: Report) -> dict[str, Any]:
        """Write the video object with status `in_progress`, and the steps."""
        return processing(report).model_dump()

    def encode_webhook(self, result: GenerationResult) -> dict[str, Any]:
        """Write the answer: this API has no webhook of a request's own, and none is asked for."""
        return self.encode_response(result)

    def encode_failed_webhook(
        self, error: WorkerError, request: GenerationRequest, job_id: str
    ) -> dict[str, Any]:
        """Write the failure."""
        return self.encode_error(error, Unmade(job_id=job_id, request=request))

    def outcome(self, answer: Mapping[str, Any]) -> Outcome:
        """Read an answer back. Raises ValueError where there is no video in it."""
        return outcome(answer)
