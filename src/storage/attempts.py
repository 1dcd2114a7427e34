"""How often a job was begun and never ended: what tells a job that kills workers.

The platform hands a job out again when its worker dies. One that dies of the job itself would
go on for ever, and every time is paid for.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

log = logging.getLogger(__name__)


class Attempts(Protocol):
    """Remembers beginnings without an end. Everything here may block; nothing raises: a memory
    that is out of reach must not keep a job from being done.
    """

    def begin(self, name: str) -> int:
        """Note that a job begins; gives how many beginnings without an end there were before."""
        ...

    def end(self, name: str) -> None:
        """Forget a job: it was answered, whether well or not, or its end was not its own fault."""
        ...


class FolderAttempts:
    """Keeps a file for each job that is under way."""

    def __init__(self, folder: Path) -> None:
        """The folder should outlive a worker that is killed."""
        self._folder = folder

    def begin(self, name: str) -> int:
        """One more; the file holds the number."""
        path = self._path(name)
        try:
            before = int(path.read_text("ascii") or 0) if path.exists() else 0
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(before + 1), "ascii")
        except (OSError, ValueError) as error:
            log.warning("attempts are not remembered: %s", error)
            return 0
        return before

    def end(self, name: str) -> None:
        """Delete the file."""
        try:
            self._path(name).unlink(missing_ok=True)
        except OSError as error:
            log.warning("attempts are not forgotten: %s", error)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.attempts"
