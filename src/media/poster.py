"""A finished video's first frame as a picture, for players that show one before they play."""

from __future__ import annotations

from pathlib import Path

from ..errors import EncodingError
from ..generation import VideoFormat
from .finished import Finished, written_to
from .sniff import sniff
from .whole import whole

#: JPEG has no place to name its colours: every viewer takes them for BT.601's, in full range.
_TO_JPEG = (
    "scale=out_color_matrix=bt601:out_range=pc:flags=accurate_rnd+full_chroma_int,format=yuvj420p"
)
#: Of mjpeg's scale from 1 to 31, what is hardly told from the frame.
_QUALITY = "2"


def poster(path: Path, target: Path, *, timeout: float, ffmpeg: str) -> None:
    """Write the first frame of an MP4 or a GIF as a JPEG, of its own size.

    Raises EncodingError, and leaves no file then.
    """
    with whole(target, failure="the poster could not be written"):
        with path.open("rb") as file:
            is_gif = sniff(file.read(64)) == "GIF"
        video = Finished(
            path=path,
            video_format=VideoFormat.GIF if is_gif else VideoFormat.MP4,
            ffmpeg=ffmpeg,
            timeout=timeout,
        )
        video.made(
            *("-map", "0:v:0", "-frames:v", "1", "-vf", _TO_JPEG),
            *("-c:v", "mjpeg", "-q:v", _QUALITY, "-f", "mjpeg", "-y", written_to(target)),
        )
        if not target.stat().st_size:
            raise EncodingError(f"{path.name} has no first frame")
