"""A proxy on loopback between a client and an S3 server, which puts in the faults.

It passes every byte on as it is, the Host header too, so that signatures hold. Each connection
that it cuts is cut by RST, and while it is down its port refuses.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from .faults import (
    CutAnswer,
    CutUpload,
    Fault,
    GoDown,
    Reset,
    Rule,
    Seen,
    Slow,
    Status,
    seen_in,
)
from .wire import Cut, Framing, Wire, headers_of, pump

T = TypeVar("T")

ERROR_XML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    "<Error><Code>{code}</Code><Message>a fault put in by the tests</Message></Error>"
)


class FaultProxy:
    """An HTTP proxy in a thread of its own."""

    def __init__(self, upstream: str) -> None:
        """`upstream` is the server's URL, `http://127.0.0.1:8080`."""
        server = urlsplit(upstream)
        self._upstream = (server.hostname, server.port)
        self._rules: list[Rule] = []
        self._wires: set[Wire] = set()
        # The loop holds a task weakly, and a connection that is cut lets go of its own.
        self._serving: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._is_down = True
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        # Held, but never listening: while the proxy is down nobody else can be given its port.
        self._place = _bound(0)
        self.port: int = self._place.getsockname()[1]
        #: Every request that came by, in order.
        self.seen: list[Seen] = []

    def __enter__(self) -> Self:
        self._thread.start()
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._place.close()

    @property
    def url(self) -> str:
        """The endpoint to give to a client."""
        return f"http://127.0.0.1:{self.port}"

    def fault(
        self,
        fault: Fault,
        *,
        on: str | None = None,
        where: Callable[[Seen], bool] | None = None,
        skip: int = 0,
        times: int | None = None,
    ) -> Rule:
        """Put a fault in; of several rules whose turn it is the first one holds.

        `on` is a method or an operation, `UploadPart`; `where` asks further. The first `skip`
        matching requests go by, the next `times` are met; without `times` all that follow are.
        """
        rule = Rule(fault, on=on, where=where, skip=skip, times=times)
        self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """No faults any more, and nothing seen yet."""
        self._rules.clear()
        self.seen.clear()

    def operations(self) -> list[str]:
        """The names of the requests that came by, in order."""
        return [seen.operation for seen in self.seen]

    def down(self) -> None:
        """Reset every connection; from now on the port refuses."""
        self._run(self._go_down())

    def up(self) -> None:
        """Listen, again on the same port."""
        self._run(self._go_up())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _go_up(self) -> None:
        if self._is_down:
            self._is_down = False
            self._listener = await asyncio.start_server(self._accept, sock=_bound(self.port))

    async def _go_down(self) -> None:
        self._is_down = True
        if self._listener is not None:
            self._listener.close()
        for wire in tuple(self._wires):
            wire.reset()

    async def _end(self) -> None:
        await self._go_down()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = Wire(reader, writer, self._wires)
        try:
            if self._is_down:  # since it was accepted
                raise Cut
            while await self._exchange(caller):
                pass
            caller.close()
        except (ConnectionError, EOFError, Cut, asyncio.CancelledError):
            caller.reset()  # cancelled only by our own end

    async def _exchange(self, caller: Wire) -> bool:
        """One request; says whether the connection is good for another."""
        head = await caller.head()
        if not head:
            return False
        seen = seen_in(head)
        self.seen.append(seen)
        seen.fault = self._due(seen)
        if isinstance(seen.fault, GoDown):
            await self._go_down()
        if isinstance(seen.fault, Reset | GoDown):
            raise Cut
        if isinstance(seen.fault, Status):
            return await _answer_error(caller, seen, seen.fault)
        return await self._pass_on(caller, head, seen)

    def _due(self, seen: Seen) -> Fault | None:
        """Every rule counts the request, also those whose turn it is not."""
        due = [rule.fault for rule in tuple(self._rules) if rule.meets(seen)]
        return due[0] if due else None

    async def _pass_on(self, caller: Wire, head: bytes, seen: Seen) -> bool:
        # A connection a request: none can have gone stale, and each fault stands alone.
        server = Wire(*await asyncio.open_connection(*self._upstream), self._wires)
        try:
            await server.send(head)
            again = await _both_ways(caller, server, seen)
        except BaseException:
            server.reset()
            raise
        server.close()
        return again


async def _both_ways(caller: Wire, server: Wire, seen: Seen) -> bool:
    """The request's body goes up while the answer may already come down.

    The answer counts: a server may give it, and hang up, before it has read the body.
    """
    sending = asyncio.ensure_future(_send_body(caller, server, seen))
    answering = asyncio.ensure_future(_relay_answer(server, caller, seen))
    try:
        await asyncio.wait({sending, answering}, return_when=asyncio.FIRST_COMPLETED)
        failure = sending.exception() if sending.done() else None
        if failure and (isinstance(failure, Cut) or caller.ended):
            raise failure
        again = await answering
        return again and sending.done() and sending.exception() is None
    finally:
        sending.cancel()
        answering.cancel()
        await asyncio.gather(sending, answering, return_exceptions=True)


async def _send_body(caller: Wire, server: Wire, seen: Seen) -> None:
    await pump(
        caller,
        server,
        Framing.of(seen.headers, default=0),
        bytes_per_second=_pace(seen.fault),
        cut_after=seen.fault.after if isinstance(seen.fault, CutUpload) else None,
    )


async def _relay_answer(server: Wire, caller: Wire, seen: Seen) -> bool:
    """Pass the answer on; says whether the connection may be used again."""
    status, head = await _next_answer(server)
    while status < 200:  # 100 Continue, for which a client waits before it sends a body
        await caller.send(head)
        status, head = await _next_answer(server)
    cut_after = None
    if isinstance(seen.fault, CutAnswer):
        cut_after = seen.fault.after
        if cut_after is None:
            raise Cut
    if isinstance(seen.fault, Slow):
        await asyncio.sleep(seen.fault.seconds)
    seen.status = status
    headers = headers_of(head)
    framing = Framing.of(headers, default=None)
    if seen.method == "HEAD" or status in {204, 304}:
        framing = Framing(length=0)
    await caller.send(head)
    await pump(server, caller, framing, bytes_per_second=_pace(seen.fault), cut_after=cut_after)
    return not framing.until_end and headers.get("connection", "").lower() != "close"


async def _next_answer(server: Wire) -> tuple[int, bytes]:
    head = await server.head()
    if not head:
        raise ConnectionResetError("the server hung up without an answer")
    return int(head.split(b" ", 2)[1]), head


async def _answer_error(caller: Wire, seen: Seen, fault: Status) -> bool:
    waits = "expect" in seen.headers  # for our leave to send its body, which it does not get
    if not waits:
        async for _ in caller.body(Framing.of(seen.headers, default=0)):
            pass
    body = b"" if seen.method == "HEAD" else ERROR_XML.format(code=fault.code).encode()
    seen.status = fault.status
    lines = [
        f"HTTP/1.1 {fault.status} Fault",
        "Content-Type: application/xml",
        f"Content-Length: {len(body)}",
        f"Connection: {'close' if waits else 'keep-alive'}",
    ]
    await caller.send("\r\n".join([*lines, "", ""]).encode() + body)
    return not waits


def _pace(fault: Fault | None) -> float | None:
    return fault.bytes_per_second if isinstance(fault, Slow) else None


def _bound(port: int) -> socket.socket:
    """A socket that has the port, but does not listen; several may have it so."""
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place.bind(("127.0.0.1", port))
    return place
