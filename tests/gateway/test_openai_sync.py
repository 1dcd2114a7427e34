"""`/v1/videos/sync`: the video itself, waited for."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from loopback import Platform, Status
from src.errors import OutOfMemory
from src.media.sniff import sniff
from tests.gateway.fakes import Gateway, QuickWorker
from tests.gateway.records import FORM, SMALL, ids, wait_until


@pytest.fixture
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client


def test_sync_answers_the_video_and_keeps_nothing(
    http: httpx.Client, worker: QuickWorker, gateway: Gateway
) -> None:
    answer = http.post("/v1/videos/sync", data=FORM)
    assert answer.status_code == 200
    assert sniff(answer.content) == "MP4"
    assert answer.headers["content-type"] == "video/mp4"
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.headers["x-request-id"].startswith("video_sync-")
    assert answer.headers["x-model"] == "fake"
    assert float(answer.headers["x-inference-time-s"]) >= 0
    assert json.loads(answer.headers["x-stage-durations"]).keys() >= {"generate", "encode"}
    assert answer.headers["x-peak-memory-mb"] == "0.000"
    assert wait_until(lambda: ids(http) == [])  # forgotten once it is read
    (asked,) = worker.inputs
    assert asked["endpoint"] == "/v1/videos/sync"
    (used,) = gateway.do(gateway.parts.usage.of(since=0, until=1e12))
    assert (used.calls, used.completed, used.video_seconds) == (1, 1, 0.625)


def test_sync_answers_a_linked_video_as_well(
    http: httpx.Client, bucket_worker: QuickWorker
) -> None:
    answer = http.post("/v1/videos/sync", json=SMALL)
    assert sniff(answer.content) == "MP4"
    assert bucket_worker.bucket
    ((_, saved),) = bucket_worker.bucket.saved.values()
    assert answer.content == saved


def test_sync_tells_a_failure_by_its_status(http: httpx.Client, worker: QuickWorker) -> None:
    worker.pipelines.error = OutOfMemory("cuda")
    answer = http.post("/v1/videos/sync", json=SMALL)
    assert answer.status_code == 500
    assert answer.headers["x-should-retry"] == "false"
    assert answer.json()["error"]["type"] == "server_error"
    assert ids(http) == []


@pytest.mark.parametrize("gateway", [{"sync_seconds": 0.5}], indirect=True)
def test_sync_that_takes_too_long_is_stopped(
    http: httpx.Client, worker: QuickWorker, platform: Platform
) -> None:
    worker.hold()
    answer = http.post("/v1/videos/sync", json=SMALL)
    assert answer.status_code == 504
    assert "0.5 s" in answer.json()["error"]["message"]
    (job,) = platform.jobs.values()
    assert job.status is Status.CANCELLED
    assert ids(http) == []


def test_who_hangs_up_on_sync_stops_it(
    http: httpx.Client, gateway: Gateway, worker: QuickWorker, platform: Platform
) -> None:
    worker.hold()
    gateway.hang_up_on("/v1/videos/sync", SMALL, once=lambda: worker.pipelines.started.wait(20))
    (job,) = platform.jobs.values()
    assert job.wait(20).status is Status.CANCELLED
    assert wait_until(lambda: ids(http) == [])
