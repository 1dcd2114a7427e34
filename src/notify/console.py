"""How far a job is: a bar where a person watches, a line now and then where a log is kept."""

from __future__ import annotations

import logging
import sys
import threading
import time
from contextlib import suppress
from typing import Protocol

from tqdm import tqdm

from ..generation import Report, Stage
from .progress import Encode

log = logging.getLogger(__name__)

#: Seconds between two lines about steps in a log.
LOG_INTERVAL = 5.0


class ConsoleProgress:
    """Shows progress at a terminal, and logs it elsewhere."""

    def __init__(self, *, interactive: bool | None = None) -> None:
        """`interactive` None looks whether stderr is a terminal."""
        self._interactive = sys.stderr.isatty() if interactive is None else interactive
        self._jobs: dict[str, _Display] = {}
        # A job's own thread tells of its steps, and the event loop of its stages.
        self._lock = threading.Lock()

    def started(self, job_id: str, encode: Encode) -> None:  # noqa: ARG002  people read no JSON
        """Show the job from now on."""
        with self._lock, suppress(OSError, ValueError):  # the terminal may have gone
            if job_id not in self._jobs:
                self._jobs[job_id] = _Bar(job_id) if self._interactive else _Lines()

    def tell(self, report: Report) -> None:
        """Show where the job is; nothing where it has not started or is finished."""
        with self._lock, suppress(OSError, ValueError):
            if display := self._jobs.get(report.job_id):
                display.show(report)

    async def finished(self, job_id: str) -> None:
        """Close the job's bar."""
        with self._lock, suppress(OSError, ValueError):
            if display := self._jobs.pop(job_id, None):
                display.close()


class _Display(Protocol):
    """What a person sees of one job."""

    def show(self, report: Report) -> None: ...

    def close(self) -> None: ...


class _Bar:
    """Steps as a bar, the stage beside it."""

    def __init__(self, job_id: str) -> None:
        self._bar: tqdm[None] = tqdm(desc=job_id, unit="step")
        self._stage: Stage | None = None

    def show(self, report: Report) -> None:
        if report.total:
            self._bar.total = report.total
            self._bar.update(report.step - self._bar.n)
        if report.stage != self._stage:
            self._stage = report.stage
            self._bar.unpause()  # the rate is that of this stage's steps
            self._bar.set_postfix_str(report.stage)

    def close(self) -> None:
        self._bar.close()


class _Lines:
    """A line for each stage, and for steps when the last line is a while ago.

    Which job it is about is for the log to say, which knows.
    """

    def __init__(self) -> None:
        self._stage: Stage | None = None
        self._step = 0
        self._logged = time.monotonic()

    def show(self, report: Report) -> None:
        if report.stage != self._stage:
            self._stage = report.stage
            self._log(report.stage)
        if report.step > self._step and (self._is_due() or report.step == report.total):
            self._step = report.step
            left = "" if report.eta is None else f", {report.eta:.0f} s left"
            self._log(f"step {report.step} of {report.total}{left}")

    def close(self) -> None:
        """Nothing is open."""

    def _is_due(self) -> bool:
        return time.monotonic() - self._logged >= LOG_INTERVAL

    def _log(self, words: str) -> None:
        self._logged = time.monotonic()
        log.info(words)
