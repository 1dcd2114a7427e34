"""What a start takes: a line in the log for each of its phases, and nothing in its way.

Imports nothing that takes time: it is there before everything else.
"""

from __future__ import annotations

import gc
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

#: What Linux knows of this process: its 22nd word is when it began, in ticks since the machine
#: did.
STAT = Path("/proc/self/stat")


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Say how long a part of the start took, once it is over; nothing of one that fails."""
    started = time.monotonic()
    yield
    tell(name, time.monotonic() - started)


def tell(name: str, seconds: float, **facts: float) -> None:
    """Say how many seconds a part of the start took, and when it was over.

    `since_start` is seconds since the process began. Parts may overlap.
    """
    log.info(
        "start: %s",
        name,
        extra={
            "phase": name,
            "seconds": round(seconds, 2),
            "since_start": round(since_start(), 2),
            **facts,
        },
    )


def since_start() -> float:
    """Seconds since this process began, the interpreter's own start included."""
    try:
        # psutil counts from the machine's start in whole seconds.
        words = STAT.read_text("utf-8", "replace").rpartition(")")[2].split()
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(words[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):  # no Linux
        import psutil

        return time.time() - float(psutil.Process().create_time())


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage in the block, and later for none in what it left behind.

    Importing makes some 500,000 objects that stay. Python would go through all that there are
    again and again while they become more, and once more at each full collection after that.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
