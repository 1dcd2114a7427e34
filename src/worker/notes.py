"""Jobs under way, noted where the next worker looks: one that kills workers is found out so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..cancelling import to_the_end
from ..errors import PoisonJob
from ..job import Job
from ..storage import Attempts


class Notes:
    """Notes that a job begins and that it has ended, one way or the other."""

    def __init__(self, attempts: Attempts, *, most: int) -> None:
        """A job is begun at most so often whose worker died of it; 0 is for ever."""
        self._attempts = attempts
        self._most = most
        self._under_way: set[str] = set()
        self._leaving = False

    @asynccontextmanager
    async def of(self, job: Job) -> AsyncIterator[asyncio.Future[int]]:
        """Note the job while the block runs; the block is given how often it was begun before."""
        name = job.name
        self._under_way.add(name)
        noting = asyncio.ensure_future(asyncio.to_thread(self._begin, name))
        try:
            yield noting
        finally:
            self._under_way.discard(name)
            await to_the_end(self._end(name, noting))

    def hold(self, before: int) -> None:
        """Raise PoisonJob for a job that was begun too often."""
        if self._most and before >= self._most:
            times = "once" if before == 1 else f"{before} times"
            raise PoisonJob(
                f"begun {times} without an end",
                public=f"This job was begun {times} before and the worker did not survive it; it "
                "is not tried again. Ask for fewer frames or a smaller size in a new job.",
            )

    def pardon(self) -> None:
        """Forget the jobs under way, and note no others: if they do not end now, it is not their
        fault. Blocks.
        """
        self._leaving = True
        for name in tuple(self._under_way):
            self._attempts.end(name)

    async def _end(self, name: str, noting: asyncio.Future[int]) -> None:
        await asyncio.wait([noting])  # else the note could come after its end
        if self._most:
            await asyncio.to_thread(self._attempts.end, name)

    def _begin(self, name: str) -> int:
        if not self._most or self._leaving:
            return 0
        before = self._attempts.begin(name)
        if self._leaving:  # since then
            self._attempts.end(name)
        return before
