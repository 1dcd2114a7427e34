"""One ffmpeg process: in a group of its own, stopped in time, always waited for.

Knows nothing of what it reads and writes.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader, BufferedWriter
from pathlib import Path
from select import POLLIN, POLLOUT, poll
from tempfile import TemporaryFile
from threading import Timer
from time import monotonic
from types import TracebackType
from typing import Self, cast

import numpy as np
import numpy.typing as npt

_LOG_TAIL = 16_384

#: Most that Linux gives anyone; with its usual 64 KiB both ends wait for each other all the time.
_PIPE_BYTES = 1024**2


class FfmpegFailed(Exception):
    """Ffmpeg stopped before its work was done; the message is its last words."""


class FfmpegTimedOut(FfmpegFailed):
    """Ffmpeg was stopped because its time was up."""


@dataclass(frozen=True, kw_only=True)
class ProcessLimits:
    """What the kernel lets the process have."""

    address_space_bytes: int
    cpu_seconds: int
    #: For each file that it writes, its log included; pipes are not counted.
    file_bytes: int

    def launcher(self) -> list[str]:
        """The words before a command that set the limits first and then become the command."""
        script = " && ".join(
            (
                "ulimit -c 0",
                f"ulimit -v {self.address_space_bytes // 1024}",
                f"ulimit -t {self.cpu_seconds}",
                f"ulimit -f {self.file_bytes // 512}",
                'exec "$@"',
            )
        )
        return ["/bin/sh", "-c", script, "sh"]


class Ffmpeg:
    """A running ffmpeg with pipes on both ends; after the `with` block it is gone.

    The time limit counts only what is spent waiting for ffmpeg, not what the caller does
    between two calls. Every method raises FfmpegFailed or FfmpegTimedOut.
    """

    def __init__(
        self,
        executable: str,
        arguments: Sequence[str],
        *,
        timeout: float,
        folder: Path | None = None,
        limits: ProcessLimits | None = None,
    ) -> None:
        """Start it in the folder; without limits it may take what the worker itself may."""
        self._seconds_left = timeout
        self._timed_out = False
        self._log = TemporaryFile()  # noqa: SIM115  closed with the process
        command = [executable, "-hide_banner", "-nostdin", "-loglevel", "error", *arguments]
        try:
            self._process = subprocess.Popen(  # noqa: S603  no shell reads the arguments
                [*(limits.launcher() if limits else ()), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                cwd=folder,
                env={},  # it needs none of the worker's secrets
                start_new_session=True,
                pipesize=_PIPE_BYTES,
            )
        except OSError:
            self._log.close()
            raise
        self._stdin = cast(BufferedWriter, self._process.stdin)
        self._stdout = cast(BufferedReader, self._process.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._kill()
        for pipe in (self._stdin, self._stdout):
            with suppress(OSError):  # what it did not read is of no use any more
                pipe.close()
        self._process.wait()
        self._log.close()

    def write(self, pixels: npt.NDArray[np.uint8]) -> None:
        """Hand it all of the pixels."""
        try:
            with self._watched():
                self._stdin.write(np.ascontiguousarray(pixels).data)
        except BrokenPipeError:
            self.finish()
            raise FfmpegFailed("it closed its input early") from None

    def read_into(self, pixels: npt.NDArray[np.uint8]) -> bool:
        """Fill the pixels; False if it had fewer left."""
        with self._watched():
            count = self._stdout.readinto(pixels.data.cast("B"))
        return count == pixels.nbytes

    def read_all(self) -> str:
        """Everything that it prints, up to its end."""
        with self._watched():
            return self._stdout.read().decode(errors="replace")

    def exchange(self, pixels: npt.NDArray[np.uint8]) -> bytes:
        """Hand it all of the pixels, and take what it gives meanwhile.

        Whoever only writes waits for ever on a process that waits for its output to be read.
        """
        left, given = np.ascontiguousarray(pixels).data.cast("B"), bytearray()
        source, sink = self._stdout.fileno(), self._stdin.fileno()
        os.set_blocking(sink, False)
        either = poll()
        either.register(source, POLLIN)
        either.register(sink, POLLOUT)
        try:
            with self._watched():
                while left:
                    ready = dict(either.poll())
                    if source in ready:
                        given += os.read(source, _PIPE_BYTES)
                    if sink in ready:
                        left = left[os.write(sink, left) :]
        except BrokenPipeError:
            self.finish()
            raise FfmpegFailed("it closed its input early") from None
        return bytes(given)

    def rest(self) -> Iterator[bytes]:
        """Close its input, and take piece by piece what it has left to give."""
        with suppress(BrokenPipeError):
            self._stdin.close()
        piece = b"all"
        while piece:
            with self._watched():
                piece = os.read(self._stdout.fileno(), _PIPE_BYTES)
            yield piece

    def finish(self) -> None:
        """Close its input and wait for its end, which must be a good one."""
        with self._watched():
            with suppress(BrokenPipeError):
                self._stdin.close()
            status = self._process.wait()
        if self._timed_out:
            raise FfmpegTimedOut(self.log())
        if status != 0:
            raise FfmpegFailed(self.log() or f"it ended with status {status}")

    def log(self) -> str:
        """The end of what it complained of."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _LOG_TAIL))
        return self._log.read().decode(errors="replace").strip()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        started = monotonic()
        watchdog = Timer(max(0.0, self._seconds_left), self._expire)
        watchdog.start()
        try:
            yield
        finally:
            watchdog.cancel()
            self._seconds_left -= monotonic() - started

    def _expire(self) -> None:
        self._timed_out = True
        self._kill()

    def _kill(self) -> None:
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
