"""How a test starts a worker, and waits for what it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from loopback import Platform, WorkerProcess


class Start(Protocol):
    """Starts a worker; OUTPUT_DIR is a folder of its own unless there is a bucket."""

    def __call__(self, platform: Platform, *, pod: str = ..., **settings: str) -> WorkerProcess: ...


def until(what: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s")
        time.sleep(0.02)
