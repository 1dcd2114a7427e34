"""One side of an HTTP/1.1 connection: heads, bodies, and ends that are not polite."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

PIECE = 64 * 1024


class Cut(Exception):
    """A body has reached the byte at which the connection is to be cut."""


@dataclass(frozen=True)
class Framing:
    """Where a body ends: after `length` bytes, or after its last chunk, or with the connection."""

    length: int | None = 0
    chunked: bool = False

    @classmethod
    def of(cls, headers: Mapping[str, str], *, default: int | None) -> Framing:
        """From the headers; `default` is the length where they say nothing, None until the end."""
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return cls(length=None, chunked=True)
        said = headers.get("content-length")
        return cls(length=default if said is None else int(said))

    @property
    def until_end(self) -> bool:
        """Whether only the end of the connection ends it."""
        return self.length is None and not self.chunked


@dataclass(eq=False)
class Wire:
    """A connection to one side; a piece of a body at a time, so that none is held in memory."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    #: The sockets that are open, for whoever must cut them all.
    wires: set[Wire] = field(default_factory=set, repr=False)

    def __post_init__(self) -> None:
        """Be known."""
        self.wires.add(self)

    async def head(self) -> bytes:
        """A request's or an answer's head; empty where the other side has ended."""
        try:
            return await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise ConnectionResetError("ended inside a head") from error
            return b""

    async def body(self, framing: Framing) -> AsyncIterator[bytes]:
        """The body in pieces, chunks with their marks."""
        if framing.chunked:
            async for piece in self._chunks():
                yield piece
            return
        left = framing.length
        while left is None or left > 0:
            piece = await self.reader.read(PIECE if left is None else min(PIECE, left))
            if not piece:
                if left is None:
                    return
                raise ConnectionResetError("ended inside a body")
            left = None if left is None else left - len(piece)
            yield piece

    @property
    def ended(self) -> bool:
        """Whether nothing more can come from there."""
        return self.reader.at_eof() or self.reader.exception() is not None

    async def send(self, data: bytes) -> None:
        """Write, and wait while the other side does not read."""
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> None:
        """End it as one should."""
        self.wires.discard(self)
        self.writer.close()

    def reset(self) -> None:
        """End it by RST, and drop what was not sent yet."""
        self.wires.discard(self)
        raw = self.writer.get_extra_info("socket")
        if raw is not None and raw.fileno() >= 0:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def _chunks(self) -> AsyncIterator[bytes]:
        size = -1
        while size != 0:
            line = await self.reader.readuntil(b"\r\n")
            yield line
            size = int(line.split(b";")[0], 16)
            async for piece in self.body(Framing(length=size + 2 if size else 0)):
                yield piece
        trailer = b""
        while trailer != b"\r\n":
            trailer = await self.reader.readuntil(b"\r\n")
            yield trailer


def headers_of(head: bytes) -> dict[str, str]:
    """The headers of a request or an answer, their names in small letters."""
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


async def pump(
    source: Wire,
    target: Wire,
    framing: Framing,
    *,
    bytes_per_second: float | None = None,
    cut_after: int | None = None,
) -> None:
    """Pass a body on as it comes; raises Cut once `cut_after` bytes of it have gone."""
    passed = 0
    if cut_after == 0:
        raise Cut
    async for whole in source.body(framing):
        for piece in _split(whole, bytes_per_second):
            room = None if cut_after is None else cut_after - passed
            await target.send(piece[:room])
            passed += len(piece)
            if cut_after is not None and passed >= cut_after:
                raise Cut
            if bytes_per_second:
                await asyncio.sleep(len(piece) / bytes_per_second)


def _split(piece: bytes, bytes_per_second: float | None) -> list[bytes]:
    """Small enough for a trickle to be one, and not a splash every few seconds."""
    size = len(piece) if not bytes_per_second else max(1, int(bytes_per_second / 10))
    return [piece[start : start + size] for start in range(0, len(piece), size)]
