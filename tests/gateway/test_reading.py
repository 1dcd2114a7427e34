"""What the platform says of a job becomes changes that can be written, whatever it says."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.dialects import DIALECTS
from src.gateway.endpoint import JobState, JobStatus
from src.gateway.reading import IN_A_FOLDER, LOST, TIMED_OUT, UNREADABLE, read
from src.gateway.store.videos import Content
from src.gateway.video import Failure, State, Video
from tests.gateway.store.examples import NOW, a_video

VIDEO = b"\0\0\0\x18ftypmp42" + bytes(range(256))
BASE64 = base64.b64encode(VIDEO).decode()
URI = f"data:video/mp4;base64,{BASE64}"
LINK = "https://bucket.example/v.mp4?sig=a%2Fb"


def job(status: JobStatus, output: object = None, **more: Any) -> JobState:
    return JobState(status=status, output=output, **more)


def changes_of(said: JobState | None, **of_video: Any) -> Mapping[str, Any]:
    video = a_video(state=State.QUEUED, job_id="j", **of_video)
    return read(video, said, DIALECTS[video.api].outcome, now=NOW).changes


@pytest.mark.parametrize(
    ("said", "state", "failure"),
    [
        (None, State.FAILED, LOST),
        (job(JobStatus.IN_QUEUE), State.QUEUED, None),
        (job(JobStatus.IN_PROGRESS), State.IN_PROGRESS, None),
        (job(JobStatus.RUNNING), State.IN_PROGRESS, None),
        (job(JobStatus.CANCELLED, execution_seconds=1.5), State.CANCELLED, None),
        (job(JobStatus.TIMED_OUT), State.FAILED, TIMED_OUT),
        (job(JobStatus.COMPLETED), State.FAILED, UNREADABLE),
        (job(JobStatus.COMPLETED, {}), State.FAILED, UNREADABLE),
        (job(JobStatus.COMPLETED, ["video"]), State.FAILED, UNREADABLE),
    ],
)
def test_a_status_is_a_state(said: JobState | None, state: State, failure: Failure | None) -> None:
    changes = changes_of(said)
    assert (changes["state"], changes.get("failure")) == (state, failure)
    is_open = state in (State.QUEUED, State.IN_PROGRESS)
    assert changes.get("completed_at") == (None if is_open else NOW)
    assert changes.get("gpu_seconds") == (said.execution_seconds if said else None)


@pytest.mark.parametrize(
    ("api", "output", "link"),
    [
        ("modelslab", {"status": "success", "output": [LINK]}, LINK),
        ("modelslab", {"status": "success", "output": [URI]}, None),
        ("modelslab", {"status": "success", "output": [BASE64]}, None),
        ("localai", {"data": [{"url": LINK}]}, LINK),
        ("localai", {"data": [{"b64_json": BASE64}]}, None),
        ("openai", {"id": "v", "url": LINK}, LINK),
    ],
)
def test_an_answer_in_any_dialect_is_a_link_or_bytes(
    api: str, output: dict[str, Any], link: str | None
) -> None:
    video = a_video(state=State.QUEUED, api=api)
    reading = read(video, job(JobStatus.COMPLETED, output), DIALECTS[api].outcome, now=NOW)
    assert reading.changes["state"] is State.COMPLETED
    assert reading.changes["progress"] == 100.0
    assert reading.changes["link"] == link
    content = None if link else Content(content_type="video/mp4", data=VIDEO)
    assert reading.content == content
    assert BASE64 not in json.dumps(reading.changes["answer"])


@pytest.mark.parametrize(
    ("video", "failure"),
    [
        ("data:video/mp4;base64,", UNREADABLE),
        ("data:video/mp4;base64,%%%", UNREADABLE),
        ("data:" + "x" * 60 + f";base64,{BASE64}", UNREADABLE),
        ("https://bucket.example/\0", UNREADABLE),
        ("https://bucket.example/\ud800", UNREADABLE),
        ("https://bucket.example/" + "x" * 20_000, UNREADABLE),
        ("", UNREADABLE),
        ("file:///results/v.mp4", IN_A_FOLDER),
    ],
)
def test_a_video_that_cannot_be_had_is_a_failure(video: str, failure: Failure) -> None:
    said = job(JobStatus.COMPLETED, {"status": "success", "output": [video]})
    row = a_video(state=State.QUEUED, api="modelslab")
    changes = read(row, said, DIALECTS["modelslab"].outcome, now=NOW).changes
    assert (changes["state"], changes["failure"]) == (State.FAILED, failure)


@pytest.mark.parametrize(
    ("output", "before", "progress", "eta"),
    [
        ({"percent": 40, "eta": 12}, 0.0, 40.0, 12.0),
        ({"percent": 10}, 40.0, 40.0, None),
        ({"percent": 100}, 0.0, 99.0, None),
        ({"progress": 7.5}, 0.0, 7.5, None),
        ({"percent": True, "eta": True}, 5.0, None, None),
        ({"percent": 10**400, "eta": 10**400}, 5.0, None, None),
        ({"percent": -1, "eta": -1}, 5.0, None, None),
        ({"percent": "40", "eta": None}, 5.0, None, None),
        (["percent"], 5.0, None, None),
    ],
)
def test_progress_never_goes_back_and_is_not_done_before_the_end(
    output: object, before: float, progress: float | None, eta: float | None
) -> None:
    changes = changes_of(job(JobStatus.IN_PROGRESS, output), progress=before)
    assert (changes.get("progress"), changes.get("eta")) == (progress, eta)


@pytest.mark.parametrize(
    ("output", "error", "told"),
    [
        (
            {"failure": {"code": 400, "message": "m", "type": "invalid_request_error"}},
            "e",
            (400, "m", "invalid_request_error", None),
        ),
        (
            {"failure": {"code": 504, "message": "m", "param": "size"}},
            None,
            (504, "m", None, "size"),
        ),
        ({"status": "error", "message": "width: wide"}, "e", (400, "width: wide", None, None)),
        (None, "out of memory", (500, "out of memory", None, None)),
        (None, None, (500, "The job failed.", None, None)),
        ({"failure": {"code": 200, "message": ""}}, "e", (500, "e", None, None)),
        ({"failure": "no", "message": ["m"]}, None, (500, "['m']", None, None)),
        ({"failure": {"code": "400", "param": 1, "type": 2}}, "e", (500, "e", None, None)),
    ],
)
def test_a_failure_is_told_in_the_workers_words_or_the_platforms(
    output: object, error: str | None, told: tuple[int, str, str | None, str | None]
) -> None:
    failure = changes_of(job(JobStatus.FAILED, output, error=error))["failure"]
    status, message, code, param = told
    assert failure == Failure(
        status=status, message=message, code=code or "generation_failed", param=param
    )


WORDS = """output url b64_json data width height num_frames fps seconds content_type status meta
failure code message type param percent progress eta poster warnings seed timings"""
NAMES = st.sampled_from(WORDS.split())
JSON = st.recursive(
    # As the endpoint reads it: finite numbers and whole characters.
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(), inner, max_size=6)
    ),
    max_leaves=12,
)


@given(api=st.sampled_from(sorted(DIALECTS)), status=st.sampled_from(JobStatus), output=JSON)
def test_whatever_a_worker_says_can_be_written_down(
    api: str, status: JobStatus, output: object
) -> None:
    video = a_video(state=State.QUEUED, api=api)
    reading = read(video, job(status, output), DIALECTS[api].outcome, now=NOW)
    assert set(reading.changes) <= {field.name for field in fields(Video)}
    for name in ("width", "height", "num_frames", "progress", "eta", "fps", "seconds"):
        value = reading.changes.get(name)
        assert value is None or 0 <= value < 2**1000
    for name in ("width", "height", "num_frames"):
        assert (reading.changes.get(name) or 0) < 2**31
    json.dumps(dict(reading.changes.get("answer", {})), allow_nan=False)
    assert "\0" not in (reading.changes.get("link") or "")
