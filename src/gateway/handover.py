"""A video that is written down becomes a job of the endpoint, once, whatever is cut off between."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakValueDictionary

from .accounts import Account
from .endpoint import Endpoint
from .refusals import Conflict, EndpointFailed, NotFound, Refusal, Unavailable
from .store import Usage, Videos
from .video import Failure, State, Video

log = logging.getLogger(__name__)

#: Seconds after which a video that the endpoint was never seen to take is given up: a gateway was
#: killed between the two, and whoever called has had no answer. More than all tries take.
HANDED_OVER_IN = 120.0

INTERRUPTED = Failure(
    status=503,
    code="interrupted",
    message="The gateway was interrupted before the endpoint took the job; ask again.",
)

#: What is the gateway's to say cannot be said by the caller.
OWN = ("key", "endpoint", "request_id", "openai_route", "openai_input")


def payload_of(
    endpoint: str, body: Mapping[str, Any], *, request_id: str | None = None
) -> dict[str, Any]:
    """A job's input."""
    return {
        **without_own(body),
        "endpoint": endpoint,
        **({"request_id": request_id} if request_id else {}),
    }


def without_own(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body without what is not the caller's to say, and without any key: it is written down."""
    return {name: value for name, value in body.items() if not _is_own(name.strip())}


def _is_own(name: str) -> bool:
    return name in OWN or name.casefold() == "key"


def is_to_be_handed_over(video: Video) -> bool:
    """Whether the endpoint was never seen to take it."""
    return video.state is State.NEW or video.failure == INTERRUPTED


class HandOver:
    """Gives jobs to the endpoint, and writes down that it has them."""

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        videos: Videos,
        usage: Usage,
        number_of: Callable[[str], int],
        execution_timeout: float | None = None,
        pauses: tuple[float, ...] = (0.5, 2.0),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`pauses` are between two tries, where the endpoint cannot be reached; in seconds."""
        self._endpoint = endpoint
        self._videos = videos
        self._usage = usage
        self._number_of = number_of
        self._policy = (
            {"executionTimeout": int(execution_timeout * 1000)} if execution_timeout else None
        )
        self._pauses = pauses
        self._clock = clock
        #: By the id of a video that is being handed over and may be asked for again meanwhile.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def __call__(self, account: Account, video: Video, body: Mapping[str, Any]) -> Video:
        """The video as it is then. Raises Refusal.

        Once, however many ask for it here; other gateways may do so, too, and one wins.
        """
        if video.idempotency_key is None:  # nobody else knows of it
            return await self._hand_over(account, video, body)
        async with self._turns.setdefault(video.id, asyncio.Lock()):
            now = await self._videos.find(video.id)
            if now is None:
                raise Conflict("the same call was refused just now; try again", retry_after=1)
            return await self._hand_over(account, now, body) if is_to_be_handed_over(now) else now

    async def _hand_over(self, account: Account, video: Video, body: Mapping[str, Any]) -> Video:
        payload = payload_of(video.endpoint, body, request_id=video.id)
        try:
            job_id = await self._run(payload, account.platform_key)
        except Refusal as refusal:
            await self._not_taken(video, refusal)
            raise
        try:
            taken = await self._videos.change(
                video.id,
                only_if=frozenset({video.state}),
                state=State.QUEUED,
                job_id=job_id,
                # As the worker says it, in its answers and to a webhook.
                number=self._number_of(job_id),
                failure=None,
                completed_at=None,
                also=self._usage.begin,
            )
        except Refusal:
            # The database went in between. With an idempotency key the same video is asked for
            # again; without one nobody will ever hear of this job.
            if video.idempotency_key is None:
                await self._stop(job_id, account.platform_key)
            raise
        if taken is None:
            return await self._too_many(video, job_id, account.platform_key)
        log.info("handed over", extra={"video": video.id, "job": job_id, "api": str(video.api)})
        return taken

    async def _run(self, payload: Mapping[str, Any], key: str) -> str:
        """The id of the job, after some tries: a job that was taken twice is made once."""
        for pause in self._pauses:
            try:
                return await self._endpoint.run(payload, key=key, policy=self._policy)
            except (Unavailable, EndpointFailed) as refusal:
                log.warning("the endpoint did not take a job: %s", refusal)
                await asyncio.sleep(pause)
        return await self._endpoint.run(payload, key=key, policy=self._policy)

    async def _not_taken(self, video: Video, refusal: Refusal) -> None:
        """Forget a video that there will not be.

        Where nobody knows whether the endpoint took it, and its caller may call again with the same
        idempotency key, it stays: the next job must have the same id.
        """
        is_sure = not isinstance(refusal, Unavailable | EndpointFailed)
        if is_sure or video.idempotency_key is None:
            await self._videos.remove(video.id)
        else:
            now = self._clock()
            await self._videos.change(
                video.id, state=State.FAILED, failure=INTERRUPTED, completed_at=now
            )

    async def _too_many(self, video: Video, job_id: str, key: str) -> Video:
        """The same call, by way of another gateway, was first; or the video was deleted."""
        await self._stop(job_id, key)
        known = await self._videos.find(video.id)
        if known is None:
            raise NotFound(f"there is no video {video.id!r}")
        return known

    async def _stop(self, job_id: str, key: str) -> None:
        try:
            await self._endpoint.cancel(job_id, key=key)
        except Refusal as refusal:
            log.warning("a job too many could not be stopped: %s", refusal, extra={"job": job_id})
