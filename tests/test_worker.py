import asyncio
import base64
import io
import json
import logging
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from aiohttp import web
from PIL import Image

from src.bootstrap import build_worker
from src.cancelling import to_the_end
from src.config import Platform, Settings
from src.errors import DeviceBroken, OutOfMemory
from src.generation import Stage
from src.logs import JsonLines
from src.storage import Item, Links
from src.worker import Worker
from tests.fakes import FakePipelines, HeardProgress, MemoryAttempts, MemoryStorage
from tests.probe import probe

FOX = {"model_id": "fake", "prompt": "a fox"}


def make_worker(
    pipelines: FakePipelines | None = None,
    storage: MemoryStorage | None = None,
    progress: HeardProgress | None = None,
    attempts: MemoryAttempts | None = None,
    **settings: Any,
) -> Worker:
    return build_worker(
        Settings(allow_private_urls=True, **settings),
        platform=Platform(webhook_get_job="http://platform.example"),
        pipelines=pipelines or FakePipelines(),
        storage=storage,
        progress=progress or HeardProgress(),
        attempts=attempts or MemoryAttempts(),
    )


class Hooks:
    """A caller's server that hears webhooks."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.status = 200
        self.url = ""

    async def hear(self, request: web.Request) -> web.Response:
        self.heard.append(await request.json())
        return web.Response(status=self.status)


@pytest.fixture
async def aiohttp_hooks() -> AsyncIterator[Hooks]:
    hooks = Hooks()
    app = web.Application()
    app.router.add_post("/hook", hooks.hear)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hooks.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield hooks
    await runner.cleanup()


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
    assert progress.steps() == [("job-1", 1, 3), ("job-1", 2, 3), ("job-1", 3, 3)]
    assert progress.closed == ["job-1"]
    assert storage.warmed == 1
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
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caplog.handler, "formatter", JsonLines())
    caplog.set_level(logging.DEBUG)
    body = FOX | {"key": "sk-very-secret", "prompt": "something private"}
    answer = await make_worker(storage=MemoryStorage()).handle(job(body))

    assert "job-1" in caplog.text
    assert "sk-very-secret" not in caplog.text
    assert "something private" not in caplog.text
    assert "sk-very-secret" not in json.dumps(answer)


@pytest.mark.parametrize(
    "payload",
    [
        FOX | {"prompt": "something private" * 1000},
        FOX | {"prompt": ["something private"]},
        FOX | {"negative_prompt": "something private" * 1000},
        "something private",
        ["something private"],
    ],
)
async def test_a_prompt_that_is_refused_is_not_in_the_log(
    payload: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await make_worker(storage=MemoryStorage()).handle(job(payload))

    assert "refused: " in caplog.text
    assert "something private" not in caplog.text


async def test_the_stages_of_a_job_are_told_in_their_order() -> None:
    progress = HeardProgress()
    await make_worker(storage=MemoryStorage(), progress=progress).handle(job(FOX))

    order = list(dict.fromkeys(progress.stages()))
    assert order == list(Stage)
    assert progress.bodies[0]["status"] == "processing"
    assert progress.bodies[0]["future_links"] == []


async def test_the_log_says_what_a_job_took_that_failed_or_was_cancelled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    await make_worker(FakePipelines(error=OutOfMemory("no room"))).handle(job(FOX))
    pipelines = FakePipelines()
    pipelines.gate.clear()
    task = asyncio.create_task(make_worker(pipelines).handle(job(FOX)))
    await asyncio.to_thread(pipelines.started.wait, 10)
    task.cancel()
    pipelines.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    lines = {record.message: vars(record) for record in caplog.records}
    assert lines["not done"]["code"] == "out_of_memory"
    for line in (lines["not done"], lines["cancelled"]):
        assert line["seconds"] >= line["generate_seconds"] >= 0


async def test_a_link_is_told_before_there_is_a_video_and_is_the_one_that_leads_to_it() -> None:
    progress = HeardProgress()
    worker = make_worker(storage=MemoryStorage(), progress=progress)
    answer = await worker.handle(job(FOX | {"instant_response": True}))

    assert progress.bodies[0]["future_links"] == answer["output"]
    assert progress.bodies[0]["id"] == answer["id"]
    assert answer["warnings"] == []


@pytest.mark.parametrize(
    ("asked", "storage", "warnings"),
    [
        ({"instant_response": True}, None, ["instant_response: the video comes back in"]),
        ({"temp": True}, MemoryStorage(forgets=False), ["temp: results are kept in a folder"]),
        ({"temp": True}, MemoryStorage(), []),
        ({"temp": True}, None, []),
        ({"instant_response": True, "base64": True}, MemoryStorage(), ["instant_response"]),
    ],
)
async def test_what_the_delivery_cannot_do_is_a_warning(
    asked: dict[str, Any], storage: MemoryStorage | None, warnings: list[str]
) -> None:
    answer = await make_worker(storage=storage).handle(job(FOX | asked))

    assert answer["status"] == "success"
    assert len(answer["warnings"]) == len(warnings)
    for said, words in zip(answer["warnings"], warnings, strict=True):
        assert said.startswith(words)


async def test_a_job_that_was_done_before_is_answered_without_doing_it_again() -> None:
    storage, pipelines = MemoryStorage(), FakePipelines()
    worker = make_worker(pipelines, storage)
    first = await worker.handle(job(FOX | {"seed": -1, "key": "sk-1"}))
    again = await make_worker(pipelines, storage).handle(job(FOX | {"seed": -1, "key": "sk-2"}))

    assert len(pipelines.requests) == 1
    varying = {"timings", "generationTime"}
    assert {key: again[key] for key in again.keys() - varying} == {
        key: first[key] for key in first.keys() - varying
    }


async def test_the_same_id_with_another_request_is_another_video() -> None:
    storage, pipelines = MemoryStorage(), FakePipelines()
    worker = make_worker(pipelines, storage)
    await worker.handle(job(FOX))
    await worker.handle(job(FOX | {"prompt": "a hare"}))

    assert len(pipelines.requests) == 2
    assert list(storage.saved) == ["job-1.mp4"]


async def test_a_job_that_has_killed_workers_is_refused_and_forgotten() -> None:
    attempts, pipelines = MemoryAttempts(**{"job-1": 2}), FakePipelines()
    worker = make_worker(pipelines, MemoryStorage(), attempts=attempts)
    answer = await worker.handle(job(FOX))

    assert "begun 2 times before and the worker did not survive it" in answer["error"]
    assert pipelines.requests == []
    assert attempts.begun == {}


@pytest.mark.parametrize(("before", "most"), [(1, 2), (0, 1), (9, 0)])
async def test_a_job_below_the_limit_is_done(before: int, most: int) -> None:
    attempts = MemoryAttempts(**{"job-1": before})
    worker = make_worker(storage=MemoryStorage(), attempts=attempts, max_attempts=most)
    answer = await worker.handle(job(FOX))

    assert answer["status"] == "success"


@pytest.mark.parametrize("error", [None, OutOfMemory(), RuntimeError("bug")])
async def test_an_answered_job_is_no_attempt_any_more(error: Exception | None) -> None:
    attempts = MemoryAttempts()
    worker = make_worker(FakePipelines(error=error), MemoryStorage(), attempts=attempts)
    await worker.handle(job(FOX))

    assert attempts.ended == ["job-1"]
    assert attempts.begun == {}


async def test_a_job_that_is_cancelled_while_it_is_noted_is_forgotten() -> None:
    class Slow(MemoryAttempts):
        asked, gate, noted = threading.Event(), threading.Event(), threading.Event()

        def begin(self, name: str) -> int:
            self.asked.set()
            self.gate.wait(10)
            before = super().begin(name)
            self.noted.set()
            return before

    attempts = Slow()
    worker = make_worker(storage=MemoryStorage(), attempts=attempts)
    task = asyncio.create_task(worker.handle(job(FOX)))
    await asyncio.to_thread(attempts.asked.wait, 10)
    await asyncio.sleep(0.1)  # it has looked for an earlier result, and waits for the note
    task.cancel()
    await asyncio.sleep(0.1)
    attempts.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await asyncio.to_thread(attempts.noted.wait, 10)
    assert attempts.begun == {}
    assert attempts.ended == ["job-1"]


async def test_a_pardon_forgets_the_jobs_under_way() -> None:
    attempts, pipelines = MemoryAttempts(), FakePipelines()
    pipelines.gate.clear()
    worker = make_worker(pipelines, MemoryStorage(), attempts=attempts)
    task = asyncio.create_task(worker.handle(job(FOX)))
    await asyncio.to_thread(pipelines.started.wait, 10)
    worker.pardon()

    assert attempts.begun == {}
    pipelines.gate.set()
    assert (await task)["status"] == "success"


async def test_a_job_that_takes_too_long_is_stopped_and_the_next_is_done() -> None:
    pipelines = FakePipelines()
    pipelines.gate.clear()
    worker = make_worker(pipelines, MemoryStorage(), job_timeout=2)
    loop = asyncio.get_running_loop()
    loop.call_later(2.3, pipelines.gate.set)
    answer = await worker.handle(job(FOX))

    assert "stopped after 2 s, this worker's JOB_TIMEOUT" in answer["error"]
    assert pipelines.at_work == 0
    assert (await worker.handle(job(FOX, "job-2")))["status"] == "success"


async def test_a_broken_device_asks_for_another_worker_and_takes_no_other_job() -> None:
    pipelines, broken = FakePipelines(error=DeviceBroken("device-side assert")), []
    worker = make_worker(pipelines, MemoryStorage())
    worker.on_broken = lambda: broken.append(True)
    first = await worker.handle(job(FOX))
    pipelines.error = None
    second = await worker.handle(job(FOX, "job-2"))

    assert first["refresh_worker"] is True
    assert second["refresh_worker"] is True
    assert second["status"] == "error"
    assert len(pipelines.requests) == 1
    assert broken


async def test_running_out_of_memory_leaves_the_worker_in_its_place() -> None:
    pipelines = FakePipelines(error=OutOfMemory())
    worker = make_worker(pipelines, MemoryStorage())
    first = await worker.handle(job(FOX))
    pipelines.error = None

    assert "refresh_worker" not in first
    assert (await worker.handle(job(FOX, "job-2")))["status"] == "success"


async def test_a_thread_that_does_not_stop_breaks_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("src.worker.threads.STOP_GRACE", 0.2)
    pipelines, broken = FakePipelines(), []
    pipelines.gate.clear()
    worker = make_worker(pipelines, MemoryStorage(), job_timeout=0.1)
    worker.on_broken = lambda: broken.append(True)
    answer = await worker.handle(job(FOX))
    pipelines.gate.set()

    assert answer["refresh_worker"] is True
    assert broken


async def test_a_job_that_is_cancelled_while_it_uploads_takes_its_video_back() -> None:
    storage = MemoryStorage()
    storage.gate.clear()
    task = asyncio.create_task(make_worker(storage=storage).handle(job(FOX)))
    await asyncio.to_thread(storage.saving.wait, 10)
    task.cancel()
    await asyncio.sleep(0.05)
    storage.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert storage.saved == {}
    assert storage.discarded == ["job-1.mp4"]


async def test_a_job_that_is_cancelled_twice_ends_when_its_thread_has() -> None:
    pipelines = FakePipelines()
    pipelines.gate.clear()
    task = asyncio.create_task(make_worker(pipelines, MemoryStorage()).handle(job(FOX)))
    await asyncio.to_thread(pipelines.started.wait, 10)
    for _ in range(2):  # by its caller, and by its time being over
        task.cancel()
        await asyncio.sleep(0.05)

    assert not task.done()
    pipelines.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pipelines.at_work == 0


async def test_what_is_tidied_up_is_tidied_up_to_its_end() -> None:
    released, ended = threading.Event(), []

    def tidy() -> None:
        released.wait(10)
        ended.append(True)

    task = asyncio.create_task(to_the_end(asyncio.to_thread(tidy)))
    for _ in range(2):
        await asyncio.sleep(0.05)
        task.cancel()
    released.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ended


class SlowAnswers(MemoryStorage):
    """Takes its time for what lies beside a video, until it is told to stop."""

    def save(self, path: Path, item: Item, *, stop: threading.Event | None = None) -> Links:
        if item.name.endswith(".json"):
            self.saving.set()
            assert stop is not None
            assert stop.wait(10)
        else:
            self.saved[item.name] = (item.content_type, path.read_bytes())
        return Links(url=f"https://cdn.example/{item.name}")


async def test_a_job_that_is_cancelled_while_its_answer_is_kept_takes_all_back() -> None:
    storage = SlowAnswers()
    worker = make_worker(storage=storage, bucket_result_json=True)
    task = asyncio.create_task(worker.handle(job(FOX)))
    await asyncio.to_thread(storage.saving.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert storage.saved == {}
    assert storage.discarded == ["job-1.mp4", "job-1.json"]


async def test_the_next_job_generates_while_one_is_uploaded() -> None:
    storage, pipelines = MemoryStorage(), FakePipelines()
    storage.gate.clear()
    worker = make_worker(pipelines, storage)
    first = asyncio.create_task(worker.handle(job(FOX)))
    await asyncio.to_thread(storage.saving.wait, 10)
    second = asyncio.create_task(worker.handle(job(FOX, "job-2")))
    while len(pipelines.requests) < 2:  # noqa: ASYNC110  it is filled by another thread
        await asyncio.sleep(0.01)

    assert not first.done()
    storage.gate.set()
    assert [(await item)["status"] for item in (first, second)] == ["success"] * 2


class SilentStorage(MemoryStorage):
    """Does not answer when it is to get ready."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = Event()

    def warm(self) -> None:
        self.answers.wait(60)


async def test_a_bucket_that_does_not_get_ready_keeps_no_job_waiting() -> None:
    with ThreadPoolExecutor(2) as threads:
        asyncio.get_running_loop().set_default_executor(threads)
        storage = SilentStorage()
        worker = make_worker(storage=storage)
        try:
            async with asyncio.timeout(30):
                answers = [await worker.handle(job(FOX, f"job-{i}")) for i in range(4)]
        finally:
            storage.answers.set()

    assert [answer["status"] for answer in answers] == ["success"] * 4


async def test_a_thread_that_hangs_in_a_cancelled_job_breaks_the_worker_and_posts_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("src.worker.threads.STOP_GRACE", 0.1)
    pipelines, broken = FakePipelines(), []
    pipelines.gate.clear()
    worker = make_worker(pipelines, MemoryStorage())
    worker.on_broken = lambda: broken.append(True)
    task = asyncio.create_task(worker.handle(job(FOX)))
    await asyncio.to_thread(pipelines.started.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    pipelines.gate.set()

    assert broken


async def test_a_job_that_begins_after_the_pardon_is_not_noted() -> None:
    attempts = MemoryAttempts()
    worker = make_worker(storage=MemoryStorage(), attempts=attempts)
    worker.pardon()
    await worker.handle(job(FOX))

    assert attempts.begun == {}


async def test_a_file_of_ones_own_is_another_job_each_time() -> None:
    storage, pipelines = MemoryStorage(), FakePipelines()
    attempts = MemoryAttempts(local_test=9)
    worker = build_worker(
        Settings(),
        platform=Platform(),
        pipelines=pipelines,
        storage=storage,
        attempts=attempts,
    )
    for _ in range(2):
        assert (await worker.handle(job(FOX, "local_test")))["status"] == "success"

    assert len(pipelines.requests) == 2


async def test_a_webhook_hears_of_the_video_and_of_a_failure(aiohttp_hooks: Hooks) -> None:
    worker = make_worker(storage=MemoryStorage())
    body = FOX | {"webhook": aiohttp_hooks.url, "track_id": 7}
    answer = await worker.handle(job(body))
    await worker.handle(job(body | {"width": 33}, "job-2"))

    made, failed = aiohttp_hooks.heard
    assert made["status"] == "success"
    assert made["output"] == answer["output"]
    assert made["track_id"] == 7
    assert failed["status"] == "failed"
    assert failed["message"].startswith("Processing failed: width must be even")
    assert answer["warnings"] == []


async def test_a_webhook_that_does_not_hear_is_a_warning(aiohttp_hooks: Hooks) -> None:
    aiohttp_hooks.status = 404
    worker = make_worker(storage=MemoryStorage())
    answer = await worker.handle(job(FOX | {"webhook": aiohttp_hooks.url}))

    assert answer["status"] == "success"
    assert answer["warnings"] == [
        "webhook: not told: the webhook to 127.0.0.1 was answered 404 Not Found"
    ]


@pytest.mark.parametrize("body", [{}, {"webhook": "no url"}])
async def test_a_request_that_cannot_be_read_tells_no_webhook(
    aiohttp_hooks: Hooks, body: dict[str, Any]
) -> None:
    answer = await make_worker().handle(job({"webhook": aiohttp_hooks.url} | body | {"width": "w"}))

    assert answer["status"] == "error"
    assert aiohttp_hooks.heard == []


async def test_a_video_that_is_there_is_delivered_however_late() -> None:
    storage = MemoryStorage()
    storage.gate.clear()
    worker = make_worker(storage=storage, job_timeout=2)
    task = asyncio.create_task(worker.handle(job(FOX)))
    await asyncio.to_thread(storage.saving.wait, 10)
    await asyncio.sleep(2.2)
    storage.gate.set()

    assert (await task)["status"] == "success"


async def test_a_job_that_is_cancelled_after_its_upload_takes_its_video_back() -> None:
    class Slow(MemoryAttempts):
        asked, gate = threading.Event(), threading.Event()

        def end(self, name: str) -> None:
            self.asked.set()
            self.gate.wait(10)
            super().end(name)

    attempts, storage = Slow(), MemoryStorage()
    task = asyncio.create_task(make_worker(storage=storage, attempts=attempts).handle(job(FOX)))
    await asyncio.to_thread(attempts.asked.wait, 10)
    assert storage.saved
    task.cancel()
    attempts.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert storage.saved == {}
