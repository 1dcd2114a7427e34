import uuid
from typing import Any

import pytest

from src.errors import InvalidRequest
from src.job import Job


def job(job_id: str = "j-1", payload: Any = None, **more: Any) -> Job:
    return Job({"id": job_id, "input": payload, **more})


@pytest.mark.parametrize("job_id", ["2be1702e-3a1f-46ee-811c-350cee84b66e-e1", "local_test"])
def test_the_id_names_the_file(job_id: str) -> None:
    assert job(job_id).file_prefix == job_id


@pytest.mark.parametrize("job_id", ["", ".hidden", "../../etc/passwd", "a/b", "a" * 200, "日本"])
def test_an_id_that_cannot_name_a_file_becomes_a_uuid_always_the_same(job_id: str) -> None:
    assert str(uuid.UUID(job(job_id).file_prefix)) == job(job_id).file_prefix
    assert job(job_id).file_prefix != job(job_id + "x").file_prefix


@pytest.mark.parametrize("payload", [None, "a fox", 3, ["a"], True])
def test_an_input_that_is_no_object_is_refused(payload: Any) -> None:
    with pytest.raises(InvalidRequest, match="input must be a JSON object"):
        _ = job(payload=payload).payload


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"width": 64, "prompt": "a"}, True),  # the order says nothing
        ({"prompt": "a", "width": 64, "key": "sk-1"}, True),
        ({"prompt": "a", "width": 64, "Key ": "sk-1"}, True),
        ({"prompt": "a", "width": 64, "webhook": "https://e.x"}, True),
        ({"prompt": "a", "width": 64, "track_id": 3}, True),
        ({"prompt": "a", "width": 65}, False),
        ({"prompt": "a", "width": "64"}, False),
        ({"prompt": "a"}, False),
        ({"prompt": "a", "width": 64, "seed": 1}, False),
        ({"prompt": "a", "width": 64, "temp": True}, False),
    ],
)
def test_the_digest_tells_whether_the_same_video_is_asked_for(
    other: dict[str, Any], same: bool
) -> None:
    asked = job(payload={"prompt": "a", "width": 64})
    assert (job("j-2", other).digest == asked.digest) is same


@pytest.mark.parametrize(
    ("job_id", "waits"), [("sync-7b0e-u1", True), ("7b0e-u1", False), ("async-sync-1", False)]
)
def test_the_platform_marks_the_ids_of_callers_who_wait(job_id: str, waits: bool) -> None:
    assert job(job_id).waits is waits


def test_a_callers_bucket_rides_beside_the_input() -> None:
    assert job(payload={}).s3_config is None
    assert job(payload={}, s3Config={"bucketName": "b"}).s3_config == {"bucketName": "b"}
