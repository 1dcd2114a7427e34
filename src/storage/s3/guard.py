"""When an upload has to end before its time."""

from __future__ import annotations

import threading
import time

from .body import Stopped


class Halted(Stopped):
    """Another part failed, so that this one is of no use."""


class Guard:
    """Called now and then during an upload; raises Stopped once it has to end."""

    def __init__(self, stop: threading.Event | None, *, seconds: float) -> None:
        """`stop` is set by whoever wants the upload no more; it may last so many seconds."""
        self._stop = stop or threading.Event()
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._halted = threading.Event()

    def __call__(self) -> None:
        """Raise Stopped if it is time."""
        if self._stop.is_set():
            raise Stopped("it was stopped")
        if self._halted.is_set():
            raise Halted("another part failed")
        if time.monotonic() > self._deadline:
            raise Stopped(f"it took longer than {self._seconds:g} s")

    def wait(self, seconds: float) -> None:
        """Pause, and begin anew; raises Stopped as soon as it is time to end."""
        self._stop.wait(seconds)
        self.renew()
        self()

    def halt(self) -> None:
        """Have all parts end: one of them failed."""
        self._halted.set()

    def renew(self) -> None:
        """Begin anew, within the same time."""
        self._halted.clear()
