"""Files brought into the system's memory before they are needed.

They are read, and what is read is dropped. posix_fadvise is no way: Linux takes 128 KiB of one
piece of advice and no more, by default, and between two calls a thread of Python waits up to 5 ms
for another one that imports.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .startup import tell

log = logging.getLogger(__name__)

#: Bytes of one read: so large that the wait before each does not matter.
PIECE = 16 * 2**20
#: Reads at once: network volumes give more to several.
READERS = 4
#: Of the memory that is free, what may be filled: what is read beyond that only drives out what
#: was read before, or what others need.
SHARE = 0.5

Piece = tuple[Path, int]


def read_ahead(files: Sequence[Path], *, most: int | None = None) -> threading.Thread:
    """Begin to read files from their beginnings, in this order, and come back at once.

    `most` bytes are read, by default half of the memory that is free. A file that cannot be read
    is left to whoever needs it. Gives the thread, which ends with the process.
    """
    thread = threading.Thread(target=_read_all, args=(files, most), name="read-ahead", daemon=True)
    thread.start()
    return thread


def _read_all(files: Sequence[Path], most: int | None) -> None:
    started = time.monotonic()
    pieces = _Shared(_pieces(files, _free() if most is None else most))
    readers = [
        threading.Thread(target=_read, args=(pieces,), name="read-ahead", daemon=True)
        for _ in range(READERS)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    tell("weights read ahead", time.monotonic() - started, bytes=pieces.read)


class _Shared:
    """Pieces that several threads take from, each the next."""

    def __init__(self, pieces: Iterator[Piece]) -> None:
        """None is taken yet."""
        self._pieces = pieces
        self._lock = threading.Lock()
        self.read = 0

    def next(self, read: int) -> Piece | None:
        """The next piece, for whoever has read so many bytes of the one before."""
        with self._lock:
            self.read += read
            return next(self._pieces, None)


def _read(pieces: _Shared) -> None:
    buffer, read = bytearray(PIECE), 0
    while piece := pieces.next(read):
        path, offset = piece
        try:
            read = _read_piece(path, offset, buffer)
        except OSError as error:
            log.debug("not read ahead: %s", error)
            read = 0


def _read_piece(path: Path, offset: int, buffer: bytearray) -> int:
    handle = os.open(path, os.O_RDONLY)
    try:
        return os.preadv(handle, [buffer], offset)
    finally:
        os.close(handle)


def _pieces(files: Sequence[Path], most: int) -> Iterator[Piece]:
    """Files and offsets, as long as there is room."""
    for path in files:
        try:
            size = path.stat().st_size
        except OSError as error:
            log.debug("not read ahead: %s", error)
            continue
        for offset in range(0, size, PIECE):
            if most <= 0:
                return
            most -= min(PIECE, size - offset)
            yield path, offset


def _free() -> int:
    import psutil

    return int(psutil.virtual_memory().available * SHARE)
