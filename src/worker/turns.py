"""Jobs of one name take turns, so that whoever comes later finds what the first has made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """A lock for each name that somebody holds or waits for."""

    def __init__(self) -> None:
        """Nobody is here yet."""
        self._locks: dict[str, asyncio.Lock] = {}
        self._here: dict[str, int] = {}

    @asynccontextmanager
    async def of(self, name: str) -> AsyncIterator[None]:
        """Run the block while no other of this name runs."""
        lock = self._locks.setdefault(name, asyncio.Lock())
        self._here[name] = self._here.get(name, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._here[name] -= 1
            if not self._here[name]:
                del self._here[name], self._locks[name]
