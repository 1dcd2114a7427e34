"""The dialects as the platform sees them: a failed job has a string `error`, and all hear times."""

import time
from pathlib import Path
from typing import Any

import pytest

from src.bootstrap import build_worker
from src.config import Platform, Settings
from src.errors import OutOfMemory, TimedOut
from src.worker import Worker
from tests.fakes import FakePipelines, HeardProgress

LOCALAI = {"endpoint": "/video", "model": "fake", "prompt": "a fox"}
OPENAI = {"endpoint": "/v1/videos", "model": "fake", "prompt": "a fox", "seconds": "4"}


def make_worker(
    folder: Path, pipelines: FakePipelines | None = None, progress: HeardProgress | None = None
) -> Worker:
    return build_worker(
        Settings(output_dir=folder, allow_private_urls=True),
        platform=Platform(webhook_get_job="http://platform.example"),
        pipelines=pipelines or FakePipelines(),
        progress=progress or HeardProgress(),
    )


async def ask(worker: Worker, body: dict[str, Any]) -> dict[str, Any]:
    return await worker.handle({"id": "job-1", "input": body})


@pytest.mark.parametrize(
    ("body", "wrong", "code"),
    [
        (LOCALAI, {"width": "wide"}, 400),
        (OPENAI, {"width": "wide"}, 400),
        (OPENAI, {"prompt": None}, 400),
        (OPENAI, {"input_reference": "https://nowhere.invalid/a.png"}, 400),
    ],
)
async def test_a_refused_job_has_a_string_for_the_platform_and_a_record_for_the_client(
    tmp_path: Path, body: dict[str, Any], wrong: dict[str, Any], code: int
) -> None:
    answer = await ask(make_worker(tmp_path), body | wrong)

    assert isinstance(answer["error"], str)
    assert answer["failure"]["code"] == code
    assert answer["failure"]["message"] == answer["error"] == answer["message"]
    assert answer["id"] == ("video_job-1" if body is OPENAI else "job-1")


@pytest.mark.parametrize("body", [LOCALAI, OPENAI])
@pytest.mark.parametrize(
    ("error", "code"),
    [(OutOfMemory("at 0xdead"), 500), (TimedOut("x"), 504), (RuntimeError("/srv/models"), 500)],
)
async def test_what_is_ours_says_no_more_than_that(
    tmp_path: Path, body: dict[str, Any], error: Exception, code: int
) -> None:
    answer = await ask(make_worker(tmp_path, FakePipelines(error=error)), body)

    assert answer["failure"]["code"] == code
    assert "0xdead" not in str(answer)
    assert "/srv" not in str(answer)


async def test_an_unreadable_job_is_answered_in_the_default_dialect(tmp_path: Path) -> None:
    answer = await ask(make_worker(tmp_path), {"openai_route": "/v1/models"})

    assert answer["status"] == "error"
    assert answer["error"].startswith("openai_route must be one of /v1/videos, /v1/videos/sync")


@pytest.mark.parametrize(("body", "key"), [(LOCALAI, "created"), (OPENAI, "created_at")])
async def test_times_are_the_clocks(tmp_path: Path, body: dict[str, Any], key: str) -> None:
    before = int(time.time())
    progress = HeardProgress()
    answer = await ask(make_worker(tmp_path, progress=progress), body)
    failed = await ask(make_worker(tmp_path), body | {"fps": "x"})
    after = int(time.time())

    assert before <= answer[key] <= after
    assert before <= failed[key] <= after
    assert {told[key] for told in progress.bodies} == {answer[key]}
    if body is OPENAI:
        assert answer[key] <= answer["completed_at"] <= after
        assert {told["status"] for told in progress.bodies} == {"in_progress"}


async def test_progress_is_told_in_the_dialects_words(tmp_path: Path) -> None:
    progress = HeardProgress()
    await ask(make_worker(tmp_path, progress=progress), OPENAI)

    steps = [told["progress"] for told in progress.bodies if told["stage"] == "generate"]
    assert steps == [0, 33, 66, 99]
