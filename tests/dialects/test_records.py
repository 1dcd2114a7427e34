"""LocalAI's and OpenAI's answers, key by key, and what they say while a video is made."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from src.dialects import DIALECTS
from src.dialects.openai.record import job_id_of, video_id
from src.generation import GenerationResult, Report, Stage

Finish = Callable[..., GenerationResult]
LOCALAI, OPENAI = DIALECTS["localai"], DIALECTS["openai"]
FOX = {"prompt": "a fox", "width": 64, "height": 48, "num_frames": 13, "fps": 8, "seed": 7}
MADE: dict[str, Any] = {
    "width": 64,
    "height": 48,
    "num_frames": 13,
    "fps": Fraction(8),
    "started_at": 1700000000.9,
    "total_seconds": 8.4,
}
TIMINGS = {"fetch": 0.123, "load": 1.0, "generate": 6.0, "encode": 0.2, "store": 0.3}


def test_localais_answer(finish: Finish) -> None:
    body = FOX | {"webhook": "https://e.x"}
    assert LOCALAI.encode_response(finish(LOCALAI.decode_request(body), **MADE)) == {
        "created": 1700000000,
        "id": "8b1c6a0e-e1",
        "data": [{"url": "https://videos.example.com/8b1c6a0e.mp4"}],
        "model": "manifest-id",
        "seed": 7,
        "width": 64,
        "height": 48,
        "num_frames": 13,
        "fps": 8.0,
        "seconds": 1.625,
        "media_type": "video/mp4",
        "file_name": "8b1c6a0e.mp4",
        "warnings": ["webhook: unknown field, ignored"],
        "timings": TIMINGS,
    }


def test_openais_record(finish: Finish) -> None:
    body = FOX | {"user": "u-1"}
    assert OPENAI.encode_response(finish(OPENAI.decode_request(body), **MADE)) == {
        "id": "video_8b1c6a0e-e1",
        "object": "video",
        "status": "completed",
        "model": "manifest-id",
        "prompt": "a fox",
        "progress": 100,
        "size": "64x48",
        "seconds": "1.625",
        "quality": "default",
        "created_at": 1700000000,
        "completed_at": 1700000009,
        "expires_at": None,
        "remixed_from_video_id": None,
        "media_type": "video/mp4",
        "file_name": "8b1c6a0e.mp4",
        "inference_time_s": 6.0,
        "stage_durations": TIMINGS,
        "peak_memory_mb": 0.0,
        "fps": 8.0,
        "num_frames": 13,
        "duration_s": 1.625,
        "url": "https://videos.example.com/8b1c6a0e.mp4",
        "seed": 7,
        "warnings": ["user: not supported, ignored"],
        "timings": TIMINGS,
    }


@pytest.mark.parametrize(
    ("num_frames", "fps", "seconds"), [(32, 8, "4"), (81, 16, "5.062"), (1, 8, "0.125")]
)
def test_openais_seconds_are_a_string_as_short_as_can_be(
    finish: Finish, num_frames: int, fps: int, seconds: str
) -> None:
    result = finish(OPENAI.decode_request(FOX), num_frames=num_frames, fps=Fraction(fps))
    assert OPENAI.encode_response(result)["seconds"] == seconds


@pytest.mark.parametrize("dialect", [LOCALAI, OPENAI], ids=["localai", "openai"])
def test_bytes_have_a_key_of_their_own_and_a_gif_its_own_type(dialect: Any, finish: Finish) -> None:
    more = {"output_format": "gif"}
    body = FOX | {"response_format": "b64_json", "params": more, "extra_params": more}
    said = dialect.encode_response(finish(dialect.decode_request(body), output="R0lGODlh"))

    video = said["data"][0] if "data" in said else said
    assert video["b64_json"] == "R0lGODlh"
    assert "url" not in video
    assert (said["media_type"], said["file_name"]) == ("image/gif", "8b1c6a0e.gif")


@pytest.mark.parametrize("dialect", [LOCALAI, OPENAI], ids=["localai", "openai"])
@pytest.mark.parametrize(
    ("changes", "key", "value"),
    [
        ({}, "progress", 0),
        ({}, "eta", None),
        ({"eta": 12.345}, "eta", 12.3),
        ({"stage": Stage.WAIT}, "stage", "wait"),
        ({"stage": Stage.GENERATE, "step": 1, "total": 3}, "progress", 33),
        ({"stage": Stage.GENERATE, "step": 1, "total": 3}, "step", 1),
        ({"stage": Stage.GENERATE, "step": 3, "total": 3}, "progress", 99),
        ({"stage": Stage.STORE}, "progress", 99),
        ({"stage": Stage.LOAD, "total": 50}, "total", 50),
    ],
)
def test_progress_is_real_and_never_done_before_the_answer(
    dialect: Any, changes: dict[str, Any], key: str, value: object
) -> None:
    assert progress(dialect, **changes)[key] == value


def progress(dialect: Any, **changes: Any) -> dict[str, Any]:
    report: dict[str, Any] = {
        "job_id": "j-1",
        "file_prefix": "j-1",
        "request": dialect.decode_request(FOX | {"model": "demo"}),
        "stage": Stage.FETCH,
        "started_at": 1700000000.9,
    }
    said: dict[str, Any] = dialect.encode_progress(Report(**{**report, **changes}))
    return said


def test_openais_progress_is_its_record() -> None:
    said = progress(OPENAI)

    assert (said["id"], said["object"], said["status"]) == ("video_j-1", "video", "in_progress")
    assert (said["model"], said["size"], said["seconds"]) == ("demo", "64x48", "1.625")
    assert (said["created_at"], said["completed_at"]) == (1700000000, None)


@pytest.mark.parametrize("job_id", ["7b0e5c1e-e1", "sync-7b0e-u1", "a"])
def test_a_videos_id_leads_back_to_its_job(job_id: str) -> None:
    assert job_id_of(video_id(job_id)) == job_id


@pytest.mark.parametrize("said", ["", "video_", "7b0e", "vid_7b0e"])
def test_what_is_no_videos_id_leads_nowhere(said: str) -> None:
    with pytest.raises(ValueError, match="no id of a video"):
        job_id_of(said)
