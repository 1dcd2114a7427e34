"""Two jobs of one `request_id` and one body make one video, whichever way they come."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from src.bootstrap import build_worker
from src.config import Platform, Settings
from src.dialects import detect
from src.job import Job
from src.worker import Worker
from src.worker.results import seeded
from tests.fakes import FakePipelines, HeardProgress, MemoryAttempts

FOX = {"model_id": "fake", "prompt": "a fox", "request_id": "order-7"}
OPENAI = {"endpoint": "/v1/videos", "model": "fake", "prompt": "a fox", "request_id": "order-7"}
LOCALAI = {"endpoint": "/video", "model": "fake", "prompt": "a fox", "request_id": "order-7"}
WRAPPED = {
    "openai_route": "/v1/videos",
    "openai_input": {"model": "fake", "prompt": "a fox", "request_id": "order-7"},
}
BODIES = pytest.mark.parametrize(
    "body", [FOX, LOCALAI, OPENAI, WRAPPED], ids=["modelslab", "localai", "openai", "wrapped"]
)


def make_worker(
    folder: Path,
    pipelines: FakePipelines,
    attempts: MemoryAttempts | None = None,
    *,
    platform: bool = True,
) -> Worker:
    return build_worker(
        Settings(output_dir=folder, state_dir=folder / "state"),
        platform=Platform(webhook_get_job="http://platform.example") if platform else Platform(),
        pipelines=pipelines,
        progress=HeardProgress(),
        attempts=attempts or MemoryAttempts(),
    )


def job(body: dict[str, Any], job_id: str) -> dict[str, Any]:
    return {"id": job_id, "input": body}


def video_of(answer: dict[str, Any]) -> str:
    if "output" in answer:
        return str(answer["output"][0])
    return str(answer["data"][0]["url"] if "data" in answer else answer["url"])


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.mp4"))


@BODIES
@pytest.mark.parametrize("platform", [True, False])
async def test_the_second_job_is_answered_without_generation(
    tmp_path: Path, body: dict[str, Any], *, platform: bool
) -> None:
    pipelines = FakePipelines()
    first = await make_worker(tmp_path, pipelines, platform=platform).handle(job(body, "job-1"))
    worker = make_worker(tmp_path, pipelines, platform=platform)  # another, later
    second = await worker.handle(job(body, "job-2"))

    assert len(pipelines.requests) == 1
    assert video_of(first) == video_of(second)
    assert len(files(tmp_path)) == 1
    assert not [words for words in second["warnings"] if "request_id" in words]


async def test_the_answer_is_the_second_jobs_own_with_the_first_ones_figures(
    tmp_path: Path,
) -> None:
    worker = make_worker(tmp_path, FakePipelines())
    first = await worker.handle(job(OPENAI, "job-1"))
    second = await worker.handle(job(OPENAI, "job-2"))

    assert (first["id"], second["id"]) == ("video_job-1", "video_job-2")
    for key in ("url", "size", "num_frames", "fps", "seed", "file_name"):
        assert first[key] == second[key]
    assert second["timings"]["generate"] == 0


@pytest.mark.parametrize(
    "other",
    [
        FOX | {"request_id": "order-8"},
        FOX | {"prompt": "a cat"},
        FOX | {"request_id": None},
        FOX | {"seed": 8},
    ],
)
async def test_another_request_is_another_video(tmp_path: Path, other: dict[str, Any]) -> None:
    pipelines = FakePipelines()
    worker = make_worker(tmp_path, pipelines)
    await worker.handle(job(FOX, "job-1"))
    await worker.handle(job(other, "job-2"))

    assert len(pipelines.requests) == 2
    assert len(files(tmp_path)) == 2


async def test_two_at_once_are_one_video(tmp_path: Path) -> None:
    pipelines = FakePipelines()
    worker = make_worker(tmp_path, pipelines)
    answers = await asyncio.gather(*(worker.handle(job(FOX, f"job-{i}")) for i in range(5)))

    assert len(pipelines.requests) == 1
    assert len({video_of(answer) for answer in answers}) == 1
    assert [answer["status"] for answer in answers] == ["success"] * 5


async def test_a_failed_one_does_not_stand_in_the_way_of_the_next(tmp_path: Path) -> None:
    pipelines = FakePipelines(error=RuntimeError("once"))
    worker = make_worker(tmp_path, pipelines)
    failed = await worker.handle(job(FOX, "job-1"))
    pipelines.error = None
    done = await worker.handle(job(FOX, "job-2"))

    assert (failed["status"], done["status"]) == ("error", "success")


async def test_a_cancelled_one_does_not_stand_in_the_way_of_the_next(tmp_path: Path) -> None:
    pipelines = FakePipelines()
    pipelines.gate.clear()
    worker = make_worker(tmp_path, pipelines)
    first = asyncio.create_task(worker.handle(job(FOX, "job-1")))
    await asyncio.to_thread(pipelines.started.wait, 10)
    second = asyncio.create_task(worker.handle(job(FOX, "job-2")))
    await asyncio.sleep(0)
    first.cancel()
    pipelines.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await first

    assert (await second)["status"] == "success"
    assert len(files(tmp_path)) == 1


async def test_each_job_is_noted_by_its_own_name(tmp_path: Path) -> None:
    attempts = MemoryAttempts()
    worker = make_worker(tmp_path, FakePipelines(), attempts)
    await worker.handle(job(FOX, "job-1"))
    await worker.handle(job(FOX, "job-2"))

    assert attempts.ended == ["job-1", "job-2"]


async def test_a_file_that_is_not_this_requests_is_not_its_answer(tmp_path: Path) -> None:
    pipelines = FakePipelines()
    worker = make_worker(tmp_path, pipelines)
    await worker.handle(job(FOX, "job-1"))
    (facts,) = (tmp_path / ".facts").iterdir()
    for text in (json.dumps({"request": "another"}), "[]", "{", ""):
        facts.write_text(text, "utf-8")
        await worker.handle(job(FOX, "job-2"))
    assert len(pipelines.requests) == 5


def test_without_a_seed_the_same_one_is_drawn_for_the_same_request() -> None:
    def seed(body: dict[str, Any], job_id: str) -> int | None:
        request = detect(body).decode_request(body)
        return seeded(request, Job(job(body, job_id))).parameters.seed

    drawn = seed(FOX, "job-1")
    assert drawn == seed(FOX, "job-2")
    assert drawn is not None
    assert 0 <= drawn < 2**32
    assert drawn != seed(FOX | {"request_id": "order-8"}, "job-1")
    assert seed(FOX | {"seed": 5}, "job-1") == 5
    assert seed(FOX | {"request_id": None}, "job-1") is None


@BODIES
@pytest.mark.parametrize("bad", [7, "a/b", "../up", "x" * 129, " . "])
async def test_a_name_that_cannot_name_a_file_is_refused(
    tmp_path: Path, body: dict[str, Any], bad: object
) -> None:
    if "openai_input" in body:
        body = body | {"openai_input": body["openai_input"] | {"request_id": bad}}
    else:
        body = body | {"request_id": bad}
    answer = await make_worker(tmp_path, FakePipelines()).handle(job(body, "job-1"))

    assert answer["error"].startswith("request_id must be a string of at most 128 letters, ")
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("payload", "request_id"),
    [
        ({"request_id": "r-1"}, "r-1"),
        ({" request_id ": " r-1 "}, "r-1"),
        ({"request_id": "x" * 128}, "x" * 128),
        ({"openai_input": {"request_id": "r-1"}}, "r-1"),
        ({"request_id": 7}, None),
        ({"request_id": "../r"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_envelope_finds_the_name(payload: Any, request_id: str | None) -> None:
    assert Job({"id": "j", "input": payload}).request_id == request_id


def test_the_files_name_does_not_tell_the_callers() -> None:
    prefix = Job(job(FOX, "job-1")).file_prefix

    assert "order" not in prefix
    assert prefix == Job(job(FOX | {"key": "sk", "track_id": 3}, "job-2")).file_prefix
    assert prefix != Job(job(FOX | {"width": 64}, "job-1")).file_prefix
