"""LocalAI's `POST /video`. Its words live in this folder only."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from ...errors import WorkerError
from ...generation import GenerationRequest, GenerationResult, Report, Unmade
from ..failure import failure_of
from ..outcome import Outcome
from .answer import answer, failed, outcome, processing
from .body import Body
from .request import decode

#: Every field of a body.
FIELDS = frozenset(Body.model_fields)


class LocalAI:
    """LocalAI's video endpoint; whether an image or a video comes in is told by the body."""

    name = "localai"

    def decode_request(self, payload: Mapping[str, Any]) -> GenerationRequest:
        """Read a body. Raises InvalidRequest, whose message names every wrong field."""
        return decode(payload)

    def encode_response(self, result: GenerationResult) -> dict[str, Any]:
        """Write `created, id, data`, and beside them the file's figures."""
        return answer(result).model_dump()

    def encode_error(self, error: WorkerError, about: Unmade | None = None) -> dict[str, Any]:
        """Write `failure`, which LocalAI tells as `error`; an unknown model is its 404."""
        failure = failure_of(error, unknown_model=HTTPStatus.NOT_FOUND)
        return failed(failure, about).model_dump()

    def encode_progress(self, report: Report) -> dict[str, Any]:
        """Write the id, `progress` and the steps."""
        return processing(report).model_dump()

    def encode_webhook(self, result: GenerationResult) -> dict[str, Any]:
        """Write the answer: LocalAI has no webhook, and no request of its asks for one."""
        return self.encode_response(result)

    def encode_failed_webhook(
        self, error: WorkerError, request: GenerationRequest, job_id: str
    ) -> dict[str, Any]:
        """Write the failure."""
        return self.encode_error(error, Unmade(job_id=job_id, request=request))

    def outcome(self, answer: Mapping[str, Any]) -> Outcome:
        """Read an answer back. Raises ValueError where there is no video in it."""
        return outcome(answer)
