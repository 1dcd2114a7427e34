"""What ModelsLab's clients read before there is an answer, and what their webhooks get."""

from collections.abc import Callable
from typing import Any

import pytest

from src.dialects.failure import OURS
from src.dialects.modelslab import ModelsLab
from src.dialects.modelslab.answer import number_of
from src.dialects.modelslab.processing import UNKNOWN_ETA
from src.errors import InvalidRequest, OutOfMemory, ServiceError, WorkerError
from src.generation import GenerationResult, Report, Stage

Finish = Callable[..., GenerationResult]
FOX = {"prompt": "a fox", "track_id": "300", "webhook": "https://e.x/hook"}


def processing(**changes: Any) -> dict[str, Any]:
    request = ModelsLab().decode_request(FOX)
    report = {"job_id": "j-1", "file_prefix": "j-1", "request": request, "stage": Stage.FETCH}
    return ModelsLab().encode_progress(Report(**{**report, **changes}))


def test_the_keys_are_those_that_modelslabs_clients_look_for() -> None:
    said = processing(links=("https://cdn.example.com/j-1.mp4",))

    assert said["status"] == "processing"
    assert said["id"] == number_of("j-1")
    assert said["output"] == []
    assert said["future_links"] == ["https://cdn.example.com/j-1.mp4"]
    assert said["meta"]["file_prefix"] == "j-1"
    assert said["meta"]["track_id"] == "300"
    assert said["tip"]
    assert said["message"]


@pytest.mark.parametrize(
    ("changes", "key", "value"),
    [
        ({}, "future_links", []),
        ({}, "eta", UNKNOWN_ETA),
        ({"eta": 0.0}, "eta", 0.0),
        ({"eta": 12.345}, "eta", 12.3),
        ({}, "stage", "fetch"),
        ({"stage": Stage.WAIT}, "stage", "wait"),
        ({}, "percent", 0.0),
        ({"stage": Stage.GENERATE, "step": 1, "total": 3}, "percent", 33.3),
        ({"stage": Stage.GENERATE, "step": 3, "total": 3}, "step", 3),
        ({"stage": Stage.STORE, "step": 3, "total": 3}, "percent", 100.0),
        ({"stage": Stage.LOAD, "total": 50}, "total", 50),
    ],
)
def test_how_far_it_is_stands_beside_them(changes: dict[str, Any], key: str, value: Any) -> None:
    assert processing(**changes)[key] == value


def test_a_webhook_gets_what_the_answer_says_and_the_callers_own_id(finish: Finish) -> None:
    result = finish(ModelsLab().decode_request(FOX), proxy_links=("https://cdn.example.com/a",))
    told, answered = ModelsLab().encode_webhook(result), ModelsLab().encode_response(result)

    assert told["status"] == "success"
    assert told["id"] == str(answered["id"])
    assert told["track_id"] == "300"
    for key in ("output", "proxy_links", "generationTime", "meta"):
        assert told[key] == answered[key]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InvalidRequest("width must be even, got 3"), "Processing failed: width must be even"),
        (OutOfMemory("at 0xdeadbeef"), f"Processing failed: {OURS}"),
        (ServiceError("x", public="Ask for less."), "Processing failed: Ask for less."),
    ],
)
def test_a_webhook_hears_of_a_failure_in_words_for_the_caller(
    error: WorkerError, words: str
) -> None:
    request = ModelsLab().decode_request(FOX | {"track_id": 7})
    told = ModelsLab().encode_failed_webhook(error, request, "j-1")

    assert told["status"] == "failed"
    assert told["id"] == str(number_of("j-1"))
    assert told["message"].startswith(words)
    assert told["track_id"] == 7
    assert "0xdeadbeef" not in told["message"]


def test_a_poster_is_named_where_there_is_one(finish: Finish) -> None:
    request = ModelsLab().decode_request(FOX)

    assert "poster" not in ModelsLab().encode_response(finish(request))
    poster = "https://videos.example.com/8b1c6a0e.jpg"
    assert ModelsLab().encode_response(finish(request, poster=poster))["poster"] == poster
