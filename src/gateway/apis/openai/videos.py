"""What OpenAI's routes do: their words on the one side, the desk on the other."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from fastapi import Request
from starlette.background import BackgroundTask
from starlette.responses import Response

from ....dialects.fields import given
from ....dialects.openai.body import REFERENCES
from ....dialects.openai.request import OPENAIS_OWN
from ...accounts import Account
from ...parts import Parts
from ...refusals import BadRequest, NotFound
from ...store.videos import Order
from ...uploads import Upload
from ...video import Api, Call, Video
from ...waiting import wait_or_stop
from ..forms import body_of
from ..serving import served
from .failed import failed_answer
from .record import VideoList, VideoObject, inward, outward, record_of

CREATE, SYNC = "/v1/videos", "/v1/videos/sync"


class OpenAIVideos:
    """One caller's videos."""

    def __init__(self, parts: Parts, account: Account) -> None:
        """Nothing is asked yet."""
        self._parts = parts
        self._account = account

    async def create(
        self, request: Request, *, endpoint: str = CREATE, idempotency_key: str | None = None
    ) -> Video:
        """Have the video made that a request's body asks for. Raises Refusal."""
        async with body_of(request) as said:
            _check_files(said, allowed=REFERENCES)
            body = await self._fit(said)
        return await self._submit(body, endpoint=endpoint, idempotency_key=idempotency_key)

    async def make(self, request: Request) -> Response:
        """The video itself, once it is there; it is forgotten when it was read."""
        video = await self.create(request, endpoint=SYNC)
        seconds = self._parts.settings.sync_seconds
        desk, account = self._parts.desk, self._account
        video = await wait_or_stop(request, desk, account, video, seconds=seconds)
        if not video.is_there:
            await self._parts.videos.remove(video.id)
            return failed_answer(video)
        answer = await served(request, self._parts.contents, video, name=outward(video.id))
        answer.headers.update(_told_of(video))
        answer.background = BackgroundTask(self._parts.videos.remove, video.id)
        return answer

    async def find(self, said: str) -> Video:
        """The video that a caller names. Raises NotFound, Refusal."""
        video_id = inward(said)
        video: Video | None = None
        if video_id:
            with contextlib.suppress(NotFound):  # it knows the video by another name
                video = await self._parts.desk.find(self._account, video_id)
        if video is None or video.api is not Api.OPENAI:
            raise NotFound("Video not found")
        return video

    async def page(self, *, after: str | None, limit: int, order: Order) -> VideoList:
        """Some of the caller's videos; none where `after` is not one of them."""
        last: Video | None = None
        if after:
            video_id = inward(after)
            last = await self._parts.videos.find(video_id) if video_id else None
            if last is None or last.owner != self._account.id or last.api is not Api.OPENAI:
                return VideoList(data=[], has_more=False)
        found, has_more = await self._parts.videos.page(
            self._account.id, Api.OPENAI, after=last, limit=limit, order=order
        )
        self._parts.accounts.remember_owner(self._account, found)
        data = [self.record(video) for video in found]
        return VideoList(
            data=data,
            first_id=data[0].id if data else None,
            last_id=data[-1].id if data else None,
            has_more=has_more,
        )

    def record(self, video: Video) -> VideoObject:
        """What callers are told of a video."""
        settings = self._parts.settings
        return record_of(
            video,
            default_model=settings.default_model,
            code_as_status=settings.failed_as_error,
        )

    async def delete(self, said: str) -> str:
        """Stop and forget a video, and give its name. Raises NotFound, Refusal."""
        video = await self.find(said)
        await self._parts.desk.delete(self._account, video.id)
        return outward(video.id)

    async def remix(self, request: Request, said: str, *, idempotency_key: str | None) -> Video:
        """The same request with another prompt. Raises NotFound, Refusal."""
        async with body_of(request) as body:
            prompt = _prompt(body)
        video = await self.find(said)
        return await self._parts.desk.remix(
            self._account, video.id, prompt, idempotency_key=idempotency_key
        )

    async def edit(self, request: Request, *, idempotency_key: str | None) -> Video:
        """A video drawn anew by a prompt: one that was made, or is sent. Raises Refusal."""
        async with body_of(request) as said:
            _check_files(said, allowed=("video",))
            _prompt(said)
            _check_one_source(said)
            sent = said.pop("video", None)
            source = await self._source(sent)
            reference = sent if source is None else await self._reference(source)
            body = await self._fit({**said, "video_reference": reference})
        return await self._submit(
            body,
            endpoint=CREATE,
            idempotency_key=idempotency_key,
            remixed_from=source.id if source else None,
        )

    async def _fit(self, said: Mapping[str, Any]) -> dict[str, Any]:
        admit = self._parts.desk.admission(self._account)
        return await self._parts.uploads.fit(said, admit=admit)

    async def _source(self, sent: object) -> Video | None:
        """The video of `{"id": ...}`; None for what is sent itself. Raises BadRequest, NotFound."""
        if isinstance(sent, str) and sent.strip().startswith("{"):
            try:
                sent = json.loads(sent)
            except (ValueError, RecursionError):
                sent = None
        if isinstance(sent, Upload | str) and sent:
            return None
        if not isinstance(sent, Mapping) or not isinstance(sent.get("id"), str):
            raise BadRequest('video must be a file, or {"id": ...} of a video', param="video")
        return await self.find(sent["id"])

    async def _reference(self, source: Video) -> str:
        """How the worker comes to a video that was made. Raises as `Contents.open` does."""
        if source.is_there and source.link:
            return source.link
        return await self._parts.contents.data_uri(source)

    def _check_model(self, model: object) -> None:
        """Refuse what the endpoint does not serve. OpenAI's own names are its default model."""
        if isinstance(model, str) and OPENAIS_OWN.fullmatch(model.strip()):
            return
        if refused := self._parts.models.refused(model):
            raise BadRequest(refused, param="model")

    async def _submit(
        self,
        body: Mapping[str, Any],
        *,
        endpoint: str,
        idempotency_key: str | None,
        remixed_from: str | None = None,
    ) -> Video:
        said = given(body)  # as the worker reads it: names with spaces around them are names, too
        self._check_model(said.get("model"))
        return await self._parts.desk.submit(
            self._account,
            Call(
                api=Api.OPENAI,
                endpoint=endpoint,
                body=body,
                model=_word(said.get("model")),
                prompt=_word(said.get("prompt")),
                idempotency_key=idempotency_key,
                remixed_from=remixed_from,
            ),
        )


def _check_files(body: Mapping[str, Any], *, allowed: Collection[str]) -> None:
    for name, value in body.items():
        values = value if isinstance(value, list) else [value]
        if name not in allowed and any(isinstance(item, Upload) for item in values):
            rule = f"must not be a file; files are taken as {', '.join(allowed)}"
            raise BadRequest(f"{name[:80]} {rule}", param=name[:80])


def _check_one_source(body: Mapping[str, Any]) -> None:
    for name in REFERENCES:
        if body.get(name) is not None:
            raise BadRequest(f"{name} must not stand beside video, which is drawn anew", param=name)


def _prompt(body: Mapping[str, Any]) -> str:
    prompt = body.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise BadRequest("prompt must be a string that says something", param="prompt")
    return prompt


def _word(value: object) -> str | None:
    return (value.strip() or None) if isinstance(value, str) else None


def _told_of(video: Video) -> dict[str, str]:
    """vLLM-Omni's headers of a video that was waited for."""
    answer = video.answer
    stages = answer.get("stage_durations")
    return {
        "X-Request-Id": f"video_sync-{video.id}",
        "X-Model": _in_header(answer.get("model") or video.model),
        "X-Inference-Time-S": f"{_figure(answer.get('inference_time_s')):.3f}",
        "X-Stage-Durations": json.dumps(
            stages if isinstance(stages, Mapping) else {}, separators=(",", ":")
        ),
        "X-Peak-Memory-MB": f"{_figure(answer.get('peak_memory_mb')):.3f}",
    }


def _in_header(value: object) -> str:
    """What a header can hold of a name that anybody may have made up."""
    return "".join(sign for sign in str(value or "") if " " <= sign <= "~")


def _figure(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
