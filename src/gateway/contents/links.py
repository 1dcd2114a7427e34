"""Videos behind the links that the worker gave: streamed through, never a redirect.

A redirect would have the caller's client show its key to the bucket's host; and a link that was
followed here to anywhere else would make an open proxy of the gateway.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from yarl import URL

from ..refusals import EndpointFailed, NotFound, NotInRange, Unavailable
from .ranges import is_one_range

#: Bytes of a video that is passed on, and of one that a picture is made from.
MOST, MOST_FOR_A_PICTURE = 5_000_000_000, 500_000_000
#: Seconds: for a connection, between two reads, and for all of it.
CONNECT, READ, TOTAL = 10.0, 60.0, 3600.0
_CHUNK = 1 << 18
#: Of the bucket's headers, what a caller gets.
_PASSED_ON = ("Content-Length", "Content-Range", "Accept-Ranges", "ETag", "Last-Modified")


@dataclass(frozen=True, kw_only=True)
class Linked:
    """A bucket's answer."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class Links:
    """Reads links of the worker's."""

    def __init__(self) -> None:
        """No connection is made yet."""
        self._session: aiohttp.ClientSession | None = None

    async def open(self, link: str, *, wanted: str | None = None) -> Linked:
        """What a link leads to, or the range of it that a Range header asks for.

        Raises NotFound, NotInRange, EndpointFailed, Unavailable.
        """
        headers = {"Range": wanted} if wanted and is_one_range(wanted) else {}
        response = await self._get(link, headers)
        try:
            _check(response)
        except BaseException:
            response.close()
            raise
        passed = {name: response.headers[name] for name in _PASSED_ON if name in response.headers}
        return Linked(
            status=response.status, headers=passed, chunks=_chunks(response, MOST, to_caller=True)
        )

    async def save(self, link: str, path: Path) -> None:
        """Write what a link leads to into a file. Raises as `open` does."""
        response = await self._get(link, {})
        try:
            _check(response)
            with path.open("wb") as file:
                async for chunk in _chunks(response, MOST_FOR_A_PICTURE, to_caller=False):
                    await asyncio.to_thread(file.write, chunk)
        finally:
            response.close()

    async def close(self) -> None:
        """End every connection."""
        if self._session:
            await self._session.close()

    async def _get(self, link: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        try:
            # A signature is made over the link's letters: it is asked for as it stands.
            url = URL(link, encoded=True)
            return await self._open().get(url, headers=headers, allow_redirects=False)
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise Unavailable("the video's storage cannot be reached", retry_after=5) from error

    def _open(self) -> aiohttp.ClientSession:
        # Made at the first call: a session belongs to the loop that it was made in.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(total=TOTAL, sock_connect=CONNECT, sock_read=READ),
            )
        return self._session


def _check(response: aiohttp.ClientResponse) -> None:
    if response.status == 416:
        raise NotInRange("the range begins behind the video's end")
    if response.status in (403, 404, 410):
        raise NotFound("the video's link has expired, or the video was deleted from its bucket")
    if response.status not in (200, 206):
        raise EndpointFailed(f"the video's storage answered {response.status}")


async def _chunks(
    response: aiohttp.ClientResponse, most: int, *, to_caller: bool
) -> AsyncIterator[bytes]:
    """The body. What breaks off breaks the caller's answer off too: half a video is never whole."""
    count = 0
    try:
        async for chunk in response.content.iter_chunked(_CHUNK):
            count += len(chunk)
            if count > most:
                raise EndpointFailed(f"the video has more than {most} bytes")
            yield chunk
    except (TimeoutError, aiohttp.ClientError) as error:
        if to_caller:
            raise
        raise Unavailable("the video's storage broke off", retry_after=5) from error
    finally:
        response.close()
