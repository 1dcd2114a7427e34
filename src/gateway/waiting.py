"""Waiting for a video as long as its caller does, and not making it for nobody."""

from __future__ import annotations

import asyncio
import logging

from starlette.requests import Request

from .accounts import Account
from .desk import Desk
from .refusals import Refusal, TookTooLong
from .video import Video

log = logging.getLogger(__name__)


async def wait_or_stop(
    request: Request, desk: Desk, account: Account, video: Video, *, seconds: float
) -> Video:
    """A video once it is over, where its caller has no other way to come to it.

    After `seconds`, or when the caller hangs up, its job is stopped and it is forgotten. The
    request's body must have been read. Raises TookTooLong, and Refusal.
    """
    waiting = asyncio.create_task(desk.wait(account, video, seconds))
    leaving = asyncio.create_task(_hung_up(request))
    try:
        await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        if not waiting.done():
            waiting.cancel()
        await asyncio.gather(leaving, waiting, return_exceptions=True)
    if not waiting.cancelled():
        video = waiting.result()
    if video.is_open:
        await _stop(desk, account, video)
        raise TookTooLong(f"the video was not made within {seconds:g} s, and was stopped")
    return video


async def _stop(desk: Desk, account: Account, video: Video) -> None:
    try:
        await desk.delete(account, video.id)
    except Refusal as refusal:
        log.warning("a video that nobody waits for was not stopped: %s", refusal)


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
