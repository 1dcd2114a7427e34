"""Looks after videos that nobody asks about: the platform forgets results after half an hour."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from .accounts import Accounts
from .desk import Desk
from .refusals import Refusal
from .store import Videos
from .video import Video

log = logging.getLogger(__name__)

#: Videos that are looked at at once: the platform takes 2000 such questions in 10 seconds.
AT_ONCE = 16
#: Videos of one round.
MOST = 200
#: Seconds between two rounds of forgetting.
FORGET_EVERY = 300.0


class Watcher:
    """One a gateway; several on one database share the work."""

    def __init__(
        self,
        desk: Desk,
        videos: Videos,
        accounts: Accounts,
        *,
        period: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`period` is in seconds: no open video goes longer without a look."""
        self._desk = desk
        self._videos = videos
        self._accounts = accounts
        self._period = period
        self._clock = clock
        self._forgot_at = 0.0

    async def run(self) -> None:
        """Look, until cancelled; an outage of the database or of the endpoint ends nothing."""
        while True:
            try:
                await self.round()
            except Refusal as refusal:
                log.warning("cannot look after videos: %s", refusal)
            except Exception:
                log.exception("cannot look after videos")
            await asyncio.sleep(min(self._period, 1.0))

    async def round(self) -> None:
        """Look at every open video that is due, and forget what is expired."""
        now = self._clock()
        due = await self._videos.take_stale(now=now, age=self._period, most=MOST)
        turns = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as looks:  # all have ended when this has, cancelled or not
            for video in due:
                looks.create_task(self._look(video, turns))
        if now - self._forgot_at > FORGET_EVERY:
            self._forgot_at = now
            await self._videos.remove_expired(now)

    async def _look(self, video: Video, turns: asyncio.Semaphore) -> None:
        key = self._accounts.platform_key(video.owner)
        if key is None:  # passed through, and its owner has not called since the start
            return
        async with turns:
            try:
                await self._desk.refresh(video, key)
            except Refusal as refusal:
                log.info("cannot look at a video: %s", refusal, extra={"video": video.id})
            except Exception:  # the others are looked at all the same
                log.exception("cannot look at a video", extra={"video": video.id})
