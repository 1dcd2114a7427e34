"""A finished video encoded again so that it fits: the same frames at the same times, in less."""

from __future__ import annotations

import threading
from pathlib import Path

from ..generation import VideoFormat
from .finished import Finished
from .smaller_gif import smaller_gif
from .smaller_mp4 import smaller_mp4
from .whole import whole


def smaller(
    path: Path,
    target: Path,
    *,
    max_bytes: int,
    video_format: VideoFormat,
    timeout: float,
    ffmpeg: str,
    stop: threading.Event | None = None,
) -> tuple[int, int]:
    """Write the video to `target` in at most `max_bytes`; gives its width and height there.

    Only a GIF may lose some of its size. Blocks for `timeout` seconds at most. Raises
    EncodingError where nothing worth seeing would be left, and GenerationCancelled soon after
    `stop` is set; no file is left then.
    """
    video = Finished(
        path=path, video_format=video_format, ffmpeg=ffmpeg, timeout=timeout, stop=stop
    )
    make = smaller_gif if video_format is VideoFormat.GIF else smaller_mp4
    with whole(target, failure="the video could not be made smaller"):
        return make(video, target, max_bytes=max_bytes)
