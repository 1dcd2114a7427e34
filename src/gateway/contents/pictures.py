"""A picture of a video: its first frame, or a sheet of frames from all of it. It blocks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from ...errors import EncodingError
from ...generation import VideoFormat
from ...media.finished import Finished, written_to
from ...media.packets import parse_packets
from ...media.sniff import sniff

#: OpenAI's own: WebP for the one, JPEG for the other.
CONTENT_TYPES: Mapping[str, str] = {"thumbnail": "image/webp", "spritesheet": "image/jpeg"}
#: Seconds for all of ffmpeg's work on one picture.
TIMEOUT = 60.0
#: Frames of a sheet, at most, and the longer side of each there in pixels.
FRAMES, SIDE = 16, 320
#: JPEG names no colours: viewers take them for BT.601's in full range.
_JPEG_COLOURS = "out_color_matrix=bt601:out_range=pc"


def picture(path: Path, variant: str) -> bytes:
    """The `thumbnail` or the `spritesheet` of an MP4 or a GIF. Raises EncodingError."""
    video = _video(path)
    target = path.with_suffix(f".{variant}")
    video.made(*(_thumbnail() if variant == "thumbnail" else _sheet(video)), written_to(target))
    data = target.read_bytes() if target.exists() else b""
    if not data:
        raise EncodingError("the video has no frame")
    return data


def _video(path: Path) -> Finished:
    import imageio_ffmpeg

    with path.open("rb") as file:
        kind = sniff(file.read(64))
    if kind not in ("MP4", "GIF"):
        raise EncodingError(f"the video is of the kind {kind}")
    return Finished(
        path=path,
        video_format=VideoFormat.GIF if kind == "GIF" else VideoFormat.MP4,
        ffmpeg=str(imageio_ffmpeg.get_ffmpeg_exe()),
        timeout=TIMEOUT,
    )


def _thumbnail() -> tuple[str, ...]:
    return (
        *("-map", "0:v:0", "-frames:v", "1"),
        *("-c:v", "libwebp", "-quality", "90", "-f", "webp", "-y"),
    )


def _sheet(video: Finished) -> tuple[str, ...]:
    """Up to 16 frames, evenly spaced from the first, row by row in a grid that is nearly square."""
    found = parse_packets(video.told("-map", "0:v:0", "-c", "copy", "-f", "framecrc", "-"))
    if found is None:
        raise EncodingError("the video has no frame")
    shown = min(found.count, FRAMES)
    columns = math.ceil(math.sqrt(shown))
    rows = math.ceil(shown / columns)
    fit = f"w='min({SIDE},iw)':h='min({SIDE},ih)':force_original_aspect_ratio=decrease"
    filters = (
        # The frame with this number or a later one, each time one is taken.
        f"select='gte(n,floor(selected_n*{found.count}/{shown}))'",
        f"scale={fit}:{_JPEG_COLOURS}",
        "format=yuvj420p",
        f"tile={columns}x{rows}",
    )
    return (
        *("-map", "0:v:0", "-vf", ",".join(filters), "-fps_mode", "passthrough"),
        *("-frames:v", "1", "-c:v", "mjpeg", "-q:v", "3", "-f", "mjpeg", "-y"),
    )
