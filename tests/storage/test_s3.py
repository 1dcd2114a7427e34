"""Videos in a real S3 server."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from src.errors import BlockedUrl, StorageError
from src.storage import Item
from src.storage.s3 import BucketAttempts, Patience, Place, S3Storage, Sizes, place_of
from src.storage.s3.failures import explained
from tests.s3.fixtures import Bucket
from tests.storage.conftest import SMALL_PARTS

ITEM = Item(name="job-1.mp4", content_type="video/mp4", facts={"request": "0123abc"})
TEMP = Item(name="job-1.mp4", content_type="video/mp4", temp=True)
KEY = "videos/job-1.mp4"
PLACES = Callable[..., Place]


def read(url: str) -> tuple[bytes, dict[str, str]]:
    with urlopen(url, timeout=30) as answer:  # noqa: S310  a link to the test's own server
        return answer.read(), dict(answer.headers)


def refusal(url: str) -> int:
    with pytest.raises(HTTPError) as error:
        read(url)
    error.value.close()
    return error.value.code


@pytest.fixture(params=["small", "large"])
def video(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(request.param)
    return path


def test_a_saved_video_has_its_bytes_its_type_its_name_and_its_facts(
    storage: S3Storage, video: Path, bucket: Bucket
) -> None:
    links = storage.save(video, ITEM)
    data, headers = read(links.url)

    assert data == video.read_bytes()
    assert headers["Content-Type"] == "video/mp4"
    assert headers["Content-Disposition"] == 'inline; filename="job-1.mp4"'
    assert headers["Cache-Control"] == "private, max-age=86400"
    assert headers["x-amz-meta-request"] == "0123abc"
    assert bucket.listed() == [KEY]
    assert bucket.uploads() == []


def test_the_same_name_again_replaces_what_was_there(
    storage: S3Storage, small: Path, large: Path, bucket: Bucket
) -> None:
    for path in (large, small, large):
        storage.save(path, ITEM)

    assert bucket.listed() == [KEY]
    assert bucket.read(KEY) == large.read_bytes()


def test_a_saved_video_is_found_with_its_size_and_facts(storage: S3Storage, video: Path) -> None:
    assert storage.find(ITEM) is None
    storage.save(video, ITEM)
    found = storage.find(ITEM)

    assert found is not None
    assert found.size_bytes == video.stat().st_size
    assert found.facts == {"request": "0123abc"}
    assert read(found.links.url)[0] == video.read_bytes()


def test_a_discarded_video_is_gone_and_may_be_discarded_again(
    storage: S3Storage, small: Path, bucket: Bucket
) -> None:
    storage.save(small, ITEM)
    storage.discard(ITEM)
    storage.discard(ITEM)

    assert bucket.listed() == []


def test_a_link_is_known_before_the_video_is_there(storage: S3Storage, small: Path) -> None:
    early = storage.links(ITEM)
    assert refusal(early.url) == 404
    storage.save(small, ITEM)

    assert read(early.url)[0] == small.read_bytes()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("job-1.mp4", "job-2.mp4"),
        ("X-Amz-Expires=86400", "X-Amz-Expires=604800"),
        ("X-Amz-Signature=", "X-Amz-Signature=0"),
    ],
)
def test_a_link_that_was_tampered_with_leads_nowhere(
    storage: S3Storage, small: Path, old: str, new: str
) -> None:
    url = storage.save(small, ITEM).url
    assert old in url

    assert refusal(url.replace(old, new)) == 403


def test_a_link_expires(place: PLACES, small: Path) -> None:
    url = S3Storage(place(), url_lifetime=1).save(small, ITEM).url
    time.sleep(2.1)

    assert refusal(url) == 403


@pytest.mark.parametrize(("item", "seconds"), [(ITEM, 604_800), (TEMP, 86_400)])
def test_a_link_to_what_is_temporary_does_not_outlive_its_day(
    place: PLACES, item: Item, seconds: int
) -> None:
    links = S3Storage(place(), url_lifetime=604_800).links(item)

    assert f"X-Amz-Expires={seconds}&" in links.url


def test_what_is_temporary_lies_apart_even_where_tags_are_not_known(
    storage: S3Storage, video: Path, bucket: Bucket
) -> None:
    links = storage.save(video, TEMP)

    assert bucket.listed() == ["temp/job-1.mp4"]
    assert read(links.url)[0] == video.read_bytes()


def test_a_cdns_link_is_plain_and_stands_among_the_proxies(place: PLACES, small: Path) -> None:
    storage = S3Storage(place(), cdn_base_url="https://cdn.example/films/")
    links = storage.save(small, Item(name="a b#1.mp4", content_type="video/mp4"))

    assert links.url == "https://cdn.example/films/videos/a%20b%231.mp4"
    assert links.proxies == (links.url,)


def test_a_bucket_that_works_passes_its_check_and_keeps_nothing_of_it(
    storage: S3Storage, bucket: Bucket
) -> None:
    storage.check()
    storage.warm()

    assert bucket.listed() == []


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"secret_access_key": "wrong-secret"}, "see BUCKET_SECRET_ACCESS_KEY"),
        (
            {"access_key_id": "test:stranger", "secret_access_key": "strange"},
            "BUCKET_ACCESS_KEY_ID",
        ),
        ({"bucket": "no-such-bucket"}, "see BUCKET_NAME"),
        ({"region": "eu-west-1"}, "'us-east-1', see BUCKET_REGION"),
        ({"endpoint_url": "http://127.0.0.1:9"}, "see BUCKET_ENDPOINT_URL"),
    ],
)
def test_what_is_set_wrong_is_named_without_a_secret(
    place: PLACES, video: Path, wrong: dict[str, str], hint: str
) -> None:
    wrong_place = place(**wrong)
    storage = S3Storage(wrong_place, patience=Patience(attempts=1), sizes=SMALL_PARTS)
    for operation in (lambda: storage.save(video, ITEM), storage.check):
        with pytest.raises(StorageError) as error:
            operation()
        message = str(error.value)
        assert hint in message
        assert repr(wrong_place.bucket) in message
        assert wrong_place.secret_access_key not in message
        assert "X-Amz" not in message
        assert error.value.public is None


def test_a_callers_bucket_is_explained_to_the_caller(bucket: Bucket, small: Path) -> None:
    config = {
        "accessId": bucket.access_key,
        "accessSecret": "wrong-secret",
        "bucketName": bucket.name,
        "endpointUrl": bucket.url,
    }
    storage = S3Storage(place_of(config), allows=lambda _: True)
    with pytest.raises(StorageError) as error:
        storage.save(small, ITEM)

    assert "see s3Config.accessSecret" in str(error.value.public)
    assert "wrong-secret" not in str(error.value.public)


def test_a_callers_bucket_on_this_machine_is_refused(bucket: Bucket, small: Path) -> None:
    from src.addresses import is_public

    config = {
        "accessId": bucket.access_key,
        "accessSecret": bucket.secret_key,
        "bucketName": bucket.name,
        "endpointUrl": bucket.url,
    }
    with pytest.raises(BlockedUrl, match=r"s3Config\.endpointUrl"):
        S3Storage(place_of(config), allows=is_public).save(small, ITEM)

    assert bucket.listed() == []


def test_the_machines_own_s3_settings_are_not_heeded(
    place: PLACES, small: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_PROFILE": "no-such-profile",
        "AWS_SESSION_TOKEN": "a-token",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    S3Storage(place()).save(small, ITEM)

    assert bucket.listed() == [KEY]


def test_nothing_that_is_logged_holds_a_secret_or_a_signature(
    place: PLACES, large: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    S3Storage(place(), sizes=SMALL_PARTS).save(large, ITEM)
    with pytest.raises(StorageError):
        S3Storage(place(secret_access_key="very-wrong")).save(large, ITEM)

    assert f"saved {KEY}" in caplog.text
    assert "testing" not in caplog.text
    assert "very-wrong" not in caplog.text
    assert "X-Amz" not in caplog.text


def test_a_file_that_is_not_there_is_a_storage_error(storage: S3Storage, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        storage.save(tmp_path / "none.mp4", ITEM)


def test_a_prefix_may_be_empty(place: PLACES, small: Path, bucket: Bucket) -> None:
    S3Storage(place(), prefix="/").save(small, ITEM)

    assert bucket.listed() == ["job-1.mp4"]


def test_attempts_are_counted_in_the_bucket_until_the_job_ends(
    storage: S3Storage, place: PLACES, bucket: Bucket
) -> None:
    first, second = BucketAttempts(storage), BucketAttempts(S3Storage(place()))

    assert [first.begin("job-1"), second.begin("job-1"), first.begin("job-2")] == [0, 1, 0]
    assert sorted(bucket.listed()) == ["temp/attempts/job-1", "temp/attempts/job-2"]
    first.end("job-1")
    first.end("job-1")
    assert second.begin("job-1") == 0


def test_an_attempts_object_that_holds_no_number_counts_as_none(
    storage: S3Storage, bucket: Bucket
) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key="temp/attempts/job-1", Body=b"\xff?")

    assert BucketAttempts(storage).begin("job-1") == 0
    assert bucket.read("temp/attempts/job-1") == b"1"


def test_attempts_of_a_bucket_out_of_reach_are_none(
    place: PLACES, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = BucketAttempts(S3Storage(place(endpoint_url="http://127.0.0.1:9")))

    assert attempts.begin("job-1") == 0
    attempts.end("job-1")
    assert caplog.text.count("cannot keep notes on jobs") == 2


@pytest.mark.parametrize("error", [KeyError("ETag"), ValueError("x"), TypeError()])
def test_an_answer_that_is_not_s3_is_a_storage_error(place: PLACES, error: Exception) -> None:
    with pytest.raises(StorageError, match="nothing that is S3"), explained(place(), "store"):
        raise error


def test_parts_have_the_sizes_that_were_asked_for(
    place: PLACES, large: Path, bucket: Bucket, swift: Any
) -> None:
    size = large.stat().st_size
    S3Storage(place(), sizes=Sizes(multipart_above=size - 1, part=size // 2 + 1)).save(large, ITEM)

    assert len(swift.parts(bucket.name)) == 2
    assert bucket.read(KEY) == large.read_bytes()
