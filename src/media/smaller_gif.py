"""A GIF in fewer bytes: with fewer colours, and where that does not do, with fewer pixels too."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageSequence

from ..errors import EncodingError
from .finished import Finished
from .gif import Palette, encoded, sample_step
from .limits import MIN_SIDE

if TYPE_CHECKING:
    from ..generation import FrameChunk

#: Tried one after the other at the full size. With fewer than the last, skies have bands as wide
#: as clouds, and the smaller size looks better.
_COLOURS = (128, 64, 32)
#: What is kept when the size is cut.
_COLOURS_SCALED = 64
_SCALED_TRIES = 4
#: What is aimed at, as a share of what there is.
_AIM = 0.93
#: Of its width and its height a GIF keeps at least this share: a sixteenth of its pixels.
LEAST_SCALE = 0.25


def smaller_gif(video: Finished, target: Path, *, max_bytes: int) -> tuple[int, int]:
    """Write the frames in at most `max_bytes`; gives the width and height that they have there.

    Raises EncodingError for less than LEAST_SCALE.
    """
    gif = _Gif(video)
    pixels = gif.sample()
    attempts: dict[int, float] = {}
    for colours in _COLOURS:
        palette = Palette(pixels, colours=colours)
        attempts[colours] = gif.write(target, palette, 1.0, max_bytes)
        if attempts[colours] <= max_bytes:
            return gif.size
    palette, size, scale = Palette(pixels, colours=_COLOURS_SCALED), attempts[_COLOURS_SCALED], 1.0
    for _ in range(_SCALED_TRIES):
        scale *= math.sqrt(_AIM * max_bytes / size)
        if scale < LEAST_SCALE or min(gif.scaled(scale)) < MIN_SIDE:
            break
        size = gif.write(target, palette, scale, max_bytes)
        if size <= max_bytes:
            return gif.scaled(scale)
    raise EncodingError(
        f"a GIF of {gif.size[0]}x{gif.size[1]} pixels and {gif.count} frames does not fit into "
        f"{max_bytes} bytes: it would have {scale:.2f} of its width, "
        f"at least {LEAST_SCALE:g} are needed"
    )


@dataclass(frozen=True)
class _Shown:
    """A frame as it is seen, and for how many hundredths of a second."""

    image: Image.Image
    delay: int


class _Gif:
    """The file to start from."""

    def __init__(self, video: Finished) -> None:
        self._video = video
        with Image.open(video.path) as image:
            self.size = image.size
            self.count = int(getattr(image, "n_frames", 1))

    def scaled(self, scale: float) -> tuple[int, int]:
        """Width and height at a share of each."""
        width, height = (max(1, round(side * scale)) for side in self.size)
        return width, height

    def sample(self) -> FrameChunk:
        """Pixels from all over the clip: shape (count, 3)."""
        step = sample_step(*self.size, self.count)
        pixels = [np.asarray(shown.image).reshape(-1, 3)[::step] for shown in self._shown()]
        return np.concatenate(pixels)

    def write(self, target: Path, palette: Palette, scale: float, max_bytes: int) -> float:
        """Write the file, and give up once it is too large; gives the bytes that it would have."""
        width, height = self.scaled(scale)
        frames = ((_resized(shown.image, width, height), shown.delay) for shown in self._shown())
        with target.open("wb") as file:
            for number, piece in enumerate(encoded(frames, palette, width=width, height=height)):
                file.write(piece)
                if file.tell() > max_bytes:
                    return file.tell() * max(1.0, self.count / max(1, number))
            return float(file.tell())

    def _shown(self) -> Iterator[_Shown]:
        with Image.open(self._video.path) as image:
            for frame in ImageSequence.Iterator(image):
                self._video.check()
                delay = round(frame.info.get("duration", 0) / 10)
                yield _Shown(frame.convert("RGB"), delay)


def _resized(image: Image.Image, width: int, height: int) -> FrameChunk:
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(image)
