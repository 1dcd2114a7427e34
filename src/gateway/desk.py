"""The life of a video: asked for, handed to the endpoint, looked after, given out, forgotten."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ..dialects import Dialect
from ..errors import InvalidRequest, RequestError
from ..generation import GenerationRequest
from .accounts import Account, Accounts
from .endpoint import Endpoint
from .handover import (
    HANDED_OVER_IN,
    INTERRUPTED,
    HandOver,
    is_to_be_handed_over,
    payload_of,
    without_own,
)
from .keepable import as_kept, check_keepable
from .reading import read
from .refusals import BadRequest, Conflict, EndpointFailed, NotFound, TooMany, Unavailable
from .store import Standing, Usage, Videos
from .store.videos import Content
from .uploads import without_signatures
from .video import Api, Call, State, Video

log = logging.getLogger(__name__)

#: A video is not asked about more often than this, however many ask for it. Seconds.
FRESH = 0.5

#: What a column of whole numbers holds.
MOST_FIGURE = 2**31


class Gate(Protocol):
    """Whether a caller may have one more video."""

    def admit(self, account: Account, standing: Standing) -> None:
        """By what they have had. Raises TooMany or LimitReached."""
        ...


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the operator decides; seconds."""

    keep: float = 24 * 3600.0
    execution_timeout: float | None = None
    #: Between two tries to hand a job over, where the endpoint cannot be reached.
    pauses: tuple[float, ...] = (0.5, 2.0)


class Desk:
    """Takes calls in any API's words, and answers for their videos."""

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        accounts: Accounts,
        videos: Videos,
        usage: Usage,
        gate: Gate,
        dialects: Mapping[Api, Dialect],
        number_of: Callable[[str], int],
        rules: Rules | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`number_of` makes of a job's id the number that ModelsLab's clients know a video by."""
        self._endpoint = endpoint
        self._accounts = accounts
        self._videos = videos
        self._usage = usage
        self._gate = gate
        self._dialects = dialects
        self._number_of = number_of
        self._rules = rules or Rules()
        self._clock = clock
        self._under_way: set[asyncio.Task[Video]] = set()
        self._hand_over = HandOver(
            endpoint=endpoint,
            videos=videos,
            usage=usage,
            number_of=number_of,
            execution_timeout=self._rules.execution_timeout,
            pauses=self._rules.pauses,
            clock=clock,
        )

    # --- asking for one -----------------------------------------------------------------------

    async def submit(self, account: Account, call: Call) -> Video:
        """Have a video made. Raises Refusal.

        It is written down before the endpoint hears of it, and the worker makes nothing twice for
        one id: whatever is killed in between, a call with the same idempotency key goes on.
        """
        call = replace(call, body=without_own(call.body))
        asked = self._check(call)
        now = self._clock()
        video = Video(
            owner=account.id,
            api=call.api,
            endpoint=call.endpoint,
            **_known_of(asked, call),
            idempotency_key=call.idempotency_key,
            remixed_from=call.remixed_from,
            created_at=now,
            looked_at=now,
            expires_at=now + self._rules.keep,
        )
        check_keepable(video, call.body)
        kept = await self._videos.add(
            video,
            call.body,
            number=self._number_of(video.id),
            admit=lambda standing: self._gate.admit(account, standing),
            by_month=account.has_a_month,
        )
        if kept.id != video.id:
            return await self._again(account, call, kept)
        return await self._to_the_end(self._hand_over_for(account, kept, call.body))

    def _check(self, call: Call) -> GenerationRequest:
        """Read a body as the worker will, and refuse at once what it would refuse."""
        try:
            return self._dialects[call.api].decode_request(payload_of(call.endpoint, call.body))
        except RequestError as error:
            field = error.field if isinstance(error, InvalidRequest) else None
            raise BadRequest(str(error), param=field) from error

    async def _again(self, account: Account, call: Call, kept: Video) -> Video:
        """The video of a call that was made before."""
        body = await self._videos.body(kept.id)
        is_same = without_signatures(body) == without_signatures(as_kept(call.body))
        if body is None or not is_same or kept.endpoint != call.endpoint:
            raise Conflict("Idempotency-Key was used before, for another request")
        if is_to_be_handed_over(kept):
            # With the earlier body: by it the worker tells that it is the same request.
            return await self._to_the_end(self._hand_over_for(account, kept, body))
        return kept

    async def _hand_over_for(
        self, account: Account, video: Video, body: Mapping[str, Any]
    ) -> Video:
        taken = await self._hand_over(account, video, body)
        self._accounts.remember(account)
        return taken

    def admission(self, account: Account) -> Callable[[], Awaitable[None]]:
        """What is asked before something that a caller sends is stored for a video to come.

        Where keys are passed through, anybody can make one up: the platform must take it. It
        raises Refusal.
        """

        async def admit() -> None:
            if not self._accounts.is_proven(account):
                await self._endpoint.health(key=account.platform_key)
                self._accounts.remember(account)

        return admit

    async def _to_the_end(self, work: Coroutine[Any, Any, Video]) -> Video:
        """Do it whole, even where the caller goes: half of it leaves a job that nobody knows."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Wait for what must not be left half done."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    # --- looking after it ---------------------------------------------------------------------

    async def find(self, account: Account, video_id: str) -> Video:
        """A caller's video as it is now. Raises NotFound, and Refusal."""
        return await self._look(account, await self._videos.find(video_id), video_id)

    async def find_number(self, account: Account, number: int) -> Video:
        """The same, by ModelsLab's number."""
        return await self._look(account, await self._videos.find_number(number), str(number))

    async def _look(self, account: Account, video: Video | None, name: str) -> Video:
        if video is None or video.owner != account.id:
            raise NotFound(f"there is no video {name[:80]!r}")
        self._accounts.remember_owner(account, [video])
        # One that was looked at in the future: a clock went back, here or at another gateway.
        if video.is_open and not 0 <= self._clock() - video.looked_at <= FRESH:
            return await self.refresh(video, account.platform_key)
        return video

    async def wait(self, account: Account, video: Video, seconds: float) -> Video:
        """A video once it is done, or as it is after so many seconds. Raises NotFound.

        An endpoint that cannot be reached meanwhile is asked again.
        """
        over = time.monotonic() + seconds
        pause = 0.1
        while video.is_open and time.monotonic() < over:
            await asyncio.sleep(min(pause, max(over - time.monotonic(), 0)))
            pause = min(pause * 1.5, 2.0)
            try:
                video = await self.find(account, video.id)
            except (Unavailable, EndpointFailed, TooMany) as refusal:
                log.info("cannot look at a video: %s", refusal, extra={"video": video.id})
        return video

    async def refresh(self, video: Video, key: str) -> Video:
        """Ask the platform about an open video, and write down what is new. Raises Refusal."""
        if video.job_id is None:
            return await self._given_up(video)
        now = self._clock()
        job = await self._endpoint.status(video.job_id, key=key)
        news = read(video, job, self._dialects[video.api].outcome, now=now)
        return await self._note(video, {**news.changes, "looked_at": now}, news.content)

    async def _given_up(self, video: Video) -> Video:
        if self._clock() - video.created_at < HANDED_OVER_IN:
            return video
        changes = {"state": State.FAILED, "failure": INTERRUPTED, "completed_at": self._clock()}
        return await self._note(video, changes)

    async def _note(
        self, video: Video, changes: Mapping[str, Any], content: Content | None = None
    ) -> Video:
        changed = await self._videos.change(
            video.id, content=content, also=self._usage.end, **changes
        )
        if changed is None:  # another gateway was first, or it was deleted
            return await self._known(video.id)
        if not changed.is_open:
            log.info("over", extra={"video": video.id, "state": str(changed.state)})
        return changed

    async def _known(self, video_id: str) -> Video:
        video = await self._videos.find(video_id)
        if video is None:
            raise NotFound(f"there is no video {video_id!r}")
        return video

    # --- ending it ----------------------------------------------------------------------------

    async def delete(self, account: Account, video_id: str) -> Video:
        """Forget a video; one that is under way is stopped first. Raises NotFound, and Refusal."""
        video = await self.find(account, video_id)
        if video.state is State.NEW:
            raise Conflict("the video is being handed to the endpoint; try again", retry_after=1)
        return await self._to_the_end(self._delete(account, video))

    async def _delete(self, account: Account, video: Video) -> Video:
        if video.is_open and video.job_id:
            await self._endpoint.cancel(video.job_id, key=account.platform_key)
            # What the worker spent until then is known once the platform says so.
            video = await self.refresh(video, account.platform_key)
            if video.is_open:
                changes = {"state": State.CANCELLED, "completed_at": self._clock()}
                video = await self._note(video, changes)
        await self._videos.remove(video.id)
        return video

    async def remix(
        self, account: Account, video_id: str, prompt: str, *, idempotency_key: str | None = None
    ) -> Video:
        """The same request with another prompt. Raises NotFound, and Refusal."""
        video = await self.find(account, video_id)
        body = await self._videos.body(video_id)
        if body is None:
            raise NotFound(f"there is no video {video_id!r}")
        call = Call(
            api=video.api,
            endpoint=video.endpoint,
            body={**body, "prompt": prompt},
            model=video.model,
            prompt=prompt,
            idempotency_key=idempotency_key,
            remixed_from=video.id,
        )
        return await self.submit(account, call)


def _known_of(asked: GenerationRequest, call: Call) -> dict[str, Any]:
    """What can be told of a video before its worker says anything: what was asked for."""
    said = asked.parameters
    figures = {name: getattr(said, name) for name in ("width", "height", "num_frames", "fps")}
    return {
        "model": call.model or asked.model,
        "prompt": call.prompt or said.prompt,
        # The worker refuses what is beyond any model; until then it is not to be kept either.
        **{name: value for name, value in figures.items() if value and value < MOST_FIGURE},
        "seconds": asked.seconds,
    }
