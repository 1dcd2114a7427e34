import asyncio
import base64
import io
import json
import logging
import uuid
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from src.bootstrap import build_worker
from src.config import Settings
from src.errors import OutOfMemory, StorageError
from src.worker import Worker, file_prefix
from tests.fakes import FakePipelines, HeardProgress, MemoryStorage
from tests.probe import probe

FOX = {"model_id": "fake", "prompt": "a fox"}


def make_worker(
    pipelines: FakePipelines | None = None,
    storage: MemoryStorage | None = None,
    progress: HeardProgress | None = None,
    **settings: Any,
) -> Worker:
    return build_worker(
        Settings(**settings),
        pipelines=pipelines or FakePipelines(),
        storage=storage,
        progress=progress or HeardProgress(),
    )


def job(payload: Any, job_id: str = "job-1") -> dict[str, Any]:
    return {"id": job_id, "input": payload}


def picture() -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


async def test_a_job_becomes_a_stored_video_and_an_answer_that_leads_to_it() -> None:
    storage, progress = MemoryStorage(), HeardProgress()
    answer = await make_worker(storage=storage, progress=progress).handle(job(FOX))

    assert answer["status"] == "success"
    assert answer["output"] == ["https://cdn.example/job-1.mp4"]
    content_type, data = storage.saved["job-1.mp4"]
    assert content_type == "video/mp4"
    assert data[4:8] == b"ftyp"
    assert progress.heard == [("job-1", 1, 3), ("job-1", 2, 3), ("job-1", 3, 3)]
    assert progress.closed == ["job-1"]
    assert set(answer["timings"]) == {"fetch", "load", "generate", "encode", "store"}
    assert all(seconds >= 0 for seconds in answer["timings"].values())
    json.dumps(answer)


async def test_an_image_reaches_the_pipeline_in_the_size_asked_for() -> None:
    pipelines = FakePipelines()
    body = {"model_id": "fake", "init_image": picture(), "width": 20, "height": 16}
    answer = await make_worker(pipelines, MemoryStorage()).handle(job(body))

    assert answer["status"] == "success"
    (image, video), *_ = pipelines.inputs
    assert (image.size, image.mode) == ((20, 16), "RGB")
    assert image.getpixel((3, 3)) == (255, 0, 0)
    assert video is None


@pytest.mark.parametrize(("exp", "frames", "fps"), [(1, 7, 16), (2, 13, 32)])
async def test_frames_are_put_in_between_where_the_gpu_room_did_not(
    tmp_path: Path, exp: int, frames: int, fps: int
) -> None:
    body = FOX | {"enable_frame_interpolation": True, "frame_interpolation_exp": exp, "fps": 8}
    answer = await make_worker(output_dir=tmp_path).handle(job(body))

    made = probe(tmp_path / "job-1.mp4")
    assert (made.frames, made.fps) == (frames, fps)
    assert (answer["meta"]["output_num_frames"], answer["meta"]["output_fps"]) == (frames, fps)


async def test_without_storage_the_output_is_a_url_with_the_video_in_it() -> None:
    answer = await make_worker().handle(job(FOX | {"output_type": "gif"}))

    head, _, data = answer["output"][0].partition(",")
    assert head == "data:image/gif;base64"
    assert base64.b64decode(data).startswith(b"GIF89a")


async def test_base64_asked_for_outright_is_bare_even_where_there_is_storage() -> None:
    storage = MemoryStorage()
    answer = await make_worker(storage=storage).handle(job(FOX | {"base64": True}))

    assert base64.b64decode(answer["output"][0], validate=True)[4:8] == b"ftyp"
    assert storage.saved == {}
    assert answer["meta"]["base64"] == "yes"


async def test_output_dir_takes_results(tmp_path: Path) -> None:
    answer = await make_worker(output_dir=tmp_path).handle(job(FOX))

    assert answer["output"] == [(tmp_path / "job-1.mp4").as_uri()]
    assert (tmp_path / "job-1.mp4").stat().st_size > 0


@pytest.mark.parametrize("payload", [None, "a fox", 3, ["a"], True])
async def test_an_input_that_is_no_object_is_refused(payload: Any) -> None:
    answer = await make_worker().handle(job(payload))

    assert answer["status"] == "error"
    assert answer["error"] == answer["message"]
    assert answer["message"].startswith("input must be a JSON object, got ")


async def test_a_refused_request_says_why_and_the_next_job_is_done() -> None:
    worker = make_worker(storage=MemoryStorage())
    refused = await worker.handle(job(FOX | {"width": "wide"}))
    done = await worker.handle(job(FOX, "job-2"))

    assert refused["status"] == "error"
    assert "width" in refused["error"]
    assert "'wide'" in refused["error"]
    assert done["status"] == "success"


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"width": 33}, "width must be even for mp4, got 33"),
        ({"fps": 60, "output_type": "gif"}, "fps"),
        ({"upscale_width": 65, "upscale_height": 40}, "after upscaling and interpolation, width"),
        (
            {"fps": 30, "output_type": "gif", "enable_frame_interpolation": True},
            "after upscaling and interpolation, fps must be at most 50 for gif, got 60",
        ),
    ],
)
async def test_what_could_not_be_written_is_refused_before_it_is_generated(
    given: dict[str, Any], word: str
) -> None:
    pipelines = FakePipelines()
    answer = await make_worker(pipelines).handle(job(FOX | given))

    assert word in answer["error"]
    assert pipelines.requests == []


@pytest.mark.parametrize(
    "error",
    [OutOfMemory("CUDA out of memory at 0xdeadbeef"), RuntimeError("secret path /srv/models")],
)
async def test_what_is_ours_goes_out_as_one_sentence_and_into_the_log_whole(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    progress = HeardProgress()
    worker = make_worker(FakePipelines(error=error), progress=progress)
    answer = await worker.handle(job(FOX))

    assert answer["status"] == "error"
    assert str(error) not in json.dumps(answer)
    assert str(error) in caplog.text
    assert "Traceback" in caplog.text
    assert progress.closed == ["job-1"]


async def test_a_storage_that_fails_fails_the_job() -> None:
    worker = make_worker(storage=MemoryStorage(error=StorageError("no space left on /out")))
    answer = await worker.handle(job(FOX))

    assert answer["status"] == "error"
    assert "/out" not in answer["error"]


async def test_two_jobs_at_once_take_turns_on_the_gpu() -> None:
    pipelines = FakePipelines()
    worker = make_worker(pipelines, MemoryStorage())
    answers = await asyncio.gather(*(worker.handle(job(FOX, f"job-{i}")) for i in range(4)))

    assert [answer["status"] for answer in answers] == ["success"] * 4
    assert pipelines.most_at_work == 1


@pytest.fixture
async def cancelled() -> tuple[FakePipelines, Worker]:
    """A worker whose running job was cancelled in its first step."""
    pipelines = FakePipelines()
    pipelines.gate.clear()
    worker = make_worker(pipelines, MemoryStorage())
    task = asyncio.create_task(worker.handle(job(FOX)))
    await asyncio.to_thread(pipelines.started.wait, 10)
    task.cancel()
    await asyncio.sleep(0.05)
    assert not task.done()  # the thread still holds the GPU
    pipelines.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    return pipelines, worker


async def test_a_cancelled_job_ends_when_its_thread_has(
    cancelled: tuple[FakePipelines, Worker],
) -> None:
    pipelines, _ = cancelled

    assert pipelines.at_work == 0


async def test_after_a_cancelled_job_the_next_is_done(
    cancelled: tuple[FakePipelines, Worker],
) -> None:
    pipelines, worker = cancelled
    answer = await worker.handle(job(FOX, "job-2"))

    assert answer["status"] == "success"
    assert pipelines.most_at_work == 1


async def test_the_log_names_the_job_and_never_the_prompt_or_the_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    body = FOX | {"key": "sk-very-secret", "prompt": "something private"}
    answer = await make_worker(storage=MemoryStorage()).handle(job(body))

    assert "job-1" in caplog.text
    assert "sk-very-secret" not in caplog.text
    assert "something private" not in caplog.text
    assert "sk-very-secret" not in json.dumps(answer)


@pytest.mark.parametrize("job_id", ["2be1702e-3a1f-46ee-811c-350cee84b66e-e1", "local_test"])
def test_the_job_id_names_the_file(job_id: str) -> None:
    assert file_prefix(job_id) == job_id


@pytest.mark.parametrize("job_id", ["", ".hidden", "../../etc/passwd", "a/b", "a" * 200, "日本"])
def test_a_job_id_that_cannot_name_a_file_becomes_a_uuid_always_the_same(job_id: str) -> None:
    assert str(uuid.UUID(file_prefix(job_id))) == file_prefix(job_id)
    assert file_prefix(job_id) != file_prefix(job_id + "x")
