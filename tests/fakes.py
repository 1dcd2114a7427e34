"""Fakes with memory, for what stands above a room whose real part has its own tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from src.generation import Clip, GenerationRequest, Parameters, Sources
from src.pipelines.base import OnStep

SMALL = Parameters(width=32, height=16, num_frames=4, fps=8, seed=7, num_inference_steps=3)


class FakePipelines:
    """A GPU room that draws grey frames; remembers what it was asked, fails where it is told to."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.error = error
        self.requests: list[GenerationRequest] = []
        self.inputs: list[tuple[Any, Any]] = []
        self.at_work = 0
        self.most_at_work = 0
        #: Set by a test to hold every step until it is released.
        self.gate = threading.Event()
        self.gate.set()
        self.started = threading.Event()

    def settle(self, request: GenerationRequest) -> GenerationRequest:
        return replace(
            request, model=request.model or "fake", parameters=request.parameters.over(SMALL)
        )

    def load(self, request: GenerationRequest) -> str:
        return str(request.model)

    def warm(self) -> str:
        return "fake"

    def generate(
        self,
        model: Any,  # noqa: ARG002  the protocol has it
        request: GenerationRequest,
        *,
        on_step: OnStep,
        sources: Sources,
    ) -> Clip:
        self.requests.append(request)
        self.inputs.append((sources.image, sources.video))
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        self.started.set()
        try:
            self._steps(request, on_step)
        finally:
            self.at_work -= 1
        return _grey_clip(request.parameters)

    def _steps(self, request: GenerationRequest, on_step: OnStep) -> None:
        if self.error:
            raise self.error
        steps = request.parameters.num_inference_steps or 1
        for done in range(1, steps + 1):
            self.gate.wait()
            on_step(done, steps)


class MemoryStorage:
    """Keeps what was saved."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.error = error
        self.saved: dict[str, tuple[str, bytes]] = {}

    def save(self, path: Path, *, key: str, content_type: str) -> str:
        if self.error:
            raise self.error
        self.saved[key] = (content_type, path.read_bytes())
        return f"https://cdn.example/{key}"


class HeardProgress:
    """Remembers every step."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int, int]] = []
        self.closed: list[str] = []

    def step(self, job_id: str, done: int, total: int) -> None:
        self.heard.append((job_id, done, total))

    def finished(self, job_id: str) -> None:
        self.closed.append(job_id)


def _grey_clip(parameters: Parameters) -> Clip:
    count, height, width = (
        parameters.num_frames or 1,
        parameters.height or 16,
        parameters.width or 16,
    )
    frames = np.full((count, height, width, 3), 128, np.uint8)

    def chunks() -> Iterator[Any]:
        yield frames

    return Clip(
        width=width,
        height=height,
        num_frames=count,
        fps=Fraction(parameters.fps or 8),
        chunks=chunks(),
    )
