"""Workers that are killed in the middle of a job, and the platform that hands it out again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from loopback import Platform, Status
from tests.loop.small import LONG, SMALL
from tests.loop.starting import Start, until
from tests.s3.fixtures import Bucket

pytestmark = pytest.mark.loop

SLOW = LONG | {"num_inference_steps": 12}


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform() as platform:
        yield platform


def settings_of(bucket: Bucket) -> dict[str, str]:
    return {
        "BUCKET_ENDPOINT_URL": bucket.url,
        "BUCKET_NAME": bucket.name,
        "BUCKET_ACCESS_KEY_ID": bucket.access_key,
        "BUCKET_SECRET_ACCESS_KEY": bucket.secret_key,
    }


def test_a_job_whose_worker_is_killed_is_one_video_under_one_key(
    platform: Platform, start: Start, bucket: Bucket
) -> None:
    job = platform.submit(SLOW)
    with start(platform, pod="first", **settings_of(bucket)) as worker:
        until(lambda: any(update["step"] >= 3 for update in job.progress), 120)
        worker.kill()
    platform.worker_died("first")
    with start(platform, pod="second", **settings_of(bucket)) as worker:
        worker.wait_for(job)
        undisturbed = worker.wait_for(platform.submit(SLOW))

    assert job.status == Status.COMPLETED, job.error
    assert job.deliveries == 2
    assert [key for key in bucket.listed() if job.id in key] == [f"videos/{job.id}.mp4"]
    (link,) = job.output["output"]
    assert requests.get(link, timeout=30).content == bucket.read(f"videos/{undisturbed.id}.mp4")


def test_a_result_that_the_platform_did_not_get_is_not_made_again(
    platform: Platform, start: Start, bucket: Bucket
) -> None:
    platform.faults.failing_results = 100
    asked = SLOW | {"seed": -1}
    job = platform.submit(asked)
    with start(platform, pod="first", **settings_of(bucket)) as worker:
        until(lambda: job.arrivals("result"), 120)
        first = job.arrivals("result")[0].body["output"]
        worker.kill()
    platform.faults.failing_results = 0
    platform.worker_died("first")
    with start(platform, pod="second", **settings_of(bucket)) as worker:
        worker.wait_for(job)
        log = worker.log()

    assert job.status == Status.COMPLETED
    assert job.output["meta"] == first["meta"]
    assert "found what an earlier try of this job has made" in log
    assert job.output["timings"]["generate"] == 0


@pytest.mark.parametrize("with_bucket", [True, False])
def test_a_job_that_kills_its_workers_is_refused_and_the_next_is_done(
    platform: Platform, start: Start, bucket: Bucket, tmp_path: Path, with_bucket: bool
) -> None:
    settings = settings_of(bucket) if with_bucket else {"STATE_DIR": str(tmp_path)}
    settings["WARM_UP"] = "false"
    job = platform.submit(SLOW)
    for pod in ("first", "second"):
        with start(platform, pod=pod, **settings) as worker:
            until(lambda: any(update["step"] for update in job.progress), 120)
            worker.kill()
        platform.worker_died(pod)
    with start(platform, pod="third", **settings) as worker:
        worker.wait_for(job)
        after = worker.wait_for(platform.submit(SMALL))

    assert job.status == Status.FAILED
    assert "begun 2 times before and the worker did not survive it" in str(job.error)
    assert after.status == Status.COMPLETED
    assert not [key for key in bucket.listed() if "attempts" in key]
    assert not list(tmp_path.glob("*.attempts"))
