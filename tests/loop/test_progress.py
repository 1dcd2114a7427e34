"""What callers see while a job runs, and that it never comes after the answer."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from loopback import Job, Platform, Status
from tests.loop.small import LONG, SMALL
from tests.loop.starting import Start

pytestmark = pytest.mark.loop


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform() as platform:
        yield platform


def test_updates_are_modelslabs_processing_body_with_the_steps(
    platform: Platform, start: Start
) -> None:
    asked = LONG | {"num_inference_steps": 20, "instant_response": True, "track_id": "7"}
    with start(platform) as worker:
        job = worker.wait_for(platform.submit(asked))
        again = worker.wait_for(platform.submit(asked | {"seed": 2}))

    assert job.status == Status.COMPLETED
    first, last = job.progress[0], job.progress[-1]
    assert first["status"] == "processing"
    assert first["future_links"] == job.output["output"]
    assert first["id"] == job.output["id"]
    assert first["meta"]["track_id"] == "7"
    assert last["total"] == 20
    assert 0 < last["step"] <= 20
    assert last["percent"] == pytest.approx(100 * last["step"] / 20, abs=0.1)
    steps = [update["step"] for update in job.progress]
    assert steps == sorted(steps)
    # The second job's time is known from the first: at its beginning already.
    took = job.output["generationTime"]
    assert took / 4 < again.progress[0]["eta"] < took * 4


def test_no_update_arrives_after_a_result_however_slow_the_platform_is(
    platform: Platform, start: Start
) -> None:
    platform.faults.slow_progress = 0.3
    jobs = run_many(platform, start, count=40)

    assert {job.status for job in jobs} == {Status.COMPLETED}
    assert [job.id for job in jobs if job.after_result()] == []
    assert [job.id for job in jobs if job.flipped] == []
    assert all(job.progress for job in jobs)


@pytest.mark.soak
def test_no_update_arrives_after_a_result_in_500_short_jobs(
    platform: Platform, start: Start
) -> None:
    jobs = run_many(platform, start, count=500)

    assert {job.status for job in jobs} == {Status.COMPLETED}
    assert [job.id for job in jobs if job.after_result() or job.flipped] == []


def run_many(platform: Platform, start: Start, *, count: int) -> list[Job]:
    """Short jobs, two at once, each of another length."""
    lengths = random.Random(0)  # noqa: S311  no secret
    with start(platform, WORKER_CONCURRENCY="2") as worker:
        jobs = [
            platform.submit(SMALL | {"num_inference_steps": lengths.randint(1, 4), "seed": seed})
            for seed in range(count)
        ]
        return [worker.wait_for(job, 900) for job in jobs]
