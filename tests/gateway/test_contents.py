"""A video's bytes: kept here, or behind a link of the worker's; and pictures of it."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from src.gateway.contents import Contents, Opened, Variant, links
from src.gateway.contents.ranges import Span, is_one_range, span_of
from src.gateway.refusals import (
    Conflict,
    EndpointFailed,
    NotFound,
    NotInRange,
    NotMade,
    Refusal,
    Unavailable,
)
from src.gateway.store import Database, Videos
from src.gateway.store.videos import Content
from src.gateway.video import Failure, State, Video
from tests.gateway.fakes import Gateway, QuickWorker, settled
from tests.gateway.pictures import ramp
from tests.gateway.store.examples import a_video, number_of

DATA = bytes(range(256)) * 4000


class Storage:
    """A bucket's HTTP side, which fails as it is told to; remembers what it was asked."""

    def __init__(self) -> None:
        self.data = DATA
        self.status = 200
        self.headers: dict[str, str] = {}
        #: Bytes after which it breaks off; None for never.
        self.breaks_after: int | None = None
        self.tells_length = True
        self.asked: list[dict[str, str]] = []
        self.paths: list[str] = []

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append({name.casefold(): value for name, value in handler.headers.items()})
        self.paths.append(handler.path)
        span = span_of(handler.headers.get("Range"), len(self.data))
        body = self.data[span.start : span.stop] if span else self.data
        handler.send_response(206 if span and self.status == 200 else self.status)
        if span:
            handler.send_header(
                "Content-Range", f"bytes {span.start}-{span.stop - 1}/{len(self.data)}"
            )
        if self.tells_length:
            handler.send_header("Content-Length", str(len(body)))
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        with suppress(OSError):  # whoever asked may have had enough
            handler.wfile.write(body[: self.breaks_after])


@pytest.fixture
def storage() -> Iterator[tuple[Storage, str]]:
    told = Storage()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.answer(self)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield told, f"http://127.0.0.1:{server.server_port}/fox.mp4?X-Amz-Signature=a%2Fb"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
async def videos(tmp_path: Path) -> AsyncIterator[Videos]:
    database = Database(f"sqlite:///{tmp_path}/gateway.db")
    await database.migrate()
    yield Videos(database)
    await database.close()


@pytest.fixture
async def contents(videos: Videos) -> AsyncIterator[Contents]:
    contents = Contents(videos)
    yield contents
    await contents.close()


async def kept(videos: Videos, data: bytes | None = DATA, **changes: Any) -> Video:
    """A finished video, whose bytes are here."""
    video = a_video(**{"state": State.COMPLETED, **changes})
    await videos.add(video, {}, number=number_of(video))
    if data is not None:
        await videos.put(video.id, "video", Content(content_type=video.content_type, data=data))
    return video


async def whole(opened: Opened) -> bytes:
    return b"".join([chunk async for chunk in opened.chunks])


# --- ranges -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, None),
        ("bytes=0-", Span(start=0, stop=10)),
        ("bytes=0-0", Span(start=0, stop=1)),
        ("bytes=4-7", Span(start=4, stop=8)),
        ("bytes=4-99", Span(start=4, stop=10)),
        ("bytes=-3", Span(start=7, stop=10)),
        ("bytes=-99", Span(start=0, stop=10)),
        ("bytes= 4-7", Span(start=4, stop=8)),
        # What is not one range of bytes is answered with everything.
        ("bytes=7-4", None),
        ("bytes=-", None),
        ("bytes=0-1,4-5", None),
        ("lines=0-1", None),
        ("bytes=a-b", None),
        ("bytes=٣-", None),
        ("bytes=" + "9" * 19 + "-", None),
        ("", None),
    ],
)
def test_ranges(wanted: str | None, expected: Span | None) -> None:
    assert span_of(wanted, 10) == expected


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_ranges_behind_the_end(wanted: str) -> None:
    with pytest.raises(NotInRange, match="10 bytes"):
        span_of(wanted, 10)


def test_only_what_is_a_range_is_passed_on() -> None:
    assert is_one_range("bytes=1-2")
    assert not is_one_range("bytes=1-2\r\nX: y")


# --- bytes that are kept ----------------------------------------------------------------------


async def test_kept_bytes_come_whole_or_in_part(contents: Contents, videos: Videos) -> None:
    video = await kept(videos)
    opened = await contents.open(video)
    assert (opened.status, opened.content_type) == (200, "video/mp4")
    assert opened.headers["Content-Length"] == str(len(DATA))
    assert await whole(opened) == DATA
    part = await contents.open(video, wanted="bytes=300000-600000")
    assert (part.status, part.headers["Content-Length"]) == (206, "300001")
    assert part.headers["Content-Range"] == f"bytes 300000-600000/{len(DATA)}"
    assert await whole(part) == DATA[300_000:600_001]


@pytest.mark.parametrize(
    ("changes", "refusal", "message"),
    [
        ({"state": State.NEW}, Conflict, "still in-progress"),
        ({"state": State.QUEUED}, Conflict, "still in-progress"),
        ({"state": State.IN_PROGRESS}, Conflict, "still in-progress"),
        ({"state": State.CANCELLED}, NotMade, "failed"),
        (
            {"state": State.FAILED, "failure": Failure(status=400, message="no such model")},
            NotMade,
            "no such model",
        ),
        ({"state": State.COMPLETED}, NotFound, "not kept"),
    ],
)
@pytest.mark.parametrize("variant", list(Variant))
async def test_what_is_not_there_says_why(
    contents: Contents,
    videos: Videos,
    changes: dict[str, Any],
    refusal: type[Refusal],
    message: str,
    variant: Variant,
) -> None:
    video = await kept(videos, None, **changes)
    with pytest.raises(refusal, match=message):
        await contents.open(video, variant)
    with pytest.raises(refusal, match=message):
        await contents.data_uri(video)


# --- links ------------------------------------------------------------------------------------


async def test_a_link_is_read_here_by_its_very_letters(
    contents: Contents, videos: Videos, storage: tuple[Storage, str]
) -> None:
    told, link = storage
    told.headers = {"ETag": '"abc"', "Set-Cookie": "a=b", "Server": "bucket"}
    video = await kept(videos, None, link=link)
    opened = await contents.open(video)
    assert await whole(opened) == DATA
    assert opened.headers["Content-Length"] == str(len(DATA))
    assert opened.headers.keys() <= {"Content-Length", "ETag"}
    assert told.paths == ["/fox.mp4?X-Amz-Signature=a%2Fb"]
    assert "authorization" not in told.asked[0]
    await whole(await contents.open(video))
    assert "cookie" not in told.asked[1]


async def test_a_range_of_a_link_is_the_buckets_to_cut(
    contents: Contents, videos: Videos, storage: tuple[Storage, str]
) -> None:
    told, link = storage
    video = await kept(videos, None, link=link)
    part = await contents.open(video, wanted="bytes=5-9")
    assert (part.status, await whole(part)) == (206, DATA[5:10])
    assert part.headers["Content-Range"] == f"bytes 5-9/{len(DATA)}"
    every = await contents.open(video, wanted="bytes=0-1,2-3")
    assert (every.status, await whole(every)) == (200, DATA)
    assert [asked.get("range") for asked in told.asked] == ["bytes=5-9", None]


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        (403, NotFound),
        (404, NotFound),
        (416, NotInRange),
        (500, EndpointFailed),
        # Nobody is led to where the bucket points.
        (302, EndpointFailed),
        (207, EndpointFailed),
    ],
)
@pytest.mark.parametrize("variant", [Variant.VIDEO, Variant.THUMBNAIL])
async def test_a_bucket_that_refuses(
    contents: Contents,
    videos: Videos,
    storage: tuple[Storage, str],
    status: int,
    refusal: type[Refusal],
    variant: Variant,
) -> None:
    told, link = storage
    told.status, told.headers = status, {"Location": link}
    video = await kept(videos, None, link=link)
    with pytest.raises(refusal) as caught:
        await contents.open(video, variant)
    assert "Signature" not in str(caught.value)
    assert len(told.paths) == 1


@pytest.mark.parametrize(
    "link", ["http://127.0.0.1:1/fox.mp4", "gopher://host/fox.mp4", "http://", "nothing"]
)
async def test_a_bucket_that_is_not_there(contents: Contents, videos: Videos, link: str) -> None:
    video = await kept(videos, None, link=link)
    with pytest.raises(Unavailable, match="cannot be reached"):
        await contents.open(video)


async def test_half_a_video_is_never_given_as_a_whole_one(
    contents: Contents, videos: Videos, storage: tuple[Storage, str]
) -> None:
    told, link = storage
    told.breaks_after = 500_000
    video = await kept(videos, None, link=link)
    with pytest.raises(Exception, match="payload"):
        await whole(await contents.open(video))
    with pytest.raises(Unavailable, match="broke off"):
        await contents.open(video, Variant.THUMBNAIL)


async def test_an_endless_video_is_cut_off(
    contents: Contents,
    videos: Videos,
    storage: tuple[Storage, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told, link = storage
    told.tells_length = False
    monkeypatch.setattr(links, "MOST", 100_000)
    monkeypatch.setattr(links, "MOST_FOR_A_PICTURE", 100_000)
    video = await kept(videos, None, link=link)
    for variant in (Variant.VIDEO, Variant.SPRITESHEET):
        with pytest.raises(EndpointFailed, match="more than 100000 bytes"):
            await whole(await contents.open(video, variant))


# --- pictures ---------------------------------------------------------------------------------


def cells(sheet: Image.Image, columns: int, rows: int) -> list[int]:
    """The grey in the middle of each cell, row by row."""
    grey = np.asarray(sheet.convert("L"))
    height, width = grey.shape[0] // rows, grey.shape[1] // columns
    return [
        int(grey[row * height + height // 2, column * width + width // 2])
        for row in range(rows)
        for column in range(columns)
    ]


@pytest.mark.parametrize("is_gif", [False, True], ids=["mp4", "gif"])
@pytest.mark.parametrize(
    ("num_frames", "columns", "rows", "shown"),
    [
        (1, 1, 1, [0]),
        (2, 2, 1, [0, 1]),
        (3, 2, 2, [0, 1, 2]),
        (5, 3, 2, [0, 1, 2, 3, 4]),
        (16, 4, 4, list(range(16))),
        (17, 4, 4, list(range(16))),
        (33, 4, 4, list(range(0, 32, 2))),
        (80, 4, 4, list(range(0, 80, 5))),
    ],
)
async def test_a_sheet_shows_frames_evenly_from_the_first(
    contents: Contents,
    videos: Videos,
    tmp_path: Path,
    is_gif: bool,
    num_frames: int,
    columns: int,
    rows: int,
    shown: list[int],
) -> None:
    data = ramp(tmp_path / "v", num_frames=num_frames, is_gif=is_gif)
    video = await kept(videos, data, content_type="image/gif" if is_gif else "video/mp4")
    opened = await contents.open(video, Variant.SPRITESHEET)
    assert opened.content_type == "image/jpeg"
    sheet = Image.open(io.BytesIO(await whole(opened)))
    assert sheet.size == (64 * columns, 48 * rows)
    levels = np.linspace(0, 255, num_frames).round()
    found = cells(sheet, columns, rows)[: len(shown)]
    assert found == pytest.approx([levels[frame] for frame in shown], abs=6)


@pytest.mark.parametrize(
    ("width", "height", "cell"),
    [(1280, 720, (320, 180)), (480, 854, (180, 320)), (64, 48, (64, 48))],
)
async def test_large_frames_are_small_on_a_sheet_and_whole_as_a_thumbnail(
    contents: Contents,
    videos: Videos,
    tmp_path: Path,
    width: int,
    height: int,
    cell: tuple[int, int],
) -> None:
    data = ramp(tmp_path / "v", num_frames=4, width=width, height=height)
    video = await kept(videos, data)
    sheet = Image.open(io.BytesIO(await whole(await contents.open(video, Variant.SPRITESHEET))))
    assert sheet.size == (2 * cell[0], 2 * cell[1])
    thumbnail = await contents.open(video, Variant.THUMBNAIL)
    assert thumbnail.content_type == "image/webp"
    image = Image.open(io.BytesIO(await whole(thumbnail)))
    assert (image.format, image.size) == ("WEBP", (width, height))
    assert cells(image, 1, 1) == pytest.approx([0], abs=6)


async def test_a_picture_is_made_once_however_many_ask(
    contents: Contents, videos: Videos, storage: tuple[Storage, str], tmp_path: Path
) -> None:
    told, link = storage
    told.data = ramp(tmp_path / "v", num_frames=3)
    video = await kept(videos, None, link=link)
    asked = (contents.open(video, Variant.THUMBNAIL) for _ in range(8))
    pictures = {await whole(opened) for opened in await asyncio.gather(*asked)}
    await whole(await contents.open(video, Variant.THUMBNAIL))
    assert len(pictures) == len(told.paths) == 1
    assert await videos.content(video.id, "thumbnail") is not None


async def test_who_leaves_does_not_end_the_picture_for_others(
    contents: Contents, videos: Videos, tmp_path: Path
) -> None:
    video = await kept(videos, ramp(tmp_path / "v", num_frames=3))
    first = asyncio.create_task(contents.open(video, Variant.THUMBNAIL))
    second = asyncio.create_task(contents.open(video, Variant.THUMBNAIL))
    await asyncio.sleep(0.01)
    first.cancel()
    assert (await second).content_type == "image/webp"
    assert first.cancelled()


@pytest.mark.parametrize(
    "data", [b"", b"no video", b"GIF89a", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", b"#EXTM3U\n/etc"]
)
async def test_there_is_no_picture_of_what_is_no_video(
    contents: Contents, videos: Videos, data: bytes
) -> None:
    video = await kept(videos, data)
    with pytest.raises(EndpointFailed, match="no picture can be made"):
        await contents.open(video, Variant.SPRITESHEET)
    # It is no debt of the next one who asks.
    with pytest.raises(EndpointFailed, match="no picture can be made"):
        await contents.open(video, Variant.SPRITESHEET)


# --- by HTTP ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["worker", "bucket_worker"])
def test_players_get_parts_of_a_video(
    gateway: Gateway, kind: str, request: pytest.FixtureRequest
) -> None:
    worker: QuickWorker = request.getfixturevalue(kind)
    with gateway.client() as http:
        video = http.post("/v1/videos", json=settled({"prompt": "a fox"})).json()["id"]
        url = f"/v1/videos/{video}/content"
        while (answer := http.get(url)).status_code == 409:
            assert answer.headers["retry-after"] == "1"
        assert answer.status_code == 200
        data = answer.content
        assert answer.headers["content-disposition"] == f'attachment; filename="{video}.mp4"'
        part = http.get(url, headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, data[10:20])
        assert part.headers["content-range"] == f"bytes 10-19/{len(data)}"
        if worker.bucket is None:  # real buckets answer so, too; that of the tests does not
            behind = http.get(url, headers={"Range": f"bytes={len(data)}-"})
            assert behind.status_code == 416
            assert behind.json()["error"]["code"] == "range_not_satisfiable"
