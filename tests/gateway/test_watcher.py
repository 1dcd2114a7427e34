"""Videos that nobody asks about are looked after, whatever fails beside them."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import pytest

from loopback import Platform
from src.gateway.accounts import Account
from src.gateway.parts import build_parts
from src.gateway.refusals import Unavailable
from src.gateway.store import Database, Videos
from src.gateway.store.videos import LONGEST_JOB
from src.gateway.video import State, Video
from src.gateway.watcher import Watcher
from tests.gateway.test_desk import ME, Office, by_hand, office  # noqa: F401
from tests.gateway.test_reading import BASE64
from tests.loopback.http_worker import HttpWorker


@pytest.fixture
def watcher(office: Office) -> Watcher:  # noqa: F811
    parts = office.parts
    return Watcher(office.desk, parts.videos, parts.accounts, period=5.0, clock=office.clock)


async def remembered(office: Office) -> Account:  # noqa: F811
    """Somebody whose key was shown in this process."""
    return await office.parts.accounts.of("my-key")


async def kept(office: Office, video: Video) -> Video | None:  # noqa: F811
    """As it is kept, without asking the platform."""
    return await office.parts.videos.find(video.id)


async def test_what_is_done_is_fetched_though_nobody_asks(
    office: Office,  # noqa: F811
    watcher: Watcher,
    platform: Platform,
    by_hand: HttpWorker,  # noqa: F811
) -> None:
    me = await remembered(office)
    videos = [await office.ask(me) for _ in range(3)]
    while job := by_hand.take():
        by_hand.done(platform.jobs[job["id"]], output={"url": BASE64})
    await watcher.round()
    assert {(await kept(office, video)).state for video in videos} == {State.QUEUED}  # type: ignore[union-attr]
    office.clock.now += 6
    await watcher.round()
    assert {(await kept(office, video)).state for video in videos} == {State.COMPLETED}  # type: ignore[union-attr]


async def test_a_caller_whose_key_is_not_known_is_left_for_later(
    office: Office,  # noqa: F811
    platform: Platform,
    by_hand: HttpWorker,  # noqa: F811
) -> None:
    video = await office.ask(ME)
    by_hand.done(platform.jobs[by_hand.take()["id"]], output={"url": BASE64})
    # Another process: it has the database, and the caller has not called there.
    parts = build_parts(office.parts.settings, clock=office.clock)
    late = Watcher(office.desk, office.parts.videos, parts.accounts, clock=office.clock)
    office.clock.now += 6
    await late.round()
    assert (await kept(office, video)).state is State.QUEUED  # type: ignore[union-attr]
    parts.accounts.remember(ME)
    office.clock.now += 6
    await late.round()
    assert (await kept(office, video)).state is State.COMPLETED  # type: ignore[union-attr]
    await parts.close()


async def test_one_that_cannot_be_read_keeps_none_from_being_read(
    office: Office,  # noqa: F811
    watcher: Watcher,
    platform: Platform,
    caplog: pytest.LogCaptureFixture,
) -> None:
    me = await remembered(office)
    videos = [await office.ask(me) for _ in range(3)]
    await office.parts.videos.change(videos[0].id, job_id="\ud7ff a job that no URL has")
    for video in videos[1:]:
        platform.cancel(platform.jobs[video.job_id or ""])
    office.clock.now += 6
    with caplog.at_level(logging.INFO):
        await watcher.round()
    states = [(await kept(office, video)).state for video in videos[1:]]  # type: ignore[union-attr]
    assert states == [State.CANCELLED] * 2


async def test_a_job_of_a_foreign_dialect_is_logged_and_harms_nobody(
    office: Office,  # noqa: F811
    watcher: Watcher,
    caplog: pytest.LogCaptureFixture,
) -> None:
    me = await remembered(office)
    video = await office.ask(me)
    office.desk._dialects = {}  # a fault of ours, whichever
    office.clock.now += 6
    await watcher.round()
    assert "cannot look at a video" in caplog.text
    assert (await kept(office, video)).state is State.QUEUED  # type: ignore[union-attr]


async def test_an_outage_ends_no_watching(
    office: Office,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    rounds = 0
    enough = asyncio.Event()

    class Away(Videos):
        async def take_stale(self, *, now: float, age: float, most: int) -> list[Video]:  # noqa: ARG002
            nonlocal rounds
            rounds += 1
            if rounds == 3:
                enough.set()
            raise Unavailable("the database cannot be reached")

    away = Away(Database("sqlite:///never-made.db"))
    watcher = Watcher(office.desk, away, office.parts.accounts, period=0.01)
    task = asyncio.create_task(watcher.run())
    await enough.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert "cannot look after videos: the database cannot be reached" in caplog.text


async def test_what_is_expired_is_forgotten(
    office: Office,  # noqa: F811
    watcher: Watcher,
    platform: Platform,
) -> None:
    me = await remembered(office)
    video = await office.ask(me)
    platform.cancel(platform.jobs[video.job_id or ""])
    office.clock.now += 24 * 3600 + 1
    await watcher.round()  # sees that it is over
    office.clock.now += 301
    await watcher.round()
    assert await kept(office, video) is None


async def test_open_videos_of_owners_who_never_come_back_are_forgotten_in_the_end(
    office: Office,  # noqa: F811
) -> None:
    video = await office.ask(ME)
    videos = office.parts.videos
    assert await videos.remove_expired(video.expires_at + LONGEST_JOB - 1) == 0
    assert await videos.remove_expired(video.expires_at + LONGEST_JOB + 1) == 1


async def test_a_clock_that_goes_back_keeps_no_video_from_being_taken(
    office: Office,  # noqa: F811
) -> None:
    video = await office.ask(ME)
    take = office.parts.videos.take_stale
    assert await take(now=video.looked_at - 30, age=5, most=9) == []  # another gateway's clock
    assert len(await take(now=video.looked_at - 3600, age=5, most=9)) == 1


async def test_it_has_ended_when_its_looks_have(
    office: Office,  # noqa: F811
    watcher: Watcher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    me = await remembered(office)
    order = [(await office.ask(me)).id for _ in range(3)]
    begun, ended = asyncio.Event(), list[str]()

    async def ends_in_its_own_time(video: Video, _: str) -> Video:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05 * order.index(video.id))
            ended.append(video.id)
        raise AssertionError

    monkeypatch.setattr(office.desk, "refresh", ends_in_its_own_time)
    office.clock.now += 6
    watching = asyncio.create_task(watcher.run())
    await begun.wait()
    watching.cancel()
    await asyncio.wait({watching})
    assert ended == order
