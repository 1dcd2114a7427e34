"""Tells the platform how far a job is, so that whoever asks for its status reads it there.

The platform's SDK has a call for this. It sends every update from a thread and over a connection
of its own, in no order: one may land after the result, and the job is in progress for ever. Here
the updates of a job go out one after the other, and who waits for `finished` before the result is
posted knows that none is on its way.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus

from aiohttp import (
    ClientError,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
)

from ..generation import Report
from .progress import Encode

log = logging.getLogger(__name__)


def sdk_headers() -> Mapping[str, str]:
    """The headers that the platform's SDK sends, with the key that it finds: results go out with
    them, and updates that did not would be someone else's.
    """
    from runpod.http_client import get_auth_header

    return dict(get_auth_header())


class PlatformProgress:
    """Posts updates of jobs to the platform."""

    def __init__(
        self,
        *,
        url_template: str,
        pod_id: str,
        headers: Callable[[], Mapping[str, str]] = sdk_headers,
        interval: float = 1.0,
        timeout: float = 5.0,
    ) -> None:
        """`url_template` is the platform's, with `$RUNPOD_POD_ID` and the job's `$ID` in it.

        `interval` is how many seconds a job's next update waits at least after the last was
        answered; `timeout` is for one update, and so the longest that `finished` takes. `headers`
        is asked whenever connections begin: before the first update while no other job is told of.
        """
        # Put together as the SDK does for results, which relies on a query in the template.
        self._url = url_template.replace("$RUNPOD_POD_ID", pod_id) + "&isStream=false"
        self._headers = headers
        self._interval = interval
        self._timeout = timeout
        self._jobs: dict[str, _Updates] = {}
        self._ending: set[_Updates] = set()
        self._session: ClientSession | None = None

    def started(self, job_id: str, encode: Encode) -> None:
        """Post this job's reports from now on.

        A job that is handed in twice has one row of updates, which the first result ends.
        """

        async def post(report: Report) -> None:
            await self._post(job_id, encode(report))

        if job_id not in self._jobs:
            self._jobs[job_id] = _Updates(job_id, post, interval=self._interval)

    def tell(self, report: Report) -> None:
        """Have this posted next, in place of what still waits."""
        if updates := self._jobs.get(report.job_id):
            updates.tell(report)

    async def finished(self, job_id: str) -> None:
        """Drop what waits, and wait for what is on its way; when cancelled, cut that off.

        With the last job the connections end: nobody says when the process will.
        """
        if updates := self._jobs.pop(job_id, None):
            self._ending.add(updates)
            try:
                await updates.end()
            finally:
                self._ending.discard(updates)
                await self._hang_up()

    async def close(self) -> None:
        """End every job's updates, and the connections."""
        for job_id in list(self._jobs):
            await self.finished(job_id)

    async def _hang_up(self) -> None:
        if self._session and not self._jobs and not self._ending:
            session, self._session = self._session, None
            await session.close()

    async def _post(self, job_id: str, output: Mapping[str, object]) -> None:
        body = {"status": "IN_PROGRESS", "output": dict(output)}
        async with self._opened().post(
            self._url.replace("$ID", job_id),
            data=json.dumps(body, allow_nan=False).encode(),
            headers={
                "Content-Type": "application/x-www-form-urlencoded",  # the SDK's word for JSON
                "charset": "utf-8",
                "X-Request-ID": job_id,
            },
        ) as response:
            response.raise_for_status()
            await response.read()  # so that the connection serves the next one

    def _opened(self) -> ClientSession:
        if self._session is None:
            self._session = ClientSession(
                headers=self._headers(),
                cookie_jar=DummyCookieJar(),
                timeout=ClientTimeout(total=self._timeout),
                trust_env=False,
            )
        return self._session


class _Updates:
    """The updates of one job: one task sends them, so that two are never on their way at once."""

    def __init__(
        self, job_id: str, post: Callable[[Report], Awaitable[None]], *, interval: float
    ) -> None:
        self._job_id = job_id
        self._post = post
        self._interval = interval
        #: At most the latest report.
        self._waiting: asyncio.Queue[Report] = asyncio.Queue()
        self._on_its_way = False
        self._ended = False
        self._complained = False
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._send())

    def tell(self, report: Report) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._replace, report)

    async def end(self) -> None:
        self._ended = True
        if not self._on_its_way:
            self._task.cancel()
        cancelled: asyncio.CancelledError | None = None
        while not self._task.done():
            try:
                await asyncio.wait([self._task])
            except asyncio.CancelledError as error:
                self._task.cancel()
                cancelled = error
        if cancelled:
            raise cancelled

    def _replace(self, report: Report) -> None:
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._waiting.put_nowait(report)

    async def _send(self) -> None:
        while not self._ended:
            report = await self._waiting.get()
            self._on_its_way = True
            settled = await self._try(report)
            self._on_its_way = False
            if not settled and self._waiting.empty():
                self._waiting.put_nowait(report)
            if not self._ended:
                await asyncio.sleep(self._interval)

    async def _try(self, report: Report) -> bool:
        """Post it, and give whether that is settled: another try may help if not."""
        try:
            await self._post(report)
        except ClientResponseError as error:
            self._complain(f"it answered {error.status}")
            return error.status < HTTPStatus.INTERNAL_SERVER_ERROR
        except (ClientError, OSError) as error:  # timeouts are OSErrors
            self._complain(type(error).__name__)
            return False
        except Exception as error:
            self._complain("the report cannot be sent", error)
        return True

    def _complain(self, why: str, error: Exception | None = None) -> None:
        """Say it once a job: a platform that does not listen is no reason to fill the log."""
        level = logging.DEBUG if self._complained else logging.WARNING
        self._complained = True
        log.log(level, "%s: the platform was not told: %s", self._job_id, why, exc_info=error)
