"""One endpoint: its queue, its jobs and its workers. Knows no HTTP.

Not for several threads: everything here runs on the server's event loop.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .jobs import RETRIABLE, Job, Status
from .rules import Rules


@dataclass(eq=False)
class Pod:
    """A worker as the platform sees it; times are of the monotonic clock."""

    id: str
    #: Jobs that it should stop and was not told of yet.
    stops: deque[str] = field(default_factory=deque)
    pings: int = 0
    last_ping: float | None = None
    #: The jobs that its last heartbeat named.
    pinged_jobs: tuple[str, ...] = ()
    #: Fitness checks that failed: which, and why.
    unhealthy: list[tuple[str, str]] = field(default_factory=list)
    #: Polls for jobs that it has open at this moment.
    open_polls: int = 0
    #: Set when a result asked for the worker to be replaced: it is handed nothing more.
    stopped: threading.Event = field(default_factory=threading.Event)
    #: Its process is known to be gone.
    dead: bool = False


class Bell:
    """Wakes whoever waits for something on the loop to change."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._event = asyncio.Event()
        self._closed = False

    def ring(self) -> None:
        """Something changed."""
        self._event.set()
        self._event = asyncio.Event()

    def close(self) -> None:
        """Nobody waits any more."""
        self._closed = True
        self.ring()

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until the condition holds, at most so long; gives whether it does."""
        end = time.monotonic() + seconds
        while not condition():
            left = end - time.monotonic()
            if self._closed or left <= 0:
                return False
            try:
                await asyncio.wait_for(self._event.wait(), left)
            except TimeoutError:
                return condition()
        return True


class Endpoint:
    """The queue and what becomes of its jobs."""

    def __init__(self, rules: Rules, *, on_end: Callable[[Job], None]) -> None:
        """`on_end` hears of every job that a webhook would be told of."""
        self.rules = rules
        self.jobs: dict[str, Job] = {}
        self.pods: dict[str, Pod] = {}
        self.queue: deque[Job] = deque()
        self.bell = Bell()
        self._on_end = on_end
        self._open: dict[str, Job] = {}

    def pod(self, name: str) -> Pod:
        """The worker of this name, which need not have been heard of."""
        return self.pods.setdefault(name, Pod(name))

    # --- what callers do ----------------------------------------------------------------------

    def submit(self, job: Job) -> Job:
        """Put a job at the end of the queue."""
        self.jobs[job.id] = self._open[job.id] = job
        self.queue.append(job)
        self.bell.ring()
        return job

    def cancel(self, job: Job) -> None:
        """Stop a job wherever it is; one that is over stays as it is."""
        if not job.is_final:
            self._stop(job)
            self._end(job, Status.CANCELLED)

    def retry(self, job: Job) -> None:
        """Send a failed job round again. Raises ValueError for any other."""
        if job.status not in RETRIABLE:
            raise ValueError(
                f"only a job that failed or timed out can be retried, not {job.status}"
            )
        job.retries += 1
        job.reset()
        job.submitted_at = time.monotonic()
        self.submit(job)

    def purge(self) -> int:
        """Cancel what waits in the queue; gives how many that were."""
        waiting = list(self.queue)
        for job in waiting:
            self.cancel(job)
        return len(waiting)

    def find(self, job_id: str) -> Job | None:
        """The job of this id, as long as callers may ask for it."""
        job = self.jobs.get(job_id)
        if job is None or job.deleted:
            return None
        keep = self.rules.keep_runsync if job.waits else self.rules.keep_run
        if job.finished_at is not None and time.monotonic() - job.finished_at > keep:
            return None
        return job

    def health(self) -> dict[str, dict[str, int]]:
        """How many jobs and workers are in which state."""
        jobs = list(self.jobs.values())
        count = {status: sum(job.status == status for job in jobs) for status in Status}
        alive = [pod for pod in self.pods.values() if not pod.dead]
        running = {job.pod for job in jobs if job.is_held}
        return {
            "jobs": {
                "completed": count[Status.COMPLETED],
                "failed": count[Status.FAILED] + count[Status.TIMED_OUT],
                "inProgress": count[Status.IN_PROGRESS],
                "inQueue": count[Status.IN_QUEUE],
                "retried": sum(job.retries for job in jobs),
            },
            "workers": {
                "idle": sum(pod.id not in running for pod in alive),
                "running": sum(pod.id in running for pod in alive),
            },
        }

    # --- what workers do ----------------------------------------------------------------------

    async def take(
        self, pod: Pod, count: int, *, still_there: Callable[[], bool]
    ) -> list[dict[str, Any]]:
        """Jobs for a worker, waiting for one as long as a poll stays open."""
        pod.dead = False
        pod.open_polls += 1
        self.bell.ring()
        try:
            await self.bell.until(lambda: self._may_take(pod) and bool(self.queue), self.rules.poll)
        finally:
            pod.open_polls -= 1
        if not (self._may_take(pod) and still_there()):
            return []
        jobs = [self.queue.popleft() for _ in range(min(count, len(self.queue)))]
        for job in jobs:
            job.begin(pod.id)
        self.bell.ring()
        return [job.envelope() for job in jobs]

    async def stops(self, pod: Pod, *, still_there: Callable[[], bool]) -> list[str]:
        """Jobs that a worker should stop, waiting for one as long as a poll stays open."""
        await self.bell.until(lambda: bool(pod.stops), self.rules.poll)
        if not still_there():
            return []
        stops = list(pod.stops)
        pod.stops.clear()
        return stops

    def ping(self, pod: Pod, jobs: tuple[str, ...]) -> None:
        """A heartbeat."""
        pod.dead = False
        pod.pings += 1
        pod.last_ping = time.monotonic()
        pod.pinged_jobs = jobs

    def progress(self, job: Job, output: object) -> None:
        """An update. One that comes after the result has the job in progress again."""
        if job.status in (Status.COMPLETED, Status.FAILED):
            job.flipped = True
            job.status = Status.IN_PROGRESS
        if job.status == Status.IN_PROGRESS:
            job.progress.append(output)

    def result(self, job: Job, body: dict[str, Any]) -> None:
        """A result. Only the first counts, and none that comes after a cancel or a timeout."""
        error = body.get("error")
        if error is not None and not isinstance(error, str):
            self.empty_result(job)  # the platform takes a failure from a string only
        elif error:
            self._settle(job, Status.FAILED, output=body.get("output"), error=error)
        else:
            self._settle(job, Status.COMPLETED, output=body.get("output"))

    def empty_result(self, job: Job) -> None:
        """A result that the platform would not have: the job ends well, and with nothing."""
        self._settle(job, Status.COMPLETED)

    def chunk(self, job: Job, output: object) -> None:
        """A part of a stream."""
        if job.is_held:
            job.chunks.append(output)

    def stop_pod(self, pod: Pod) -> None:
        """A worker wants to be replaced: it is handed nothing more."""
        pod.stopped.set()

    def worker_died(self, pod: Pod) -> None:
        """A worker is gone: what it held is handed out again, first of all and with the same id.

        The next one to come under its name starts afresh.
        """
        held = [job for job in self._open.values() if job.is_held and job.pod == pod.id]
        for job in reversed(held):
            job.reset()
            self.queue.appendleft(job)
        pod.dead = True
        pod.last_ping = None
        pod.stops.clear()
        pod.stopped.clear()
        self.bell.ring()

    # --- what time does -----------------------------------------------------------------------

    async def watch(self) -> None:
        """Keep deadlines, for ever."""
        while True:
            await asyncio.sleep(self.rules.tick)
            now = time.monotonic()
            for job in list(self._open.values()):
                self._keep_deadlines(job, now)
            for pod in self._silent(now):
                self.worker_died(pod)

    def _keep_deadlines(self, job: Job, now: float) -> None:
        if now - job.submitted_at > job.policy.ttl:
            job.deleted = True
            self.cancel(job)
        elif job.taken_at and now - job.taken_at > job.policy.execution_timeout:
            self._stop(job)
            self._end(job, Status.TIMED_OUT)

    def _silent(self, now: float) -> list[Pod]:
        """Workers that hold jobs and have not been heard of for too long."""
        if self.rules.lost_after is None:
            return []
        limit = now - self.rules.lost_after
        silent = {
            job.pod
            for job in self._open.values()
            if job.pod and max(job.taken_at or 0, self.pod(job.pod).last_ping or 0) < limit
        }
        return [self.pod(name) for name in sorted(silent)]

    # --- the rest -----------------------------------------------------------------------------

    def _may_take(self, pod: Pod) -> bool:
        return not pod.stopped.is_set()

    def _stop(self, job: Job) -> None:
        """Off the queue, or a word to the worker that has it."""
        if job.status == Status.IN_QUEUE:
            self.queue.remove(job)
        elif job.is_held and job.pod:
            self.pod(job.pod).stops.append(job.id)

    def _settle(
        self, job: Job, status: Status, *, output: object = None, error: str | None = None
    ) -> None:
        if job.status == Status.IN_QUEUE and job.deliveries:
            self.queue.remove(job)  # its worker was given up for dead, and was not
        elif not job.is_held:
            return
        self._end(job, status, output=output, error=error)

    def _end(
        self, job: Job, status: Status, *, output: object = None, error: str | None = None
    ) -> None:
        job.end(status, output=output, error=error)
        self._open.pop(job.id, None)
        self.bell.ring()
        if status != Status.CANCELLED:
            self._on_end(job)
