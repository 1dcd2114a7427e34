import asyncio
import json
import logging
import os
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from src.generation import Report
from src.notify import PlatformProgress
from src.notify.platform import sdk_headers

from .conftest import Reports, Serve

KEY = "key-that-nobody-may-read"
PROMPT = "a prompt that nobody may read"


@dataclass
class Post:
    """What came in."""

    path: str
    headers: Mapping[str, str]
    body: Any
    came: float
    answered: float = 0.0


@dataclass
class Listener:
    """The platform's side: remembers posts, and sees what it should not see."""

    delay: Callable[[], float] = lambda: 0.0
    statuses: list[int] = field(default_factory=list)
    words: str = ""
    posts: dict[str, list[Post]] = field(default_factory=lambda: defaultdict(list))
    #: Jobs whose result is posted, and what came or was still being answered after that.
    over: set[str] = field(default_factory=set)
    late: list[str] = field(default_factory=list)
    at_once: Counter[str] = field(default_factory=Counter)
    most_at_once: int = 0
    connections: set[Any] = field(default_factory=set)
    #: Set by a test to hold every answer until it is released.
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        job_id = request.path.rpartition("/")[2]
        self.connections.add(request.transport)
        self._see(job_id)
        self.at_once[job_id] += 1
        self.most_at_once = max(self.most_at_once, self.at_once[job_id])
        body = json.loads(await request.read())
        post = Post(request.raw_path, request.headers.copy(), body, time.monotonic())
        self.posts[job_id].append(post)
        self.came.set()
        try:
            await asyncio.sleep(self.delay())
            await self.gate.wait()
        except asyncio.CancelledError:  # the server's word for a connection that was closed
            self.left.set()
            raise
        finally:
            self.at_once[job_id] -= 1
        self._see(job_id)
        post.answered = time.monotonic()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200, text=self.words)

    def _see(self, job_id: str) -> None:
        if job_id in self.over:
            self.late.append(job_id)

    def steps(self, job_id: str = "job-1") -> list[int]:
        return [post.body["output"]["step"] for post in self.posts[job_id]]


def encode(report: Report) -> dict[str, Any]:
    return {"status": "processing", "step": report.step, "words": "é \ud83c"}


@pytest.fixture
def listener() -> Listener:
    it = Listener()
    it.gate.set()
    return it


MakeProgress = Callable[..., PlatformProgress]


@pytest.fixture
async def make(serve: Serve, listener: Listener) -> AsyncIterator[MakeProgress]:
    """Progress that is posted to the listener, without a pause unless the test asks for one."""
    server = await serve(listener.take)
    made: list[PlatformProgress] = []

    def make(**options: Any) -> PlatformProgress:
        base = str(server.make_url("/"))
        template = f"{base}v2/ep/job-done/$RUNPOD_POD_ID/$ID?gpu=NVIDIA+RTX"
        values: dict[str, Any] = {"url_template": template, "interval": 0.0} | options
        made.append(
            PlatformProgress(pod_id="pod-1", headers=lambda: {"Authorization": KEY}, **values)
        )
        return made[-1]

    yield make
    for progress in made:
        await progress.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  a list on the other side has no event
            await asyncio.sleep(0.001)


async def test_an_update_is_what_the_sdk_would_post(
    listener: Listener,
    serve: Serve,
    report: Reports,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from runpod.http_client import AsyncClientSession
    from runpod.serverless.modules import rp_http

    monkeypatch.setenv("RUNPOD_AI_API_KEY", KEY)
    server = await serve(listener.take)
    template = f"{server.make_url('/')}job-done/$RUNPOD_POD_ID/$ID?gpu=NVIDIA+RTX"
    monkeypatch.setattr(rp_http, "JOB_DONE_URL", template.replace("$RUNPOD_POD_ID", "pod-1"))
    output = {"step": 3, "words": "é"}

    async with AsyncClientSession() as session:
        data = {"status": "IN_PROGRESS", "output": output}
        await rp_http.send_result(session, data, {"id": "job-1"})
    progress = PlatformProgress(url_template=template, pod_id="pod-1")
    progress.started("job-1", lambda _report: output)
    progress.tell(report())
    await until(lambda: len(listener.posts["job-1"]) == 2)
    await progress.close()

    theirs, ours = listener.posts["job-1"]
    assert ours.path == theirs.path == "/job-done/pod-1/job-1?gpu=NVIDIA+RTX&isStream=false"
    assert ours.body == theirs.body
    assert ours.headers["Authorization"] == KEY
    own = {"Content-Length"}  # the SDK writes letters where we escape them
    assert {k: v for k, v in ours.headers.items() if k not in own} == {
        k: v for k, v in theirs.headers.items() if k not in own
    }


async def test_the_first_update_goes_at_once_and_the_next_waits(
    make: MakeProgress, listener: Listener, report: Reports
) -> None:
    progress = make(interval=3600)
    progress.started("job-1", encode)
    for step in range(100):
        progress.tell(report(step=step))
        await asyncio.sleep(0.001)
    await progress.finished("job-1")

    assert len(listener.posts["job-1"]) == 1


async def test_two_updates_are_never_closer_than_the_interval(
    make: MakeProgress, listener: Listener, report: Reports
) -> None:
    progress = make(interval=0.05)
    progress.started("job-1", encode)
    step = 0
    while len(listener.posts["job-1"]) < 5:
        progress.tell(report(step=(step := step + 1)))
        await asyncio.sleep(0.001)
    await progress.finished("job-1")

    posts = listener.posts["job-1"]
    gaps = [after.came - before.answered for before, after in pairwise(posts)]
    assert min(gaps) >= 0.049
    assert listener.steps() == sorted(set(listener.steps()))


async def test_the_latest_report_wins(
    make: MakeProgress, listener: Listener, report: Reports
) -> None:
    listener.gate.clear()
    progress = make()
    progress.started("job-1", encode)
    progress.tell(report(step=1))
    await listener.came.wait()
    for step in (2, 3, 4):
        progress.tell(report(step=step))
    listener.gate.set()
    await until(lambda: len(listener.posts["job-1"]) == 2)
    await progress.finished("job-1")

    assert listener.steps() == [1, 4]


async def test_finished_drops_what_waits_and_waits_for_what_is_on_its_way(
    make: MakeProgress, listener: Listener, report: Reports
) -> None:
    listener.gate.clear()
    progress = make()
    progress.started("job-1", encode)
    progress.tell(report(step=1))
    await listener.came.wait()
    progress.tell(report(step=2))
    finishing = asyncio.create_task(progress.finished("job-1"))
    await asyncio.sleep(0.02)
    assert not finishing.done()
    progress.tell(report(step=3))

    listener.gate.set()
    await finishing
    listener.over.add("job-1")
    progress.tell(report(step=4))
    await asyncio.sleep(0.02)

    assert listener.steps() == [1]
    assert listener.late == []


async def test_what_was_told_and_not_yet_sent_is_dropped(
    make: MakeProgress, listener: Listener, report: Reports
) -> None:
    progress = make()
    progress.started("job-1", encode)
    progress.tell(report(step=1))
    await progress.finished("job-1")
    await asyncio.sleep(0.02)

    assert listener.posts["job-1"] == []


async def test_a_job_that_is_cancelled_leaves_nothing_on_its_way(
    make: MakeProgress, listener: Listener, report: Reports
) -> None:
    progress = make()
    listener.delay = lambda: 0.01

    async def handle() -> None:
        progress.started("job-1", encode)
        try:
            while True:
                progress.tell(report(step=1))
                await asyncio.sleep(0)
        finally:
            await progress.finished("job-1")
            listener.over.add("job-1")

    job = asyncio.create_task(handle())
    await listener.came.wait()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    await asyncio.sleep(0.03)

    assert listener.late == []
    assert listener.at_once["job-1"] == 0


@pytest.mark.parametrize("cancels", [1, 3])
async def test_a_cancel_while_finishing_cuts_off_what_is_on_its_way(
    make: MakeProgress, listener: Listener, report: Reports, cancels: int
) -> None:
    listener.gate.clear()
    progress = make(timeout=60.0)
    progress.started("job-1", encode)
    progress.tell(report(step=1))
    await listener.came.wait()
    finishing = asyncio.create_task(progress.finished("job-1"))
    await asyncio.sleep(0)

    for _ in range(cancels):
        finishing.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await finishing

    running = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]
    assert not any("_Updates" in name for name in running)
    await asyncio.wait_for(listener.left.wait(), 30)


async def test_a_platform_that_never_answers_holds_the_result_up_for_the_timeout_only(
    make: MakeProgress, listener: Listener, report: Reports, caplog: pytest.LogCaptureFixture
) -> None:
    listener.gate.clear()
    progress = make(timeout=0.1)
    progress.started("job-1", encode)
    progress.tell(report(step=1))
    await listener.came.wait()

    await asyncio.wait_for(progress.finished("job-1"), 30)

    await asyncio.wait_for(listener.left.wait(), 30)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("statuses", [[500], [503, 502, 500]])
async def test_an_update_that_failed_is_tried_again_while_there_is_no_newer(
    make: MakeProgress,
    listener: Listener,
    report: Reports,
    statuses: list[int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    listener.statuses = list(statuses)
    progress = make()
    progress.started("job-1", encode)
    progress.tell(report(step=1))
    await until(lambda: len(listener.posts["job-1"]) == len(statuses) + 1)
    await progress.finished("job-1")

    assert set(listener.steps()) == {1}
    assert [record.getMessage() for record in caplog.records] == [
        f"job-1: the platform was not told: it answered {statuses[0]}"
    ]


@pytest.mark.parametrize("status", [400, 401, 404, 413])
async def test_an_update_that_is_refused_is_not_repeated(
    make: MakeProgress, listener: Listener, report: Reports, status: int
) -> None:
    listener.statuses = [status]
    progress = make()
    progress.started("job-1", encode)
    progress.tell(report(step=1))
    await until(lambda: listener.at_once["job-1"] == 0 and not listener.statuses)
    await asyncio.sleep(0.02)
    progress.tell(report(step=2))
    await until(lambda: len(listener.posts["job-1"]) == 2)
    await progress.finished("job-1")

    assert listener.steps() == [1, 2]


def not_json(report: Report) -> dict[str, Any]:
    return {"bytes": b"", "step": report.step}


def not_a_number(report: Report) -> dict[str, Any]:
    return {"eta": float("nan"), "step": report.step}


def not_a_mapping(report: Report) -> Any:
    return report.step


def raises(report: Report) -> dict[str, Any]:
    raise KeyError(report.step)


@pytest.mark.parametrize("bad", [not_json, not_a_number, not_a_mapping, raises])
async def test_a_report_that_cannot_be_sent_is_logged_and_the_next_one_goes_out(
    make: MakeProgress,
    listener: Listener,
    report: Reports,
    bad: Callable[[Report], Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    progress = make()
    progress.started("job-1", lambda it: bad(it) if it.step == 1 else encode(it))
    progress.tell(report(step=1))
    await until(lambda: bool(caplog.records))
    progress.tell(report(step=2))
    await until(lambda: len(listener.posts["job-1"]) == 1)
    await progress.finished("job-1")

    assert listener.steps() == [2]
    assert len(caplog.records) == 1
    assert caplog.records[0].exc_info


@pytest.mark.parametrize(
    "template",
    [
        "http://127.0.0.1:1/job-done/$RUNPOD_POD_ID/$ID?token=secret",
        "no url at all $ID?token=secret",
        "http://[::1/$RUNPOD_POD_ID/$ID?token=secret",
    ],
)
async def test_a_platform_out_of_reach_harms_nothing_and_is_logged_once_a_job(
    make: MakeProgress,
    report: Reports,
    template: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    progress = make(url_template=template)
    for job_id in ("job-1", "job-2"):
        progress.started(job_id, lambda report: {"prompt": PROMPT, "step": report.step})
        before = len(caplog.records)
        for step in range(3):
            progress.tell(report(job_id, step=step))
            await until(lambda before=before: len(caplog.records) > before)  # type: ignore[misc]
        await progress.finished(job_id)

    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage().partition(":")[0] for record in warned] == ["job-1", "job-2"]
    for word in ("secret", KEY, PROMPT):
        assert word not in "".join(record.getMessage() for record in caplog.records)


async def test_an_update_is_dropped_for_a_job_that_never_started(
    make: MakeProgress, listener: Listener, report: Reports
) -> None:
    progress = make()
    progress.tell(report(step=1))
    await progress.finished("job-1")
    await asyncio.sleep(0.02)

    assert listener.posts == {}


async def test_the_first_result_of_a_job_that_was_handed_in_twice_ends_its_updates(
    make: MakeProgress, listener: Listener, report: Reports
) -> None:
    listener.gate.clear()
    progress = make()
    progress.started("job-1", encode)
    progress.tell(report(step=1))
    await listener.came.wait()
    progress.started("job-1", encode)
    finishing = asyncio.create_task(progress.finished("job-1"))
    await asyncio.sleep(0.02)
    listener.gate.set()
    await finishing
    listener.over.add("job-1")
    progress.tell(report(step=2))
    await progress.finished("job-1")
    await asyncio.sleep(0.02)

    assert listener.late == []
    assert listener.steps() == [1]


async def test_one_connection_serves_the_updates_of_jobs_until_none_is_under_way(
    make: MakeProgress, listener: Listener, report: Reports
) -> None:
    listener.words = "x" * 300_000  # does not come together with the status
    progress = make()
    progress.started("last", encode)
    for job_id in ("a", "b", "c"):
        progress.started(job_id, encode)
        for step in (1, 2):
            progress.tell(report(job_id, step=step))
            await until(lambda job_id=job_id, step=step: len(listener.posts[job_id]) == step)  # type: ignore[misc]
        await progress.finished(job_id)
    (connection,) = listener.connections
    assert not connection.is_closing()
    await progress.finished("last")
    await until(connection.is_closing)


async def test_close_ends_what_is_under_way(
    make: MakeProgress, listener: Listener, report: Reports
) -> None:
    progress = make()
    for job_id in ("a", "b"):
        progress.started(job_id, encode)
        progress.tell(report(job_id))
    await listener.came.wait()
    await progress.close()
    listener.over |= {"a", "b"}
    progress.tell(report("a"))
    await asyncio.sleep(0.02)

    assert listener.late == []


def test_telling_when_the_loop_is_gone_is_harmless(report: Reports) -> None:
    progress = PlatformProgress(url_template="http://127.0.0.1:1/$ID?", pod_id="p", headers=dict)

    async def start() -> None:
        progress.started("job-1", encode)

    asyncio.run(start())  # and the job never finishes

    progress.tell(report(step=1))


class Crowd:
    """Jobs that tell from threads; some are cancelled, and all of them tell on after their end."""

    def __init__(self, progress: PlatformProgress, listener: Listener, report: Reports) -> None:
        self._progress = progress
        self._listener = listener
        self._report = report
        self._slots = asyncio.Semaphore(50)
        self.cancelled: set[str] = set()
        #: Those that were cancelled while they finished; the server may go on with what it has.
        self.cut_off: set[str] = set()

    async def job(self, job_id: str, *, steps: int, cancel_after: float | None) -> None:
        async with self._slots:
            job = asyncio.create_task(self._handle(job_id, steps))
            if cancel_after is not None:
                await asyncio.sleep(cancel_after)
                if job.cancel():
                    self.cancelled.add(job_id)
            with suppress(asyncio.CancelledError):
                await job

    async def _handle(self, job_id: str, steps: int) -> None:
        self._progress.started(job_id, encode)
        stray = threading.Thread(target=self._work, args=(job_id, 40))
        stray.start()
        try:
            await asyncio.to_thread(self._work, job_id, steps)
        finally:
            await self._finish(job_id)
            stray.join()

    async def _finish(self, job_id: str) -> None:
        try:
            await self._progress.finished(job_id)
        except asyncio.CancelledError:
            self.cut_off.add(job_id)
            raise
        finally:
            self._listener.over.add(job_id)

    def _work(self, job_id: str, steps: int) -> None:
        for step in range(1, steps + 1):
            self._progress.tell(self._report(job_id, step=step, total=steps))
            if step % 3 == 0:
                time.sleep(0.001)


async def test_500_jobs_told_of_from_threads_leave_nothing_after_their_results(
    make: MakeProgress, listener: Listener, report: Reports
) -> None:
    chance = random.Random(4)  # noqa: S311  the same delays in every run
    listener.delay = lambda: chance.choice((0, 0, 0.001, 0.005, 0.02))
    crowd = Crowd(make(interval=0.002), listener, report)

    await asyncio.gather(
        *(
            crowd.job(
                f"job-{number}",
                steps=number % 30,
                cancel_after=None if number % 5 else chance.choice((0.001, 0.004, 0.01)),
            )
            for number in range(500)
        )
    )
    await asyncio.sleep(0.05)

    assert set(listener.late) <= crowd.cut_off
    assert listener.most_at_once == 1
    assert len(crowd.cut_off) < len(crowd.cancelled) > 10
    assert sum(len(posts) for posts in listener.posts.values()) > 200


@pytest.mark.parametrize(
    ("in_environment", "in_file", "key"),
    [("from-env", None, "from-env"), ("from-env", "from-file", "from-file"), (None, None, "")],
)
def test_the_key_is_the_one_that_the_sdk_finds(
    in_environment: str | None,
    in_file: str | None,
    key: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from runpod.cli.groups.config import functions

    path = tmp_path / "config.toml"
    monkeypatch.setattr(functions, "CREDENTIAL_FILE", str(path))
    if in_environment:
        os.environ["RUNPOD_AI_API_KEY"] = in_environment
    if in_file:
        path.write_text(f'[default]\napi_key = "{in_file}"\n')

    headers = sdk_headers()

    assert headers["Authorization"] == key
    assert headers["User-Agent"].startswith("RunPod-Python-SDK/")
