"""How far a job is: a bar where a person watches, a line now and then where a log is kept."""

from __future__ import annotations

import logging
import sys
import time
from typing import Protocol

from tqdm import tqdm

log = logging.getLogger(__name__)

#: Seconds between two lines in a log.
LOG_INTERVAL = 5.0


class Progress(Protocol):
    """Hears of each step of a job."""

    def step(self, job_id: str, done: int, total: int) -> None:
        """A denoising step is done; called from the job's thread."""
        ...

    def finished(self, job_id: str) -> None:
        """No more steps will come, whether the job went well or not."""
        ...


class ConsoleProgress:
    """Shows progress at a terminal, and logs it elsewhere."""

    def __init__(self, *, interactive: bool | None = None) -> None:
        """`interactive` None looks whether stderr is a terminal."""
        self._interactive = sys.stderr.isatty() if interactive is None else interactive
        self._bars: dict[str, tqdm[None]] = {}
        self._logged: dict[str, float] = {}

    def step(self, job_id: str, done: int, total: int) -> None:
        """Move the bar, or log a line when the last one is a while ago or the steps are done."""
        if self._interactive:
            bar = self._bars.get(job_id)
            if bar is None:
                bar = self._bars[job_id] = tqdm(total=total, desc=job_id, unit="step")
            bar.update(done - bar.n)
            return
        now = time.monotonic()
        if done == total or now - self._logged.setdefault(job_id, now) >= LOG_INTERVAL:
            self._logged[job_id] = now
            log.info("%s: step %d of %d", job_id, done, total)

    def finished(self, job_id: str) -> None:
        """Close the job's bar."""
        self._logged.pop(job_id, None)
        if bar := self._bars.pop(job_id, None):
            bar.close()
