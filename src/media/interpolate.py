"""Frames in between, guessed by ffmpeg from how blocks of pixels move.

Knows no model: this is what is done where no network for it is baked.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from ..errors import EncodingError
from ..generation import Clip
from .chunks import exact_chunks
from .ffmpeg import Ffmpeg, FfmpegFailed, FfmpegTimedOut

if TYPE_CHECKING:
    from ..generation import FrameChunk

#: Blocks of 16 pixels are not looked for at the border: below 32 pixels the filter refuses its
#: work, and below 48 it gives cross-fades (seen with ffmpeg 9).
_LEAST_SIDE = 64

#: Motion looked for from both sides costs half as much again as the filter's default, and halves
#: the error. Colours are not halved in size, as they would be in the usual pixel format.
_FILTER = "format=yuv444p,minterpolate=fps={factor}:mi_mode=mci:me_mode=bidir,format=rgb24"


@contextmanager
def interpolated(clip: Clip, *, factor: int, timeout: float, ffmpeg: str) -> Iterator[Clip]:
    """The clip with `factor` frames in the place of each but the last, as fast as before.

    Its own frames are left as they are, in their places. The others come while they are read; a
    few are held. After the `with` block ffmpeg is gone, read to the end or not. The chunks raise
    EncodingError, and what the clip's own raise.
    """
    # Closed here: whoever stops half-way may hold on to the chunks for as long as to an error.
    with closing(_chunks(clip, factor, timeout, ffmpeg)) as chunks:
        yield replace(
            clip,
            num_frames=(clip.num_frames - 1) * factor + 1,
            fps=clip.fps * factor,
            chunks=chunks,
        )


def _chunks(
    clip: Clip, factor: int, timeout: float, ffmpeg: str
) -> Generator[FrameChunk, None, None]:
    """Each frame of the clip with those that follow it before the next."""
    between = _Between(clip, factor)
    try:
        with Ffmpeg(ffmpeg, between.arguments, timeout=timeout) as process:
            yield from _fed(process, exact_chunks(clip), between)
    except FfmpegTimedOut as error:
        raise EncodingError(f"interpolation took longer than {timeout:g} s") from error
    except FfmpegFailed as error:
        raise EncodingError(f"interpolation failed: {error}") from error


def _fed(process: Ffmpeg, chunks: Iterator[FrameChunk], between: _Between) -> Iterator[FrameChunk]:
    for frame in chain.from_iterable(chunks):
        between.take(frame, process.exchange(between.padded(frame)))
        yield from between.complete()
    # The filter gives nothing beyond the last frame but one: repeated, the last is that.
    between.take(None, process.exchange(between.padded(frame)))
    for given in process.rest():
        between.take(None, given)
        yield from between.complete()
    process.finish()
    yield between.last()


class _Between:
    """Brings the clip's own frames and ffmpeg's, which lag behind, into one row."""

    def __init__(self, clip: Clip, factor: int) -> None:
        self._factor = factor
        self._size = (clip.height, clip.width)
        self._grown = tuple(max(side, _LEAST_SIDE) for side in self._size)
        #: Frames of the clip whose followers are not all there.
        self._own: list[FrameChunk] = []
        #: What ffmpeg gave for the first of them and those after it.
        self._given = bytearray()

    @property
    def arguments(self) -> list[str]:
        """Raw frames in, one a second, and raw frames out."""
        height, width = self._grown
        return [
            *("-f", "rawvideo", "-pixel_format", "rgb24"),
            *("-video_size", f"{width}x{height}", "-framerate", "1", "-i", "pipe:0"),
            *("-vf", _FILTER.format(factor=self._factor), "-fps_mode", "passthrough"),
            *("-f", "rawvideo", "pipe:1"),
        ]

    def padded(self, frame: FrameChunk) -> FrameChunk:
        """The frame, its edges drawn out to the least size: shape (height, width, 3)."""
        more = [(0, grown - side) for grown, side in zip(self._grown, self._size, strict=True)]
        return np.pad(frame, (*more, (0, 0)), mode="edge")

    def take(self, frame: FrameChunk | None, given: bytes) -> None:
        """A frame of the clip, and what ffmpeg has given since."""
        if frame is not None:
            self._own.append(frame.copy())
        self._given += given

    def complete(self) -> Iterator[FrameChunk]:
        """Frames of the clip with their followers, shape (factor, height, width, 3) each."""
        height, width = self._size
        shape = (self._factor, *self._grown, 3)
        size = int(np.prod(shape))
        while len(self._own) > 1 and len(self._given) >= size:
            row = np.frombuffer(bytes(self._given[:size]), np.uint8).reshape(shape)
            del self._given[:size]
            chunk = row[:, :height, :width].copy()
            chunk[0] = self._own.pop(0)
            yield chunk

    def last(self) -> FrameChunk:
        """The clip's last frame, after which there is nothing; raises EncodingError too early."""
        if len(self._own) != 1:
            raise EncodingError(f"interpolation left {len(self._own) - 1} frames out")
        return self._own[0][np.newaxis]
