"""Every model of the manifest, each of its tasks, in one worker that cannot hold them all.

One round is part of `make test`; three rounds (`make rounds`) also show that memory does not grow.
"""

from __future__ import annotations

import base64
import io
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import psutil
import pytest
from PIL import Image

from loopback import Platform, WorkerProcess
from src.generation import Task
from src.manifest import load_manifest
from tests.probe import probe

#: Room for two or three tiny models at a time: each job of another model evicts one.
BUDGET_GB = "0.012"
SMALL: dict[str, Any] = {
    "prompt": "a fox",
    "width": 64,
    "height": 64,
    "num_frames": 5,
    "num_inference_steps": 2,
    "guidance_scale": 3.0,
    "strength": 1.0,
    "fps": 8,
    "seed": 1,
}
JOBS = [(entry.id, task) for entry in load_manifest() for task in Task if task in entry.tasks]


@pytest.fixture
def worker(
    platform: Platform, root: Path, tiny_models: Path, tmp_path: Path
) -> Iterator[WorkerProcess]:
    environment = platform.environment(
        MODELS_DIR=str(tiny_models),
        MODEL_MEMORY_GB=BUDGET_GB,
        OUTPUT_DIR=str(tmp_path / "out"),
        HOME=str(tmp_path),
    )
    with WorkerProcess(root, environment, tmp_path / "log") as worker:
        yield worker


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform() as platform:
        yield platform


def body(model: str, task: Task) -> dict[str, Any]:
    """A small job; what the task has no field for is left out."""
    said = {"model_id": model, "endpoint": task.value, **SMALL}
    if task is Task.IMG2VIDEO:
        said["init_image"] = picture()
    if task is Task.VIDEO2VIDEO:
        said["init_video"] = film()
    if task is Task.TEXT2VIDEO:
        del said["strength"]
    return said


def picture() -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def film() -> str:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi"]
    command += ["-i", "testsrc=size=64x64:rate=8:duration=1", "-f", "gif", "-"]
    made = subprocess.run(command, check=True, capture_output=True).stdout
    return "data:image/gif;base64," + base64.b64encode(made).decode()


def round_of(platform: Platform, worker: WorkerProcess) -> float:
    """Do every job, and give the worker's memory after it in bytes."""
    for model, task in JOBS:
        job = worker.wait_for(platform.submit(body(model, task)))
        assert job.status == "COMPLETED", (model, task, job.error)
        made = probe(Path(job.output["output"][0].removeprefix("file://")))
        assert (made.size, made.frames, made.fps) == ((64, 64), 5, 8.0), (model, task)
    return float(psutil.Process(worker.pid).memory_info().rss)


@pytest.mark.loop
@pytest.mark.timeout(900)
def test_every_model_does_each_of_its_tasks_in_one_worker(
    platform: Platform, worker: WorkerProcess
) -> None:
    round_of(platform, worker)

    assert "evicted" in worker.log()


@pytest.mark.rounds
@pytest.mark.timeout(3600)
def test_memory_does_not_grow_over_three_rounds(platform: Platform, worker: WorkerProcess) -> None:
    after = [round_of(platform, worker) for _ in range(3)]
    evictions = worker.log().count("evicted")
    megabytes = ", ".join(f"{size / 1e6:.0f}" for size in after)
    print(f"{len(JOBS)} jobs a round, {evictions} evictions, MB after each: {megabytes}")  # noqa: T201  figures for docs/performance.md

    assert evictions > 2 * len({model for model, _ in JOBS})
    assert after[2] < after[1] * 1.02
