"""The ladder, rung by rung, with real media and real files."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.bootstrap import build_delivery, build_media
from src.config import Settings
from src.delivery import Delivered, Delivery, Found, Parcel
from src.errors import BlockedUrl, InvalidRequest, ResultTooLarge, StorageError
from src.generation import Clip, GenerationRequest, Task, VideoFormat
from src.generation import Delivery as Asked
from src.job import Job
from src.storage import InlineStorage, Kept, Links, Storage
from src.storage.s3 import S3Storage
from tests.fakes import MemoryStorage
from tests.probe import probe

DOWN = StorageError("bucket 'b': put 'videos/j-1.mp4': refused")
S3 = {
    "endpointUrl": "https://minio.example.com",
    "accessId": "id",
    "accessSecret": "secret",
    "bucketName": "theirs",
}


def make_delivery(storage: Storage | None = None, **settings: Any) -> Delivery:
    made = Settings(**settings)
    return build_delivery(made, storage or InlineStorage(), build_media(made))


def job(job_id: str = "j-1", **more: Any) -> Job:
    return Job({"id": job_id, "input": {"prompt": "a fox"}, **more})


def request(**asked: Any) -> GenerationRequest:
    return GenerationRequest(task=Task.TEXT2VIDEO, delivery=Asked(**asked))


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video that is hard to compress: 128x96, 24 frames."""
    path = tmp_path_factory.mktemp("noise") / "j-1.mp4"
    frames = np.random.default_rng(0).integers(0, 256, (24, 96, 128, 3), np.uint8)

    def chunks() -> Iterator[Any]:
        yield frames

    clip = Clip(width=128, height=96, num_frames=24, fps=Fraction(8), chunks=chunks())
    build_media(Settings()).write(clip, path, video_format=VideoFormat.MP4)
    return path


def deliver(
    delivery: Delivery, parcel: Parcel, path: Path, *, answer_bytes: int = 500
) -> Delivered:
    return delivery.deliver(parcel, path, answer_bytes=answer_bytes, stop=threading.Event())


def test_the_first_rung_is_the_place_that_was_chosen(noise: Path) -> None:
    storage = MemoryStorage()
    delivery = make_delivery(storage)
    delivered = deliver(delivery, delivery.parcel(job(), request()), noise)

    assert delivered.output == "https://cdn.example/j-1.mp4"
    assert delivered.warnings == ()
    assert storage.saved["j-1.mp4"] == ("video/mp4", noise.read_bytes())


def test_the_second_rung_is_the_answer_itself(noise: Path) -> None:
    delivery = make_delivery(MemoryStorage(error=DOWN))
    delivered = deliver(delivery, delivery.parcel(job(), request()), noise)

    head, _, data = delivered.output.partition(",")
    assert head == "data:video/mp4;base64"
    assert base64.b64decode(data) == noise.read_bytes()
    assert len(delivered.warnings) == 1
    assert "could not be uploaded" in delivered.warnings[0]


@pytest.mark.parametrize("storage", [None, MemoryStorage(error=DOWN)])
@pytest.mark.parametrize("as_base64", [False, True])
def test_the_third_rung_is_a_smaller_video_of_the_same_frames(
    noise: Path, tmp_path: Path, storage: Storage | None, as_base64: bool
) -> None:
    path = tmp_path / "j-1.mp4"
    path.write_bytes(noise.read_bytes())
    limit = path.stat().st_size  # a third less than its base64
    delivery = make_delivery(storage, inline_limit_mb=limit / 1e6)
    parcel = delivery.parcel(job(), request(as_base64=as_base64))
    delivered = deliver(delivery, parcel, path)

    assert len(json.dumps({"output": delivered.output})) + 500 <= limit
    data = delivered.output.partition(",")[2] or delivered.output
    (tmp_path / "came.mp4").write_bytes(base64.b64decode(data, validate=True))
    assert probe(tmp_path / "came.mp4").frames == 24
    assert probe(tmp_path / "came.mp4").size == (128, 96)
    assert "was encoded again" in delivered.warnings[-1]
    assert delivered.size_bytes == (tmp_path / "came.mp4").stat().st_size


def test_past_the_last_rung_is_an_error_that_says_so(noise: Path, tmp_path: Path) -> None:
    path = tmp_path / "j-1.mp4"
    path.write_bytes(noise.read_bytes())
    delivery = make_delivery(MemoryStorage(error=DOWN), inline_limit_mb=0.006)
    with pytest.raises(ResultTooLarge) as raised:
        deliver(delivery, delivery.parcel(job(), request()), path)

    assert "could not be uploaded" in str(raised.value.public)
    assert "an answer carries at most 0.0 MB" in str(raised.value.public)
    assert "set up a bucket" in str(raised.value.public)


@pytest.mark.parametrize(
    ("job_id", "limit"), [("7b0e-e1", 9_500_000), ("sync-7b0e-e1", 19_500_000)]
)
def test_whoever_waits_is_sent_more(job_id: str, limit: int) -> None:
    assert make_delivery().parcel(job(job_id), request()).limit_bytes == limit


def test_the_jobs_own_bucket_goes_before_the_operators() -> None:
    delivery = make_delivery(MemoryStorage())

    assert isinstance(delivery.parcel(job(s3Config=S3), request()).storage, S3Storage)
    assert isinstance(delivery.parcel(job(), request()).storage, MemoryStorage)
    asked = request(as_base64=True)
    assert isinstance(delivery.parcel(job(s3Config=S3), asked).storage, InlineStorage)


@pytest.mark.parametrize("s3_config", [[], "https://e.x", {}, {**S3, "endpointUrl": "ftp://e.x"}])
def test_a_wrong_s3config_is_the_callers_to_mend(s3_config: Any) -> None:
    with pytest.raises(InvalidRequest, match="s3Config"):
        make_delivery().parcel(job(s3Config=s3_config), request())


def test_a_bucket_inside_the_network_is_refused_before_anything_is_made() -> None:
    delivery = make_delivery()
    inside = S3 | {"endpointUrl": "http://127.0.0.1:9"}
    parcel = delivery.parcel(job(s3Config=inside), request())

    with pytest.raises(BlockedUrl):
        delivery.found(parcel)


def test_a_result_of_the_same_request_is_found_and_of_another_is_not(noise: Path) -> None:
    storage = MemoryStorage()
    delivery = make_delivery(storage)
    parcel = delivery.parcel(job(), request())
    assert delivery.found(parcel) is None
    deliver(delivery, parcel, noise)

    video = Kept(
        links=Links(url="https://cdn.example/j-1.mp4"),
        size_bytes=noise.stat().st_size,
        facts={"request": job().digest},
    )
    assert delivery.found(parcel) == Found(video=video)
    other = replace(parcel, item=replace(parcel.item, facts={"request": "of another"}))
    assert delivery.found(other) is None


def test_a_poster_and_the_answer_lie_beside_the_video(noise: Path, tmp_path: Path) -> None:
    storage = MemoryStorage()
    path = tmp_path / "j-1.mp4"
    path.write_bytes(noise.read_bytes())
    delivery = make_delivery(storage, bucket_poster=True, bucket_result_json=True)
    parcel = delivery.parcel(job(), request())
    delivered = deliver(delivery, parcel, path)
    delivery.keep_answer(parcel, tmp_path, '{"status": "success"}', stop=threading.Event())

    assert delivered.poster == "https://cdn.example/j-1.jpg"
    assert storage.saved["j-1.jpg"][0] == "image/jpeg"
    assert storage.saved["j-1.jpg"][1].startswith(b"\xff\xd8\xff")
    found = delivery.found(parcel)
    assert found
    assert found.poster == delivered.poster
    assert storage.saved["j-1.json"] == ("application/json", b'{"status": "success"}')


def test_a_poster_that_cannot_be_made_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "j-1.mp4"
    path.write_bytes(b"no video")
    delivery = make_delivery(MemoryStorage(), bucket_poster=True)
    delivered = deliver(delivery, delivery.parcel(job(), request()), path)

    assert delivered.poster is None
    assert "poster" in delivered.warnings[0]


def test_an_answer_that_cannot_be_written_harms_nothing(tmp_path: Path) -> None:
    storage = MemoryStorage()
    delivery = make_delivery(storage, bucket_result_json=True)
    parcel = delivery.parcel(job(), request())
    delivery.keep_answer(parcel, tmp_path / "full", "{}", stop=threading.Event())

    assert storage.saved == {}


def test_an_upload_that_was_stopped_is_not_put_into_an_answer(noise: Path) -> None:
    delivery = make_delivery(MemoryStorage(error=StorageError("it was stopped")))
    stopped = threading.Event()
    stopped.set()

    with pytest.raises(StorageError):
        delivery.deliver(delivery.parcel(job(), request()), noise, answer_bytes=1000, stop=stopped)


def test_taking_back_what_is_not_there_harms_nothing() -> None:
    storage = MemoryStorage()
    delivery = make_delivery(storage)
    delivery.take_back(delivery.parcel(job(), request()))

    assert storage.discarded == ["j-1.mp4"]


@pytest.mark.parametrize(("s3_config", "count"), [(S3, 1), (None, 0)])
def test_a_bucket_that_base64_leaves_without_use_is_a_warning(s3_config: Any, count: int) -> None:
    parcel = make_delivery().parcel(job(s3Config=s3_config), request(as_base64=True))

    assert [said.partition(":")[0] for said in parcel.warnings] == ["s3Config"] * count
