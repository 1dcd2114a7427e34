"""Bodies of OpenAI's routes: every form that clients write, and what nobody should."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from loopback import ENDPOINT, Platform
from src.gateway.settings import GatewaySettings
from tests.gateway.fakes import Gateway, QuickWorker
from tests.gateway.pictures import PNG
from tests.gateway.records import FORM, SMALL, over


@pytest.fixture
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client


@pytest.mark.parametrize(
    "sent",
    [
        {"files": {name: (None, value) for name, value in FORM.items()}},
        {"data": FORM},
        {"json": SMALL},
        {"content": json.dumps(SMALL)},
        {
            "content": json.dumps(SMALL),
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        },
        {"json": {name: str(value) for name, value in SMALL.items()}},
    ],
    ids=["multipart", "form", "json", "json untold", "json told as a form", "numbers as text"],
)
def test_a_body_may_come_in_many_forms(
    http: httpx.Client, worker: QuickWorker, sent: dict[str, Any]
) -> None:
    answer = http.post("/v1/videos", **sent)
    assert answer.status_code == 200
    assert over(http, answer.json())["status"] == "completed"
    (request,) = worker.pipelines.requests
    assert request.parameters.prompt == "a fox"
    assert (request.parameters.width, request.parameters.height) == (64, 48)


def test_a_form_in_another_language_arrives_whole(http: httpx.Client, worker: QuickWorker) -> None:
    for sent in (
        {"data": {**FORM, "prompt": "ein Fuchs, 狐 🦊"}},
        {"files": {"prompt": (None, "ein Fuchs, 狐 🦊")}},
        {
            "content": "prompt=ein Fuchs, 狐 🦊".encode(),
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        },
    ):
        assert http.post("/v1/videos", **sent).json()["prompt"] == "ein Fuchs, 狐 🦊"
    assert worker.inputs is not None


@pytest.mark.parametrize(
    ("fields", "name", "expected"),
    [
        ({"lora": '{"name": "anime", "scale": 0.8}'}, "lora", '{"name": "anime", "scale": 0.8}'),
        (
            {"lora[name]": "anime", "lora[scale]": "0.8"},
            "lora",
            {"name": "anime", "scale": "0.8"},
        ),
        (
            {"lora[][name]": ["a", "b"], "lora[][scale]": ["1", "2"]},
            "lora",
            [{"name": "a", "scale": "1"}, {"name": "b", "scale": "2"}],
        ),
        (
            {"extra_params[clip_skip]": "2"},
            "extra_params",
            {"clip_skip": "2"},
        ),
        (
            {"image_reference[image_url]": "https://example.com/a.png"},
            "image_reference",
            {"image_url": "https://example.com/a.png"},
        ),
    ],
    ids=["JSON", "object", "array of objects", "extra_params", "image_reference"],
)
def test_objects_in_forms_arrive_as_objects(
    http: httpx.Client, platform: Platform, fields: dict[str, Any], name: str, expected: Any
) -> None:
    assert http.post("/v1/videos", data={**FORM, **fields}).status_code == 200
    (job,) = platform.jobs.values()
    assert job.input[name] == expected


# --- what is wrong ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A gateway for all that comes to nothing, without a worker behind it."""
    folder = tmp_path_factory.mktemp("idle")
    with Platform() as platform:
        settings = GatewaySettings(
            endpoint=f"{platform.base_url}/{ENDPOINT}",
            database_url=f"sqlite:///{folder}/gateway.db",
        )
        with Gateway(settings) as gateway, gateway.client() as client:
            yield client


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("sent", "status", "message"),
    [
        ({"json": {}}, 400, "prompt is required"),
        ({"json": {"prompt": 3}}, 400, "prompt must be"),
        ({"json": ["a fox"]}, 400, "must be a JSON object"),
        ({"content": b"", "headers": JSON}, 400, "must be a JSON object"),
        ({"content": b"{", "headers": JSON}, 400, "must be a JSON object"),
        ({"content": b"\xff\xfe\x00", "headers": JSON}, 400, "must be a JSON object"),
        ({"content": b"[" * 100_000, "headers": JSON}, 400, "must be a JSON object"),
        ({"content": b'{"prompt": "a\\u0000"}', "headers": JSON}, 400, "NUL"),
        ({"content": b'{"prompt": "a\\ud800"}', "headers": JSON}, 400, "prompt must"),
        ({"content": b'{"prompt": "a", "fps": NaN}', "headers": JSON}, 400, "JSON"),
        ({"content": b'{"prompt": "a", "fps": 1e999}', "headers": JSON}, 400, "fps must be"),
        ({"json": {"prompt": "a", "width": 10**30}}, 400, "width must be"),
        ({"json": {"prompt": "a", "x": {"y": "\0"}}}, 400, "x must be"),
        ({"data": {"prompt": "a\0"}}, 400, "prompt must be"),
        ({"data": {"prompt": "a", "lora": "x", "lora[name]": "y"}}, 400, "more than one shape"),
        ({"data": {"prompt": "a", "tags[7]": "y"}}, 400, "more than one shape"),
        ({"data": {f"f{number}": "1" for number in range(501)}}, 400, "500"),
        (
            {"files": {f"f{number}": (None, "1") for number in range(501)}},
            400,
            "form cannot be read",
        ),
        ({"files": {"prompt": ("p.png", PNG)}}, 400, "prompt must not be a file"),
        (
            {"files": {"prompt": (None, "a"), "user": ("p.png", PNG)}},
            400,
            "user must not be a file",
        ),
        (
            {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
            400,
            "form cannot be read",
        ),
        (
            {"content": b"--b\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
            400,
            "",
        ),
        (
            {
                "content": b'--b\r\ncontent-disposition: form-data; name="prompt"\r\n\r\n'
                b"f\r\n--b--",
                "headers": {"Content-Type": "multipart/form-data; boundary=b; charset=idna"},
            },
            200,
            "",
        ),
        ({"json": {"prompt": "a"}, "headers": {"Idempotency-Key": 201 * "a"}}, 400, "Idempotency"),
        ({"json": {"prompt": "a", "size": "8x"}}, 400, "size must be WIDTHxHEIGHT"),
        ({"json": {"prompt": "a", "width": 2**31}}, 200, ""),
        ({"json": {"prompt": "a", "model": 300 * "m"}}, 400, "model must be"),
    ],
)
@pytest.mark.parametrize("route", ["/v1/videos"])
def test_hostile_bodies_are_refused_in_words(
    idle: httpx.Client, route: str, sent: dict[str, Any], status: int, message: str
) -> None:
    answer = idle.post(route, **sent)
    assert answer.status_code == status, answer.text
    if status != 200:
        assert message in answer.json()["error"]["message"]


@pytest.mark.parametrize("gateway", [{"models": "zeroscope"}], indirect=True)
@pytest.mark.parametrize(
    ("model", "status"),
    [
        ("zeroscope", 200),
        (" zeroscope ", 200),
        ("sora-2-pro", 200),
        (None, 200),
        ("", 200),
        ("cogvideox", 400),
    ],
)
def test_what_the_endpoint_does_not_serve_is_refused_at_once(
    http: httpx.Client, platform: Platform, model: str | None, status: int
) -> None:
    answer = http.post("/v1/videos", json={**SMALL, "model": model})
    assert answer.status_code == status
    assert len(platform.jobs) == (status == 200)
    if status == 400:
        assert answer.json()["error"]["param"] == "model"
        assert "Model not found: cogvideox" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/videos?limit=101", 400),
        ("GET", "/v1/videos?limit=-1", 400),
        ("GET", "/v1/videos?limit=a", 400),
        ("GET", "/v1/videos?order=up", 400),
        ("GET", "/v1/videos?after=%00", 200),
        ("GET", "/v1/videos/characters", 404),
        ("GET", "/v1/videos/video_%F0%9F%A6%8A", 404),
        ("GET", f"/v1/videos/video_{32 * '0'}/content?variant=poster", 400),
        ("PUT", "/v1/videos", 405),
        ("DELETE", "/v1/videos/%00", 404),
    ],
)
def test_hostile_urls_are_refused_in_words(
    idle: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = idle.request(method, path)
    assert answer.status_code == status
    if status != 200:
        assert answer.json()["error"]["message"]


def test_without_a_key_nothing_is_done(gateway: Gateway) -> None:
    with gateway.client(key=None) as http:
        for method, path in (
            ("POST", "/v1/videos"),
            ("POST", "/v1/videos/sync"),
            ("GET", "/v1/videos"),
            ("GET", "/v1/videos/video_1"),
            ("GET", "/v1/videos/video_1/content"),
            ("DELETE", "/v1/videos/video_1"),
            ("POST", "/v1/videos/video_1/remix"),
            ("POST", "/v1/videos/edits"),
            ("POST", "/v1/videos/extensions"),
        ):
            answer = http.request(method, path)
            assert answer.status_code == 401, path
            assert answer.json()["error"]["type"] == "authentication_error"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"video": {"id": "video_1"}}, "prompt must be"),
        ({"prompt": "a"}, "video must be"),
        ({"prompt": "a", "video": 3}, "video must be"),
        ({"prompt": "a", "video": {"id": 3}}, "video must be"),
        ({"prompt": "a", "video": "{"}, "video must be"),
        ({"prompt": "a", "video": {"id": "video_1"}}, "Video not found"),
        ({"prompt": "a", "video": "https://example.com/v.mp4", "video_reference": "x"}, "video"),
    ],
)
def test_edits_that_name_no_video(idle: httpx.Client, body: Any, message: str) -> None:
    answer = idle.post("/v1/videos/edits", json=body)
    assert answer.status_code in (400, 404)
    assert message in answer.json()["error"]["message"]


def test_an_edit_of_a_video_that_is_not_there_yet_is_a_conflict(
    http: httpx.Client, worker: QuickWorker
) -> None:
    worker.hold()
    name = http.post("/v1/videos", json=SMALL).json()["id"]
    body = {"prompt": "in snow", "video": {"id": name}}
    assert http.post("/v1/videos/edits", json=body).status_code == 409
