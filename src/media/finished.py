"""A video that we have written, and ffmpeg run over it: from file to file, or to text.

Knows nothing of what is made of it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from ..errors import EncodingError, GenerationCancelled
from ..generation import VideoFormat
from .ffmpeg import Ffmpeg, FfmpegFailed, FfmpegTimedOut

#: Our format -> the one demuxer that may read it.
_DEMUXERS = {VideoFormat.MP4: "mov", VideoFormat.GIF: "gif"}
#: While it works, ffmpeg prints something this often: a moment to see whether to stop.
_PROGRESS = ("-progress", "pipe:1", "-stats_period", "0.2")


@dataclass(frozen=True, kw_only=True)
class Finished:
    """One file to work from, and how long all of that work may take."""

    path: Path
    video_format: VideoFormat
    ffmpeg: str
    #: Seconds for everything together.
    timeout: float
    #: Set when the job is not to go on.
    stop: threading.Event | None = None
    started: float = field(default_factory=monotonic)

    def check(self) -> None:
        """Raise EncodingError when the time is up, GenerationCancelled when the job is to stop."""
        if self.stop and self.stop.is_set():
            raise GenerationCancelled
        if monotonic() > self.started + self.timeout:
            raise self._too_slow()

    def told(self, *output: str) -> str:
        """What ffmpeg prints to its standard output; raises EncodingError."""
        with self._running(output) as process:
            text = process.read_all()
            process.finish()
        return text

    def made(self, *output: str) -> None:
        """Have ffmpeg write what the output's arguments say; raises as `check` does."""
        with self._running((*_PROGRESS, *output)) as process:
            for _ in process.rest():
                if self.stop and self.stop.is_set():
                    raise GenerationCancelled
            process.finish()

    @contextmanager
    def _running(self, output: tuple[str, ...]) -> Iterator[Ffmpeg]:
        arguments = [
            *("-protocol_whitelist", "file,pipe", "-f", _DEMUXERS[self.video_format]),
            *("-i", f"file:{self.path.absolute()}", *output),
        ]
        left = self.started + self.timeout - monotonic()
        try:
            with Ffmpeg(self.ffmpeg, arguments, timeout=left) as process:
                yield process
        except FfmpegTimedOut as error:
            raise self._too_slow() from error
        except FfmpegFailed as error:
            raise EncodingError(f"ffmpeg failed: {error}") from error
        except OSError as error:
            raise EncodingError(f"{self.ffmpeg} does not run: {error.strerror}") from error

    def _too_slow(self) -> EncodingError:
        return EncodingError(f"ffmpeg took longer than {self.timeout:g} s")


def written_to(path: Path) -> str:
    """The last word of ffmpeg's arguments."""
    return f"file:{path.absolute()}"
