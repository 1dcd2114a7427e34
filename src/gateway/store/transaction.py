"""A transaction that nobody leaves in the middle of a statement, whoever is cancelled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy import Connection, CursorResult, Executable
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ...cancelling import to_the_end

T = TypeVar("T")
P = ParamSpec("P")


class Transaction:
    """What is done in it is kept together, or undone together.

    Who is cancelled meanwhile hears of it when the statement under way has ended. Cut off in its
    middle, SQLAlchemy gives up the connection, and SQLite keeps the lock of one whose cursor still
    lives: nobody writes for half a minute. Cut off twice, aiosqlite 0.22.1 waits for ever.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        """On a connection with a transaction begun."""
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def of(cls, engine: AsyncEngine) -> AsyncIterator[Self]:
        """Kept when the block ends, undone when it raises."""
        connection = engine.connect()
        try:
            await to_the_end(_begin(connection))
            yield cls(connection)
            await to_the_end(connection.commit())
        finally:
            if connection.sync_connection:  # it was there
                await to_the_end(connection.close())

    async def execute(
        self, statement: Executable, parameters: dict[str, Any] | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """Do one statement, and have all of its rows."""
        return await to_the_end(self._connection.execute(statement, parameters))

    async def run_sync(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do what SQLAlchemy's plain connection is needed for."""
        return await to_the_end(self._connection.run_sync(work, *args, **kwargs))


async def _begin(connection: AsyncConnection) -> None:
    await connection.start()
    await connection.begin()
