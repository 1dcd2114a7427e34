"""Frames on their way from the thread that decodes them to the thread that encodes them.

The GPU is free for the next job as soon as its last frame is handed over. Starts no thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from .errors import GenerationCancelled

if TYPE_CHECKING:
    from .generation import FrameChunk

#: Bytes of frames that may wait: ten seconds of full HD at 16 frames a second.
MAX_BYTES = 1_000_000_000
#: Seconds until a thread that waits sees that the job is to stop: nothing wakes it for that.
_HEED = 0.1


class Relay:
    """One clip's chunks, in their order, from a thread that feeds to a thread that reads.

    The reading thread uses it as a context manager: after the `with` block, however it ends, the
    feeding one is not kept waiting.
    """

    def __init__(self, *, max_bytes: int = MAX_BYTES, stop: threading.Event | None = None) -> None:
        """Hold at most `max_bytes` of frames, or one chunk; `stop` ends both sides once it is set.

        The chunk that is being read is counted as held.
        """
        self._max_bytes = max_bytes
        self._stop = stop or threading.Event()
        self._heed = _HEED if stop else None
        self._changed = threading.Condition()
        self._waiting: deque[FrameChunk] = deque()
        self._held = 0
        self._ended = False
        self._error: BaseException | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def feed(self, chunks: Iterator[FrameChunk]) -> None:
        """Hand every chunk over, and wait where the other side is slower; to be called once.

        What the chunks raise is raised here, and to the reader. Raises GenerationCancelled when
        the reader is gone before the last chunk, or the job is to stop.
        """
        try:
            for chunk in chunks:
                self._put(chunk)
        except BaseException as error:
            self._end(error)
            raise
        finally:
            # What they hold of the device is let go of now, not when the error is forgotten.
            if isinstance(chunks, Generator):
                chunks.close()
        self._end(None)

    def chunks(self) -> Iterator[FrameChunk]:
        """The chunks as they come; to be read once.

        Raises what the feeding side's chunks raise, as soon as it is known and before what still
        waits, and GenerationCancelled when the job is to stop.
        """
        try:
            while True:
                chunk = self._take()
                if chunk is None:
                    return
                size = chunk.nbytes
                yield chunk
                del chunk  # else it would be kept while the next one is waited for
                self._release(size)
        finally:
            self.close()

    def close(self) -> None:
        """Read no more: whoever feeds is told, and what waits is dropped."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def _put(self, chunk: FrameChunk) -> None:
        def has_room() -> bool:
            fits = self._held + chunk.nbytes <= self._max_bytes
            return fits or not self._held or self._closed

        with self._changed:
            self._wait(has_room)
            if self._closed:
                raise GenerationCancelled
            self._waiting.append(chunk)
            self._held += chunk.nbytes
            self._changed.notify_all()

    def _take(self) -> FrameChunk | None:
        """The next chunk; None after the last."""
        with self._changed:
            self._wait(lambda: self._waiting or self._ended or self._closed)
            if self._error:
                raise self._error
            if self._closed:
                raise GenerationCancelled
            return self._waiting.popleft() if self._waiting else None

    def _release(self, size: int) -> None:
        with self._changed:
            self._held -= size
            self._changed.notify_all()

    def _end(self, error: BaseException | None) -> None:
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def _wait(self, is_ready: Callable[[], object]) -> None:
        """Wait until it is; raises GenerationCancelled when the job is to stop."""
        while not self._stop.is_set():
            if is_ready():
                return
            self._changed.wait(self._heed)
        raise GenerationCancelled
