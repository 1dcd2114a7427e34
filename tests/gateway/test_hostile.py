"""Callers who mean no good, against the served gateway: nobody comes to what is another's, or to
more than a caller has.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from loopback import ENDPOINT, Platform, Rules
from src.gateway.accounts import MOST_REMEMBERED, Account, Accounts
from src.gateway.settings import GatewaySettings
from tests.gateway.conftest import Serve
from tests.gateway.fakes import Gateway, QuickWorker, settled
from tests.gateway.pictures import noise
from tests.loop.starting import until
from tests.loopback.http_worker import HttpWorker
from tests.s3.fixtures import Bucket, bucket, swift, swift_client  # noqa: F401

OPERATORS = {"runpod_api_key": "platform-key", "wait_seconds": 0}
FORM = "application/x-www-form-urlencoded"
SMALL = settled({"prompt": "a fox", "model": "svd"})


# --- what is another's ----------------------------------------------------------------------------


@pytest.mark.parametrize("gateway", [OPERATORS], indirect=True)
def test_a_stranger_with_a_key_comes_to_no_video_of_anothers(
    gateway: Gateway,
    worker: QuickWorker,  # noqa: ARG001  it makes the videos
) -> None:
    anna, eve = gateway.add_key("anna"), gateway.add_key("eve")
    named = {"Idempotency-Key": "one"}
    with gateway.client(anna) as client:
        video = client.post("/v1/videos", json=SMALL, headers=named).json()["id"]
        until(lambda: client.get(f"/v1/videos/{video}").json()["status"] == "completed")
        number = client.post("/api/v6/video/text2video", json=SMALL).json()["id"]
    with gateway.client(eve) as client:
        at = f"/v1/videos/{video}"
        drawn = {"prompt": "x", "video": {"id": video}}
        for answer in (
            client.get(at),
            client.get(f"{at}/content"),
            client.get(f"{at}/content", params={"variant": "thumbnail"}),
            client.delete(at),
            client.post(f"{at}/remix", json={"prompt": "x"}),
            client.post("/v1/videos/edits", json=drawn),
            client.post("/v1/videos/edits", data={**drawn, "video": json.dumps(drawn["video"])}),
            client.get(f"/api/v6/video/fetch/{number}"),
            client.post(f"/api/v6/video/fetch/{number}", json={"key": eve}),
            client.post("/api/v7/video-fusion/fetch", json={"key": eve, "id": str(number)}),
        ):
            assert answer.status_code == 404, answer.request.url
        assert client.get("/v1/videos", params={"after": video}).json()["data"] == []
        own = client.post("/v1/videos", json=SMALL, headers=named).json()["id"]
        assert own != video
        assert [item["id"] for item in client.get("/v1/videos").json()["data"]] == [own]
    with gateway.client(anna) as client:
        assert client.get(at).json()["status"] == "completed"


@pytest.mark.parametrize("gateway", [OPERATORS], indirect=True)
def test_no_field_of_a_body_steers_the_job_or_shows_the_operators_key(
    gateway: Gateway, worker: QuickWorker
) -> None:
    steering = {
        **dict.fromkeys(("endpoint", " endpoint", "request_id", "request_id "), "../cancel/x"),
        "openai_route": "/v1/videos/sync",
        "openai_input": {"prompt": "another"},
        "policy": {"executionTimeout": 1},
        "webhook ": None,
    }
    with gateway.client(gateway.add_key("anna")) as client:
        for path in ("/v1/videos", "/video", "/api/v6/video/text2video"):
            answer = client.post(path, json={**SMALL, **steering})
            assert answer.status_code == 200, answer.text
            assert "platform-key" not in answer.text + str(answer.headers)
    until(lambda: len(worker.inputs) == 3)
    for asked in worker.inputs:
        assert asked["endpoint"] in ("/v1/videos", "/video", "text2video")
        assert asked["prompt"] == "a fox"
        assert len(asked["request_id"]) == 32
        assert not {name for name in asked if name.strip() != name and name.strip() in asked}
        assert "platform-key" not in json.dumps(asked)


@pytest.mark.parametrize("path", ["/v1/videos", "/video", "/api/v6/video/text2video"])
@pytest.mark.parametrize("name", ["key", "KEY", " Key "])
def test_a_key_in_a_body_is_neither_kept_nor_sent_on(
    gateway: Gateway, worker: QuickWorker, tmp_path: Path, path: str, name: str
) -> None:
    with gateway.client("secret-of-anna") as client:
        answer = client.post(path, json={**SMALL, name: "secret-of-anna"})
        assert answer.status_code == 200, answer.text
    until(lambda: len(worker.inputs) == 1)
    assert "secret-of-anna" not in json.dumps(worker.jobs)
    with sqlite3.connect(tmp_path / "gateway.db") as database:
        assert "secret-of-anna" not in "\n".join(database.iterdump())


@pytest.mark.parametrize("gateway", [{"models": "svd", "wait_seconds": 0}], indirect=True)
@pytest.mark.parametrize("path", ["/v1/videos", "/video", "/api/v6/video/text2video"])
@pytest.mark.parametrize("name", ["model", "model ", " model", "\tmodel"])
def test_a_model_that_is_not_served_is_refused_however_its_field_is_written(
    gateway: Gateway, platform: Platform, path: str, name: str
) -> None:
    with gateway.client() as client:
        answer = client.post(path, json={"prompt": "a fox", name: "another/model"})
    assert answer.status_code in (400, 404), answer.text
    assert "another/model" in answer.text
    assert platform.jobs == {}


# --- more than a caller has -----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/videos", "/video", "/api/v6/video/text2video"])
@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'{"a":[' + b"[]," * 200_000 + b"1]}", "application/json"),
        (b'{"a":[' + b"{}," * 200_000 + b"1]}", "application/json"),
        (b'{"a":[' + b"1," * 200_000 + b"1]}", FORM),  # JSON all the same, by how it begins
        (b"prompt=" + b"%41" * 600_000, FORM),
    ],
    ids=["arrays", "objects", "numbers", "escapes"],
)
def test_a_body_that_takes_many_times_its_size_to_read_is_not_read(
    quiet: Gateway, path: str, data: bytes, kind: str
) -> None:
    with quiet.client() as client:
        answer = client.post(path, content=data, headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert "at most" in answer.text or path == "/video"  # a form is no JSON there


def test_a_long_text_with_many_commas_is_a_text(quiet: Gateway) -> None:
    with quiet.client() as client:
        body = {"prompt": "a fox, " * 1_400, "negative_prompt": "[{,}], " * 1_400}
        assert client.post("/v1/videos", json=body).status_code == 200


async def test_keys_that_anybody_makes_up_push_nobody_out_of_memory(quiet: Gateway) -> None:
    accounts = Accounts(quiet.parts.keys, platform_key=None)
    anna = await accounts.of("key-of-anna")
    assert accounts.platform_key(anna.id) is None
    accounts.remember(anna)
    for number in range(MOST_REMEMBERED + 1):
        await accounts.of(f"made-up-{number}")
    assert accounts.platform_key(anna.id) == "key-of-anna"


async def test_no_more_keys_are_remembered_than_that(quiet: Gateway) -> None:
    accounts = Accounts(quiet.parts.keys, platform_key=None)
    for number in range(MOST_REMEMBERED + 1):
        accounts.remember(Account(id=str(number), platform_key=f"key-{number}"))
    assert accounts.platform_key("0") is None
    assert accounts.platform_key("1") == "key-1"


@pytest.mark.parametrize("path", ["/v1/videos", "/api/v6/video/img2video", "/v1/videos/edits"])
@pytest.mark.parametrize("rules", [Rules(poll=0.2, api_key="anna")], ids=["key"])
def test_nothing_is_stored_in_the_bucket_for_a_key_that_the_platform_refuses(
    serve: Serve,
    bucket: Bucket,  # noqa: F811
    path: str,
) -> None:
    gateway = serve(
        bucket_endpoint_url=bucket.url,
        bucket_access_key_id=bucket.access_key,
        bucket_secret_access_key=bucket.secret_key,
        bucket_name=bucket.name,
        bucket_region=bucket.region,
        bucket_addressing="path",
        wait_seconds=0,
    )
    image = ("a.png", noise(11_000_000), "image/png")
    field = {"/v1/videos": "input_reference", "/v1/videos/edits": "video"}.get(path, "init_image")
    said = {"prompt": "a fox"}

    def ask(key: str) -> httpx.Response:
        with gateway.client(key) as client:
            return client.post(path, data=said, files={field: image})

    assert ask("made-up").status_code == 401
    assert bucket.listed() == []
    assert ask("anna").status_code == 200
    assert len(bucket.listed()) == 1


# --- what the operator is told, and callers are not -----------------------------------------------


@pytest.mark.parametrize("rules", [Rules(poll=0.2, api_key="another")], ids=["key"])
def test_that_the_operators_key_is_wrong_is_not_told_as_the_callers_fault(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = serve(**OPERATORS)
    with gateway.client(gateway.add_key("anna")) as client:
        answer = client.post("/v1/videos", json=SMALL)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "endpoint_failed")
    assert "GATEWAY_RUNPOD_API_KEY" in caplog.text
    assert "platform-key" not in caplog.text + answer.text


@pytest.mark.parametrize("endpoint", ["api.runpod.ai/v2/abc", "ftp://host/abc", "https://a b/c"])
def test_an_endpoint_that_is_no_url_is_refused_at_the_start(endpoint: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        GatewaySettings(endpoint=endpoint)


def test_a_secret_out_of_a_file_may_end_with_its_lines_end() -> None:
    settings = GatewaySettings(runpod_api_key=" rpa_abc\r\n", admin_key="admin\n")
    secrets = (settings.runpod_api_key, settings.admin_key)
    assert [secret and secret.get_secret_value() for secret in secrets] == ["rpa_abc", "admin"]


def test_a_key_that_no_header_holds_is_refused_at_the_start(quiet: Gateway) -> None:
    with pytest.raises(ValueError, match="GATEWAY_RUNPOD_API_KEY") as raised:
        Accounts(quiet.parts.keys, platform_key="rpa_abc\nX-Other: 1")
    assert "rpa_abc" not in str(raised.value)


@pytest.mark.parametrize(
    "output",
    [
        {"status": "error", "message": "half \ud83d of a character", "stage": "x"},
        {"status": "success", "output": ["http://a/\ud83d"], "meta": {"a": "\udc00"}, "stage": "x"},
        {"status": "processing", "eta": 1e308, "percent": -1e308, "stage": "\ud800"},
    ],
    ids=["error", "success", "under-way"],
)
@pytest.mark.parametrize("kind", ["done", "progress"])
def test_whatever_a_worker_says_no_answer_is_a_500(
    gateway: Gateway, platform: Platform, output: dict[str, Any], kind: str
) -> None:
    worker = HttpWorker(platform)
    with gateway.client() as client:
        body = {**SMALL, "instant_response": True}
        number = client.post("/api/v6/video/text2video", json=body).json()["id"]
        video = client.post("/v1/videos", json=SMALL).json()["id"]
        for _ in range(2):
            job = platform.jobs[worker.take()["id"]]
            if kind == "done":
                assert worker.done(job, output=output) == 200
            else:
                assert worker.progress(job, output) == 200
        for path in (f"/v1/videos/{video}", f"/api/v6/video/fetch/{number}"):
            until(lambda path=path: '"queue' not in client.get(path).text)  # type: ignore[misc]
            assert client.get(path).status_code == 200
        assert client.get("/v1/videos").status_code == 200


def test_the_page_takes_nothing_from_elsewhere(quiet: Gateway) -> None:
    with quiet.client(None) as client:
        policy = client.get("/").headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert ENDPOINT not in client.get("/").text
