"""What becomes of an error in the dialects that are told by HTTP: a status, and no secrets."""

from typing import Any

import pytest

from src.dialects import DIALECTS
from src.dialects.failure import OURS
from src.errors import (
    BlockedUrl,
    InvalidRequest,
    MediaTooLarge,
    OutOfMemory,
    PoisonJob,
    StorageError,
    TimedOut,
    UnknownModel,
    UnsupportedTask,
    WorkerError,
    field_error,
)
from src.generation import GenerationRequest, Parameters, Task, Unmade

REQUEST = GenerationRequest(
    task=Task.TEXT2VIDEO,
    model="demo",
    parameters=Parameters(prompt="a fox", width=64, height=48, num_frames=16, fps=8),
)
ABOUT = Unmade(job_id="j-1", request=REQUEST, started_at=1700000000.9, failed_at=1700000003.2)

BAD = "invalid_request_error"


@pytest.mark.parametrize("name", ["localai", "openai"])
@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (field_error("width", 0, "must be 8"),
         {"code": 400, "message": "width must be 8, got 0", "type": BAD, "param": "width"}),
        (InvalidRequest("a; b"), {"code": 400, "message": "a; b", "type": BAD, "param": None}),
        (UnsupportedTask("no"), {"code": 400, "message": "no", "type": BAD, "param": None}),
        (BlockedUrl("no"), {"code": 400, "message": "no", "type": BAD, "param": None}),
        (MediaTooLarge("no"), {"code": 400, "message": "no", "type": BAD, "param": None}),
        (OutOfMemory("at 0xdeadbeef"),
         {"code": 500, "message": OURS, "type": "server_error", "param": None}),
        (OutOfMemory("at 0xdeadbeef", public="Ask for less."),
         {"code": 500, "message": "Ask for less.", "type": "server_error", "param": None}),
        (StorageError("bucket secret"),
         {"code": 500, "message": OURS, "type": "server_error", "param": None}),
        (PoisonJob("x", public="Begun twice."),
         {"code": 500, "message": "Begun twice.", "type": "server_error", "param": None}),
        (TimedOut("x", public="Stopped."),
         {"code": 504, "message": "Stopped.", "type": "server_error", "param": None}),
        (WorkerError("secret"),
         {"code": 500, "message": OURS, "type": "server_error", "param": None}),
    ],
)  # fmt: skip
def test_a_failure_has_a_status_a_kind_and_the_field(
    name: str, error: WorkerError, failure: dict[str, Any]
) -> None:
    body = DIALECTS[name].encode_error(error, ABOUT)

    assert body["failure"] == failure
    assert body["message"] == failure["message"]
    assert "error" not in body  # the platform takes that key


@pytest.mark.parametrize(("name", "status"), [("localai", 404), ("openai", 400)])
def test_an_unknown_model_is_each_apis_own_status(name: str, status: int) -> None:
    failure = DIALECTS[name].encode_error(UnknownModel("Model not found: 'x'"))["failure"]

    assert (failure["code"], failure["param"]) == (status, "model")


def test_openais_record_says_which_video_failed() -> None:
    body = DIALECTS["openai"].encode_error(OutOfMemory(), ABOUT)
    del body["failure"], body["message"]

    assert body == {
        "id": "video_j-1",
        "object": "video",
        "status": "failed",
        "model": "demo",
        "prompt": "a fox",
        "progress": 0,
        "size": "64x48",
        "seconds": "2",
        "quality": "default",
        "created_at": 1700000000,
        "completed_at": 1700000003,
        "expires_at": None,
        "remixed_from_video_id": None,
    }


@pytest.mark.parametrize(
    "request_", [None, GenerationRequest(task=Task.TEXT2VIDEO, parameters=Parameters(width=64))]
)
def test_a_request_that_was_not_settled_has_no_size(request_: GenerationRequest | None) -> None:
    body = DIALECTS["openai"].encode_error(OutOfMemory(), Unmade(job_id="j", request=request_))

    assert (body["size"], body["seconds"]) == (None, None)


@pytest.mark.parametrize("name", ["localai", "openai"])
def test_a_webhook_that_neither_api_has_would_hear_the_same(name: str) -> None:
    told = DIALECTS[name].encode_failed_webhook(OutOfMemory(), REQUEST, "j-1")

    assert told == DIALECTS[name].encode_error(OutOfMemory(), Unmade(job_id="j-1", request=REQUEST))
