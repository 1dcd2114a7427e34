"""Blocking work beside the event loop, which must go on hearing the platform's stop signal."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from ..cancelling import ended
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
        if not await ended(future, grace):
            raise Stuck(f"the job's thread did not stop within {grace:g} s") from None
        raise
