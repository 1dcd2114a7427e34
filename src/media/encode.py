"""Frames to a file: which format, what it can hold, and nothing left behind on failure."""

from fractions import Fraction
from pathlib import Path

from ..errors import field_error
from ..generation import Clip, VideoFormat
from .gif import write_gif
from .mp4 import Mp4Options, write_mp4
from .whole import whole

#: Players take a GIF's delay of less than 2/100 s for 10/100 s.
_MAX_GIF_FPS = 50


def check_size(video_format: VideoFormat, *, width: int, height: int) -> None:
    """Raise InvalidRequest for a size that the format cannot hold.

    H.264's usual pixel format has one colour for each 2x2 pixels.
    """
    if video_format is VideoFormat.MP4:
        for name, side in (("width", width), ("height", height)):
            if side % 2:
                raise field_error(name, side, "must be even for mp4")


def check_fps(video_format: VideoFormat, fps: Fraction) -> None:
    """Raise InvalidRequest for a rate that the format's players do not play."""
    if video_format is VideoFormat.GIF and fps > _MAX_GIF_FPS:
        raise field_error("fps", float(fps), f"must be at most {_MAX_GIF_FPS} for gif")


def write(
    clip: Clip, path: Path, *, video_format: VideoFormat, mp4: Mp4Options, ffmpeg: str
) -> None:
    """Write the clip; on any failure, a cancelled clip included, no file is left.

    A GIF can hold no sound: it is left out.

    Raises EncodingError, or InvalidRequest as check_size and check_fps do.
    """
    check_size(video_format, width=clip.width, height=clip.height)
    check_fps(video_format, clip.fps)
    with whole(path, failure="the video could not be written"):
        if video_format is VideoFormat.GIF:
            write_gif(clip, path)
        else:
            write_mp4(clip, path, options=mp4, ffmpeg=ffmpeg)
