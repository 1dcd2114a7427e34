"""Posts a job's end to where the caller asked for it: signed, tried again, public addresses only.

What the caller's server is and knows is the caller's: no message carries more of its URL than the
host, for tokens ride in paths as well as in queries.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from aiohttp import (
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    ThreadedResolver,
)
from aiohttp.abc import AbstractResolver
from standardwebhooks import Webhook as Signer
from yarl import URL

from ..addresses import AddressRefused, VettedResolver, is_literal, is_public
from ..errors import WebhookFailed

_SECRET_PREFIX = "whsec_"  # noqa: S105  the word before a secret
_SECRET_BYTES = range(24, 65)
#: A URL that needs no quoting is sent letter by letter: tokens are compared by their letters.
_QUOTED_URL = re.compile(r"[!-~]+")
#: The statuses below 500 that speak of now and not of the message.
_TEMPORARY = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)

#: aiohttp's errors in words, the most specific first.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (ClientConnectorDNSError, "has a host name that could not be resolved"),
    (ClientSSLError, "could not be reached over TLS"),
    (ClientConnectorError, "could not be reached"),
    (Exception, "gave no answer that is HTTP"),
)


class Webhook:
    """Posts JSON under limits."""

    def __init__(
        self,
        *,
        secret: str | None = None,
        timeout: float = 15.0,
        attempts: int = 4,
        total: float = 60.0,
        pause: float = 1.0,
        longest_pause: float = 30.0,
        allow_private: bool = False,
        resolver: AbstractResolver | None = None,
    ) -> None:
        """With a `secret`, messages are signed by the Standard Webhooks rules.

        Seconds: `timeout` for one try; `total` for all of them and the pauses between; `pause`
        before the second try, twice as much before each later one; `longest_pause` is as long as
        a server may ask for. `allow_private` is for tests on one machine. Raises ValueError for
        a secret that breaks the rules.
        """
        self._signer = Signer(_key(secret)) if secret is not None else None
        self._timeout = timeout
        self._attempts = attempts
        self._total = total
        self._pause = pause
        self._longest_pause = longest_pause
        self._allow_private = allow_private
        self._resolver = resolver

    async def post(self, url: str, payload: Mapping[str, Any], *, message_id: str) -> None:
        """Post the payload until the server takes it.

        `message_id` is the same for whatever says the same thing again. Raises WebhookFailed.
        """
        message = _Message(self._checked(url), message_id, _json(payload))
        try:
            async with asyncio.timeout(self._total), self._session() as session:
                await self._deliver(session, message)
        except TimeoutError:
            raise WebhookFailed(
                f"the webhook to {message.host} was not taken within {self._total:g} s"
            ) from None

    async def _deliver(self, session: ClientSession, message: _Message) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._total
        for attempt in range(1, self._attempts + 1):
            refusal = await self._try(session, message)
            if refusal is None:
                return
            pause = self._pause_after(attempt, refusal)
            last = attempt == self._attempts or loop.time() + pause >= deadline
            if last or not refusal.may_pass:
                raise WebhookFailed(f"the webhook to {message.host} {refusal.why}")
            await asyncio.sleep(pause)

    async def _try(self, session: ClientSession, message: _Message) -> _Refusal | None:
        try:
            async with (
                asyncio.timeout(self._timeout),
                session.post(
                    message.url,
                    data=message.body.encode(),
                    headers=self._headers(message),
                    allow_redirects=False,
                ) as response,
            ):
                return _judged(response)
        except AddressRefused:
            return _Refusal("was not sent: the address is private")
        except TimeoutError:
            return _Refusal(f"had no answer within {self._timeout:g} s", may_pass=True)
        except (ClientError, OSError) as error:
            why = next(words for kind, words in _REASONS if isinstance(error, kind))
            return _Refusal(f"failed: it {why}", may_pass=True)

    def _headers(self, message: _Message) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": "worker-video"}
        if self._signer is None:
            return headers
        now = datetime.now(UTC)
        return headers | {
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(message.id, now, message.body),
        }

    def _pause_after(self, attempt: int, refusal: _Refusal) -> float:
        """Longer each time, and never the same for two workers that failed together."""
        own = self._pause * 2.0 ** (attempt - 1) * random.uniform(0.5, 1)  # noqa: S311  no secret
        return min(max(own, refusal.after), self._longest_pause)

    def _session(self) -> ClientSession:
        """A session of its own for each message: nothing is kept from one caller to the next."""
        connector = TCPConnector(
            resolver=VettedResolver(self._resolver or ThreadedResolver(), allows=self._allows),
            use_dns_cache=False,
            force_close=True,
        )
        return ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            trust_env=False,
            timeout=ClientTimeout(total=None),
            auto_decompress=False,
        )

    def _checked(self, value: str) -> URL:
        """Refuse what can be refused by the URL alone; names are left to the resolver."""
        try:
            url = URL(value.strip(), encoded=_QUOTED_URL.fullmatch(value.strip()) is not None)
            host = url.raw_host
        except ValueError:
            raise WebhookFailed("the webhook's URL cannot be read") from None
        if url.scheme not in ("http", "https") or not host:
            raise WebhookFailed("the webhook's URL must be http or https, with a host in it")
        if url.raw_user is not None or url.raw_password is not None:
            raise WebhookFailed(f"the webhook to {host} has a user name or a password in its URL")
        if is_literal(host) and not self._allows(host):
            raise WebhookFailed(f"the webhook to {host} was not sent: the address is private")
        return url

    def _allows(self, address: str) -> bool:
        return self._allow_private or is_public(address)


@dataclass(frozen=True)
class _Message:
    url: URL
    id: str
    body: str

    @property
    def host(self) -> str:
        return self.url.raw_host or ""


@dataclass(frozen=True)
class _Refusal:
    """Why a try failed."""

    why: str
    #: Another try may go better.
    may_pass: bool = False
    #: Seconds that the server asks us to wait.
    after: float = 0.0


def _judged(response: ClientResponse) -> _Refusal | None:
    """What the status says; the body may say what it likes, and is not read."""
    status = response.status
    if status // 100 == 2:  # all of them mean success
        return None
    return _Refusal(
        f"was answered {_status(status)}",
        may_pass=status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _TEMPORARY,
        after=_seconds(response.headers.get("Retry-After", "")),
    )


def _seconds(retry_after: str) -> float:
    """Retry-After in seconds from now, be it a number or a date; 0 where it is neither."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        then = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _key(secret: str) -> bytes:
    """The bytes of a secret; strict, for a letter that is skipped makes another key."""
    prefix, encoded = secret.strip()[: len(_SECRET_PREFIX)], secret.strip()[len(_SECRET_PREFIX) :]
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if prefix != _SECRET_PREFIX or len(key) not in _SECRET_BYTES:
        raise ValueError("WEBHOOK_SECRET must be whsec_ and the base64 of 24 to 64 bytes")
    return key


def _json(payload: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(payload), allow_nan=False)
    except (TypeError, ValueError):
        raise WebhookFailed("the webhook's payload cannot be written as JSON") from None


def _status(status: int) -> str:
    """The standard's words for a status, not the server's."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
