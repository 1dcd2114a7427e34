"""Connections of an S3 client: to judged addresses only, with answers that have an end.

Imports botocore at its top: import this only once a client is needed.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
    AWSPreparedRequest,
    AWSResponse,
)
from botocore.exceptions import ConnectionClosedError, HTTPClientError
from botocore.httpsession import URLLib3Session
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NameResolutionError,
)

from ...addresses import AddressRefused
from .body import Stopped

#: Gives every address of a host; raises OSError where there is none.
Resolve = Callable[[str, int], list[str]]
Allows = Callable[[str], bool]

#: No answer that we read as a whole is larger: a list of 1000 unfinished uploads is the largest.
_ANSWER_BYTES = 4_000_000
_ANSWER_SECONDS = 120.0
_CHUNK = 65_536
_SCOPE = re.compile(r"/\d{8}/([A-Za-z0-9-]+)/s3/aws4_request")


def system_resolve(host: str, port: int) -> list[str]:
    """What the system's resolver says."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in found))


class OtherRegion(Exception):
    """The bucket's region is not the one that the place says; carries the right one."""


class Session(URLLib3Session):  # type: ignore[misc]  # botocore ships no types
    """botocore's HTTP session with our rules; hangs on a client by its `before-send` event."""

    def __init__(
        self,
        *,
        allows: Allows | None,
        resolve: Resolve | None = None,
        region: str,
        **options: Any,  # noqa: ANN401  botocore's own
    ) -> None:
        """`allows` judges the addresses that connections go to; None allows all of them. `region`
        is the only one that requests are signed for.
        """
        super().__init__(**options)
        self._region = region
        if allows is not None:
            self._manager.pool_classes_by_scheme = _judged_pools(allows, resolve or system_resolve)

    def handle(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        """A handler for `before-send`: its answer is taken in place of botocore's own session's.

        Our own exceptions come out as they are, where botocore would take them for failures of
        the network and try again.
        """
        self._keep_region(request)
        # Servers that do not know it (R2) let us wait a second for each body.
        request.headers.pop("Expect", None)
        is_streamed, request.stream_output = request.stream_output, True
        try:
            response = self.send(request)
        except HTTPClientError as error:
            inner = error.kwargs.get("error")
            if isinstance(inner, (AddressRefused, Stopped)):
                raise inner from None
            raise
        if not is_streamed:
            response._content = _whole(response, request)
        return response

    def _keep_region(self, request: AWSPreparedRequest) -> None:
        """Botocore signs anew for the right region where a bucket says that ours is wrong: the
        file would be stored, and every signed link to it would fail.
        """
        authorization = request.headers.get("Authorization", "")
        scope = authorization if isinstance(authorization, str) else authorization.decode("ascii")
        found = _SCOPE.search(scope)
        if found and found[1] != self._region:
            raise OtherRegion(found[1])


def _whole(response: AWSResponse, request: AWSPreparedRequest) -> bytes:
    """The answer's body, unless it has no end."""
    body = bytearray()
    deadline = time.monotonic() + _ANSWER_SECONDS
    try:
        while chunk := response.raw.read1(_CHUNK):
            body += chunk
            if len(body) > _ANSWER_BYTES or time.monotonic() > deadline:
                raise ConnectionClosedError(endpoint_url=request.url, error="an endless answer")
    except (OSError, HTTPError) as error:
        response.raw.close()
        raise ConnectionClosedError(endpoint_url=request.url, error=error) from error
    except ConnectionClosedError:
        response.raw.close()
        raise
    return bytes(body)


def _judged_pools(allows: Allows, resolve: Resolve) -> dict[str, type]:
    """Pools whose connections go nowhere but to addresses that were judged at that moment, and
    do not wait for ever.
    """

    class Judged:
        """Resolves the name itself, and connects to what was judged: never asked twice."""

        def _new_conn(self: Any) -> socket.socket:
            host = self._dns_host
            for address in _judged(self, allows, resolve):
                self._dns_host = address  # TLS goes on with the name, which is `self.host`
                try:
                    return super()._new_conn()  # type: ignore[misc,no-any-return]
                except ConnectTimeoutError as error:  # refused ones are of its kind
                    failure = error
                finally:
                    self._dns_host = host
            raise failure

        def getresponse(self: Any) -> Any:  # noqa: ANN401  urllib3's answer
            """As ever, but a server may not take for ever over the head of its answer."""
            late = threading.Event()
            end = threading.Timer(_ANSWER_SECONDS, _shut, [self.sock, late])
            end.daemon = True
            end.start()
            try:
                answer = super().getresponse()  # type: ignore[misc]
            finally:
                end.cancel()
            if late.is_set():  # a head that was cut looks like a short one
                answer.close()
                raise TimeoutError("no whole answer in time")
            return answer

    class Plain(Judged, AWSHTTPConnection):  # type: ignore[misc]
        pass

    class Secure(Judged, AWSHTTPSConnection):  # type: ignore[misc]
        pass

    class PlainPool(AWSHTTPConnectionPool):  # type: ignore[misc]
        ConnectionCls = Plain

    class SecurePool(AWSHTTPSConnectionPool):  # type: ignore[misc]
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _shut(connection: socket.socket, late: threading.Event) -> None:
    """End whatever another thread waits for; below TLS, which has no say in it."""
    late.set()
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _judged(connection: Any, allows: Allows, resolve: Resolve) -> list[str]:  # noqa: ANN401
    """The addresses of a connection's host; raises AddressRefused if one of them is refused."""
    host = connection._dns_host
    try:
        addresses = resolve(host.strip("[]"), connection.port)
        if not addresses:
            raise OSError("it has no address")
    except UnicodeError as error:
        raise LocationParseError(host) from error
    except OSError as error:
        raise NameResolutionError(
            host, connection, socket.gaierror(error.errno, "no address")
        ) from error
    if not all(allows(address) for address in addresses):
        raise AddressRefused(host)
    return addresses
