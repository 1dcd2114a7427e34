"""Blocking work beside the event loop, which must go on hearing the platform's stop signal."""

from __future__ import annotations

import asyncio
import contextvars
import math
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import suppress
from typing import TypeVar

from ..errors import DeviceBroken

T = TypeVar("T")

#: Seconds that work may take to stop once it was told to: a step of a large model, or the
#: decoding of a long clip, cannot be interrupted in the middle.
STOP_GRACE = 180.0


class Stuck(DeviceBroken):
    """Work was told to stop and did not."""

    code = "stuck"


async def in_thread(
    work: Callable[[], T],
    stop: threading.Event,
    *,
    executor: Executor | None = None,
    grace: float | None = None,
) -> T:
    """Run blocking work in a thread, and never leave it behind; raises as `until_done` does."""
    context = contextvars.copy_context()  # the log's lines name the job
    future = asyncio.get_running_loop().run_in_executor(executor, lambda: context.run(work))
    return await until_done(future, stop, grace=grace)


async def until_done(
    future: asyncio.Future[T], stop: threading.Event, *, grace: float | None = None
) -> T:
    """Wait for work in a thread; when cancelled, tell it to stop and wait until it has.

    Left alone, the thread would still hold the GPU when the next job starts. Raises Stuck when it
    does not stop within `grace` seconds, STOP_GRACE without it.
    """
    grace = STOP_GRACE if grace is None else grace
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        stop.set()
        future.add_done_callback(_heard)
        if not await _ended(future, grace):
            raise Stuck(f"the job's thread did not stop within {grace:g} s") from None
        raise


async def to_the_end(work: Awaitable[T]) -> T:
    """Wait for what tidies up; when cancelled, only once it is done."""
    future = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        future.add_done_callback(_heard)
        await _ended(future)
        raise


async def _ended(future: asyncio.Future[T], seconds: float = math.inf) -> bool:
    """Whether it ends within so many seconds, however often it is no more waited for meanwhile:
    a job can be cancelled by its caller and run out of time while it is being stopped.
    """
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
