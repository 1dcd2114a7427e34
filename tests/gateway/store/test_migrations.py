"""Migrations leave the tables that the code reads, from nothing and from any older version."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from src.gateway.store import Database, Videos
from src.gateway.store.database import MIGRATIONS
from src.gateway.store.tables import metadata
from tests.gateway.store.examples import BODY, a_video

START = """
import asyncio, sys
from src.gateway.store import Database

async def main():
    database = Database(sys.argv[1])
    sys.stdin.readline()
    await database.migrate()
    await database.close()

asyncio.run(main())
"""


def versions() -> list[str]:
    """Every revision, oldest first."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    walked = ScriptDirectory.from_config(config).walk_revisions()
    return [item.revision for item in walked][::-1]


async def version_of(database: Database) -> str:
    async with database.begin(reads=True) as connection:
        query = text("SELECT version_num FROM alembic_version")
        return str((await connection.execute(query)).scalar_one())


def differences(connection: Connection) -> list[object]:
    options = {"compare_type": True, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


async def test_migrations_make_the_tables_that_the_code_reads(database: Database) -> None:
    async with database.begin(reads=True) as connection:
        assert await connection.run_sync(differences) == []
    assert await version_of(database) == versions()[-1]


async def test_the_comparison_sees_what_differs(database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(text("ALTER TABLE usage DROP COLUMN gpu_seconds"))
        await connection.execute(text("DROP INDEX ix_videos_number"))
        assert len(await connection.run_sync(differences)) == 2


async def test_a_second_time_changes_nothing(database: Database) -> None:
    videos = Videos(database)
    video = await videos.add(a_video(), BODY, number=1)
    await database.migrate()
    assert await videos.find(video.id) == video


@pytest.mark.parametrize("old", versions())
async def test_an_older_database_is_brought_up_to_date_and_keeps_its_rows(
    url: str, old: str
) -> None:
    database = Database(url)
    await database.migrate(to=old)
    assert await version_of(database) == old
    async with database.begin() as connection:  # in columns that the first version had
        await connection.execute(
            text(
                "INSERT INTO usage (video_id, owner, api, state, video_seconds, gpu_seconds, "
                "created_at) VALUES ('v', 'somebody', 'openai', 'completed', 2.5, 1.5, 7)"
            )
        )
    await database.migrate()
    async with database.begin(reads=True) as connection:
        assert await connection.run_sync(differences) == []
        row = (await connection.execute(text("SELECT owner, video_seconds FROM usage"))).one()
    assert tuple(row) == ("somebody", 2.5)
    await database.close()


async def test_a_database_of_a_newer_gateway_is_left_alone(database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ValueError, match="newer"):
        await database.migrate()
    assert await version_of(database) == "9999"


def test_processes_that_start_together_migrate_once(url: str, root: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", START, url],
            cwd=root,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    ended = []
    for process in started:  # all have read their imports, and wait for a line
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        _, errors = process.communicate(timeout=60)
        ended.append((process.returncode, errors[-2000:]))
    assert ended == [(0, "")] * 4

    async def look() -> list[object]:
        database = Database(url)
        async with database.begin(reads=True) as connection:
            found = await connection.run_sync(differences)
        await database.close()
        return found

    assert asyncio.run(look()) == []
