"""PIXELS: media that comes in becomes frames, frames become media that goes out.

Knows no model, no job and no public API.
"""

import asyncio
import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..generation import Clip, MediaReference, VideoFormat
from .encode import check_fps, check_size, write
from .fetch import Fetcher
from .images import decode_image, fit
from .interpolate import interpolated
from .limits import VideoLimits
from .mp4 import Mp4Options
from .poster import poster
from .selfcheck import check
from .smaller import smaller
from .videos import decode_video

__all__ = ["Media", "Fetcher", "VideoLimits", "Mp4Options", "check_size", "check_fps"]


class Media:
    """The room's door."""

    def __init__(
        self,
        *,
        fetcher: Fetcher,
        image_max_pixels: int,
        video_limits: VideoLimits,
        mp4: Mp4Options,
        ffmpeg: str | None = None,
    ) -> None:
        """Without `ffmpeg`, the binary that imageio-ffmpeg carries."""
        self._fetcher = fetcher
        self._image_max_pixels = image_max_pixels
        self._video_limits = video_limits
        self._mp4 = mp4
        self._ffmpeg = ffmpeg or _carried_ffmpeg()

    async def read_image(
        self, reference: MediaReference, *, width: int, height: int
    ) -> Image.Image:
        """The image in RGB and in exactly this size, scaled to cover it and cut to it.

        Raises FetchFailed, MediaTooLarge, UndecodableMedia or InvalidRequest.
        """
        data = await self._fetcher.fetch(reference)
        image = await asyncio.to_thread(
            decode_image, data, field=reference.field, max_pixels=self._image_max_pixels
        )
        return await asyncio.to_thread(fit, image, width, height)

    async def read_video(
        self, reference: MediaReference, *, num_frames: int, width: int, height: int
    ) -> npt.NDArray[np.uint8]:
        """Frames evenly spaced in time, shape (num_frames, height, width, 3), RGB.

        Raises FetchFailed, MediaTooLarge, UndecodableMedia or InvalidRequest.
        """
        data = await self._fetcher.fetch(reference)
        return await asyncio.to_thread(
            decode_video,
            data,
            field=reference.field,
            num_frames=num_frames,
            width=width,
            height=height,
            limits=self._video_limits,
            ffmpeg=self._ffmpeg,
        )

    def interpolated(self, clip: Clip, *, num_frames: int) -> AbstractContextManager[Clip]:
        """The clip with so many frames, a multiple of its own steps, plus one; or as it is.

        What comes between its own frames is made while they are read, in the `with` block alone:
        after it nothing is left running. The chunks raise EncodingError.
        """
        if num_frames == clip.num_frames:
            return nullcontext(clip)
        factor = (num_frames - 1) // (clip.num_frames - 1)
        return interpolated(clip, factor=factor, timeout=self._mp4.timeout, ffmpeg=self._ffmpeg)

    def write(self, clip: Clip, path: Path, *, video_format: VideoFormat) -> None:
        """Write the clip, blocking; on any failure no file is left. Raises EncodingError."""
        write(clip, path, video_format=video_format, mp4=self._mp4, ffmpeg=self._ffmpeg)

    def smaller(
        self,
        path: Path,
        target: Path,
        *,
        max_bytes: int,
        video_format: VideoFormat,
        stop: threading.Event | None = None,
    ) -> tuple[int, int]:
        """Write a finished video in at most `max_bytes`, blocking; gives its width and height.

        Its frames, their times and its sound are kept, and an MP4's size; a GIF may be cut down to
        a quarter of its width. Raises EncodingError where nothing worth seeing would be left, and
        GenerationCancelled soon after `stop` is set; no file is left then.
        """
        return smaller(
            path,
            target,
            max_bytes=max_bytes,
            video_format=video_format,
            timeout=self._mp4.timeout,
            ffmpeg=self._ffmpeg,
            stop=stop,
        )

    def poster(self, path: Path, target: Path) -> None:
        """Write a finished video's first frame as a JPEG, blocking; raises EncodingError."""
        poster(path, target, timeout=self._mp4.timeout, ffmpeg=self._ffmpeg)

    def check(self) -> None:
        """Encode a few frames and read them back; raises EncodingError with ffmpeg's words."""
        check(self._mp4, ffmpeg=self._ffmpeg)


def _carried_ffmpeg() -> str:
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())
