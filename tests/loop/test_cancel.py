"""A job that is cancelled while the model is at work."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from loopback import Job, Platform, Status, WorkerProcess
from tests.loop.small import LONG, SMALL
from tests.loop.starting import Start, until

pytestmark = pytest.mark.loop


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with Platform() as platform:
        yield platform


@pytest.fixture(scope="module")
def worker(platform: Platform, start: Start) -> Iterator[WorkerProcess]:
    with start(platform, LOG_FORMAT="json", LOG_LEVEL="DEBUG") as worker:
        yield worker


def told_of(worker: WorkerProcess, job: Job) -> list[int | str]:
    """What the worker's log has of a job, in order: its own steps' numbers, the SDK's words."""
    lines = [line for line in worker.log().splitlines() if line.startswith("{")]
    events = [json.loads(line) for line in lines if line.endswith("}")]
    of_job = [item for item in events if job.id in (item.get("job_id"), item.get("requestId"))]
    return [item.get("step") or item.get("message") or item["event"] for item in of_job]


def steps_of(worker: WorkerProcess, job: Job) -> list[int]:
    return [item for item in told_of(worker, job) if isinstance(item, int)]


def test_cancelled_at_step_3_of_50_it_stops_within_two_and_posts_nothing(
    platform: Platform, worker: WorkerProcess
) -> None:
    job = platform.submit(LONG)
    until(lambda: 3 in told_of(worker, job))
    platform.cancel(job)
    at = steps_of(worker, job)[-1]
    until(lambda: "Job stopped." in told_of(worker, job))
    received = len(job.received)
    after = worker.wait_for(platform.submit(SMALL))

    assert after.status == Status.COMPLETED
    assert steps_of(worker, job)[-1] <= at + 2
    assert job.status == Status.CANCELLED
    assert job.arrivals("result") == []
    assert len(job.received) == received


def test_the_job_after_a_cancelled_one_is_what_it_would_have_been(
    platform: Platform, worker: WorkerProcess
) -> None:
    def bytes_of(job: Job) -> bytes:
        from pathlib import Path

        return Path(job.output["output"][0].removeprefix("file://")).read_bytes()

    before = worker.wait_for(platform.submit(SMALL))
    cancelled = platform.submit(LONG)
    until(lambda: 1 in told_of(worker, cancelled))
    platform.cancel(cancelled)
    after = worker.wait_for(platform.submit(SMALL))

    assert bytes_of(after) == bytes_of(before)


def test_a_job_that_waits_for_the_gpu_can_be_cancelled(platform: Platform, start: Start) -> None:
    with Platform() as platform, start(platform, WORKER_CONCURRENCY="2") as worker:
        first, second = platform.submit(LONG), platform.submit(LONG)
        until(lambda: second.started.is_set() and first.progress)
        platform.cancel(second)
        platform.cancel(first)
        after = worker.wait_for(platform.submit(SMALL))

    assert after.status == Status.COMPLETED
    assert first.arrivals("result") == second.arrivals("result") == []
