"""Bytes of the media that a request refers to: over HTTP, or out of the request itself.

What the bytes are is not asked here, but for a web page, which is never what was meant.
"""

import asyncio
import re
from http import HTTPStatus

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientPayloadError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    DummyCookieJar,
    ServerTimeoutError,
    TCPConnector,
    ThreadedResolver,
)
from aiohttp.abc import AbstractResolver
from yarl import URL

from ..addresses import AddressRefused, VettedResolver, is_literal, is_public
from ..errors import BlockedUrl, FetchFailed, InvalidRequest
from ..generation import MediaReference
from .inline import decode_inline
from .limits import check_bytes
from .sniff import sniff

_URL = re.compile(r"[a-z][a-z0-9+.-]*:/", re.IGNORECASE)
#: A URL that needs no quoting is sent letter by letter: signatures are made over its letters.
_QUOTED_URL = re.compile(r"[!-~]+")
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 5
_CHUNK = 65_536
_SHOWN_PATH = 100

#: aiohttp's errors in words, the most specific first.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (ServerTimeoutError, "sent nothing for too long"),
    (ClientConnectorDNSError, "has a host name that could not be resolved"),
    (ClientConnectorCertificateError, "has a TLS certificate that is not valid for it"),
    (ClientSSLError, "could not be reached over TLS"),
    (ClientConnectorError, "could not be reached"),
    (ClientPayloadError, "broke off before its end"),
    (ClientError, "gave no answer that is HTTP"),
)


class Fetcher:
    """Fetches under limits, and from public addresses only."""

    def __init__(
        self,
        *,
        max_bytes: int,
        timeout: float,
        read_timeout: float,
        allow_private: bool = False,
        resolver: AbstractResolver | None = None,
    ) -> None:
        """`timeout` is for a whole fetch, redirects included; `read_timeout` between two reads.

        `max_bytes` counts decoded bytes. `allow_private` is for tests on one machine.
        """
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._read_timeout = read_timeout
        self._allow_private = allow_private
        self._resolver = resolver

    async def fetch(self, reference: MediaReference) -> bytes:
        """The bytes behind an http(s) URL, a data URI or bare base64.

        Raises FetchFailed, BlockedUrl, MediaTooLarge or InvalidRequest; no message carries
        a URL's query, userinfo or fragment.
        """
        field, value = reference.field, reference.value.strip()
        if not _URL.match(value):
            return decode_inline(value, field=field, max_bytes=self._max_bytes)
        try:
            async with asyncio.timeout(self._timeout), self._session() as session:
                return await self._follow(session, value, field=field)
        except TimeoutError as error:
            raise FetchFailed(
                f"{field}: {_shown(value)} was not fetched within {self._timeout:g} s"
            ) from error

    def _session(self) -> ClientSession:
        """A session of its own for each fetch: nothing is kept from one caller to the next."""
        inner = self._resolver or ThreadedResolver()
        connector = TCPConnector(
            resolver=VettedResolver(inner, allows=self._allows),
            use_dns_cache=False,
            force_close=True,
        )
        return ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            trust_env=False,
            timeout=ClientTimeout(
                total=None, sock_connect=self._read_timeout, sock_read=self._read_timeout
            ),
        )

    async def _follow(self, session: ClientSession, value: str, *, field: str) -> bytes:
        url = _parsed(value, field=field)
        for _ in range(_MAX_REDIRECTS + 1):
            self._check(url, field=field)
            answer = await self._ask(session, url, field=field)
            if isinstance(answer, bytes):
                return answer
            url = answer
        raise FetchFailed(f"{field}: {_shown(value)} redirects more than {_MAX_REDIRECTS} times")

    async def _ask(self, session: ClientSession, url: URL, *, field: str) -> bytes | URL:
        """The body, or where the server says that it is."""
        try:
            async with session.get(url, allow_redirects=False) as response:
                if response.status in _REDIRECTS:
                    return _location(response, url, field=field)
                return await self._body(response, f"{field}: {_shown(url)}", field=field)
        except AddressRefused as error:
            raise _private(url, field=field) from error
        except ClientError as error:
            reason = next(words for kind, words in _REASONS if isinstance(error, kind))
            raise FetchFailed(f"{field}: {_shown(url)} {reason}") from error

    async def _body(self, response: ClientResponse, asked: str, *, field: str) -> bytes:
        if response.status != HTTPStatus.OK:
            raise FetchFailed(f"{asked} answered {_status(response.status)}")
        check_bytes(response.content_length or 0, field=field, limit=self._max_bytes)
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            body += chunk
            check_bytes(len(body), field=field, limit=self._max_bytes)
        if not body:
            raise FetchFailed(f"{asked} answered an empty body")
        if sniff(bytes(body[:1024])) == "web page":
            raise FetchFailed(f"{asked} answered a web page (HTML), not an image or a video")
        return bytes(body)

    def _check(self, url: URL, *, field: str) -> None:
        """Refuse what can be refused by the URL alone; names are left to the resolver."""
        if url.scheme not in ("http", "https"):
            raise BlockedUrl(f"{field}: only http and https URLs are fetched, got {url.scheme}")
        if url.raw_user is not None or url.raw_password is not None:
            raise BlockedUrl(f"{field}: a URL with a user name or a password in it is not fetched")
        if is_literal(url.raw_host or "") and not self._allows(url.raw_host or ""):
            raise _private(url, field=field)

    def _allows(self, address: str) -> bool:
        return self._allow_private or is_public(address)


def _parsed(value: str, *, field: str, base: URL | None = None) -> URL:
    try:
        url = URL(value, encoded=_QUOTED_URL.fullmatch(value) is not None)
        url = base.join(url) if base else url
        if url.raw_host or url.scheme not in ("http", "https"):
            return url
    except ValueError as error:
        raise InvalidRequest(f"{field}: is not a URL that can be read") from error
    raise InvalidRequest(f"{field}: must be a URL with a host in it")


def _location(response: ClientResponse, url: URL, *, field: str) -> URL:
    location = response.headers.get("Location")
    if not location:
        raise FetchFailed(f"{field}: {_shown(url)} redirects without saying where to")
    return _parsed(location, field=field, base=url)


def _private(url: URL, *, field: str) -> BlockedUrl:
    return BlockedUrl(
        f"{field}: {_shown(url)} points to a private address, "
        "and this worker fetches from public ones only"
    )


def _shown(url: URL | str) -> str:
    """Scheme, host and path: what may stand in a message."""
    text = str(url).partition("#")[0].partition("?")[0]
    scheme, _, rest = text.partition("//")
    authority, slash, path = rest.partition("/")
    path = path if len(path) <= _SHOWN_PATH else f"{path[:_SHOWN_PATH]}..."
    return f"{scheme}//{authority.rpartition('@')[2]}{slash}{path}"


def _status(status: int) -> str:
    """The standard's words for a status, not the server's."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
