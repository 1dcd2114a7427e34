"""How large media may be, and what is said when it is larger."""

from dataclasses import dataclass

from ..errors import InvalidRequest, MediaTooLarge

#: Pixels a side; below it there is nothing to see, and codecs have no blocks to work on.
MIN_SIDE = 8


@dataclass(frozen=True, kw_only=True)
class VideoLimits:
    """What a video that comes in may cost us."""

    #: Width times height of one frame.
    max_pixels: int
    max_seconds: float
    max_frames: int
    #: Seconds for reading it.
    timeout: float


def above_limit(field: str, value: str, limit: str) -> MediaTooLarge:
    """The error for a value above its limit, both with their units.

    >>> str(above_limit("init_video", "at least 144 s", "120 s"))
    "init_video: has at least 144 s, above this worker's limit of 120 s"
    """
    return MediaTooLarge(f"{field}: has {value}, above this worker's limit of {limit}")


def check_bytes(size: int, *, field: str, limit: int) -> None:
    """Raise MediaTooLarge for more bytes than the limit."""
    if size > limit:
        raise above_limit(field, megabytes(size), megabytes(limit))


def check_sides(width: int, height: int, *, field: str, max_pixels: int) -> None:
    """Raise MediaTooLarge for too many pixels, InvalidRequest for too few a side."""
    if width * height > max_pixels:
        raise above_limit(field, f"{width}x{height} pixels", f"{max_pixels} pixels")
    if min(width, height) < MIN_SIDE:
        raise InvalidRequest(
            f"{field}: must have at least {MIN_SIDE} pixels a side, got {width}x{height}"
        )


def megabytes(size: int) -> str:
    """A number of bytes as a person reads it."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size} bytes"
