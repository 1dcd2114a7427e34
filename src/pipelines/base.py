"""What the worker wants of the GPU room; says nothing of torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..generation import Clip, GenerationRequest, Sources

#: Called after each step with the number of steps done and of steps in all; may raise to stop.
OnStep = Callable[[int, int], None]


class PipelineRoom(Protocol):
    """Settles requests, keeps models in memory, and turns requests into clips."""

    def settle(self, request: GenerationRequest) -> GenerationRequest:
        """The request with every effective parameter filled in and held against its limits.

        Raises UnknownModel, UnsupportedTask or InvalidRequest.
        """
        ...

    def load(self, request: GenerationRequest) -> Any:
        """Have the request's model in memory; raises ModelNotLoaded or OutOfMemory."""
        ...

    def generate(
        self, model: Any, request: GenerationRequest, *, on_step: OnStep, sources: Sources
    ) -> Clip:
        """Denoise now; decode while the clip's chunks are read.

        Takes a settled request and its sources. Where no network for it is baked, the clip has
        its frames of before interpolation. What `on_step` raises comes through. Raises
        OutOfMemory or GenerationError, also while the chunks are read.
        """
        ...

    def warm(self, *, run: bool | None = None) -> str:
        """Load the default model; gives its id.

        With `run` it does one small clip as well, without (None) where that spares the first job
        something.
        """
        ...

    def check_weights(self) -> None:
        """See whether every model's weights are there and whole, without loading them.

        Raises ModelNotLoaded, whose message names the file and what is wrong with it.
        """
        ...

    def check_device(self) -> None:
        """Compute something small where models run. Raises DeviceBroken when that fails."""
        ...
