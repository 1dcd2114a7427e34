"""Results in a real bucket, and what becomes of them when it is not there."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from loopback import Platform, Rules, Status, WorkerProcess
from tests.loop.small import LONG, SMALL
from tests.loop.starting import Start, until
from tests.probe import probe
from tests.s3.fault_proxy import FaultProxy
from tests.s3.faults import GoDown, Reset
from tests.s3.faults import Status as Answers
from tests.s3.fixtures import Bucket
from tests.s3.swift import Swift

pytestmark = pytest.mark.loop

#: As small as the test server lets parts be; a video of LONG takes several.
PART_MB = "0.0656"
MANY_STEPS = LONG | {"num_inference_steps": 2, "num_frames": 24}


@pytest.fixture(scope="module")
def proxy(swift: Swift) -> Iterator[FaultProxy]:
    with FaultProxy(swift.url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def shelf(swift: Swift, swift_client: Any) -> Bucket:
    """One bucket for all jobs of this file."""
    swift_client.create_bucket(Bucket="loop-bucket")
    return Bucket(
        "loop-bucket", swift.url, swift.access_key, swift.secret_key, swift.region, swift_client
    )


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with Platform() as platform:
        yield platform


@pytest.fixture(scope="module")
def worker(
    platform: Platform, start: Start, proxy: FaultProxy, shelf: Bucket
) -> Iterator[WorkerProcess]:
    with start(platform, **bucket_settings(proxy.url, shelf)) as worker:
        yield worker


@pytest.fixture(autouse=True)
def calm(proxy: FaultProxy) -> Iterator[None]:
    """Each test begins and ends with a bucket that is there."""
    yield
    proxy.clear()
    proxy.up()


def bucket_settings(url: str, shelf: Bucket) -> dict[str, str]:
    return {
        "BUCKET_ENDPOINT_URL": url,
        "BUCKET_NAME": shelf.name,
        "BUCKET_ACCESS_KEY_ID": shelf.access_key,
        "BUCKET_SECRET_ACCESS_KEY": shelf.secret_key,
        "BUCKET_PART_MB": PART_MB,
        "BUCKET_POSTER": "true",
        "BUCKET_RESULT_JSON": "true",
        "ALLOW_PRIVATE_URLS": "true",
    }


def body_of(answer: dict[str, Any], folder: Path) -> Path:
    """The video of an answer, by its link or out of it."""
    (url,) = answer["output"]
    path = folder / "came.mp4"
    if url.startswith("data:"):
        path.write_bytes(base64.b64decode(url.partition(",")[2]))
    else:
        response = requests.get(url, timeout=30)
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "video/mp4"
        path.write_bytes(response.content)
    return path


def test_a_result_is_in_the_bucket_and_its_signed_link_leads_to_it(
    platform: Platform, worker: WorkerProcess, shelf: Bucket, tmp_path: Path
) -> None:
    job = worker.wait_for(platform.submit(SMALL | {"instant_response": True}))

    assert job.status == Status.COMPLETED, job.error
    assert job.output["warnings"] == []
    assert probe(body_of(job.output, tmp_path)).frames == SMALL["num_frames"]
    keys = [key for key in shelf.listed() if job.id in key]
    assert keys == [f"videos/{job.id}{end}" for end in (".jpg", ".json", ".mp4")]
    # The link was known, and told, before there was a video; its signature is of its own moment.
    (early,) = job.progress[0]["future_links"]
    assert early.partition("?")[0] == job.output["output"][0].partition("?")[0]
    assert requests.get(early, timeout=30).content == (tmp_path / "came.mp4").read_bytes()
    assert requests.get(job.output["poster"], timeout=30).content.startswith(b"\xff\xd8\xff")


def test_a_temporary_result_lies_where_the_rule_deletes_it(
    platform: Platform, worker: WorkerProcess, shelf: Bucket
) -> None:
    job = worker.wait_for(platform.submit(SMALL | {"temp": True}))

    assert f"temp/{job.id}.mp4" in shelf.listed()
    assert "X-Amz-Expires=86400" in job.output["output"][0]


def test_a_bucket_that_is_down_for_two_tries_gets_the_video_all_the_same(
    platform: Platform, worker: WorkerProcess, proxy: FaultProxy, tmp_path: Path
) -> None:
    proxy.fault(Answers(500, "InternalError"), on="PutObject", where=_is_video, times=2)
    job = worker.wait_for(platform.submit(SMALL))

    assert job.status == Status.COMPLETED
    assert job.output["warnings"] == []
    assert job.output["output"][0].startswith("http://")
    assert probe(body_of(job.output, tmp_path)).frames == SMALL["num_frames"]


def test_a_bucket_that_is_gone_for_the_whole_job_leaves_the_video_to_the_answer(
    platform: Platform, worker: WorkerProcess, proxy: FaultProxy, tmp_path: Path
) -> None:
    proxy.down()
    job = worker.wait_for(platform.submit(SMALL), 240)

    assert job.status == Status.COMPLETED
    assert "could not be uploaded" in job.output["warnings"][0]
    assert probe(body_of(job.output, tmp_path)).frames == SMALL["num_frames"]


def test_a_bucket_that_goes_in_the_middle_of_an_upload_keeps_no_parts(
    platform: Platform,
    worker: WorkerProcess,
    proxy: FaultProxy,
    shelf: Bucket,
    tmp_path: Path,
) -> None:
    proxy.fault(GoDown(), on="UploadPart", skip=1, times=1)
    job = worker.wait_for(platform.submit(MANY_STEPS), 300)

    assert job.status == Status.COMPLETED
    assert "could not be uploaded" in job.output["warnings"][0]
    assert probe(body_of(job.output, tmp_path)).frames == MANY_STEPS["num_frames"]
    assert shelf.uploads() == [f"videos/{job.id}.mp4"]
    proxy.up()
    until(lambda: shelf.uploads() == [], 120)
    assert f"videos/{job.id}.mp4" not in shelf.listed()


def test_connections_that_are_cut_during_an_upload_of_parts_are_made_again(
    platform: Platform, worker: WorkerProcess, proxy: FaultProxy, shelf: Bucket, tmp_path: Path
) -> None:
    proxy.fault(Reset(), on="UploadPart", times=2)
    job = worker.wait_for(platform.submit(MANY_STEPS | {"seed": 3}))

    assert job.status == Status.COMPLETED
    assert "UploadPart" in proxy.operations()
    assert job.output["warnings"] == []
    assert probe(body_of(job.output, tmp_path)).frames == MANY_STEPS["num_frames"]
    assert shelf.uploads() == []


def test_past_every_rung_is_an_error_that_says_so(
    start: Start, proxy: FaultProxy, shelf: Bucket
) -> None:
    settings = bucket_settings(proxy.url, shelf) | {"INLINE_LIMIT_MB": "0.006"}
    with Platform(Rules()) as platform, start(platform, **settings) as worker:
        platform.wait_for_worker()
        proxy.down()
        lost = worker.wait_for(platform.submit(SMALL), 240)
        proxy.up()
        after = worker.wait_for(platform.submit(SMALL))

    assert lost.status == Status.FAILED
    assert "could not be uploaded" in str(lost.error)
    assert "set up a bucket" in str(lost.error)
    assert after.status == Status.COMPLETED


def test_a_jobs_own_bucket_is_used(
    platform: Platform, worker: WorkerProcess, swift: Swift, swift_client: Any, tmp_path: Path
) -> None:
    swift_client.create_bucket(Bucket="theirs")
    own = {
        "endpointUrl": swift.url,
        "bucketName": "theirs",
        "accessId": swift.access_key,
        "accessSecret": swift.secret_key,
    }
    job = worker.wait_for(platform.submit(SMALL, s3Config=own))

    assert "/theirs/videos/" in job.output["output"][0]
    assert probe(body_of(job.output, tmp_path)).frames == SMALL["num_frames"]


def test_no_secret_and_no_signature_is_in_the_log(
    platform: Platform, worker: WorkerProcess, shelf: Bucket
) -> None:
    secret = {"prompt": "very private words", "key": "sk-live-secret"}
    job = worker.wait_for(platform.submit(SMALL | secret))
    log = worker.log()

    assert job.id in log
    for word in ("very private", "sk-live", "X-Amz-Signature", "Signature=", shelf.access_key):
        assert word not in log


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"BUCKET_SECRET_ACCESS_KEY": "wrong"}, "BUCKET_SECRET_ACCESS_KEY"),
        ({"BUCKET_NAME": "not-there"}, "BUCKET_NAME"),
    ],
)
def test_a_worker_whose_bucket_takes_nothing_is_unhealthy_and_says_why(
    start: Start, swift: Swift, shelf: Bucket, change: dict[str, str], words: str
) -> None:
    with Platform() as platform:
        settings = bucket_settings(swift.url, shelf) | change | {"WARM_UP": "false"}
        with start(platform, **settings) as worker:
            code = worker.wait(90)
            log = worker.log()

    assert code == 1
    assert words in log
    assert "storage" in log


def test_the_operators_command_tries_the_bucket(root: Path, swift: Swift, shelf: Bucket) -> None:
    import os
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "src.bucket", "check"],
        cwd=root,
        env={**os.environ, **bucket_settings(swift.url, shelf)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert shelf.name in done.stdout
    assert shelf.secret_key not in done.stdout + done.stderr


def _is_video(seen: Any) -> bool:
    return bool(seen.path.endswith(".mp4"))
