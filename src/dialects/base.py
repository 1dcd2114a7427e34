"""What every public API that we understand is to the worker: three verbs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..errors import WorkerError
    from ..generation import GenerationRequest, GenerationResult


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

    def encode_error(self, error: WorkerError) -> dict[str, Any]:
        """Write the failure that this API's clients read; what is ours to mend stays unsaid."""
        ...
