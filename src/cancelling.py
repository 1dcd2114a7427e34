"""What is done to its end, although whoever waits for it is cancelled."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def to_the_end(work: Awaitable[T]) -> T:
    """Wait for what must not be cut off or tidies up; when cancelled, only once it is done."""
    future = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await ended(future)
        raise


async def ended(future: asyncio.Future[T], seconds: float = math.inf) -> bool:
    """Whether it ends within so many seconds, however often it is no more waited for meanwhile:
    a job can be cancelled by its caller and run out of time while it is being stopped.
    """
    future.add_done_callback(_heard)
    end = time.monotonic() + seconds
    while not future.done() and time.monotonic() < end:
        with suppress(asyncio.CancelledError):
            left = end - time.monotonic()
            await asyncio.wait([future], timeout=None if left == math.inf else left)
    return future.done()


def _heard(future: asyncio.Future[T]) -> None:
    """Look at what the work ended with, so that nothing warns that nobody has."""
    if not future.cancelled():
        future.exception()
