"""Videos: file to frames, in an ffmpeg of its own that can reach nothing but that file."""

import math
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from ..errors import MediaTooLarge, UndecodableMedia
from .ffmpeg import Ffmpeg, FfmpegFailed, FfmpegTimedOut, ProcessLimits
from .limits import MIN_SIDE, VideoLimits, above_limit, check_sides
from .packets import Packets, parse_packets
from .sniff import described, sniff

#: Our kind of file -> the one demuxer that may read it. Without a forced demuxer a playlist by
#: any name would make ffmpeg open whatever it lists.
_DEMUXERS = {"MP4": "mov", "WebM": "matroska", "GIF": "gif"}

#: Codecs as packets name them; ffmpeg has hundreds more, and each is a parser of hostile bytes.
_CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg", "prores", "gif")
_DECODERS = (*_CODECS, "libdav1d")

#: What ffmpeg says of a file that ends too early.
_CUT_SHORT = ("partial file", "ended prematurely", "moov atom not found", "LZW decode failed")

#: What its decoders say of a frame above -max_pixels, whatever the header said.
_TOO_LARGE = re.compile(r"Picture size (\d+)x(\d+) exceeds")

_THREADS = 2
_ADDRESS_SPACE = 2 * 1024**3
_LOG_BYTES = 1024**2


def decode_video(
    data: bytes,
    *,
    field: str,
    num_frames: int,
    width: int,
    height: int,
    limits: VideoLimits,
    ffmpeg: str,
) -> npt.NDArray[np.uint8]:
    """Frames of a video, evenly spaced in time: shape (num_frames, height, width, 3), RGB.

    Reads MP4, MOV, WebM, MKV and GIF. The first frame comes first and the last one last;
    between them each is what was on the screen at its moment, so that a slow video repeats
    frames and a fast one loses some. Turned upright, scaled to cover the size and cut to it
    around the centre; what is transparent becomes white. Raises UndecodableMedia,
    MediaTooLarge, or InvalidRequest for fewer than 8 pixels a side.
    """
    demuxer = _DEMUXERS.get(sniff(data) or "")
    if demuxer is None:
        raise UndecodableMedia(
            f"{field}: must be an MP4, WebM, MOV, MKV or GIF video, got a file {described(data)}"
        )
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    with TemporaryDirectory(prefix="video-") as folder:
        source = _Source(Path(folder), data, demuxer, field=field, limits=limits, ffmpeg=ffmpeg)
        source.read(frames, source.checked_packets())
    return frames


class _Source:
    """One video file, alone in its folder."""

    def __init__(
        self,
        folder: Path,
        data: bytes,
        demuxer: str,
        *,
        field: str,
        limits: VideoLimits,
        ffmpeg: str,
    ) -> None:
        self._folder = folder
        self._field = field
        self._limits = limits
        self._ffmpeg = ffmpeg
        name = secrets.token_hex(8)
        (folder / name).write_bytes(data)
        self._input = [
            *("-protocol_whitelist", "file,pipe"),
            *("-format_whitelist", demuxer),
            *("-codec_whitelist", ",".join(_DECODERS)),
            *("-max_pixels", str(limits.max_pixels)),
            *("-threads", str(_THREADS)),
            *("-f", demuxer),
            *("-i", f"file:{name}"),
            *("-map", "0:v:0"),
        ]

    def checked_packets(self) -> Packets:
        """The packets, within the limits."""
        limits = self._limits
        output = ["-c", "copy", "-frames:v", str(limits.max_frames + 1), "-f", "framecrc", "pipe:1"]
        with self._running(output) as process:
            framecrc = process.read_all()
            process.finish()
            self._check_log(process.log())
        packets = parse_packets(framecrc)
        if packets is None:
            raise self._damaged()
        self._check(packets)
        return packets

    def read(self, frames: npt.NDArray[np.uint8], packets: Packets) -> None:
        """Fill the frames with what is on the screen at even steps of time."""
        count, height, width, _ = frames.shape
        output = ["-vf", ",".join((_steps(packets, count), _size(width, height)))]
        output += ["-frames:v", str(count), "-f", "rawvideo", "pipe:1"]
        layer = np.empty((height, width, 4), np.uint8)
        done = 0
        with self._running(output) as process:
            while done < count and process.read_into(layer):
                _flatten(layer, frames[done])
                done += 1
            process.finish()
            self._check_log(process.log())
        if done == 0:
            raise self._damaged()
        frames[done:] = frames[done - 1]

    def _check(self, packets: Packets) -> None:
        limits, field = self._limits, self._field
        check_sides(packets.width, packets.height, field=field, max_pixels=limits.max_pixels)
        more = packets.count > limits.max_frames
        if packets.duration > limits.max_seconds:
            seconds = f"{'more than ' if more else ''}{float(packets.duration):.4g} s"
            raise above_limit(field, seconds, f"{limits.max_seconds:g} s")
        if more:
            raise above_limit(
                field, f"more than {limits.max_frames} frames", f"{limits.max_frames} frames"
            )
        if packets.cut_short:
            raise self._cut_short()
        if packets.codec not in _CODECS:
            raise UndecodableMedia(
                f"{field}: must be a video in one of {', '.join(_CODECS)}, got {packets.codec}"
            )

    def _check_log(self, log: str) -> None:
        """Ffmpeg complains of these, and goes on with what it has."""
        large = _TOO_LARGE.search(log)
        if large:
            check_sides(
                int(large[1]), int(large[2]), field=self._field, max_pixels=self._limits.max_pixels
            )
        if any(phrase in log for phrase in _CUT_SHORT):
            raise self._cut_short()

    def _cut_short(self) -> UndecodableMedia:
        return UndecodableMedia(f"{self._field}: the video is cut short")

    def _damaged(self) -> UndecodableMedia:
        return UndecodableMedia(f"{self._field}: the video is damaged, or has no frames")

    @contextmanager
    def _running(self, output: list[str]) -> Iterator[Ffmpeg]:
        limits = ProcessLimits(
            address_space_bytes=_ADDRESS_SPACE,
            cpu_seconds=math.ceil(self._limits.timeout * _THREADS),
            file_bytes=_LOG_BYTES,
        )
        arguments = ["-filter_threads", str(_THREADS), *self._input, *output]
        try:
            with Ffmpeg(
                self._ffmpeg,
                arguments,
                timeout=self._limits.timeout,
                folder=self._folder,
                limits=limits,
            ) as process:
                yield process
        except FfmpegTimedOut as error:
            raise MediaTooLarge(
                f"{self._field}: takes longer to read than {self._limits.timeout:g} s, "
                "the limit of this worker"
            ) from error
        except FfmpegFailed as error:
            self._check_log(str(error))
            raise self._damaged() from error


def _steps(packets: Packets, count: int) -> str:
    """Filters that pick frames at even steps from the first frame's beginning to the last one's.

    fps with round=up gives at each step the latest frame that has begun. Frames are moved
    half an interval ahead of it, so that one that begins on a step, or a rounded timestamp
    late, is not missed, and so that repeated frames are repeated evenly.
    """
    if count == 1 or packets.span == 0:
        return "null"
    ahead, rate = packets.shortest / 2, (count - 1) / packets.span
    return f"setpts=PTS-STARTPTS-{float(ahead)!r}/TB,fps={float(rate)!r}:start_time=0:round=up"


def _size(width: int, height: int) -> str:
    """Filters that scale to cover the size and cut to it, whatever the shape of the pixels."""
    return (
        # Covering with a very long or very high frame would need memory without bounds.
        f"crop=w='min(iw,max({MIN_SIDE},4*ih*{width}/({height}*sar)))'"
        f":h='min(ih,max({MIN_SIDE},4*iw*sar*{height}/{width}))',"
        f"scale={width}:{height}:force_original_aspect_ratio=increase:reset_sar=1"
        ":flags=lanczos+accurate_rnd+full_chroma_int,"
        f"format=rgba,crop={width}:{height}"
    )


def _flatten(layer: npt.NDArray[np.uint8], frame: npt.NDArray[np.uint8]) -> None:
    """Lay RGBA over white."""
    alpha = layer[..., 3:]
    if alpha.min() == 255:
        frame[:] = layer[..., :3]
        return
    light = layer[..., :3].astype(np.uint16) * alpha + 255 * (255 - alpha.astype(np.uint16))
    frame[:] = (light + 127) // 255
