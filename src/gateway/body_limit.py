"""No request is read beyond what one may have, whatever its length was said to be."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .apis import error_response
from .refusals import TooLarge


class BodyLimit:
    """ASGI middleware: counts what comes in, and refuses what is too much."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        """`most` is in bytes."""
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = TooLarge(f"a request must be at most {self._most} bytes")
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._most:
            await error_response(scope["path"], refusal)(scope, receive, send)
            return
        count = 0

        async def counted() -> Message:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count > self._most:
                raise refusal
            return message

        await self._app(scope, counted, send)
