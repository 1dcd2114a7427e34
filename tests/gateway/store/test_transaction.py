"""Who is cancelled in a transaction leaves nothing behind: no lock, no half, no task."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiosqlite import Cursor
from sqlalchemy import Connection, delete

from src.gateway.store import Database, Videos
from src.gateway.store import database as database_file
from src.gateway.store.tables import videos as table
from tests.gateway.store.examples import BODY, a_video

#: Seconds in which nothing hangs; SQLite waits 30 for a lock.
SOON = 15
#: After so many seconds somebody is cancelled: in the middle of each of a transaction's steps.
MOMENTS = [step / 10_000 for step in range(40)]


@pytest.mark.parametrize("times", [1, 2])
async def test_the_next_one_writes_at_once(database: Database, times: int) -> None:
    videos = Videos(database)
    video = await videos.add(a_video(), BODY, number=1)
    cut_off = []
    for moment in MOMENTS:
        write = asyncio.create_task(videos.change(video.id, progress=0.25))
        await asyncio.sleep(moment)
        for _ in range(times):
            write.cancel()
            await asyncio.sleep(0)
        cut_off.append(write)  # and with it whatever its traceback holds on to
    async with asyncio.timeout(SOON):
        await asyncio.wait(cut_off)
        await videos.change(video.id, progress=0.5)
    assert any(write.cancelled() for write in cut_off)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_who_is_cancelled_while_rows_come_leaves_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'gateway.db'}")
    videos = Videos(database)
    video = await videos.add(a_video(), BODY, number=1)
    rows_of, is_there = Cursor.fetchall, asyncio.Event()

    async def slow_rows(cursor: Cursor) -> Any:
        is_there.set()
        await asyncio.sleep(0.1)
        return await rows_of(cursor)

    monkeypatch.setattr(Cursor, "fetchall", slow_rows)
    write = asyncio.create_task(videos.change(video.id, progress=0.25))
    await is_there.wait()
    write.cancel()
    await asyncio.wait({write})
    async with asyncio.timeout(SOON):  # while `write` still holds its traceback, and that a cursor
        await videos.change(video.id, progress=0.5)
    await database.close()


async def test_what_was_done_is_undone(database: Database) -> None:
    videos = Videos(database)
    video = await videos.add(a_video(), BODY, number=1)
    is_done = asyncio.Event()

    async def delete_and_wait() -> None:
        async with database.begin() as transaction:
            await transaction.execute(delete(table))
            is_done.set()
            await asyncio.sleep(60)

    deleting = asyncio.create_task(delete_and_wait())
    await is_done.wait()
    deleting.cancel()
    await asyncio.wait({deleting})
    assert deleting.cancelled()
    assert await videos.find(video.id) == video


async def test_closing_waits_for_what_is_under_way(database: Database) -> None:
    has_begun, may_end = asyncio.Event(), asyncio.Event()

    async def read_slowly() -> None:
        async with database.begin(reads=True):
            has_begun.set()
            await may_end.wait()

    reading = asyncio.create_task(read_slowly())
    await has_begun.wait()
    closing = asyncio.create_task(database.close())
    await Videos(database).add(a_video(), BODY, number=1)  # another one that comes and goes
    assert not closing.done()
    may_end.set()
    async with asyncio.timeout(SOON):
        await asyncio.gather(reading, closing)


async def test_closing_does_not_wait_for_ever(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_file, "ENDED_IN", 0.05)

    async def close_within() -> None:
        async with database.begin(reads=True) as transaction:
            async with asyncio.timeout(SOON):
                await database.close()
            await transaction.run_sync(Connection.invalidate)  # nobody else closes it now
            raise LookupError

    with pytest.raises(LookupError):
        await close_within()
