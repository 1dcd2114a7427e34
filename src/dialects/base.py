"""What every public API that we understand is to the worker: a reading, and some answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..errors import WorkerError
    from ..generation import GenerationRequest, GenerationResult, Report, Unmade
    from .outcome import Outcome


class Dialect(Protocol):
    """A public API's format, in both directions; pure, without a network or a file."""

    @property
    def name(self) -> str:
        """One word, for logs."""
        ...

    def decode_request(self, payload: Mapping[str, Any]) -> GenerationRequest:
        """Read a job's input. Raises RequestError, whose message names every wrong field."""
        ...

    def encode_response(self, result: GenerationResult) -> dict[str, Any]:
        """Write the answer that this API's clients read."""
        ...

    def encode_error(self, error: WorkerError, about: Unmade | None = None) -> dict[str, Any]:
        """Write the failure that this API's clients read; what is ours to mend stays unsaid.

        It has a string `message`, and never an `error`: the platform takes that for its own.
        """
        ...

    def encode_progress(self, report: Report) -> dict[str, Any]:
        """Write how far a job is, for whoever asks before there is an answer."""
        ...

    def encode_webhook(self, result: GenerationResult) -> dict[str, Any]:
        """Write what this API posts to a request's own webhook when the video is there."""
        ...

    def encode_failed_webhook(
        self, error: WorkerError, request: GenerationRequest, job_id: str
    ) -> dict[str, Any]:
        """Write what it posts there when there will be none."""
        ...

    def outcome(self, answer: Mapping[str, Any]) -> Outcome:
        """Read an answer back. Raises ValueError where there is no video in it."""
        ...
