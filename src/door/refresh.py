"""A worker that can do no more jobs asks to be replaced."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Refresh:
    """Given to whoever finds out; from then on no job is taken, and the platform replaces us."""

    def __init__(self) -> None:
        """Until the door is open asking for it only is remembered."""
        self._asked = False
        self._act: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    def ask(self) -> None:
        """Ask for it; from any thread, before the job that it was found out by is answered."""
        with self._lock:
            if self._asked:
                return
            self._asked = True
        log.error("this worker can do no more jobs and asks to be replaced")
        self._act()

    def then(self, act: Callable[[], None]) -> None:
        """What asking does; at once if it was asked for already."""
        with self._lock:
            self._act = act
            asked = self._asked
        if asked:
            act()
