"""OpenAI's routes by HTTP, as vLLM-Omni's clients ask them: records, lists, calls made twice."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from loopback import Platform
from src.errors import OutOfMemory
from src.media.sniff import sniff
from tests.gateway.conftest import Serve
from tests.gateway.fakes import Gateway, QuickWorker
from tests.gateway.pictures import PNG
from tests.gateway.records import FORM, SMALL, ids, over, wait_until


@pytest.fixture
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client


@pytest.mark.usefixtures("worker")
def test_a_finished_record_has_the_fields_of_both_apis(http: httpx.Client) -> None:
    queued = http.post("/v1/videos", json={**SMALL, "seed": 7}).json()
    assert queued["status"] == "queued"
    assert (queued["size"], queued["seconds"]) == ("64x48", "")
    video = over(http, queued)
    assert video.keys() == queued.keys()
    inference, stages = video.pop("inference_time_s"), video.pop("stage_durations")
    assert inference >= 0
    assert stages.keys() == {"fetch", "load", "generate", "encode", "store"}
    assert video.pop("completed_at") >= video["created_at"]
    assert video.pop("expires_at") == pytest.approx(video.pop("created_at") + 24 * 3600, abs=2)
    assert video == {
        "id": queued["id"],
        "object": "video",
        "model": "fake",
        "prompt": "a fox",
        "status": "completed",
        "progress": 100,
        "size": "64x48",
        "seconds": "0.625",
        "quality": "default",
        "remixed_from_video_id": None,
        "error": None,
        "media_type": "video/mp4",
        "file_name": f"{queued['id']}.mp4",
        "peak_memory_mb": 0.0,
        "fps": 8.0,
        "num_frames": 5,
        "duration_s": 0.625,
        "seed": 7,
        "eta": None,
        "url": None,
        "poster": None,
        "warnings": [],
    }


def test_while_it_is_under_way_callers_hear_how_far_it_is_and_when_to_ask(
    http: httpx.Client, worker: QuickWorker
) -> None:
    worker.hold()
    name = http.post("/v1/videos", json=SMALL).json()["id"]
    assert worker.pipelines.started.wait(20)
    answer = http.get(f"/v1/videos/{name}")
    assert answer.json()["status"] in ("queued", "in_progress")
    assert 500 <= int(answer.headers["openai-poll-after-ms"]) <= 5000
    worker.release()
    over(http, answer.json())
    assert "openai-poll-after-ms" not in http.get(f"/v1/videos/{name}").headers


# --- twice, and failing -----------------------------------------------------------------------


def test_a_call_that_is_made_again_makes_nothing_twice(
    http: httpx.Client, worker: QuickWorker, platform: Platform
) -> None:
    headers = {"Idempotency-Key": "order-17"}
    files = {"input_reference": ("a.png", PNG, "image/png")}
    first = http.post("/v1/videos", data=FORM, files=files, headers=headers).json()
    again = http.post("/v1/videos", data=FORM, files=files, headers=headers).json()
    assert again["id"] == first["id"]
    other = http.post("/v1/videos", data={**FORM, "prompt": "a hare"}, headers=headers)
    assert other.status_code == 409
    assert len(platform.jobs) == 1
    over(http, first)
    assert len(worker.jobs) == 1


def test_a_remix_that_is_asked_for_again_is_the_same_one(
    http: httpx.Client, worker: QuickWorker
) -> None:
    video = over(http, http.post("/v1/videos", json=SMALL).json())
    remixes = [
        http.post(
            f"/v1/videos/{video['id']}/remix",
            json={"prompt": "a hare"},
            headers={"Idempotency-Key": "remix-1"},
        ).json()["id"]
        for _ in range(2)
    ]
    assert remixes[0] == remixes[1] != video["id"]
    over(http, {"id": remixes[0], "status": "queued"})
    assert len(worker.jobs) == 2


@pytest.mark.parametrize("gateway", [{"failed_as_error": True}], indirect=True)
def test_vllms_way_with_a_failed_video(http: httpx.Client, worker: QuickWorker) -> None:
    worker.pipelines.error = OutOfMemory("cuda")
    name = http.post("/v1/videos", json=SMALL).json()["id"]
    assert wait_until(lambda: http.get(f"/v1/videos/{name}").status_code != 200)
    answer = http.get(f"/v1/videos/{name}")
    assert answer.status_code == 500
    assert answer.json()["id"] == name
    assert answer.json()["status"] == "failed"
    assert answer.json()["error"]["code"] == 500
    assert answer.headers["x-should-retry"] == "false"


def test_a_job_that_somebody_else_cancelled_is_a_video_that_failed(
    http: httpx.Client, worker: QuickWorker, platform: Platform
) -> None:
    worker.hold()
    video = http.post("/v1/videos", json=SMALL).json()
    (job,) = platform.jobs.values()
    platform.cancel(job)
    video = over(http, video)
    assert (video["status"], video["error"]["code"]) == ("failed", "cancelled")
    assert http.get(f"/v1/videos/{video['id']}/content").status_code == 422


# --- lists ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("worker")
def test_lists(http: httpx.Client) -> None:
    assert http.get("/v1/videos").json() == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }
    made = [http.post("/v1/videos", json=SMALL).json()["id"] for _ in range(3)]
    newest = made[::-1]
    page = http.get("/v1/videos", params={"limit": 2}).json()
    assert (page["first_id"], page["last_id"], page["has_more"]) == (newest[0], newest[1], True)
    rest = http.get("/v1/videos", params={"limit": 2, "after": page["last_id"]}).json()
    assert ([video["id"] for video in rest["data"]], rest["has_more"]) == (newest[2:], False)
    none = http.get("/v1/videos", params={"limit": 0}).json()
    assert (none["data"], none["has_more"]) == ([], True)
    assert ids(http, order="asc") == made
    assert ids(http, after="video_1") == ids(http, after="video_" + 32 * "0") == []


@pytest.mark.usefixtures("worker")
def test_videos_of_the_other_apis_are_not_here(http: httpx.Client) -> None:
    assert http.post("/video", json={**SMALL, "model": "fake"}).status_code == 200
    assert ids(http) == []


def test_videos_stay_where_the_gateway_is_restarted(serve: Serve, worker: QuickWorker) -> None:
    first = serve()
    with first.client() as http:
        name = http.post("/v1/videos", json=SMALL).json()["id"]
    with serve().client() as http:
        video = over(http, {"id": name, "status": "queued"})
        assert video["status"] == "completed"
        assert sniff(http.get(f"/v1/videos/{name}/content").content) == "MP4"
    assert len(worker.jobs) == 1


def test_the_openapi_document_tells_of_every_route(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    paths = {path: set(item) for path, item in document["paths"].items() if "/v1/videos" in path}
    assert paths == {
        "/v1/videos": {"get", "post"},
        "/v1/videos/sync": {"post"},
        "/v1/videos/edits": {"post"},
        "/v1/videos/{video_id}": {"get", "delete"},
        "/v1/videos/{video_id}/content": {"get"},
        "/v1/videos/{video_id}/remix": {"post"},
    }
    create = document["paths"]["/v1/videos"]["post"]
    assert create["requestBody"]["content"].keys() == {"multipart/form-data", "application/json"}
    form = create["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert form["input_reference"] == {"type": "string", "format": "binary"}
    assert {"200", "400", "401", "402", "409", "413", "429"} <= create["responses"].keys()
