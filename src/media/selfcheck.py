"""Whether ffmpeg does what the room needs of it, tried on a clip of a few pixels."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from ..errors import EncodingError, WorkerError
from ..generation import Clip, VideoFormat
from .encode import write
from .limits import VideoLimits
from .mp4 import Mp4Options
from .videos import decode_video

if TYPE_CHECKING:
    from ..generation import FrameChunk

_SIDE, _COUNT = 64, 4
_LEVELS = np.linspace(32, 224, _COUNT)
#: How far a level may be off after it was encoded: of one colour, it is off by one or two.
_TOLERANCE = 8
#: Seconds for each of the two; a machine that is starting may be slow.
_TIMEOUT = 20.0
_LIMITS = VideoLimits(max_pixels=_SIDE * _SIDE, max_seconds=10, max_frames=100, timeout=_TIMEOUT)


def check(mp4: Mp4Options, *, ffmpeg: str) -> None:
    """Encode frames of one grey each to an MP4 and read them back.

    Raises EncodingError with the binary and what it says.
    """
    frames = np.empty((_COUNT, _SIDE, _SIDE, 3), np.uint8)
    frames[:] = _LEVELS[:, None, None, None]
    try:
        seen = _there_and_back(frames, mp4, ffmpeg)
    except (OSError, WorkerError) as error:
        raise EncodingError(f"ffmpeg ({ffmpeg}) does not work: {error}") from error
    levels = seen.mean(axis=(1, 2, 3))
    if np.abs(levels - _LEVELS).max() > _TOLERANCE:
        raise EncodingError(
            f"ffmpeg ({ffmpeg}) does not work: greys of {_LEVELS.round().tolist()} "
            f"came back as {levels.round().tolist()}"
        )


def _there_and_back(frames: FrameChunk, mp4: Mp4Options, ffmpeg: str) -> FrameChunk:
    clip = Clip(
        width=_SIDE, height=_SIDE, num_frames=_COUNT, fps=Fraction(8), chunks=iter([frames])
    )
    options = replace(mp4, timeout=min(mp4.timeout, _TIMEOUT))
    with TemporaryDirectory(prefix="ffmpeg-check-") as folder:
        path = Path(folder, "greys.mp4")
        write(clip, path, video_format=VideoFormat.MP4, mp4=options, ffmpeg=ffmpeg)
        return decode_video(
            path.read_bytes(),
            field="greys",
            num_frames=_COUNT,
            width=_SIDE,
            height=_SIDE,
            limits=_LIMITS,
            ffmpeg=ffmpeg,
        )
