"""Where the database is, and what happens while it is not there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from src.gateway.refusals import Unavailable
from src.gateway.store import Database, Videos
from tests.gateway.store.examples import BODY, a_video
from tests.gateway.store.postgres import Postgres, missing
from tests.loop.starting import until


@pytest.fixture
def server() -> Iterator[Postgres]:
    """One that a test may stop."""
    if reason := missing():
        pytest.skip(f"no PostgreSQL: {reason}")
    with Postgres() as server:
        yield server


@pytest.mark.parametrize(
    "url",
    [
        "mysql://host/name",
        "postgresql+psycopg2://host/name",
        "sqlite+pysqlite:///x.db",
        "no url",
        "",
        "postgresql://host:port/name",
    ],
)
def test_another_url_is_refused_by_name(url: str) -> None:
    with pytest.raises(ValueError, match="database must be SQLite or PostgreSQL"):
        Database(url)


def test_a_refused_url_does_not_show_its_password() -> None:
    with pytest.raises(ValueError, match="got mysql") as refused:
        Database("mysql://somebody:hunter2@host/name")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://somebody@127.0.0.1:1/name",
        "postgresql://somebody@/name?host=/nowhere",
        "sqlite:////nowhere/gateway.db",
    ],
)
async def test_a_database_that_is_not_there_is_unavailable(url: str) -> None:
    database = Database(url)
    for what in (database.migrate(), Videos(database).find("0" * 32)):
        with pytest.raises(Unavailable, match="the database cannot be reached"):
            await what
    await database.close()
    # A thread of aiosqlite's that could not connect has a last word for this test's loop.
    await asyncio.to_thread(until, lambda: not [*filter(is_of_sqlite, threading.enumerate())])


def is_of_sqlite(thread: threading.Thread) -> bool:
    return "_connection_worker_thread" in thread.name


async def test_no_such_database_and_no_such_user_are_unavailable(server: Postgres) -> None:
    url = server.new_database()
    for wrong in (url.replace("gateway@", "nobody@"), url.replace("/test_", "/other_")):
        database = Database(wrong)
        with pytest.raises(Unavailable):
            await database.migrate()
        await database.close()


async def test_a_server_that_goes_and_comes_back_is_used_again(server: Postgres) -> None:
    database = Database(server.new_database())
    await database.migrate()
    videos = Videos(database)
    video = await videos.add(a_video(), BODY, number=1)
    # Several connections are open, and none of them knows.
    await asyncio.gather(*(videos.find(video.id) for _ in range(8)))
    await asyncio.to_thread(server.stop)
    answers = await asyncio.gather(
        *(videos.find(video.id) for _ in range(8)),
        *(videos.change(video.id, progress=1.0) for _ in range(4)),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [Unavailable] * 12
    await asyncio.to_thread(server.start)
    found = await asyncio.gather(*(videos.find(video.id) for _ in range(8)))
    assert found == [video] * 8
    await database.close()


async def test_a_server_that_comes_after_the_gateway_gets_its_tables_then(
    server: Postgres,
) -> None:
    url = server.new_database()
    await asyncio.to_thread(server.stop)
    database = Database(url)
    videos = Videos(database)
    with pytest.raises(Unavailable):
        await database.migrate()
    with pytest.raises(Unavailable):
        await videos.find("0" * 32)
    await asyncio.to_thread(server.start)
    found = await asyncio.gather(*(videos.find("0" * 32) for _ in range(5)))
    assert found == [None] * 5
    await database.close()


async def test_a_wrong_value_is_no_outage(database: Database) -> None:
    """It would be tried again for ever."""
    wrong = {"owner": None} if database.is_sqlite else {"width": 2**40}
    with pytest.raises(SQLAlchemyError) as raised:
        await Videos(database).add(a_video(prompt="secret", **wrong), BODY, number=1)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("statement", ["SELECT nothing FROM nowhere", "SELEC"])
async def test_a_wrong_statement_is_no_outage(database: Database, statement: str) -> None:
    with pytest.raises(SQLAlchemyError):
        async with database.begin() as connection:
            await connection.execute(text(statement))


async def test_a_server_that_goes_within_a_transaction_undoes_it(server: Postgres) -> None:
    database = Database(server.new_database())
    await database.migrate()
    videos = Videos(database)
    video = await videos.add(a_video(), BODY, number=1)

    async def cut_off() -> None:
        async with database.begin() as connection:
            await connection.execute(text("UPDATE videos SET progress = 50"))
            await asyncio.to_thread(server.stop)
            await connection.execute(text("SELECT 1"))

    with pytest.raises(Unavailable):
        await cut_off()
    await asyncio.to_thread(server.start)
    assert await videos.find(video.id) == video
    await database.close()


async def test_more_at_once_than_there_are_connections_wait_their_turn(
    database: Database,
) -> None:
    videos = Videos(database)
    video = await videos.add(a_video(), BODY, number=1)
    found = await asyncio.gather(*(videos.find(video.id) for _ in range(150)))
    assert found == [video] * 150


async def test_a_caller_who_goes_within_a_transaction_leaves_nothing(database: Database) -> None:
    videos = Videos(database)
    video = await videos.add(a_video(), BODY, number=1)
    holding = asyncio.Event()

    async def hold() -> None:
        async with database.begin() as connection:
            await connection.execute(text("UPDATE videos SET progress = 50"))
            holding.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(hold())
    await holding.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await videos.find(video.id) == video
    assert await videos.change(video.id, progress=1.0) is not None  # nothing is locked


async def test_sqlite_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'gateway.db'}")
    await database.migrate()
    videos = Videos(database)
    video = await videos.add(a_video(), BODY, number=1)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE videos SET progress = 50"))
        assert await asyncio.wait_for(videos.find(video.id), 10) == video
    await database.close()
