"""A video's bytes as an HTTP answer, whichever API is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ..contents import Contents, Opened, Variant
from ..video import Video

_SUFFIXES = {
    "video/mp4": "mp4",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/jpeg": "jpg",
}


async def served(
    request: Request,
    contents: Contents,
    video: Video,
    *,
    name: str,
    variant: Variant = Variant.VIDEO,
    inline: bool = False,
) -> Response:
    """The bytes, streamed, with their length, or the part that a Range header asks for; to HEAD,
    the headers alone.

    `name` is what a client saves it as, without a suffix; `inline` shows it in a browser rather
    than saving it. Raises as `Contents.open` does.
    """
    opened = await contents.open(video, variant, wanted=request.headers.get("Range"))
    headers = {
        **opened.headers,
        "Content-Disposition": f"{'inline' if inline else 'attachment'}; "
        f'filename="{file_name(name, opened.content_type)}"',
        "Cache-Control": "private, max-age=3600",
        # The bytes came out of a job: no browser is to take them for a page of this site.
        "X-Content-Type-Options": "nosniff",
    }
    if request.method == "HEAD":
        await _close(opened)
        return Response(status_code=opened.status, headers=headers, media_type=opened.content_type)
    return StreamingResponse(
        opened.chunks,
        status_code=opened.status,
        headers=headers,
        media_type=opened.content_type,
    )


def file_name(name: str, content_type: str) -> str:
    """A name with the suffix of what it is."""
    return f"{name}.{_SUFFIXES.get(content_type, 'mp4')}"


async def _close(opened: Opened) -> None:
    chunks: AsyncIterator[bytes] = opened.chunks
    async for _ in chunks:
        break
    close = getattr(chunks, "aclose", None)
    if close:
        await close()
