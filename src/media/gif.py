"""GIF: one palette for the clip, frames looping for ever, delays that add up.

Knows the container, which is a few bytes; Pillow chooses the colours and packs the pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.GifImagePlugin import getdata

from ..generation import Clip
from .chunks import exact_chunks

#: One index of the 256 is kept for "as in the frame before".
MOST_COLOURS = 255
_UNCHANGED = 255

#: Pixels that the palette is made from. Twice as many gain 0.1 dB and cost twice the time.
_SAMPLE = 32_768

_SIGNATURE = b"GIF89a"
_PALETTE_OF_256 = b"\xf7\0\0"
_LOOP_FOR_EVER = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
_CONTROL = b"\x21\xf9\x04"
_KEEP_IN_PLACE = 0b100
_HAS_UNCHANGED = 0b001
_TRAILER = b";"


def write_gif(clip: Clip, path: Path) -> None:
    """Colours from all over the clip, for which the frames wait in a file beside the path.

    No dithering: it costs 2.5 dB and flickers from frame to frame. Raises EncodingError for
    frames that are not what the clip promises, and OSError for a disk that is full.
    """
    with TemporaryFile(dir=path.parent) as spool, path.open("wb") as file:
        palette = Palette(_spooled(clip, spool))
        spool.seek(0)
        frames = ((_next_frame(clip, spool), delay) for delay in delays(clip))
        file.writelines(encoded(frames, palette, width=clip.width, height=clip.height))


def encoded(
    frames: Iterable[tuple[npt.NDArray[np.uint8], int]],
    palette: Palette,
    *,
    width: int,
    height: int,
) -> Iterator[bytes]:
    """The file, piece by piece: what stands before the frames, each frame, what stands after.

    Each frame comes with its delay, in hundredths of a second.
    """
    yield _SIGNATURE + _u16(width) + _u16(height) + _PALETTE_OF_256 + palette.table + _LOOP_FOR_EVER
    before: npt.NDArray[np.uint8] | None = None
    for frame, delay in frames:
        indices = palette.indices(frame)
        yield _packed(indices, before, delay)
        before = indices
    yield _TRAILER


def delays(clip: Clip) -> Iterator[int]:
    """Hundredths of a second for each frame; rounding is carried on, never added up.

    At 8 fps: 12, 13, 12, 13.
    """
    ends = [math.floor(count * 100 / clip.fps) for count in range(clip.num_frames + 1)]
    return (end - begin for begin, end in pairwise(ends))


class Palette:
    """The colours of a clip."""

    def __init__(self, pixels: npt.NDArray[np.uint8], *, colours: int = MOST_COLOURS) -> None:
        """From pixels of shape (count, 3): median cut, then k-means until 1% still change."""
        strip = Image.fromarray(pixels[np.newaxis])
        chosen = strip.quantize(colours, kmeans=max(1, len(pixels) // 100))
        self._last = int(np.asarray(chosen).max())
        levels = (chosen.getpalette() or [])[: 3 * (self._last + 1)]
        #: Red, green, blue for each of 256 indices; those left over repeat the last colour.
        self.table = bytes((levels + 256 * levels[-3:])[:768])
        self._image = Image.new("P", (1, 1))
        self._image.putpalette(self.table)

    def indices(self, frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The nearest colour of each pixel."""
        image = Image.fromarray(frame).quantize(palette=self._image, dither=Image.Dither.NONE)
        return np.minimum(np.asarray(image, np.uint8), np.uint8(self._last))


def _spooled(clip: Clip, spool: IO[bytes]) -> npt.NDArray[np.uint8]:
    """Write the frames into the spool, and keep evenly spread pixels: shape (count, 3)."""
    step = sample_step(clip.width, clip.height, clip.num_frames)
    samples = []
    for chunk in exact_chunks(clip):
        spool.write(np.ascontiguousarray(chunk).data)
        samples.append(chunk.reshape(-1, 3)[::step].copy())
    return np.concatenate(samples)


def sample_step(width: int, height: int, num_frames: int) -> int:
    """Each how many pixels of a clip one is looked at for its palette."""
    step = max(1, num_frames * height * width // _SAMPLE)
    while math.gcd(step, width) > 1:  # else whole columns would never be looked at
        step += 1
    return step


def _next_frame(clip: Clip, spool: IO[bytes]) -> npt.NDArray[np.uint8]:
    pixels = spool.read(clip.height * clip.width * 3)
    return np.frombuffer(pixels, np.uint8).reshape(clip.height, clip.width, 3)


def _packed(
    indices: npt.NDArray[np.uint8], before: npt.NDArray[np.uint8] | None, delay: int
) -> bytes:
    """One frame, whole or as what has changed, whichever is smaller."""
    whole = _image(indices, delay, flags=_KEEP_IN_PLACE)
    if before is None:
        return whole
    changed = np.where(indices == before, np.uint8(_UNCHANGED), indices)
    return min(whole, _image(changed, delay, flags=_KEEP_IN_PLACE | _HAS_UNCHANGED), key=len)


def _image(indices: npt.NDArray[np.uint8], delay: int, *, flags: int) -> bytes:
    control = _CONTROL + bytes([flags]) + _u16(delay) + bytes([_UNCHANGED, 0])
    return control + b"".join(getdata(Image.fromarray(indices)))


def _u16(number: int) -> bytes:
    return number.to_bytes(2, "little")
