"""Saving while the bucket or the way to it fails: the video arrives whole, or not at all."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from src.errors import StorageError
from src.storage import Item
from src.storage.s3 import S3Storage
from tests.s3.fault_proxy import FaultProxy
from tests.s3.faults import CutAnswer, CutUpload, Fault, GoDown, Reset, Slow, Status
from tests.s3.fixtures import Bucket
from tests.s3.swift import Swift
from tests.storage.conftest import PART, Made

ITEM = Item(name="job-1.mp4", content_type="video/mp4")
TEMP = Item(name="job-1.mp4", content_type="video/mp4", temp=True)
KEY = "videos/job-1.mp4"

#: Each is gone after two requests.
FAULTS: list[Fault] = [
    Reset(),
    Status(500, "InternalError"),
    Status(503, "SlowDown"),
    CutUpload(after=PART // 2),
    CutAnswer(),
    CutAnswer(after=10),
]


def eventually(holds: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Botocore's pauses between two tries are of seconds; how long they are is not asked here."""
    from botocore.retries.standard import ExponentialBackoff

    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.02)


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
@pytest.mark.parametrize("operation", ["PutObject"])
def test_a_small_video_arrives_although_two_tries_fail(
    shaky: Made, fault_proxy: FaultProxy, small: Path, bucket: Bucket, fault: Fault, operation: str
) -> None:
    fault_proxy.fault(fault, on=operation, times=2)
    shaky().save(small, ITEM)

    assert bucket.read(KEY) == small.read_bytes()
    assert bucket.listed() == [KEY]


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
@pytest.mark.parametrize(
    "operation", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"]
)
def test_a_large_video_arrives_although_two_tries_fail_and_leaves_nothing_over(
    shaky: Made,
    fault_proxy: FaultProxy,
    large: Path,
    bucket: Bucket,
    swift: Swift,
    fault: Fault,
    operation: str,
) -> None:
    fault_proxy.fault(fault, on=operation, times=2)
    shaky().save(large, ITEM)

    assert bucket.read(KEY) == large.read_bytes()
    assert eventually(lambda: bucket.uploads() == [])
    assert len(swift.parts(bucket.name)) == 7  # those of the object itself


@pytest.mark.parametrize(
    "fault", [Reset(), Status(500, "InternalError"), Status(403, "AccessDenied")], ids=repr
)
@pytest.mark.parametrize(
    "operation", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"]
)
def test_a_large_video_that_fails_for_good_is_an_error_and_leaves_no_parts(
    shaky: Made,
    fault_proxy: FaultProxy,
    large: Path,
    bucket: Bucket,
    swift: Swift,
    fault: Fault,
    operation: str,
) -> None:
    fault_proxy.fault(fault, on=operation)
    with pytest.raises(StorageError, match=rf"cannot store '{KEY}'"):
        shaky().save(large, ITEM)

    assert bucket.listed() == []
    assert eventually(lambda: bucket.uploads() == [])
    assert swift.parts(bucket.name) == []


def test_an_upload_whose_id_was_lost_goes_with_the_one_that_failed(
    shaky: Made, fault_proxy: FaultProxy, large: Path, bucket: Bucket
) -> None:
    fault_proxy.fault(CutAnswer(), on="CreateMultipartUpload", times=1)
    fault_proxy.fault(Status(403, "AccessDenied"), on="UploadPart")
    with pytest.raises(StorageError, match="AccessDenied"):
        shaky().save(large, ITEM)

    assert fault_proxy.operations().count("CreateMultipartUpload") == 2
    assert eventually(lambda: bucket.uploads() == [])


def test_a_bucket_that_is_down_for_good_is_an_error_in_bounded_time(
    shaky: Made, fault_proxy: FaultProxy, small: Path, large: Path
) -> None:
    fault_proxy.down()
    storage = shaky(attempts=5)
    for path in (small, large):
        with pytest.raises(StorageError, match="cannot be reached"):
            storage.save(path, ITEM)
    with pytest.raises(StorageError, match="cannot be reached"):
        storage.find(ITEM)
    storage.warm()


def test_a_bucket_that_comes_back_between_two_tries_gets_the_video(
    shaky: Made, fault_proxy: FaultProxy, small: Path, bucket: Bucket
) -> None:
    fault_proxy.down()
    storage = shaky(attempts=200)
    threading.Timer(0.5, fault_proxy.up).start()
    storage.save(small, ITEM)

    assert bucket.read(KEY) == small.read_bytes()


def test_a_bucket_that_does_not_answer_is_an_error_after_the_read_timeout(
    shaky: Made, fault_proxy: FaultProxy, small: Path
) -> None:
    fault_proxy.fault(Slow(seconds=30))
    with pytest.raises(StorageError, match="did not answer in time"):
        shaky(attempts=2, read_timeout=0.3).save(small, ITEM)


def test_a_slow_bucket_gets_the_video(
    shaky: Made, fault_proxy: FaultProxy, large: Path, bucket: Bucket
) -> None:
    fault_proxy.fault(Slow(seconds=0.3, bytes_per_second=500_000))
    shaky().save(large, ITEM)

    assert bucket.read(KEY) == large.read_bytes()


def test_gone_in_the_middle_of_the_parts_is_an_error_and_no_parts_are_left_once_it_is_back(
    shaky: Made, fault_proxy: FaultProxy, large: Path, bucket: Bucket, swift: Swift
) -> None:
    fault_proxy.fault(GoDown(), on="UploadPart", skip=5, times=1)
    storage = shaky()
    threads = set(threading.enumerate())
    with pytest.raises(StorageError, match="cannot store"):
        storage.save(large, ITEM)
    assert storage.unfinished.owed
    assert bucket.uploads() == [KEY]
    assert swift.parts(bucket.name)
    fault_proxy.up()

    assert eventually(lambda: not storage.unfinished.owed)
    assert bucket.uploads() == []
    assert swift.parts(bucket.name) == []
    assert bucket.listed() == []
    assert eventually(lambda: set(threading.enumerate()) <= threads)


def test_the_next_save_has_old_parts_aborted_at_once(
    shaky: Made, fault_proxy: FaultProxy, small: Path, large: Path, bucket: Bucket
) -> None:
    fault_proxy.fault(GoDown(), on="UploadPart", skip=3, times=1)
    storage = shaky(abort_pause=3600)
    with pytest.raises(StorageError):
        storage.save(large, ITEM)
    fault_proxy.up()
    storage.save(small, Item(name="job-2.mp4", content_type="video/mp4"))

    assert eventually(lambda: bucket.uploads() == [])


def test_what_a_killed_worker_left_is_aborted_before_the_same_job_goes_up_again(
    storage: S3Storage, large: Path, bucket: Bucket
) -> None:
    client = bucket.client
    for key in (KEY, f"{KEY}-of-another-job"):
        upload = client.create_multipart_upload(Bucket=bucket.name, Key=key)
        client.upload_part(
            Bucket=bucket.name,
            Key=key,
            UploadId=upload["UploadId"],
            PartNumber=1,
            Body=b"x" * PART,
        )
    storage.save(large, ITEM)

    assert bucket.uploads() == [f"{KEY}-of-another-job"]
    assert bucket.read(KEY) == large.read_bytes()


def test_an_upload_that_somebody_else_aborts_begins_anew_once(
    shaky: Made, fault_proxy: FaultProxy, large: Path, bucket: Bucket, swift: Swift
) -> None:
    fault_proxy.fault(Status(404, "NoSuchUpload"), on="UploadPart", skip=2, times=1)
    shaky().save(large, ITEM)

    assert bucket.read(KEY) == large.read_bytes()
    assert fault_proxy.operations().count("CreateMultipartUpload") == 2
    assert len(swift.parts(bucket.name)) == 7


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_stop_ends_an_upload_soon_and_nothing_is_left(
    shaky: Made, fault_proxy: FaultProxy, large: Path, bucket: Bucket, swift: Swift, when: str
) -> None:
    fault_proxy.fault(Slow(bytes_per_second=20_000), on="UploadPart", skip=1)
    stop = threading.Event()
    if when == "before":
        stop.set()
    else:
        threading.Timer(0.6, stop.set).start()
    with pytest.raises(StorageError, match="it was stopped"):
        shaky().save(large, ITEM, stop=stop)

    assert stop.is_set()
    assert bucket.listed() == []
    assert eventually(lambda: bucket.uploads() == [])
    assert swift.parts(bucket.name) == []


def test_an_upload_that_takes_too_long_ends_and_nothing_is_left(
    shaky: Made, fault_proxy: FaultProxy, large: Path, bucket: Bucket
) -> None:
    fault_proxy.fault(Slow(bytes_per_second=20_000), on="UploadPart")
    with pytest.raises(StorageError, match=r"took longer than 0\.5 s"):
        shaky(save_timeout=0.5).save(large, ITEM)

    assert eventually(lambda: bucket.uploads() == [])
    assert bucket.listed() == []


def test_bytes_that_were_spoilt_on_their_way_are_sent_once_more(
    shaky: Made, fault_proxy: FaultProxy, small: Path, bucket: Bucket
) -> None:
    fault_proxy.fault(Status(400, "BadDigest"), on="PutObject", times=1)
    shaky().save(small, ITEM)
    assert bucket.read(KEY) == small.read_bytes()

    fault_proxy.fault(Status(400, "BadDigest"), on="PutObject")
    with pytest.raises(StorageError, match="BadDigest"):
        shaky().save(small, ITEM)


@pytest.mark.parametrize("code", ["NotImplemented", "InvalidArgument", "AccessDenied"])
def test_a_bucket_without_tags_is_asked_for_them_once(
    shaky: Made, fault_proxy: FaultProxy, small: Path, bucket: Bucket, code: str
) -> None:
    status = {"NotImplemented": 501, "InvalidArgument": 400, "AccessDenied": 403}[code]
    fault_proxy.fault(
        Status(status, code), on="PutObject", where=lambda seen: "x-amz-tagging" in seen.headers
    )
    storage = shaky()
    storage.save(small, TEMP)
    tried = [seen.headers.get("x-amz-tagging") for seen in fault_proxy.seen]
    storage.save(small, TEMP)

    assert tried[0] == "temp=true"
    assert tried[-1] is None
    assert fault_proxy.seen[-1].headers.get("x-amz-tagging") is None
    assert len(fault_proxy.seen) == len(tried) + 1
    assert bucket.listed() == ["temp/job-1.mp4"]


def test_a_failure_of_the_server_is_no_reason_to_leave_tags_out(
    shaky: Made, fault_proxy: FaultProxy, small: Path
) -> None:
    fault_proxy.fault(Status(500, "InternalError"), on="PutObject")
    with pytest.raises(StorageError, match="InternalError"):
        shaky().save(small, TEMP)

    assert {seen.headers.get("x-amz-tagging") for seen in fault_proxy.seen} == {"temp=true"}


@pytest.mark.parametrize("operation", ["HeadObject", "GetObject"])
def test_a_check_that_fails_half_way_leaves_no_file(
    shaky: Made, fault_proxy: FaultProxy, bucket: Bucket, operation: str
) -> None:
    fault_proxy.fault(Status(403, "AccessDenied"), on=operation)
    with pytest.raises(StorageError, match="BUCKET_ACCESS_KEY_ID"):
        shaky().check()

    assert bucket.listed() == []


def test_a_bucket_that_is_away_for_longer_than_a_request_waits_gets_the_video(
    shaky: Made, fault_proxy: FaultProxy, large: Path, bucket: Bucket
) -> None:
    fault_proxy.down()
    storage = shaky(attempts=1, pauses=(0.1, 0.1, 1.0))
    threading.Timer(0.6, fault_proxy.up).start()
    storage.save(large, ITEM)

    assert bucket.read(KEY) == large.read_bytes()
    assert eventually(lambda: bucket.uploads() == [])


def test_what_will_not_pass_is_not_tried_again(
    shaky: Made, fault_proxy: FaultProxy, small: Path
) -> None:
    fault_proxy.fault(Status(403, "AccessDenied"), on="PutObject")
    with pytest.raises(StorageError, match="AccessDenied"):
        shaky(pauses=(60.0,)).save(small, ITEM)

    assert fault_proxy.operations().count("PutObject") == 1


def test_a_pause_ends_when_the_job_is_stopped(
    shaky: Made, fault_proxy: FaultProxy, small: Path
) -> None:
    fault_proxy.down()
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(StorageError, match="stopped"):
        shaky(attempts=1, pauses=(60.0,)).save(small, ITEM, stop=stop)


def test_a_bucket_that_never_answers_is_not_asked_for_long(
    shaky: Made, fault_proxy: FaultProxy, small: Path
) -> None:
    fault_proxy.fault(Slow(60), on="PutObject")
    with pytest.raises(StorageError, match="did not answer in time"):
        shaky(attempts=2, read_timeout=0.3, pauses=(0.1, 0.1)).save(small, ITEM)

    assert fault_proxy.operations() == ["PutObject"] * 2
