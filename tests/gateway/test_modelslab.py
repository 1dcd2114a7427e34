"""ModelsLab's URLs as its clients call them, over the platform and the worker."""

from __future__ import annotations

import base64
import io
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from loopback import Platform
from src.errors import OutOfMemory
from tests.gateway.conftest import Serve
from tests.gateway.fakes import Gateway, QuickWorker, settled

V6 = "/api/v6/video"
FOX = settled({"model_id": "cogvideox", "prompt": "a fox"})
PROCESSING = {
    "status", "tip", "eta", "message", "fetch_result", "id", "output", "meta", "future_links",
}  # fmt: skip


def picture() -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def moving_picture() -> str:
    frames = [Image.new("RGB", (64, 48), (40 * step, 90, 0)) for step in range(6)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=100)
    return base64.b64encode(buffer.getvalue()).decode()


def post(gateway: Gateway, path: str, body: Any, key: str | None = "caller-key") -> httpx.Response:
    with gateway.client(key) as client:
        return client.post(path, json=body)


def fetched(gateway: Gateway, number: int, **options: Any) -> dict[str, Any]:
    """A video's answer once it is no longer under way."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        told: dict[str, Any] = post(gateway, f"{V6}/fetch/{number}", {}, **options).json()
        if told["status"] != "processing":
            return told
        time.sleep(0.05)
    raise TimeoutError(told)


@pytest.mark.parametrize(
    ("path", "endpoint", "more"),
    [
        (f"{V6}/text2video", "text2video", {}),
        (f"{V6}/img2video", "img2video", {"init_image": picture()}),
        (f"{V6}/video2video", "video2video", {"init_video": moving_picture()}),
        (f"{V6}/text2video_ultra", "text2video_ultra", {}),
        (f"{V6}/img2video_ultra", "img2video_ultra", {"init_image": [picture()]}),
        ("/api/v1/enterprise/video/text2video", "text2video", {}),
        ("/api/v1/enterprise/video/img2video", "img2video", {"init_image": picture()}),
        ("/api/v1/enterprise/ultra_video/text2video", "text2video_ultra", {}),
        (
            "/api/v1/enterprise/image_to_video_ultra/img2video",
            "img2video_ultra",
            {"init_image": picture()},
        ),
        ("/api/v7/video-fusion/text-to-video", "text-to-video", {}),
        ("/api/v7/video-fusion/image-to-video", "image-to-video", {"init_image": picture()}),
        (
            "/api/v7/video-fusion/video-to-video",
            "video-to-video",
            {"init_video": [moving_picture()]},
        ),
    ],
)
def test_every_url_has_its_video_made(
    gateway: Gateway, worker: QuickWorker, path: str, endpoint: str, more: dict[str, Any]
) -> None:
    told = post(gateway, path, {"key": "caller-key", **FOX, **more}, key=None)

    assert (told.status_code, told.json()["status"]) == (200, "success")
    (asked,) = worker.inputs
    assert asked["endpoint"] == endpoint
    assert "key" not in asked
    assert len(asked["request_id"]) == 32


def test_the_answer_is_the_workers_with_a_link_of_the_gateways(
    gateway: Gateway, worker: QuickWorker
) -> None:
    told = post(gateway, f"{V6}/text2video", FOX).json()

    assert worker.inputs
    assert told["meta"]["num_frames"] == 5
    assert told["meta"]["prompt"] == "a fox"
    assert told["generationTime"] > 0
    (link,) = told["output"]
    assert told["future_links"] == told["proxy_links"] == [link]
    assert link.startswith(f"{gateway.url}/generated-videos/")
    assert link.endswith(".mp4")
    video = httpx.get(link)
    assert (video.status_code, video.headers["content-type"]) == (200, "video/mp4")
    assert video.content[4:8] == b"ftyp"
    assert isinstance(told["id"], int)
    assert fetched(gateway, told["id"]) == told


def test_a_buckets_link_is_handed_on(gateway: Gateway, bucket_worker: QuickWorker) -> None:
    told = post(gateway, f"{V6}/text2video", FOX | {"output_type": "gif"}).json()

    bucket = bucket_worker.bucket
    assert bucket
    (link,) = told["output"]
    assert link.startswith(bucket.base_url)
    assert link.endswith(".gif")
    assert httpx.get(link).content.startswith(b"GIF89a")


@pytest.mark.parametrize("asked", [{"base64": True}, {"output_type": "base64"}])
def test_base64_comes_in_the_answer_and_in_every_fetch(
    gateway: Gateway, bucket_worker: QuickWorker, asked: dict[str, Any]
) -> None:
    told = post(gateway, f"{V6}/text2video", FOX | asked).json()

    assert base64.b64decode(told["output"][0], validate=True)[4:8] == b"ftyp"
    assert told["proxy_links"] == told["future_links"] == []
    assert fetched(gateway, told["id"])["output"] == told["output"]
    assert bucket_worker.bucket
    assert bucket_worker.bucket.saved == {}


@pytest.mark.parametrize("gateway", [{"wait_seconds": 0.3}], indirect=True)
def test_a_video_that_takes_longer_is_processing_until_it_is_fetched(
    gateway: Gateway, worker: QuickWorker
) -> None:
    worker.hold()
    response = post(gateway, f"{V6}/text2video", FOX)
    told = response.json()

    assert response.status_code == 200
    assert told.keys() >= PROCESSING
    assert (told["status"], told["output"]) == ("processing", [])
    assert told["eta"] > 0
    assert told["meta"]["prompt"] == "a fox"
    assert told["fetch_result"] == f"{gateway.url}{V6}/fetch/{told['id']}"
    (link,) = told["future_links"]
    assert httpx.get(link).status_code == 404

    with gateway.client() as client:
        for again in (
            client.post(told["fetch_result"], json={"key": "caller-key"}),
            client.get(told["fetch_result"]),
            client.post(f"{V6}/fetch", json={"request_id": told["id"]}),
            client.post(f"{V6}/fetch", data={"request_id": str(told["id"])}),
        ):
            assert again.json()["status"] == "processing"
            assert again.json()["id"] == told["id"]
    worker.release()
    done = fetched(gateway, told["id"])
    assert (done["status"], done["output"]) == ("success", [link])
    assert httpx.get(link).content[4:8] == b"ftyp"


@pytest.mark.parametrize("gateway", [{"wait_seconds": 600}], indirect=True)
@pytest.mark.parametrize("said", [True, "yes", "TRUE", "1"])
def test_an_instant_response_waits_for_nothing(gateway: Gateway, said: object) -> None:
    # Nobody takes the job: only an answer at once comes before the client's patience ends.
    with gateway.client() as client:
        told = client.post(f"{V6}/text2video", json=FOX | {"instant_response": said}).json()

    assert (told["status"], told["stage"]) == ("processing", "queue")
    assert told["meta"]["width"] == 64
    assert told["meta"]["instant_response"] == "yes"


@pytest.mark.parametrize("gateway", [{"wait_seconds": 0}], indirect=True)
@pytest.mark.parametrize(
    ("asked", "suffix"), [({}, ".mp4"), ({"output_type": "gif"}, ".gif"), ({"base64": "yes"}, None)]
)
def test_a_link_is_promised_where_there_will_be_one(
    gateway: Gateway, asked: dict[str, Any], suffix: str | None
) -> None:
    links = post(gateway, f"{V6}/text2video", FOX | asked).json()["future_links"]

    assert [link[-4:] for link in links] == ([suffix] if suffix else [])


def test_the_number_is_the_one_that_the_worker_says(
    gateway: Gateway, worker: QuickWorker, platform: Platform
) -> None:
    told = post(gateway, f"{V6}/text2video", FOX).json()

    (job,) = platform.jobs.values()
    assert worker.inputs
    assert told["id"] == job.output["id"]


@pytest.mark.parametrize(
    "body",
    [
        {"width": "64", "height": "48", "num_frames": "5", "fps": "8", "clip_skip": "2"},
        {"width": 64, "height": 48, "num_frames": 5, "seed": None, "webhook": None},
        {" width": 64, "height ": 48, "num_frames": 5, "track_id ": 300},
        {"width": 64, "height": 48, "num_frames": 5, "some_sdk_field": {"a": [1]}},
    ],
)
def test_bodies_are_taken_as_clients_really_write_them(
    gateway: Gateway, worker: QuickWorker, body: dict[str, Any]
) -> None:
    told = post(gateway, f"{V6}/text2video", {"model_id": "svd", "prompt": "a fox", **body})

    assert told.json()["status"] == "success"
    assert (told.json()["meta"]["width"], told.json()["meta"]["height"]) == (64, 48)
    assert worker.inputs


@pytest.mark.parametrize(
    "sent",
    [
        {"content": b'{"prompt": "a fox", "width": 64, "height": 48, "key": "caller-key "}'},
        {
            "content": b'{"prompt": "a fox", "width": 64, "height": 48, "key": "caller-key"}',
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        },
        {"data": {"prompt": "a fox", "width": "64", "height": "48", "key": "caller-key"}},
        {
            "data": {"prompt": "a fox", "width": "64", "height": "48", "key": "caller-key"},
            "files": {"nothing": ("", b"")},
        },
    ],
    ids=["no content type", "JSON called a form", "form", "multipart form"],
)
def test_a_body_is_known_by_what_it_is(
    gateway: Gateway, worker: QuickWorker, sent: dict[str, Any]
) -> None:
    with gateway.client(None) as client:
        told = client.post(f"{V6}/text2video", **sent).json()

    assert told["status"] == "success", told
    assert worker.inputs[0]["prompt"] == "a fox"


def test_a_file_in_a_form_is_an_image(gateway: Gateway, worker: QuickWorker) -> None:
    image = base64.b64decode(picture())
    with gateway.client() as client:
        told = client.post(
            f"{V6}/img2video",
            data={"width": "64", "height": "48", "num_frames": "5"},
            files={"init_image": ("fox.png", image, "image/png")},
        ).json()

    assert told["status"] == "success", told
    (image_seen, _), *_ = worker.pipelines.inputs
    assert image_seen.getpixel((3, 3)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("text2video", {"width": 64}, 400, "prompt"),
        ("text2video", {"prompt": "a fox", "width": "wide"}, 400, "width"),
        ("text2video", {"prompt": "a\0fox"}, 400, "prompt"),
        ("text2video", {"prompt": ["a"] * 3}, 400, "prompt"),
        ("text2video", {"prompt": "a fox", "seed": 10**30}, 400, "seed"),
        ("text2video", {"prompt": "a fox", "x": 10**400}, 400, "x"),
        ("img2video", {"prompt": "a fox"}, 400, "init_image"),
        ("video2video", {"prompt": "a fox", "init_video": 3}, 400, "init_video"),
        ("text2video", [1], 400, "JSON object"),
        ("text2video", "a fox", 400, "JSON object"),
        ("text2video", {"key": 3, "prompt": "a fox"}, 400, "key"),
        ("fetch/1", {}, 404, "no video"),
        ("fetch/nothing", {}, 404, "no video"),
        ("fetch/99999999999999999999", {}, 404, "no video"),
        ("fetch/9999999999999999", {}, 404, "no video"),
        ("fetch/-1", {}, 404, "no video"),
        ("fetch", {}, 400, "request_id"),
        ("fetch", {"request_id": {"a": 1}}, 404, "no video"),
        ("fetch", {"request_id": True}, 404, "no video"),
    ],
)
def test_a_wrong_body_is_refused_with_its_status_and_the_field(
    quiet: Gateway, path: str, body: Any, status: int, word: str
) -> None:
    response = post(quiet, f"{V6}/{path}", body)

    assert (response.status_code, response.json()["status"]) == (status, "error")
    assert word in response.json()["message"]
    assert response.json().keys() == {"status", "message"}
    assert quiet.do(quiet.parts.videos.count_by_state()) == []


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"\xff\xfe",
        b'{"prompt": NaN}',
        b'{"prompt": "a", "x": 1e999}',
        b'{"prompt": "\\ud800"}',
        b'{"x": ' + b"[" * 30 + b"]" * 30 + b"}",
        b"[" * 200_000,
        b'{"x": ' + b"1" * 5000 + b"}",
        b'{"\\u0000": 1}',
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_what_is_no_keepable_json_is_refused(quiet: Gateway, raw: bytes) -> None:
    with quiet.client() as client:
        response = client.post(f"{V6}/text2video", content=raw)

    assert (response.status_code, response.json()["status"]) == (400, "error")


@pytest.mark.parametrize(
    ("key", "body"), [(None, {}), (None, {"key": ""}), (None, {"key": "  "}), (None, {"key": None})]
)
def test_nobody_is_served_without_a_key(
    quiet: Gateway, key: str | None, body: dict[str, Any]
) -> None:
    response = post(quiet, f"{V6}/text2video", FOX | body, key=key)

    assert (response.status_code, response.json()["status"]) == (401, "error")


def test_a_video_is_its_callers_alone(gateway: Gateway, worker: QuickWorker) -> None:
    told = post(gateway, f"{V6}/text2video", FOX).json()

    assert worker.inputs
    other = post(gateway, f"{V6}/fetch/{told['id']}", {"key": "another-key"}, key=None)
    assert (other.status_code, other.json()["status"]) == (404, "error")


def test_the_key_is_kept_nowhere(
    gateway: Gateway, worker: QuickWorker, platform: Platform, tmp_path: Path
) -> None:
    secret = "rpa_0123456789abcdef"
    post(gateway, f"{V6}/text2video", FOX | {"key": secret, " Key ": secret}, key=None)

    assert worker.inputs
    assert secret not in str([vars(job) for job in platform.jobs.values()])
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("gateway.db*"))
    assert secret.encode() not in kept


def test_a_gateway_that_is_open_to_all_asks_for_no_key(serve: Serve, worker: QuickWorker) -> None:
    gateway = serve(open_to_all=True, runpod_api_key="platform-key")

    for body in (FOX, FOX | {"key": ""}, FOX | {"key": "any"}):
        told = post(gateway, f"{V6}/text2video", body, key=None).json()
        assert fetched(gateway, told["id"], key=None)["status"] == "success"
    assert len(worker.jobs) == 3


def test_the_bodys_key_goes_before_the_headers(gateway: Gateway, worker: QuickWorker) -> None:
    told = post(gateway, f"{V6}/text2video", FOX | {"key": "mine"}, key="a proxy's").json()

    assert worker.inputs
    assert fetched(gateway, told["id"], key="mine") == told


def test_a_job_that_failed_is_told_with_200_for_clients_read_status(
    gateway: Gateway, worker: QuickWorker
) -> None:
    worker.pipelines.error = OutOfMemory("at 64x48")
    response = post(gateway, f"{V6}/text2video", FOX)

    assert (response.status_code, response.json()["status"]) == (200, "error")
    assert "could not make this video" in response.json()["message"]
    again = post(gateway, f"{V6}/fetch/{response.json()['id']}", {})
    assert (again.status_code, again.json()) == (200, response.json())


def test_a_job_that_was_cancelled_on_the_platform_is_an_error(
    gateway: Gateway, platform: Platform
) -> None:
    told = post(gateway, f"{V6}/text2video", FOX | {"instant_response": True}).json()
    (job,) = platform.jobs.values()
    platform.cancel(job)

    assert fetched(gateway, told["id"])["message"] == "The job was cancelled."


@pytest.mark.parametrize("gateway", [{"models": "svd,cogvideox,own-model"}], indirect=True)
@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("svd", 200),
        ("SVD", 200),
        ("own-model", 200),
        (None, 200),
        ("wan2.2", 404),
        ("x" * 300, 404),
    ],
)
def test_a_model_that_is_not_served_is_refused_at_once(
    gateway: Gateway, platform: Platform, said: str | None, status: int
) -> None:
    body = {"prompt": "a fox", "model_id": said, "instant_response": True}
    response = post(gateway, f"{V6}/text2video", body)

    assert response.status_code == status
    assert len(platform.jobs) == (status == 200)
    if status == 404:
        assert response.json()["message"].startswith("Model not found: ")


def test_a_repeated_call_makes_nothing_twice(gateway: Gateway, worker: QuickWorker) -> None:
    with gateway.client() as client:
        client.headers["Idempotency-Key"] = "order-1"
        first, second = (client.post(f"{V6}/text2video", json=FOX).json() for _ in range(2))
        other = client.post(f"{V6}/text2video", json=FOX | {"prompt": "a cat"})

    assert first == second
    assert len(worker.jobs) == 1
    assert (other.status_code, other.json()["status"]) == (409, "error")


def test_links_begin_as_the_operator_says(serve: Serve, worker: QuickWorker) -> None:
    gateway = serve(public_url="https://videos.example.com/api/")
    told = post(gateway, f"{V6}/text2video", FOX).json()

    assert worker.inputs
    assert told["output"][0].startswith("https://videos.example.com/api/generated-videos/")


@pytest.mark.parametrize("host", ["", "[", "a b", "evil.example", "x" * 300, "::1", "a:notaport"])
def test_any_host_header_is_answered(quiet: Gateway, host: str) -> None:
    with quiet.client() as client:
        response = client.post(
            f"{V6}/text2video",
            json=FOX | {"instant_response": True},
            headers={"Host": host},
        )

    assert response.status_code in (200, 400)


def test_an_endpoint_that_is_not_there_is_503(serve: Serve, unused: int) -> None:
    gateway = serve(endpoint=f"http://127.0.0.1:{unused}/v2/none")
    response = post(gateway, f"{V6}/text2video", FOX)

    assert (response.status_code, response.json()["status"]) == (503, "error")


@pytest.fixture
def unused() -> int:
    """A port that nothing listens on."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
