"""Hundreds of jobs in one worker: what it holds at the end is what it held at the beginning."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from loopback import Job, Platform, Status, WorkerProcess
from tests.loop.small import SMALL
from tests.loop.starting import Start

pytestmark = pytest.mark.loop


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform() as platform:
        yield platform


def test_a_worker_is_after_its_jobs_what_it_was_before(platform: Platform, start: Start) -> None:
    soak(platform, start, warm=12, count=36)


@pytest.mark.soak
def test_300_jobs_of_mixed_tasks_leave_nothing_behind(platform: Platform, start: Start) -> None:
    soak(platform, start, warm=60, count=300)


def soak(platform: Platform, start: Start, *, warm: int, count: int) -> None:
    bodies = mixed()
    with start(platform, WORKER_CONCURRENCY="2") as worker:
        first = run(platform, worker, [bodies[i % len(bodies)] for i in range(warm)])
        before = settled(worker)
        jobs = run(platform, worker, [bodies[i % len(bodies)] for i in range(count)])
        after = settled(worker)
        print(f"\n{count} jobs: before {before}, after {after}")  # noqa: T201  figures for docs/performance.md

    for job in (*first, *jobs):
        wants = Status.FAILED if "bad" in str(job.input.get("track_id")) else Status.COMPLETED
        assert job.status == wants, job.error
        assert not job.flipped
    assert after.zombies == 0
    assert after.children <= before.children
    # A pool starts another thread when two jobs first want one at once, and connections to the
    # platform come and go; what each job left behind would be hundreds.
    assert after.threads <= before.threads + 4
    assert after.open_files <= before.open_files + 4
    assert after.rss_bytes < before.rss_bytes * 1.15


def run(platform: Platform, worker: WorkerProcess, bodies: list[dict[str, Any]]) -> list[Job]:
    jobs = [platform.submit(body) for body in bodies]
    return [worker.wait_for(job, 1800) for job in jobs]


def settled(worker: WorkerProcess) -> Any:
    """What it holds once what has ended is gone: connections are kept for some seconds."""
    time.sleep(3)
    return worker.vitals()


def mixed() -> list[dict[str, Any]]:
    """Every task, format and way back, and some that fail."""
    image, video = picture("PNG"), picture("GIF")
    return [
        SMALL,
        SMALL | {"init_image": image},
        SMALL | {"init_video": video, "strength": 0.5},
        SMALL | {"output_type": "gif"},
        SMALL | {"base64": True},
        SMALL | {"seed": -1, "num_frames": 4},
        SMALL | {"enable_frame_interpolation": True},
        SMALL | {"width": "wide", "track_id": "bad"},
        SMALL | {"init_image": "bm90IGFuIGltYWdl", "track_id": "bad"},
        SMALL | {"init_image": image, "output_type": "gif", "fps": 5},
    ]


def picture(kind: str) -> str:
    frames = [Image.new("RGB", (48, 40), (40 * i, 90, 200)) for i in range(5)]
    buffer = io.BytesIO()
    more = {"save_all": True, "append_images": frames[1:], "duration": 100} if kind == "GIF" else {}
    frames[0].save(buffer, kind, **more)
    return base64.b64encode(buffer.getvalue()).decode()
