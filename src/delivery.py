"""The ladder: how a finished video reaches whoever asked for it.

The place that was chosen for it; else the answer itself; else the answer, encoded again smaller;
only then an error. A video that was made is never thrown away for want of trying.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .errors import BlockedUrl, EncodingError, ResultTooLarge, StorageError
from .generation import Delivery as Request
from .generation import GenerationRequest, VideoFormat
from .job import Job
from .media import Media
from .storage import (
    InlineStorage,
    Item,
    Kept,
    Links,
    Shelves,
    Storage,
    decoded_size,
    head,
)

log = logging.getLogger(__name__)

#: Characters that warnings may still add to an answer after its size was taken.
SLACK = 4096


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A job's video and where it is to go, from before there is a video."""

    storage: Storage
    item: Item
    video_format: VideoFormat
    #: Bytes that the platform carries in this job's answer.
    limit_bytes: int
    #: The caller wants the bare base64.
    as_base64: bool = False
    #: Where it will be, if that is known and was asked for.
    links: Links | None = None
    #: What was asked of the delivery and will not be.
    warnings: tuple[str, ...] = ()

    @property
    def is_inline(self) -> bool:
        """Whether it goes into the answer."""
        return isinstance(self.storage, InlineStorage)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A video of an earlier try."""

    video: Kept
    #: The link of the jpg beside it.
    poster: str | None = None


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """A video that has arrived."""

    output: str
    size_bytes: int
    #: It is where it was meant to go, and not in the answer.
    is_stored: bool = False
    #: Width and height, where the video was made smaller in more than bytes.
    size: tuple[int, int] | None = None
    proxy_links: tuple[str, ...] = ()
    poster: str | None = None
    warnings: tuple[str, ...] = ()


class Delivery:
    """Brings videos to where they are wanted, or as near as can be."""

    def __init__(
        self,
        *,
        shelves: Shelves,
        media: Media,
        limit_bytes: int,
        sync_limit_bytes: int,
        poster: bool = False,
        result_json: bool = False,
    ) -> None:
        """Limits are the platform's, for the JSON of /run and of /runsync.

        `poster` and `result_json` put a jpg and the answer beside each video.
        """
        self._shelves = shelves
        self._media = media
        self._limit_bytes = limit_bytes
        self._sync_limit_bytes = sync_limit_bytes
        self._poster = poster
        self._result_json = result_json

    def check(self) -> None:
        """See whether the operator's storage takes files. Raises StorageError."""
        self._shelves.default.check()

    def parcel(self, job: Job, request: GenerationRequest) -> Parcel:
        """Where this job's video will go. Raises InvalidRequest for a wrong s3Config."""
        asked = request.delivery
        storage = self._shelves.choose(job.s3_config, as_base64=asked.as_base64)
        item = Item(
            name=f"{job.file_prefix}.{asked.format}",
            content_type=asked.format.content_type,
            temp=asked.temp,
            facts={"request": job.digest},
        )
        links = _links(storage, item) if asked.instant_response else None
        return Parcel(
            storage=storage,
            item=item,
            video_format=asked.format,
            limit_bytes=self._sync_limit_bytes if job.waits else self._limit_bytes,
            as_base64=asked.as_base64,
            links=links,
            warnings=tuple(_not_done(job, asked, storage, links)),
        )

    def found(self, parcel: Parcel) -> Found | None:
        """The video that an earlier try of this job has brought there already, if any."""
        kept = self._find(parcel, parcel.item)
        if kept is None or kept.facts.get("request") != parcel.item.facts["request"]:
            return None
        poster = self._find(parcel, _beside(parcel.item, ".jpg")) if self._poster else None
        return Found(video=kept, poster=poster.links.url if poster else None)

    def _find(self, parcel: Parcel, item: Item) -> Kept | None:
        try:
            return parcel.storage.find(item)
        except StorageError as error:
            log.warning("could not look for an earlier result: %s", error)
            return None

    def deliver(
        self, parcel: Parcel, path: Path, *, answer_bytes: int, stop: threading.Event
    ) -> Delivered:
        """Take the first rung that holds.

        `answer_bytes` is the size of the answer's JSON without the video. Blocks. Raises
        ResultTooLarge past the last rung, OutputError where the file itself fails.
        """
        room = parcel.limit_bytes - answer_bytes - SLACK
        if parcel.is_inline:
            return self._in_the_answer(parcel, path, room, stop)
        try:
            links = parcel.storage.save(path, parcel.item, stop=stop)
        except (StorageError, BlockedUrl) as error:  # an address may have become a private one
            if stop.is_set():  # nobody waits for it any more
                raise
            log.error("the video could not be stored: %s", error)  # noqa: TRY400  it says it all
            return self._instead(parcel, path, room, stop)
        return self._stored(parcel, path, links, stop)

    def take_back(self, parcel: Parcel) -> None:
        """Have a video gone that nobody waits for any more; failing is logged."""
        beside = {".jpg": self._poster, ".json": self._result_json}
        others = [_beside(parcel.item, suffix) for suffix, wanted in beside.items() if wanted]
        try:
            for item in (parcel.item, *others):
                parcel.storage.discard(item)
        except (StorageError, BlockedUrl) as error:
            log.warning("a cancelled job's video may be left: %s", error)

    def keep_answer(
        self, parcel: Parcel, folder: Path, text: str, *, stop: threading.Event
    ) -> None:
        """Put the answer beside a stored video, if the operator wants that; failing is logged."""
        if not self._result_json:
            return
        path = folder / "answer.json"
        try:
            path.write_text(text, "utf-8")
        except OSError as error:  # the disk is full; the video is where it should be
            log.warning("the answer could not be stored: %s", error.strerror)
            return
        self._beside(parcel, path, ".json", "application/json", stop)

    def _stored(self, parcel: Parcel, path: Path, links: Links, stop: threading.Event) -> Delivered:
        delivered = Delivered(
            output=links.url,
            proxy_links=links.proxies,
            size_bytes=path.stat().st_size,
            is_stored=True,
        )
        if not self._poster or stop.is_set():
            return delivered
        poster = self._poster_of(parcel, path, stop)
        if poster is None:
            return replace(delivered, warnings=("The poster could not be made or stored.",))
        return replace(delivered, poster=poster.url)

    def _poster_of(self, parcel: Parcel, path: Path, stop: threading.Event) -> Links | None:
        target = path.with_suffix(".jpg")
        try:
            self._media.poster(path, target)
        except EncodingError:
            log.exception("no poster")
            return None
        return self._beside(parcel, target, ".jpg", "image/jpeg", stop)

    def _beside(
        self, parcel: Parcel, path: Path, suffix: str, content_type: str, stop: threading.Event
    ) -> Links | None:
        """Keep another file under the video's name; None when that fails, which harms nothing."""
        item = replace(_beside(parcel.item, suffix), content_type=content_type)
        try:
            return parcel.storage.save(path, item, stop=stop)
        except (StorageError, BlockedUrl) as error:
            log.warning("%s could not be stored: %s", suffix, error)
            return None

    def _instead(self, parcel: Parcel, path: Path, room: int, stop: threading.Event) -> Delivered:
        """The second rung: the upload has failed."""
        parcel = replace(parcel, storage=self._shelves.inline)
        try:
            delivered = self._in_the_answer(parcel, path, room, stop)
        except ResultTooLarge as error:
            public = f"The video could not be uploaded, after several tries. {error.public}"
            raise ResultTooLarge(str(error), public=public) from error
        warning = "The video could not be uploaded, after several tries: it is in this answer."
        return replace(delivered, warnings=(warning, *delivered.warnings))

    def _in_the_answer(
        self, parcel: Parcel, path: Path, room: int, stop: threading.Event
    ) -> Delivered:
        """Base64, of the file as it is or of a smaller one."""
        beginning = head(parcel.item)
        most = decoded_size(room - (0 if parcel.as_base64 else len(beginning)))
        whole, size = path.stat().st_size, None
        warnings: tuple[str, ...] = ()
        if whole > most:
            path, size = self._smaller(parcel, path, most, stop)
            warnings = (_encoded_again(whole, path.stat().st_size, parcel.limit_bytes),)
        uri = self._shelves.inline.save(path, parcel.item).url
        return Delivered(
            output=uri.removeprefix(beginning) if parcel.as_base64 else uri,
            size_bytes=path.stat().st_size,
            size=size,
            warnings=warnings,
        )

    def _smaller(
        self, parcel: Parcel, path: Path, most: int, stop: threading.Event
    ) -> tuple[Path, tuple[int, int]]:
        """The file encoded again, once, with at most so many bytes; and its width and height."""
        target = path.with_stem(f"{path.stem}-smaller")
        try:
            size = self._media.smaller(
                path, target, max_bytes=most, video_format=parcel.video_format, stop=stop
            )
        except EncodingError as error:
            whole = path.stat().st_size
            raise ResultTooLarge(
                f"{whole} bytes, room for {most}: {error}",
                public=f"The video has {_mb(whole)}, an answer carries at most "
                f"{_mb(parcel.limit_bytes)}, and it could not be encoded that small: set up a "
                "bucket, or ask for fewer frames or a smaller size.",
            ) from error
        return target, size


def _beside(item: Item, suffix: str) -> Item:
    return replace(item, name=Path(item.name).with_suffix(suffix).name)


def _links(storage: Storage, item: Item) -> Links | None:
    try:
        return storage.links(item)
    except StorageError as error:
        log.warning("no link is known yet: %s", error)
        return None


def _not_done(job: Job, asked: Request, storage: Storage, links: Links | None) -> Iterator[str]:
    """Nothing that a caller asks for is dropped in silence."""
    if asked.as_base64 and job.s3_config is not None:
        yield "s3Config: not used where base64 is asked for, ignored"
    if asked.instant_response and links is None:
        yield (
            "instant_response: the video comes back in the answer, so that no link is known "
            "before, ignored"
        )
    if asked.temp and not storage.forgets:
        yield "temp: results are kept in a folder here, and nothing deletes them, ignored"


def size_of(answer: Mapping[str, Any]) -> int:
    """Bytes of an answer as the platform counts them: UTF-8 JSON."""
    return len(json.dumps({"output": answer}, ensure_ascii=False).encode())


def _encoded_again(whole: int, size: int, limit: int) -> str:
    return (
        f"The video of {_mb(whole)} was encoded again with {_mb(size)}: an answer carries at "
        f"most {_mb(limit)}."
    )


def _mb(size_bytes: int) -> str:
    """Bytes in the platform's words: 1 MB is a million.

    >>> _mb(9_512_000)
    '9.5 MB'
    """
    return f"{size_bytes / 1_000_000:.1f} MB"
