"""A worker in a process of its own, as the platform runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from .jobs import Job

if TYPE_CHECKING:
    import psutil


class WorkerDied(Exception):
    """The worker's process ended, and a job that it should do did not."""


@dataclass(frozen=True, kw_only=True)
class Vitals:
    """What a worker's process holds at this moment."""

    rss_bytes: int
    threads: int
    #: File descriptors: sockets and pipes too.
    open_files: int
    #: Processes below it that run; the SDK's heartbeat is one.
    children: int
    #: Processes below it that ended and were never waited for.
    zombies: int


class WorkerProcess:
    """A worker's process while its `with` block lasts; everything that it started goes with it."""

    def __init__(
        self,
        root: Path,
        environment: Mapping[str, str],
        log: Path,
        command: Sequence[str] = (sys.executable, "handler.py"),
    ) -> None:
        """Start it in `root`, printing into `log`."""
        self.log_path = log
        self._log = log.open("wb")
        self._process = subprocess.Popen(  # noqa: S603  the caller's own command
            list(command),
            cwd=root,
            env=dict(environment),
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the heartbeat is a child that must go with it
        )

    def __enter__(self) -> WorkerProcess:
        """It was started already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Have it end, and nothing of it be left."""
        try:
            self.terminate()
        finally:
            self.kill()

    @property
    def pid(self) -> int:
        """Its process, and its process group."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the worker itself runs."""
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """What it ended with, negative for a signal; None while it runs."""
        return self._process.poll()

    def log(self) -> str:
        """What it has printed so far."""
        return self.log_path.read_text("utf-8", "replace")

    def wait_for(self, job: Job, seconds: float = 120) -> Job:
        """Wait until the job is over. Raises WorkerDied at once when the worker ends before,
        TimeoutError; both with the log.
        """
        end = time.monotonic() + seconds
        while not job.finished.wait(0.1):
            if not self.is_running and not job.finished.is_set():
                raise WorkerDied(f"exit code {self.exit_code}:\n{self.log()}")
            if time.monotonic() > end:
                raise TimeoutError(f"job {job.id} is {job.status} after {seconds} s:\n{self.log()}")
        return job

    def wait(self, seconds: float = 30) -> int:
        """Wait until the worker itself ends; gives its exit code. Raises TimeoutError."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"it still runs after {seconds} s:\n{self.log()}") from None

    def signal(self, number: int) -> None:
        """Send a signal to the worker itself, not to its children."""
        if self.is_running:
            self._process.send_signal(number)

    def terminate(self, seconds: float = 30) -> int:
        """SIGTERM, then wait; everything is killed if it does not end by itself in time.

        Gives the exit code, -9 where it was killed.
        """
        self.signal(signal.SIGTERM)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """SIGKILL to the worker and everything that it started, and wait until all are gone."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        code = self._process.wait(10)
        self._log.close()
        end = time.monotonic() + 10
        while self.group() and time.monotonic() < end:
            time.sleep(0.02)
        return code

    def children(self) -> list[psutil.Process]:
        """Every process below it, zombies too; none once it has ended."""
        import psutil

        try:
            return list(psutil.Process(self.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return []

    def group(self) -> list[int]:
        """Processes that run in its group, itself or not: what it would leave behind."""
        import psutil

        return [process.pid for process in psutil.process_iter() if self._is_in_group(process)]

    def vitals(self) -> Vitals:
        """What it holds now. Raises WorkerDied where it has ended."""
        import psutil

        if not self.is_running:
            raise WorkerDied(f"exit code {self.exit_code}:\n{self.log()}")
        process = psutil.Process(self.pid)
        zombies = [child for child in self.children() if _is_zombie(child)]
        with process.oneshot():
            return Vitals(
                rss_bytes=process.memory_info().rss,
                threads=process.num_threads(),
                open_files=process.num_fds(),
                children=len(self.children()) - len(zombies),
                zombies=len(zombies),
            )

    def _is_in_group(self, process: psutil.Process) -> bool:
        try:
            return os.getpgid(process.pid) == self.pid and not _is_zombie(process)
        except ProcessLookupError:
            return False


def _is_zombie(process: psutil.Process) -> bool:
    """Whether it has ended; one that is gone altogether is none."""
    import psutil

    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
