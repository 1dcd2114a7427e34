"""The connection to SQLite or PostgreSQL, and its tables brought up to date."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from asyncpg import DataError, PostgresError
from sqlalchemy import URL, Connection, event, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import create_async_engine

from ..refusals import Unavailable
from .tables import metadata
from .transaction import Transaction

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).with_name("migrations")
#: Of PostgreSQL's advisory locks: two gateways that start together migrate one after the other.
MIGRATION_LOCK = 7_046_029_254_386_353_131
#: What people write, and the driver that we have for it.
DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
}
URLS = "sqlite:///gateway.db or postgresql://user:password@host/name"
#: Seconds in which transactions end of themselves when the database is closed.
ENDED_IN = 5.0
#: Classes of SQLSTATE that say nothing against the statement: connections, the server's limits and
#: its coming and going, transactions in each other's way, and who and what is not there.
OUTAGES = ("08", "53", "57", "58", "40", "28", "3D", "25", "55")


class Database:
    """One database; its methods may be called from any task of one loop."""

    def __init__(self, url: str) -> None:
        """`url` is SQLAlchemy's: sqlite:///gateway.db, postgresql://user:password@host/name.

        Raises ValueError for a URL of anything else.
        """
        parsed = _parsed(url)
        self.is_sqlite = parsed.drivername == DRIVERS["sqlite"]
        options: dict[str, Any] = {} if self.is_sqlite else {"pool_pre_ping": True, "pool_size": 10}
        # Without it an error shows what was to be written: prompts, in a log.
        self._engine = create_async_engine(parsed, hide_parameters=True, **options)
        self._is_migrated = False
        self._migrating = asyncio.Lock()
        self._under_way = 0
        self._idle = asyncio.Event()
        if self.is_sqlite:
            event.listen(self._engine.sync_engine, "connect", _set_up_sqlite)
            event.listen(self._engine.sync_engine, "begin", _begin_sqlite)

    async def migrate(self, *, to: str = "head") -> None:
        """Bring the tables up to the newest version, or up to an older one.

        Whatever is asked of the database first does it, too: it may come up after the gateway.
        Raises Unavailable, and ValueError for tables of a newer gateway.
        """
        async with self._migrating:
            await self._migrate(to)

    async def _migrate(self, to: str) -> None:
        async with self._transaction(reads=False) as transaction:
            if not self.is_sqlite:
                lock = text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
                await transaction.execute(lock)
            await transaction.run_sync(_upgrade, to)
        self._is_migrated = True

    @asynccontextmanager
    async def begin(self, *, reads: bool = False) -> AsyncIterator[Transaction]:
        """A transaction: kept when the block ends, undone when it raises. Raises Unavailable.

        With `reads` it writes nothing, and waits for no one who does.
        """
        if not self._is_migrated:
            async with self._migrating:  # many may have waited for the first
                if not self._is_migrated:
                    await self._migrate("head")
        async with self._transaction(reads=reads) as transaction:
            yield transaction

    @asynccontextmanager
    async def _transaction(self, *, reads: bool) -> AsyncIterator[Transaction]:
        self._under_way += 1
        try:
            engine = self._engine.execution_options(reads=reads)
            async with Transaction.of(engine) as transaction:
                yield transaction
        except (SQLAlchemyError, PostgresError, OSError) as error:
            if not _is_outage(error):
                raise
            cause = getattr(error, "orig", None) or error
            log.warning("the database cannot be reached: %s: %s", type(cause).__name__, cause)
            raise Unavailable("the database cannot be reached", retry_after=2) from error
        finally:
            self._under_way -= 1
            self._idle.set()

    async def ping(self) -> None:
        """See whether it answers. Raises Unavailable."""
        async with self.begin(reads=True) as transaction:
            await transaction.execute(text("SELECT 1"))

    async def close(self) -> None:
        """End every connection, once the transactions under way have ended."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDED_IN):
                while self._under_way:
                    self._idle.clear()
                    await self._idle.wait()
        await self._engine.dispose()


def _parsed(url: str) -> URL:
    """The URL with the driver that we have. Raises ValueError, without what may be secret."""
    rule = "the database must be SQLite or PostgreSQL"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(f"{rule}, as in {URLS}") from None
    driver = DRIVERS.get(parsed.drivername, parsed.drivername)
    if driver not in DRIVERS.values():
        raise ValueError(f"{rule}, got {driver}")
    return parsed.set(drivername=driver)


def _upgrade(connection: Connection, to: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes |= {"connection": connection, "metadata": metadata}
    try:
        command.upgrade(config, to)
    except CommandError as error:  # it looks for the version that the tables have
        raise ValueError("the database has the tables of a newer gateway") from error


def _begin_sqlite(connection: Connection) -> None:
    """A transaction that began by reading cannot wait for its turn to write: SQLite refuses it."""
    reads = connection.get_execution_options().get("reads")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _set_up_sqlite(connection: Any, _: object) -> None:  # noqa: ANN401  the driver's
    """Readers beside a writer, writers one after the other, and cascades."""
    connection.isolation_level = None  # the driver's own idea of when to begin
    cursor = connection.cursor()
    for pragma in (
        "busy_timeout=30000",  # first: the next may have to wait already
        "journal_mode=WAL",
        "foreign_keys=ON",
        "synchronous=NORMAL",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _is_outage(error: Exception) -> bool:
    """Whether the database is gone or busy, rather than a statement or a value wrong."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, OSError | PoolTimeout) or _state(error).startswith(OUTAGES)
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return cause.sqlite_errorcode != sqlite3.SQLITE_ERROR and isinstance(
            error, OperationalError
        )
    if state := _state(cause):
        return state.startswith(OUTAGES)
    # Without a state it was said by the driver: that it has no connection, or cannot take a value.
    is_value = isinstance(getattr(cause, "__cause__", None), DataError)
    return error.connection_invalidated or (isinstance(error, InterfaceError) and not is_value)


def _state(error: object) -> str:
    """PostgreSQL's five characters."""
    return str(getattr(error, "sqlstate", None) or "")
