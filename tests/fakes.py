"""Fakes with memory, for what stands above a room whose real part has its own tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from src.generation import Clip, GenerationRequest, Parameters, Report, Sources, Stage
from src.notify import Encode
from src.pipelines.base import OnStep
from src.storage import Item, Kept, Links

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

    def warm(self, *, run: bool | None = None) -> str:
        self.warmed_with = run
        return "fake"

    def check_weights(self) -> None:
        """Its weights are always whole."""

    def check_device(self) -> None:
        """Its device always works."""

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

    def __init__(self, *, error: Exception | None = None, forgets: bool = True) -> None:
        self.error = error
        self.forgets = forgets
        self.saved: dict[str, tuple[str, bytes]] = {}
        self.items: dict[str, Item] = {}
        self.discarded: list[str] = []
        self.warmed = 0
        #: Set by a test to hold every save until it is released.
        self.gate = threading.Event()
        self.gate.set()
        self.saving = threading.Event()

    def links(self, item: Item) -> Links | None:
        return Links(url=f"https://cdn.example/{item.name}")

    def find(self, item: Item) -> Kept | None:
        if item.name not in self.saved:
            return None
        size = len(self.saved[item.name][1])
        links = Links(url=f"https://cdn.example/{item.name}")
        return Kept(links=links, size_bytes=size, facts=self.items[item.name].facts)

    def save(self, path: Path, item: Item, *, stop: threading.Event | None = None) -> Links:  # noqa: ARG002  it takes no time
        self.saving.set()
        self.gate.wait()
        if self.error:
            raise self.error
        self.saved[item.name] = (item.content_type, path.read_bytes())
        self.items[item.name] = item
        return Links(url=f"https://cdn.example/{item.name}")

    def discard(self, item: Item) -> None:
        self.discarded.append(item.name)
        self.saved.pop(item.name, None)

    def warm(self) -> None:
        self.warmed += 1

    def check(self) -> None:
        if self.error:
            raise self.error


class MemoryAttempts:
    """Remembers who began and who ended."""

    def __init__(self, **begun: int) -> None:
        self.begun: dict[str, int] = begun
        self.ended: list[str] = []

    def begin(self, name: str) -> int:
        before = self.begun.get(name, 0)
        self.begun[name] = before + 1
        return before

    def end(self, name: str) -> None:
        self.begun.pop(name, None)
        self.ended.append(name)


class HeardProgress:
    """Remembers every report, and who was told that it is over."""

    def __init__(self) -> None:
        self.heard: list[Report] = []
        self.bodies: list[dict[str, Any]] = []
        self.closed: list[str] = []
        self._encode: dict[str, Encode] = {}

    def started(self, job_id: str, encode: Encode) -> None:
        self._encode[job_id] = encode
        self.closed = [item for item in self.closed if item != job_id]  # it is done once more

    def tell(self, report: Report) -> None:
        assert report.job_id not in self.closed, "told after it was over"
        self.heard.append(report)
        self.bodies.append(dict(self._encode[report.job_id](report)))

    async def finished(self, job_id: str) -> None:
        self.closed.append(job_id)

    def steps(self) -> list[tuple[str, int, int]]:
        told = [item for item in self.heard if item.stage is Stage.GENERATE and item.step]
        return [(item.job_id, item.step, item.total) for item in told]

    def stages(self) -> list[Stage]:
        return [item.stage for item in self.heard]


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
