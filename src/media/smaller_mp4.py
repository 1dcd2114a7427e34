"""An MP4 in fewer bytes: x264 in two passes, at the rate that is left for the frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import EncodingError
from .finished import Finished, written_to
from .packets import Packets, parse_packets

#: Bits for one pixel of one frame, at least. Half of it x264 does not hold any more, whatever it
#: draws, and films of moving texture come to 20 dB, which is mush; at twice as much they are fair.
LEAST_BITS = 0.01
#: Seldom asked for, and few bits: worth half as much time again as a fast preset takes, which
#: gives 2 dB less for the same bytes.
_PRESET = "medium"
#: What is aimed at, as a share of what there is: the second pass comes to a few per cent of it.
_AIM = 0.97
#: How often the second pass is made. Long clips take one or two; those of a few frames, or of
#: noise, come out up to twice as large as asked for, and seldom need the last.
_TRIES = 4
#: What x264 says of a rate that not even its coarsest picture has.
_TOO_LOW = "bitrate is too low"
#: The most that sound takes of the file where it could take less; and the least bits a second
#: that it is given, at which speech is understood.
_SOUND_SHARE = 0.2
_LEAST_SOUND_RATE = 32_000
_SOUND = 1


def smaller_mp4(video: Finished, target: Path, *, max_bytes: int) -> tuple[int, int]:
    """Write the frames in at most `max_bytes`, at their own size; gives its width and height.

    Raises EncodingError where LEAST_BITS are not left, or it does not come out small enough.
    """
    budget = _Budget(_measured(video), max_bytes)
    with TemporaryDirectory(dir=target.parent) as folder:
        x264 = _X264(video, budget, statistics=Path(folder, "x264"))
        x264.first_pass()
        x264.second_pass(target)
        for number in range(1, _TRIES):
            if _bytes(target) > max_bytes:
                budget.spend_less(_bytes(target), number)
                x264.second_pass(target)
    if _bytes(target) > max_bytes:
        raise budget.too_small(f"it came to {_bytes(target)}")
    return budget.size


@dataclass(frozen=True, kw_only=True)
class _Source:
    """What there is to be encoded again, in bytes."""

    packets: Packets
    video: int
    sound: int
    #: The container's own.
    around: int


class _Budget:
    """Who gets how much of the file; raises EncodingError when it is too little."""

    def __init__(self, source: _Source, max_bytes: int) -> None:
        self._source = source
        self._max = max_bytes
        self.seconds = float(source.packets.duration)
        there = max_bytes - source.around
        least_sound = _LEAST_SOUND_RATE / 8 * self.seconds
        self.sound = int(min(source.sound, max(there * _SOUND_SHARE, least_sound)))
        self._fixed = source.around + self.sound
        self._give(min(source.video, (max_bytes - self._fixed) * _AIM))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, as they were."""
        return self._source.packets.width, self._source.packets.height

    @property
    def keeps_sound(self) -> bool:
        """Whether the sound stays as it is; there may be none."""
        return self.sound == self._source.sound

    def rate(self, size: float) -> int:
        """Bits a second."""
        return int(size * 8 / self.seconds)

    def spend_less(self, size: int, number: int) -> None:
        """Aim lower by as much as the file was too large; bolder with each further try.

        What comes out falls by less than what is asked for, the more so the noisier it is.
        """
        fit, came_to = self._max - self._fixed, size - self._fixed
        self._give(self.video * (_AIM * fit / came_to) ** number)

    def too_small(self, reason: str) -> EncodingError:
        """The error for a video that does not fit."""
        width, height = self.size
        return EncodingError(
            f"a video of {width}x{height} pixels and {self._source.packets.count} frames "
            f"does not fit into {self._max} bytes: {reason}"
        )

    def _give(self, video: float) -> None:
        width, height = self.size
        bits = video * 8 / (width * height * self._source.packets.count)
        if bits < LEAST_BITS:
            raise self.too_small(
                f"{max(0.0, bits):.4f} bits a pixel are left, at least {LEAST_BITS:g} are needed"
            )
        self.video = video


class _X264:
    """One video's two passes."""

    def __init__(self, video: Finished, budget: _Budget, *, statistics: Path) -> None:
        self._video = video
        self._budget = budget
        self._statistics = statistics

    def first_pass(self) -> None:
        """Look at the frames; writes the statistics alone."""
        self._video.made(*self._frames(1), "-an", "-f", "null", "-")

    def second_pass(self, target: Path) -> None:
        """Write the file; may be repeated."""
        budget = self._budget
        sound = ("-c:a", "aac", "-b:a", str(budget.rate(budget.sound)))
        try:
            self._video.made(
                *self._frames(2),
                *("-map", "0:a:0?"),
                *(("-c:a", "copy") if budget.keeps_sound else sound),
                *("-movflags", "+faststart", "-f", "mp4", "-y", written_to(target)),
            )
        except EncodingError as error:
            if _TOO_LOW in str(error):
                raise budget.too_small("x264 does not go as low") from error
            raise

    def _frames(self, number: int) -> list[str]:
        return [
            *("-map", "0:v:0", "-fps_mode", "passthrough"),
            *("-c:v", "libx264", "-preset", _PRESET),
            *("-b:v", str(self._budget.rate(self._budget.video))),
            *("-pass", str(number), "-passlogfile", str(self._statistics.absolute())),
        ]


def _measured(video: Finished) -> _Source:
    """Bytes by who has them; raises EncodingError for a file without frames."""
    output = ("-map", "0:v:0", "-map", "0:a:0?", "-c", "copy", "-f", "framecrc", "pipe:1")
    lines = video.told(*output).splitlines()
    sounding = [line for line in lines if line.startswith(f"{_SOUND},")]
    seen = [line for line in lines if line not in sounding]
    packets = parse_packets("\n".join(seen))
    if packets is None or not packets.duration:
        raise EncodingError(f"{video.path.name} has no frames")
    sizes = [sum(map(_size, group)) for group in (seen, sounding)]
    return _Source(
        packets=packets,
        video=sizes[0],
        sound=sizes[1],
        around=video.path.stat().st_size - sum(sizes),
    )


def _bytes(path: Path) -> int:
    return path.stat().st_size


def _size(line: str) -> int:
    """A packet's bytes, as framecrc has them; other lines have none."""
    return 0 if line.startswith("#") else int(line.split(",")[4])
