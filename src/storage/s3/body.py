"""A stretch of a file as a request's body, which ends early once it is told to stop."""

from __future__ import annotations

import hashlib
import io
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path


class Stopped(Exception):
    """Whoever asked for the upload wants it no more, or it took too long."""


class Body(io.BytesIO):
    """Bytes that a client reads, as often as it tries again; raises Stopped once told to."""

    def __init__(self, data: bytes, check: Callable[[], None] = lambda: None) -> None:
        """`check` is called before each read and raises to end the request."""
        super().__init__(data)
        self._check = check
        self.size = len(data)
        # S3 asks for MD5 where it wants to know whether the bytes arrived; it is no secret's guard.
        digest = hashlib.md5(data, usedforsecurity=False)
        self.md5 = digest.digest()
        self.content_md5 = b64encode(self.md5).decode("ascii")

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any file."""
        self._check()
        return super().read(size)


def read_stretch(path: Path, offset: int, size: int) -> bytes:
    """So many bytes of the file from there on."""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)
