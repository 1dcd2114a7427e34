"""Files and large texts of a body: as data URIs while they fit, in the bucket when they do not."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from src.gateway.refusals import BadRequest, TooLarge, Unavailable
from src.gateway.settings import GatewaySettings
from src.gateway.uploads import Upload, Uploads, without_signatures
from src.gateway.uploads.bucket import UploadBucket
from tests.gateway.conftest import Serve
from tests.gateway.fakes import QuickWorker, settled
from tests.gateway.pictures import PNG, noise, ramp
from tests.s3.fixtures import Bucket, bucket, swift, swift_client  # noqa: F401

MB = 1_000_000


def upload(data: bytes) -> Upload:
    return Upload(file=io.BytesIO(data), size=len(data))


def data_uri(data: bytes, content_type: str = "image/png") -> str:
    return f"data:{content_type};base64,{base64.b64encode(data).decode()}"


def settings(bucket: Bucket, **other: Any) -> GatewaySettings:  # noqa: F811
    own: dict[str, Any] = {
        "bucket_endpoint_url": bucket.url,
        "bucket_access_key_id": bucket.access_key,
        "bucket_secret_access_key": bucket.secret_key,
        "bucket_name": bucket.name,
        "bucket_region": bucket.region,
        "bucket_addressing": "path",
    }
    return GatewaySettings(**(own | other))


@pytest.fixture
def with_bucket(bucket: Bucket) -> Callable[[int], Uploads]:  # noqa: F811
    return lambda most: Uploads(UploadBucket.from_settings(settings(bucket)), most=most)


async def test_what_fits_travels_in_the_body() -> None:
    body = {
        "prompt": "a fox",
        "fps": 8,
        "input_reference": upload(PNG),
        "more": [{"image": upload(PNG)}, "https://example.com/a.png", None],
    }
    assert await Uploads().fit(body) == {
        "prompt": "a fox",
        "fps": 8,
        "input_reference": data_uri(PNG),
        "more": [{"image": data_uri(PNG)}, "https://example.com/a.png", None],
    }


async def test_a_body_without_media_stays_as_it_is() -> None:
    body = {"prompt": "a fox", "lora": {"name": "anime", "scale": 0.5}, "list": [1, [2.5, True]]}
    assert await Uploads().fit(body) == body


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0" + bytes(64), "image/jpeg"),
        (b"GIF89a" + bytes(64), "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"\0\0\0\x18ftypisom" + bytes(64), "video/mp4"),
        (b"\0\0\0\x14ftypqt  " + bytes(64), "video/mp4"),
        (b"\x1a\x45\xdf\xa3" + bytes(64), "video/webm"),
        (b"RIFF\0\0\0\0AVI LIST", "video/x-msvideo"),
    ],
)
async def test_a_file_is_what_its_bytes_say(data: bytes, content_type: str) -> None:
    fitting = await Uploads().fit({"input_reference": upload(data)})
    assert fitting["input_reference"] == data_uri(data, content_type)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"hello", "of no kind that this worker knows"),
        (b"%PDF-1.7", "of the kind PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "of the kind SVG"),
        (b"#EXTM3U\nhttp://127.0.0.1/", "of the kind playlist"),
        (b"<!doctype html>", "of the kind web page"),
    ],
)
async def test_a_file_that_is_no_media_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(BadRequest, match=reason) as caught:
        await Uploads().fit({"video_reference": upload(data)})
    assert caught.value.param == "video_reference"


@pytest.mark.parametrize(
    "value",
    [
        upload(noise(300_000)),
        data_uri(noise(300_000)),
        base64.b64encode(noise(300_000)).decode(),
        "x" * 400_000,
    ],
    ids=["file", "data URI", "base64", "text"],
)
async def test_without_a_bucket_what_does_not_fit_is_refused(value: Any) -> None:
    with pytest.raises(TooLarge, match="GATEWAY_BUCKET_NAME"):
        await Uploads(most=300_000).fit({"input_reference": value})


def fetched(link: str) -> httpx.Response:
    return httpx.get(link, trust_env=False)


@pytest.mark.parametrize("kind", ["file", "data URI", "base64", "wrapped base64"])
async def test_what_does_not_fit_goes_into_the_bucket(
    with_bucket: Callable[[int], Uploads],
    bucket: Bucket,  # noqa: F811
    kind: str,
) -> None:
    data = noise(300_000)
    text = base64.b64encode(data).decode()
    wrapped = "\n".join(text[start : start + 76] for start in range(0, len(text), 76))
    values = {
        "file": upload(data),
        "data URI": data_uri(data, "image/jpeg"),
        "base64": text,
        "wrapped base64": wrapped,
    }
    fitting = await with_bucket(300_000).fit({"prompt": "a fox", "init_image": values[kind]})
    link = fitting["init_image"]
    assert fitting["prompt"] == "a fox"
    name = f"uploads/{hashlib.sha256(data).hexdigest()}.png"
    assert bucket.listed() == [name]
    answer = fetched(link)
    assert answer.content == data
    assert answer.headers["content-type"] == "image/png"
    assert name in link


async def test_only_the_largest_go_there(
    with_bucket: Callable[[int], Uploads],
    bucket: Bucket,  # noqa: F811
) -> None:
    large, small = noise(400_000), noise(60_000)
    body = {"init_image": upload(small), "images": [upload(large), "https://example.com/a.png"]}
    fitting = await with_bucket(300_000).fit(body)
    assert fitting["init_image"] == data_uri(small)
    assert fetched(fitting["images"][0]).content == large
    assert fitting["images"][1] == "https://example.com/a.png"
    assert len(bucket.listed()) == 1
    assert len(json.dumps(fitting)) <= 300_000


async def test_a_video_has_a_suffix_that_tells_it(
    with_bucket: Callable[[int], Uploads],
    tmp_path: Any,
) -> None:
    data = ramp(tmp_path / "v", num_frames=3) + bytes(200_000)
    fitting = await with_bucket(100_000).fit({"input_reference": upload(data)})
    from src.dialects.references import is_video

    assert is_video(fitting["input_reference"])


async def test_text_that_is_no_media_is_not_taken_into_the_bucket(
    with_bucket: Callable[[int], Uploads],
    bucket: Bucket,  # noqa: F811
) -> None:
    body = {"input_reference": upload(noise(300_000)), "prompt": "x" * 400_000}
    with pytest.raises(TooLarge):
        await with_bucket(300_000).fit(body)
    assert bucket.listed() == []


async def test_the_same_upload_again_is_one_file_and_the_same_request(
    with_bucket: Callable[[int], Uploads],
    bucket: Bucket,  # noqa: F811
) -> None:
    data = noise(300_000)
    first = await with_bucket(100_000).fit({"init_image": upload(data)})
    second = await with_bucket(100_000).fit({"init_image": data_uri(data)})
    assert len(bucket.listed()) == 1
    assert without_signatures(first) == without_signatures(second)
    assert "Signature" not in str(without_signatures(first))


@pytest.mark.parametrize(
    "value",
    ["a fox", 3, None, [1, {"a": "b"}], "https://example.com/a?b=c", "X-Amz-Signature=1"],
)
def test_everything_else_keeps_its_signature(value: Any) -> None:
    assert without_signatures(value) == value


async def test_a_bucket_that_cannot_be_reached_is_the_gateways_fault(
    bucket: Bucket,  # noqa: F811
) -> None:
    wrong = settings(bucket, bucket_secret_access_key="wrong")
    uploads = Uploads(UploadBucket.from_settings(wrong), most=100_000)
    with pytest.raises(Unavailable) as caught:
        await uploads.fit({"init_image": upload(noise(200_000))})
    assert bucket.name not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"bucket_name": "videos"}, "GATEWAY_BUCKET_ACCESS_KEY_ID"),
        (
            {"bucket_endpoint_url": "ftp://a", "bucket_access_key_id": "a",
             "bucket_secret_access_key": "b", "bucket_name": "videos"},
            "GATEWAY_BUCKET_ENDPOINT_URL",
        ),
    ],
)  # fmt: skip
def test_wrong_settings_are_named_at_the_start(said: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Uploads.from_settings(GatewaySettings(**said))
    assert "GATEWAY_GATEWAY" not in str(caught.value)


# --- by HTTP ----------------------------------------------------------------------------------


def test_a_large_file_comes_to_the_worker_by_way_of_the_bucket(
    serve: Serve,
    worker: QuickWorker,
    bucket: Bucket,  # noqa: F811
) -> None:
    gateway = serve(
        **settings(bucket).model_dump(
            include={name for name in GatewaySettings.model_fields if name.startswith("bucket_")}
        )
    )
    data = noise(11 * MB)
    form = {name: str(value) for name, value in settled({"prompt": "a fox"}).items()}
    with gateway.client() as http:
        sent: dict[str, Any] = {"data": form, "files": {"input_reference": ("big.png", data)}}
        headers = {"Idempotency-Key": "big-1"}
        video = http.post("/v1/videos", **sent, headers=headers)
        assert video.status_code == 200, video.text
        again = http.post("/v1/videos", **sent, headers=headers)
        assert again.json()["id"] == video.json()["id"]
        while (record := http.get(f"/v1/videos/{video.json()['id']}").json())["status"] in (
            "queued",
            "in_progress",
        ):
            pass
    assert record["status"] == "completed"
    ((image, _),) = worker.pipelines.inputs
    assert image.size == (64, 48)
    assert worker.inputs[0]["input_reference"].startswith("http")


def test_a_large_file_without_a_bucket_is_refused_in_words(
    serve: Serve, worker: QuickWorker
) -> None:
    with serve().client() as http:
        answer = http.post(
            "/v1/videos",
            data={"prompt": "a fox"},
            files={"input_reference": ("big.png", noise(11 * MB))},
        )
        assert answer.status_code == 413
        assert "GATEWAY_BUCKET_NAME" in answer.json()["error"]["message"]
    assert worker.jobs == []
