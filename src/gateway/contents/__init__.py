"""A video's bytes, from wherever they are, and the pictures that are made from it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from ...errors import EncodingError
from ..refusals import Conflict, EndpointFailed, NotFound, NotMade
from ..store import Videos
from ..store.videos import Content
from ..video import Video
from .links import Links
from .pictures import CONTENT_TYPES, picture
from .ranges import Span, span_of

__all__ = ["Contents", "Opened", "Variant"]

#: Pictures that are made at once: each is a process that decodes a video.
AT_ONCE = 2


class Variant(StrEnum):
    """What can be had of a video, in OpenAI's words."""

    VIDEO = "video"
    THUMBNAIL = "thumbnail"
    SPRITESHEET = "spritesheet"


@dataclass(frozen=True, kw_only=True)
class Opened:
    """Bytes on their way to a caller, as an HTTP answer has them."""

    content_type: str
    #: 200, or 206 for a part.
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Whoever opened it iterates it, or closes it.
    chunks: AsyncIterator[bytes]


class Contents:
    """Opens videos; a link is read here rather than given out, since it may need no key."""

    def __init__(self, videos: Videos) -> None:
        """Nothing is asked yet."""
        self._videos = videos
        self._links = Links()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._making: dict[tuple[str, Variant], asyncio.Task[Content]] = {}

    async def open(
        self, video: Video, variant: Variant = Variant.VIDEO, *, wanted: str | None = None
    ) -> Opened:
        """A video's bytes, or a picture of it; `wanted` is a Range header.

        Raises Conflict while there is none yet, NotMade where there will be none, NotFound where
        its link has expired, NotInRange, and EndpointFailed.
        """
        _check_is_there(video)
        if variant is not Variant.VIDEO:
            return _opened(await self._picture(video, variant), wanted)
        if video.link:
            answer = await self._links.open(video.link, wanted=wanted)
            return Opened(
                content_type=video.content_type,
                status=answer.status,
                headers=answer.headers,
                chunks=answer.chunks,
            )
        return _opened(await self._kept(video), wanted)

    async def data_uri(self, video: Video) -> str:
        """A video that is kept here as a data URI. Raises Conflict, NotMade, NotFound."""
        _check_is_there(video)
        content = await self._kept(video)
        data = await asyncio.to_thread(base64.b64encode, content.data)
        return f"data:{content.content_type};base64,{data.decode('ascii')}"

    async def close(self) -> None:
        """End every connection, and whatever is being made."""
        for task in self._making.values():
            task.cancel()
        await asyncio.gather(*self._making.values(), return_exceptions=True)
        await self._links.close()

    async def _kept(self, video: Video) -> Content:
        content = await self._videos.content(video.id)
        if content is None:
            raise NotFound("the video is not kept any more")
        return content

    async def _picture(self, video: Video, variant: Variant) -> Content:
        """Made once, however many ask for it, and kept beside the video."""
        kept = await self._videos.content(video.id, variant)
        if kept:
            return kept
        name = (video.id, variant)
        task = self._making.get(name)
        if task is None:
            task = self._making[name] = asyncio.create_task(self._make(video, variant))
            task.add_done_callback(lambda task: self._made(name, task))
        return await asyncio.shield(task)

    def _made(self, name: tuple[str, Variant], task: asyncio.Task[Content]) -> None:
        del self._making[name]
        if not task.cancelled():
            task.exception()  # whoever asked may be gone: then it is nobody's

    async def _make(self, video: Video, variant: Variant) -> Content:
        async with self._turns:
            with TemporaryDirectory(prefix="picture-") as folder:
                path = Path(folder, "video")
                await self._fill(path, video)
                try:
                    data = await asyncio.to_thread(picture, path, variant)
                except EncodingError as error:
                    raise EndpointFailed("no picture can be made of this video") from error
        content = Content(content_type=CONTENT_TYPES[variant], data=data)
        await self._videos.put(video.id, variant, content)
        return content

    async def _fill(self, path: Path, video: Video) -> None:
        if video.link:
            await self._links.save(video.link, path)
        else:
            await asyncio.to_thread(path.write_bytes, (await self._kept(video)).data)


def _check_is_there(video: Video) -> None:
    if video.is_open:
        raise Conflict("Generation is still in-progress; ask for the video's status", retry_after=1)
    if not video.is_there:
        reason = f": {video.failure.message}" if video.failure else ""
        raise NotMade(f"Video generation failed{reason}")


def _opened(content: Content, wanted: str | None) -> Opened:
    """Bytes that are at hand, or the part of them that was asked for."""
    size = len(content.data)
    span = span_of(wanted, size)
    part = span or Span(start=0, stop=size)
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(part.stop - part.start)}
    if span:
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    return Opened(
        content_type=content.content_type,
        status=206 if span else 200,
        headers=headers,
        chunks=_pieces(content.data, part),
    )


async def _pieces(data: bytes, part: Span) -> AsyncIterator[bytes]:
    """Not all at once: a caller that reads slowly holds no second copy."""
    view = memoryview(data)[part.start : part.stop]
    for start in range(0, len(view), 1 << 18):
        yield bytes(view[start : start + (1 << 18)])
