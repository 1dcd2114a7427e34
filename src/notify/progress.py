"""What hears how far a job is, and several of them as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Protocol

from ..generation import Report

#: A report in the words of the public API that the job was asked for in.
Encode = Callable[[Report], Mapping[str, Any]]


class Progress(Protocol):
    """Hears how far jobs are."""

    def started(self, job_id: str, encode: Encode) -> None:
        """Reports of a job will come; called in the event loop, where `encode` is called too."""
        ...

    def tell(self, report: Report) -> None:
        """A job has come this far. From any thread; never waits and never raises."""
        ...

    async def finished(self, job_id: str) -> None:
        """No more of a job: once this is over, nothing about it is on its way nor will be.

        Holds when it is cancelled, too. A job that never started is no mistake.
        """
        ...


class Several:
    """Passes on to each of several what it hears."""

    def __init__(self, *listeners: Progress) -> None:
        """They are told in this order."""
        self._listeners = listeners

    def started(self, job_id: str, encode: Encode) -> None:
        """Reports of a job will come."""
        for listener in self._listeners:
            listener.started(job_id, encode)

    def tell(self, report: Report) -> None:
        """A job has come this far."""
        for listener in self._listeners:
            listener.tell(report)

    async def finished(self, job_id: str) -> None:
        """No more of a job, for any of them, even where one of them is cancelled over it."""
        async with AsyncExitStack() as stack:
            for listener in reversed(self._listeners):  # a stack ends with what came first
                stack.push_async_callback(listener.finished, job_id)
