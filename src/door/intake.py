"""Which jobs are taken, and when no more are: stands between the SDK's loop and the platform.

The SDK (1.12.0) left alone
- sleeps a second whenever it has as many jobs as it may, so that back-to-back jobs lose up to a
  second each, and counts a job that waits in its queue twice. It is told that it may have more
  than twice as many as it will ever get, and gets them from here;
- asks again without a pause when the platform answers at once that there is nothing, or an error;
- ends on SIGTERM only when its open polls come back, up to 90 s later, and loses a job that comes
  with one of them. Here its end is put off: the open poll may still bring a job for a moment, then
  it is closed and none is opened; jobs that were taken are done and delivered, and can be stopped
  by the platform, as ever; only then is the SDK told to end, and its last poll is closed;
- forgets to stop a job that is stopped between being taken and being begun.

What is not prevented: a job that the platform puts on the wire at the very moment when a poll is
closed (at the end of the grace, or of the SDK's own 90 s) is the platform's to hand out again. A
result that the platform refuses, or that cannot be delivered after the SDK's three tries, is lost.
When a refresh is asked for, the platform may end the worker with the first result that says so,
whatever other jobs are still at work.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

log = logging.getLogger(__name__)

#: Seconds between two looks at whether something has changed.
TICK = 0.05
#: Seconds that one wait may take: the SDK cuts a call off after 90, and a poll wants its share.
WAIT = 30.0
#: Seconds between two polls that brought nothing, however soon they came back.
PACE = 0.2
#: Seconds after a poll that failed.
AFTER_ERROR = 1.0
#: Seconds after the platform said that we ask too often.
AFTER_TOO_MANY = 5.0
TOO_MANY = 429
#: A broken worker should get no more jobs; one that is on the wire may still arrive.
REFRESH_GRACE = 0.1

Job = Mapping[str, Any]


class JobsInProgress(Protocol):
    """The SDK's set of the jobs that were taken and are not delivered."""

    def get_job_count(self) -> int:
        """How many."""
        ...

    def get(self, job_id: str) -> object | None:
        """The job of this id, if there."""
        ...


class Scaler(Protocol):
    """What is used of the SDK's JobScaler: all of it is looked up again at each use there."""

    concurrency_modifier: Callable[[int], int]
    jobs_fetcher: Callable[[Any, int], Awaitable[list[Job] | None]]
    stop_signals_fetcher: Callable[[Any], Awaitable[list[str]]]
    kill_worker: Callable[[], None]
    job_progress: JobsInProgress
    jobs_tasks: Mapping[str, object]

    def is_alive(self) -> bool:
        """Whether it was not told to end."""
        ...


def unlike(scaler: object) -> list[str]:
    """What a JobScaler lacks of what is used of it here."""
    wanted = [*Scaler.__annotations__, "is_alive"]
    missing = [name for name in wanted if not hasattr(scaler, name)]
    progress = getattr(scaler, "job_progress", None)
    return missing + [name for name in ("get_job_count", "get") if not hasattr(progress, name)]


class Intake:
    """Takes jobs for one JobScaler, never more at once than it should."""

    def __init__(
        self,
        scaler: Scaler,
        *,
        concurrency: int,
        grace: float,
        on_drain: Callable[[], None],
        on_last: Callable[[], None],
    ) -> None:
        """Put itself in the place of what the scaler would do.

        `grace` is in seconds; `on_drain` may block; `on_last` is called when no job is left.
        """
        self._scaler = scaler
        self._concurrency = concurrency
        self._grace = grace
        self._on_drain: Callable[[], None] | None = on_drain
        self._on_last = on_last
        self._fetch, self._hear = scaler.jobs_fetcher, scaler.stop_signals_fetcher
        self._end = scaler.kill_worker
        self._left: float | None = None
        self._held: list[Job] = []
        self._to_stop: list[str] = []
        scaler.concurrency_modifier = lambda _: 2 * concurrency + 1
        scaler.jobs_fetcher = self._take
        scaler.stop_signals_fetcher = self._stopped
        scaler.kill_worker = self.leave

    def leave(self) -> None:
        """Take no more jobs, and end the worker when those that were taken are delivered.

        Only leaves word: it is called by signal handlers too, in which nothing else is safe.
        """
        if self._left is None:
            self._left = time.monotonic()

    def leave_broken(self) -> None:
        """The same at once, and without telling `on_drain`; from any thread."""
        if self._left is None:
            self._grace, self._on_drain = REFRESH_GRACE, None
            self.leave()

    async def _take(self, session: object, _wanted: int) -> list[Job]:
        """In the place of the SDK's get_job: one job, or none where the SDK should call again.

        One, and not as many as there is room for: the SDK does not look at what is in a batch,
        and one job without an id in it would end the worker.
        """
        if not self._held:
            if self._left is not None:
                await self._drain()
                return []
            if self._count() >= self._concurrency:
                # The poll is left to the next call, which has the whole of the SDK's 90 s for it.
                await _until(lambda: self._count() < self._concurrency or self._left is not None)
                return []
            await self._poll(session)
        return await self._hand_over()

    async def _poll(self, session: object) -> None:
        """Ask the platform; what it gives is held, so that it outlives a call that is cut off."""
        started = time.monotonic()
        poll = asyncio.ensure_future(self._fetch(session, 1))
        try:
            await _open(poll, until=self._is_closed)
        finally:
            if poll.done() and not poll.cancelled() and not poll.exception():
                self._held += poll.result() or []
        error = None if poll.cancelled() else poll.exception()
        too_many = getattr(error, "status", None) == TOO_MANY
        if error:
            await self._pause(AFTER_TOO_MANY if too_many else AFTER_ERROR)
        elif not self._held:
            await self._pause(started + PACE - time.monotonic())
        if error and not too_many:
            raise error

    async def _hand_over(self) -> list[Job]:
        """What is held, once no job of the same id is at work: a job that was cancelled and
        retried can be here again before its first try has let go.
        """
        await _until(lambda: not self._is_twice())
        if self._is_twice():
            return []
        jobs, self._held = self._held, []
        return jobs

    async def _drain(self) -> None:
        """Wait for the jobs that were taken, then have the SDK end."""
        if self._on_drain:
            on_drain, self._on_drain = self._on_drain, None
            log.info("leaving; jobs to be finished first: %d", self._count())
            try:
                await asyncio.to_thread(on_drain)
            except Exception:
                log.exception("leaving all the same")
        await _until(lambda: not self._count())
        if not self._count():
            self._on_last()
            self._end()

    async def _stopped(self, session: object) -> list[str]:
        """In the place of the SDK's get_stop_signals: ids of jobs to stop.

        Raises TimeoutError when the worker ends, which the SDK does not sleep after.
        """
        if not self._to_stop:
            await self._hear_of_stops(session)
        # A job can be stopped on its way here, or before the SDK has begun it, which then passes
        # over it.
        await _until(
            lambda: all(one in self._scaler.jobs_tasks for one in self._to_stop), seconds=1
        )
        ids, self._to_stop = self._to_stop, []
        return ids

    async def _hear_of_stops(self, session: object) -> None:
        """Ask whom to stop; what is said is held, so that it outlives a call that is cut off."""
        poll = asyncio.ensure_future(self._hear(session))
        try:
            await _open(poll, until=lambda: not self._scaler.is_alive())
        finally:
            if poll.done() and not poll.cancelled() and not poll.exception():
                self._to_stop += poll.result()
        if poll.cancelled():
            raise TimeoutError
        poll.result()  # raises what the poll has raised

    def _count(self) -> int:
        return self._scaler.job_progress.get_job_count()

    def _is_closed(self) -> bool:
        return self._left is not None and time.monotonic() >= self._left + self._grace

    def _is_twice(self) -> bool:
        return any(self._scaler.job_progress.get(str(job.get("id"))) for job in self._held)

    async def _pause(self, seconds: float) -> None:
        await _until(lambda: self._left is not None, seconds=seconds)


async def _open(poll: asyncio.Future[Any], *, until: Callable[[], bool]) -> None:
    """Leave a poll open until it is answered, or closed; then it is done, or cancelled."""
    try:
        while not (poll.done() or until()):
            await asyncio.wait({poll}, timeout=TICK)
    finally:
        poll.cancel()
        await asyncio.wait({poll})
        if not poll.cancelled():
            poll.exception()  # it has been looked at, so that nobody warns that it was not


async def _until(holds: Callable[[], bool], *, seconds: float = WAIT) -> None:
    """Wait until something holds, but not for longer than this."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:  # noqa: ASYNC110  the SDK has no event for it
        await asyncio.sleep(TICK)
