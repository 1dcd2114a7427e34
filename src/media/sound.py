"""A clip's sound as a file that ffmpeg reads: cut to the clip's length, gone when it was read.

Knows no model and no format of a video.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import numpy as np

from ..errors import EncodingError
from ..generation import Clip, Sound

if TYPE_CHECKING:
    from ..generation import Samples

#: Mono and stereo: what every player plays.
_CHANNELS = (1, 2)


@dataclass(frozen=True, kw_only=True)
class SoundFile:
    """Raw samples, 32-bit floats in the machine's little-endian order, channel beside channel."""

    path: Path
    channels: int
    #: Samples per second of one channel.
    rate: int

    def arguments(self) -> list[str]:
        """What makes it an input of ffmpeg's."""
        return [
            *("-f", "f32le", "-ar", str(self.rate), "-ac", str(self.channels)),
            *("-i", f"file:{self.path.absolute()}"),
        ]


@contextmanager
def sound_file(clip: Clip, folder: Path) -> Iterator[SoundFile | None]:
    """Write the sound into the folder until the `with` block ends; None for a silent clip.

    Raises EncodingError for a sound that is none.
    """
    samples = None if clip.sound is None else _samples(clip, clip.sound)
    if clip.sound is None or samples is None or not samples.size:
        yield None
        return
    with NamedTemporaryFile(dir=folder, suffix=".f32le") as file:
        file.write(samples.T.astype("<f4").tobytes())
        file.flush()
        yield SoundFile(path=Path(file.name), channels=len(samples), rate=clip.sound.rate)


def _samples(clip: Clip, sound: Sound) -> Samples:
    """As much as is heard while the frames are seen, within [-1, 1]."""
    samples = sound.samples
    if samples.ndim != 2 or len(samples) not in _CHANNELS or sound.rate <= 0:
        raise EncodingError(
            "a sound must have one or two channels and a rate, "
            f"got samples of shape {samples.shape} at {sound.rate} a second"
        )
    if not np.isfinite(samples).all():
        raise EncodingError("a sound must be numbers, got some that are none")
    length = int(clip.num_frames / clip.fps * sound.rate)
    return np.clip(samples[:, :length], -1.0, 1.0)
