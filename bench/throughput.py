"""Seconds a job through the SDK's real loop, when many wait: ours against a plain handler.

A job holds the GPU for a second, and then its video is encoded and uploaded for half a second. A
GPU room and a storage that sleep stand in, so that nothing is measured but who waits for whom; the
worker, its encoder, its progress and the SDK's loop are the real ones.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from loopback import Platform, Rules, WorkerProcess
from src.generation import Clip, GenerationRequest, Parameters, Sources
from src.pipelines.base import OnStep
from src.storage import Item, Links, LocalFolder

GENERATE = 1.0
ENCODE_AND_UPLOAD = 0.5
JOBS = 12

#: Each case's concurrency; None for a script that gives the SDK a sync handler, and no door.
CASES: dict[str, int | None] = {"plain-handler": None, "concurrency-1": 1, "concurrency-2": 2}
OWN = "concurrency-2"

Job = Mapping[str, Any]
Figures = dict[str, float]


def main(case: str) -> Figures:
    """Have a worker do the jobs; seconds from the first that it took to the last delivered."""
    with tempfile.TemporaryDirectory() as folder, Platform(Rules(poll=10)) as platform:
        environment = platform.environment(HOME=folder)
        command = (sys.executable, "-m", __spec__.name, "work", case)
        with WorkerProcess(Path.cwd(), environment, Path(folder) / "log", command) as worker:
            platform.wait_for_worker()
            jobs = [platform.submit({"prompt": "a fox"}) for _ in range(JOBS)]
            for job in jobs:
                worker.wait_for(job)
    taken = min(job.taken_at or 0 for job in jobs)
    finished = max(job.finished_at or 0 for job in jobs)
    return {"seconds": (finished - taken) / JOBS}


def table(figures: Mapping[str, list[Figures]]) -> str:
    """Seconds a job of each case, and how many times as long as ours it takes."""
    lines = ["| worker | seconds a job | times as long |", "|---|---|---|"]
    for case, runs in figures.items():
        pairs = zip(runs, figures[OWN], strict=True)
        ratio = statistics.median(theirs["seconds"] / own["seconds"] for theirs, own in pairs)
        seconds = statistics.median(run["seconds"] for run in runs)
        lines.append(f"| {case} | {seconds:.2f} | {ratio:.2f}x |")
    return "\n".join(lines)


def work(case: str) -> None:
    """The worker of one case, in a process of its own."""
    concurrency = CASES[case]
    if concurrency is None:
        import runpod

        runpod.serverless.start({"handler": _plain})
        return
    from src.bootstrap import build_worker
    from src.config import Settings
    from src.door import serve

    gpu = Gpu()
    worker = build_worker(
        Settings(max_attempts=0),
        pipelines=gpu,
        storage=Upload(Path.home() / "out", gpu),  # every other room is the real one
    )
    serve(worker.handle, concurrency=concurrency)


def _plain(_job: Job) -> dict[str, Any]:
    time.sleep(GENERATE)
    time.sleep(ENCODE_AND_UPLOAD)
    return {}


class Gpu:
    """A GPU room that sleeps, and gives a few grey frames."""

    def __init__(self) -> None:
        """Nothing is decoded yet."""
        self.decoded = 0.0

    def settle(self, request: GenerationRequest) -> GenerationRequest:
        """All defaults."""
        asked = Parameters(width=64, height=64, num_frames=8, fps=8, num_inference_steps=10, seed=0)
        return replace(request, model="sleep", parameters=request.parameters.over(asked))

    def load(self, request: GenerationRequest) -> None:
        """Nothing to load."""

    def generate(
        self,
        model: None,  # noqa: ARG002  the room's protocol has it
        request: GenerationRequest,
        *,
        on_step: OnStep,
        sources: Sources,  # noqa: ARG002
    ) -> Clip:
        """Ten steps, and then frames at once."""
        width, height, num_frames = request.parameters.shape
        for step in range(1, 11):
            time.sleep(GENERATE / 10)
            on_step(step, 10)

        def chunks() -> Iterator[Any]:
            yield np.full((num_frames, height, width, 3), 128, np.uint8)
            self.decoded = time.monotonic()

        return Clip(
            width=width, height=height, num_frames=num_frames, fps=Fraction(8), chunks=chunks()
        )

    def warm(self, *, run: bool | None = None) -> str:  # noqa: ARG002  as the room has it
        """It is never cold."""
        return "sleep"

    def check_weights(self) -> None:
        """There are none."""

    def check_device(self) -> None:
        """There is none."""


class Upload(LocalFolder):
    """Takes as long as encoding has left of its time; the encoder itself is the real one."""

    def __init__(self, folder: Path, gpu: Gpu) -> None:
        """The upload ends so many seconds after the last frame was decoded."""
        super().__init__(folder)
        self._gpu = gpu

    def save(self, path: Path, item: Item, *, stop: threading.Event | None = None) -> Links:
        """Sleep, then keep the file."""
        time.sleep(max(0.0, self._gpu.decoded + ENCODE_AND_UPLOAD - time.monotonic()))
        return super().save(path, item, stop=stop)


if __name__ == "__main__":
    if sys.argv[1] == "work":
        work(sys.argv[2])
    else:
        print(json.dumps(main(sys.argv[1])))
