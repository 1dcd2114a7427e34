"""LocalAI's `POST /video`, and the files that its answers lead to."""

from __future__ import annotations

import base64
import threading
import time
import uuid
from typing import Any

import httpx
import pytest

from loopback import Platform, Status
from src.errors import OutOfMemory
from tests.gateway.conftest import Serve
from tests.gateway.fakes import Gateway, GreyPipelines, QuickWorker, settled

FOX = settled({"model": "video-model", "prompt": "a fox"})
NOBODY = "0" * 32


def post(gateway: Gateway, body: Any, key: str | None = "caller-key") -> httpx.Response:
    with gateway.client(key) as client:
        return client.post("/video", json=body)


def test_the_answer_leads_to_the_file(gateway: Gateway, worker: QuickWorker) -> None:
    response = post(gateway, FOX)

    told = response.json()
    assert response.status_code == 200
    assert told.keys() >= {"created", "id", "data"}
    assert uuid.UUID(told["id"])
    assert time.time() - told["created"] < 60
    (video,) = told["data"]
    assert video.keys() == {"url"}
    assert video["url"].startswith(f"{gateway.url}/generated-videos/")
    assert httpx.get(video["url"]).content[4:8] == b"ftyp"
    assert worker.inputs[0]["endpoint"] == "/video"


def test_a_buckets_link_is_handed_on(gateway: Gateway, bucket_worker: QuickWorker) -> None:
    (video,) = post(gateway, FOX).json()["data"]

    assert bucket_worker.bucket
    assert video["url"].startswith(bucket_worker.bucket.base_url)


def test_base64_comes_in_the_answer(gateway: Gateway, bucket_worker: QuickWorker) -> None:
    (video,) = post(gateway, FOX | {"response_format": "b64_json"}).json()["data"]

    assert video.keys() == {"b64_json"}
    assert base64.b64decode(video["b64_json"], validate=True)[4:8] == b"ftyp"
    assert bucket_worker.inputs


def test_zeros_of_go_clients_are_not_said(gateway: Gateway, worker: QuickWorker) -> None:
    zeros = {"width": 0, "height": 0, "num_frames": 0, "fps": 0, "seed": 0, "step": 0}
    told = post(gateway, {"prompt": "a fox", "cfg_scale": 0, **zeros})

    assert told.status_code == 200
    assert told.json()["num_frames"] == 4  # the room's own
    assert worker.inputs


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"model": "video-model"}, 400, "prompt"),
        (FOX | {"width": "wide"}, 400, "width"),
        (FOX | {"prompt": "a\0fox"}, 400, "prompt"),
        (FOX | {"start_image": 3}, 400, "start_image"),
        (FOX | {"response_format": "carrier pigeon"}, 400, "response_format"),
        ([], 400, "JSON object"),
        (None, 400, "JSON object"),
    ],
)
def test_a_wrong_body_is_refused_as_localai_does(
    quiet: Gateway, body: Any, status: int, word: str
) -> None:
    response = post(quiet, body)

    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, status)
    assert word in error["message"]
    assert error.keys() == {"code", "message", "type"}


@pytest.mark.parametrize(
    "sent",
    [
        {"data": {"prompt": "a fox"}},
        {"files": {"start_image": ("a.png", b"png")}},
        {"content": b"{"},
        {},
    ],
)
def test_what_is_no_json_is_refused(quiet: Gateway, sent: dict[str, Any]) -> None:
    with quiet.client() as client:
        assert client.post("/video", **sent).json()["error"]["code"] == 400


def test_nobody_is_served_without_a_key(quiet: Gateway) -> None:
    response = post(quiet, FOX, key=None)

    assert (response.status_code, response.json()["error"]["code"]) == (401, 401)


@pytest.mark.parametrize("gateway", [{"models": "svd"}], indirect=True)
def test_a_model_that_is_not_served_is_localais_404(gateway: Gateway, platform: Platform) -> None:
    response = post(gateway, FOX)

    assert (response.status_code, response.json()["error"]["code"]) == (404, 404)
    assert not platform.jobs


def test_a_model_that_the_worker_does_not_know_is_404_too(
    gateway: Gateway, platform: Platform
) -> None:
    pipelines = GreyPipelines(models=frozenset({"svd"}))
    with QuickWorker(platform, pipelines=pipelines):
        response = post(gateway, FOX)

    assert response.status_code == 404
    assert "video-model" in response.json()["error"]["message"]


def test_a_failure_is_never_200(gateway: Gateway, worker: QuickWorker) -> None:
    worker.pipelines.error = OutOfMemory("at 64x48")
    response = post(gateway, FOX)

    assert (response.status_code, response.json()["error"]["code"]) == (500, 500)
    assert "could not make this video" in response.json()["error"]["message"]


def test_a_job_that_was_cancelled_on_the_platform_is_500(
    gateway: Gateway, worker: QuickWorker, platform: Platform
) -> None:
    worker.hold()
    cancelling = threading.Thread(target=_cancel_the_first, args=(platform,))
    cancelling.start()
    response = post(gateway, FOX)
    cancelling.join()

    assert response.status_code == 500
    assert "cancelled" in response.json()["error"]["message"]


@pytest.mark.parametrize("gateway", [{"sync_seconds": 0.5}], indirect=True)
def test_what_takes_too_long_is_504_and_is_stopped(
    gateway: Gateway, worker: QuickWorker, platform: Platform
) -> None:
    worker.hold()
    response = post(gateway, FOX)

    assert (response.status_code, response.json()["error"]["code"]) == (504, 504)
    (job,) = platform.jobs.values()
    assert job.status == Status.CANCELLED
    assert gateway.do(gateway.parts.videos.count_by_state()) == []


def test_a_caller_who_hangs_up_has_the_job_stopped(
    gateway: Gateway, worker: QuickWorker, platform: Platform
) -> None:
    worker.hold()
    gateway.hang_up_on("/video", FOX, once=lambda: worker.pipelines.started.wait(20))

    (job,) = platform.jobs.values()
    assert job.wait(20).status == Status.CANCELLED


def test_an_endpoint_that_fails_in_between_is_asked_again(
    serve: Serve, platform: Platform, worker: QuickWorker
) -> None:
    gateway = serve()
    worker.hold()
    endpoint, url = gateway.parts.endpoint, gateway.parts.endpoint.url

    def an_outage() -> None:
        _first_job(platform).started.wait(20)
        endpoint.url = "http://127.0.0.1:9/v2/none"
        time.sleep(1)
        endpoint.url = url
        worker.release()

    outage = threading.Thread(target=an_outage)
    outage.start()
    response = post(gateway, FOX)
    outage.join()

    assert response.status_code == 200


# --- files --------------------------------------------------------------------------------------


def test_a_file_is_served_whole_in_parts_and_to_head(gateway: Gateway, worker: QuickWorker) -> None:
    url = post(gateway, FOX).json()["data"][0]["url"]

    assert worker.inputs
    whole, head = httpx.get(url), httpx.head(url)
    part = httpx.get(url, headers={"Range": "bytes=4-7"})
    assert whole.headers["content-type"] == head.headers["content-type"] == "video/mp4"
    assert head.headers["content-length"] == str(len(whole.content))
    assert head.content == b""
    assert (part.status_code, part.content) == (206, b"ftyp")


@pytest.mark.parametrize(
    "file",
    [
        f"{NOBODY}.mp4",
        f"{NOBODY}.exe",
        "b64123.mp4",
        "..%2f..%2fetc%2fpasswd",
        "%00.mp4",
        f"{NOBODY}.mp4%0a",
        "",
    ],
)
def test_what_is_no_video_is_404(quiet: Gateway, file: str) -> None:
    with quiet.client(None) as client:
        response = client.get(f"/generated-videos/{file}")

    assert response.status_code == 404
    assert response.json()["error"]["code"] == 404


def test_a_video_under_way_is_404_until_it_is_there(gateway: Gateway, worker: QuickWorker) -> None:
    worker.hold()
    body = settled({"prompt": "a fox", "instant_response": True})
    with gateway.client() as client:
        told = client.post("/api/v6/video/text2video", json=body).json()
        (link,) = told["future_links"]
        assert client.get(link).status_code == 404
        worker.release()
        while client.post(told["fetch_result"], json={}).json()["status"] == "processing":
            time.sleep(0.05)
        assert client.get(link).status_code == 200


def _first_job(platform: Platform) -> Any:
    end = time.monotonic() + 20
    while not platform.jobs:
        assert time.monotonic() < end
        time.sleep(0.02)
    return next(iter(platform.jobs.values()))


def _cancel_the_first(platform: Platform) -> None:
    job = _first_job(platform)
    job.started.wait(20)
    platform.cancel(job)
