"""The end of a process that would not end: a thread that hangs on the GPU keeps it for ever."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
import time

log = logging.getLogger(__name__)


def end_by_force(*, after: float, code: int = 1) -> None:
    """End the process with this exit code if it is still there after so many seconds."""
    # Only a daemon thread runs on while Python waits for the others.
    threading.Thread(target=_wait_and_end, args=(after, code), name="watchdog", daemon=True).start()


def _wait_and_end(seconds: float, code: int) -> None:
    time.sleep(seconds)
    log.error("the worker did not end within %.0f s and is ended by force", seconds)
    logging.shutdown()
    for child in multiprocessing.active_children():
        child.kill()  # the SDK's heartbeat, which would go on telling that we are alive
    os._exit(code)
