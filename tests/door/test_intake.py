"""Taking jobs, without the SDK's loop around it: what a loop of processes shows too rarely."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from src.door import Refresh, intake, serve
from src.door.intake import Intake, Job, unlike


class Progress(dict[str, Job]):
    """The SDK's set of jobs in progress, with what is used of it."""

    def get_job_count(self) -> int:
        return len(self)


class Line:
    """A JobScaler as far as it is used, and the platform's answers, one for each poll."""

    def __init__(self, *answers: Callable[[], Awaitable[list[Job] | None]]) -> None:
        self.concurrency_modifier: Callable[[int], int] = lambda current: current
        self.jobs_fetcher: Callable[[Any, int], Awaitable[list[Job] | None]] = self._answer
        self.stop_signals_fetcher: Callable[[Any], Awaitable[list[str]]] = self._stops
        self.kill_worker: Callable[[], None] = self._kill
        self.job_progress: Any = Progress()
        self.jobs_tasks: Mapping[str, object] = {}
        self.answers = list(answers)
        self.stops: list[str] = []
        self.polls = 0
        self.killed = 0

    def is_alive(self) -> bool:
        return not self.killed

    async def take(self) -> list[Job] | None:
        """What the SDK does around one call, as far as it matters."""
        jobs = await self.jobs_fetcher(None, 5)
        self.job_progress.update({job["id"]: job for job in jobs or []})
        return jobs

    async def _answer(self, _session: object, wanted: int) -> list[Job] | None:
        assert wanted == 1
        self.polls += 1
        return await (self.answers.pop(0) if self.answers else nothing)()

    async def _stops(self, _session: object) -> list[str]:
        return self.stops

    def _kill(self) -> None:
        self.killed += 1


def one(job_id: str, after: float = 0) -> Callable[[], Awaitable[list[Job] | None]]:
    async def answer() -> list[Job] | None:
        await asyncio.sleep(after)
        return [{"id": job_id, "input": {}}]

    return answer


async def nothing() -> list[Job] | None:
    return None


async def never() -> list[Job] | None:
    await asyncio.sleep(600)
    return None


class TooManyRequests(Exception):
    status = 429


async def too_many() -> list[Job] | None:
    raise TooManyRequests


async def unreachable() -> list[Job] | None:
    raise ConnectionError("nobody there")


def opened(line: Line, *, concurrency: int = 1, grace: float = 0.2, **more: Any) -> Intake:
    acts = {"on_drain": lambda: None, "on_last": lambda: None} | more
    return Intake(line, concurrency=concurrency, grace=grace, **acts)


def test_the_pinned_sdk_has_everything_that_is_used_of_it() -> None:
    from runpod.serverless.modules.rp_scale import JobScaler

    assert unlike(JobScaler({"handler": None})) == []


@pytest.mark.parametrize("name", ["kill_worker", "job_progress", "is_alive", "jobs_tasks"])
def test_what_an_sdk_lacks_is_named(name: str) -> None:
    class Other:
        def __getattr__(self, asked: str) -> object:
            if asked == name:
                raise AttributeError
            return Progress()

    assert name in unlike(Other())


def test_an_sdk_that_has_no_scaler_any_more_is_started_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import runpod
    from runpod.serverless.modules import rp_scale

    started: list[dict[str, Any]] = []
    monkeypatch.delattr(rp_scale, "JobScaler")
    monkeypatch.setattr(runpod.serverless, "start", started.append)
    monkeypatch.setattr(runpod.RunPodLogger, "level", "INFO")
    refresh = Refresh()

    async def handle(_job: Job) -> dict[str, Any]:
        return {}

    serve(handle, concurrency=3, refresh=refresh)
    refresh.ask()
    (config,) = started
    assert (config["concurrency_modifier"](1), config["refresh_worker"]) == (3, True)
    assert "JobScaler" in caplog.text


@pytest.mark.parametrize("concurrency", [1, 2, 4])
async def test_the_sdk_may_have_more_than_it_will_ever_count(concurrency: int) -> None:
    line = Line()
    opened(line, concurrency=concurrency)
    counted_twice = 2 * concurrency
    assert line.concurrency_modifier(1) > counted_twice


async def test_a_job_that_came_when_the_call_was_cut_off_is_given_at_the_next() -> None:
    sent = asyncio.Event()

    async def answer() -> list[Job] | None:
        await sent.wait()
        return [{"id": "a", "input": {}}]

    line = Line(answer)
    opened(line)
    call = asyncio.ensure_future(line.take())
    await asyncio.sleep(0.1)
    sent.set()
    await asyncio.sleep(0)  # the answer is there, and whoever waits for it has not seen it
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await line.take() == [{"id": "a", "input": {}}]
    assert line.polls == 1


async def test_a_job_is_given_only_when_none_of_its_id_is_at_work() -> None:
    line = Line(one("a"), one("a"))
    opened(line, concurrency=2)
    assert await line.take()
    call = asyncio.ensure_future(line.take())
    await asyncio.sleep(0.3)
    assert not call.done()
    line.job_progress.clear()
    assert await call == [{"id": "a", "input": {}}]


async def test_no_poll_is_open_while_there_is_no_room() -> None:
    line = Line(one("a"), one("b"))
    opened(line)
    assert await line.take()
    call = asyncio.ensure_future(line.take())
    await asyncio.sleep(0.3)
    assert (call.done(), line.polls) == (False, 1)
    line.job_progress.clear()
    assert await call == []  # the SDK calls again, with the whole of its time for the poll
    assert await line.take() == [{"id": "b", "input": {}}]


async def test_a_job_that_is_on_the_wire_when_the_worker_leaves_is_still_taken() -> None:
    line = Line(one("a", after=0.2))
    door = opened(line, grace=10)
    call = asyncio.ensure_future(line.take())
    await asyncio.sleep(0.05)
    door.leave()
    assert await call == [{"id": "a", "input": {}}]


async def test_the_worker_ends_when_its_last_job_is_delivered_and_not_before() -> None:
    line, said = Line(one("a")), list[str]()
    door = opened(line, on_drain=lambda: said.append("drain"), on_last=lambda: said.append("last"))
    await line.take()
    line.kill_worker()  # what the SDK calls on a signal is ours by now
    door.leave()
    call = asyncio.ensure_future(line.take())
    await asyncio.sleep(0.3)
    assert (call.done(), line.killed, said) == (False, 0, ["drain"])
    line.job_progress.clear()
    assert await call == []
    assert (line.killed, said, line.polls) == (1, ["drain", "last"], 1)


async def test_a_worker_that_is_broken_does_not_tell_of_a_drain() -> None:
    line, said = Line(never), list[str]()
    door = opened(line, grace=60, on_drain=lambda: said.append("drain"))
    call = asyncio.ensure_future(line.take())
    await asyncio.sleep(0.05)
    door.leave_broken()
    door.leave()
    await call
    await line.take()
    assert (line.killed, said) == (1, [])


async def test_what_fails_when_the_worker_leaves_does_not_keep_it() -> None:
    line = Line()

    def fail() -> None:
        raise OSError("the bucket is gone")

    opened(line, on_drain=fail).leave()
    assert await line.take() == []
    assert line.killed == 1


@pytest.mark.parametrize("answer", [nothing, too_many, unreachable])
async def test_a_platform_that_answers_at_once_is_not_asked_without_a_pause(
    answer: Callable[[], Awaitable[list[Job] | None]],
) -> None:
    line = Line(*[answer] * 1000)
    opened(line)

    async def ask() -> None:
        while True:
            try:
                await line.take()
            except ConnectionError:
                continue

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await ask()
    assert line.polls <= 1 / intake.PACE + 1


@pytest.mark.parametrize("answer", [never, too_many, unreachable])
async def test_no_pause_keeps_a_worker_that_leaves(
    answer: Callable[[], Awaitable[list[Job] | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "AFTER_ERROR", 60)
    monkeypatch.setattr(intake, "AFTER_TOO_MANY", 60)
    line = Line(answer)
    door = opened(line)
    call = asyncio.ensure_future(line.take())
    await asyncio.sleep(0.1)
    door.leave()
    async with asyncio.timeout(5):
        await asyncio.gather(call, return_exceptions=True)
        await line.take()
    assert line.killed == 1


async def test_a_stop_waits_for_a_job_that_is_on_its_way() -> None:
    line = Line()
    opened(line)
    line.stops = ["a"]
    call = asyncio.ensure_future(line.stop_signals_fetcher(None))
    await asyncio.sleep(0.2)
    assert not call.done()
    line.jobs_tasks = {"a": object()}
    assert await call == ["a"]


async def test_a_stop_for_a_job_that_never_comes_holds_nothing_up() -> None:
    line = Line()
    opened(line)
    line.stops = ["gone"]
    async with asyncio.timeout(5):
        assert await line.stop_signals_fetcher(None) == ["gone"]


@pytest.mark.parametrize("seconds", [0, 0.2])
async def test_a_stop_that_came_when_the_call_was_cut_off_is_given_at_the_next(
    seconds: float,
) -> None:
    line, sent, polls = Line(), asyncio.Event(), []

    async def stops(_session: object) -> list[str]:
        polls.append(1)
        await sent.wait()
        return ["a"]

    line.stop_signals_fetcher = stops
    opened(line)
    call = asyncio.ensure_future(line.stop_signals_fetcher(None))
    await asyncio.sleep(0.1)
    sent.set()
    await asyncio.sleep(seconds)  # the job is not there yet
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    line.jobs_tasks = {"a": object()}
    assert await line.stop_signals_fetcher(None) == ["a"]
    assert len(polls) == 1


async def test_the_stop_channel_closes_when_the_worker_ends() -> None:
    line = Line()
    line.stop_signals_fetcher = lambda _: asyncio.sleep(600, [])
    opened(line)
    call = asyncio.ensure_future(line.stop_signals_fetcher(None))
    await asyncio.sleep(0.1)
    assert not call.done()
    line.killed = 1
    with pytest.raises(TimeoutError):
        await call
