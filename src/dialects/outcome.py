"""What an answer says of its video, whichever dialect wrote it: for whoever stands between
the worker and a caller, and has to serve the file itself.

Every dialect has `outcome(answer)`, the inverse of its `encode_response`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ..generation import VideoFormat

Kind = TypeVar("Kind")

MP4, GIF = VideoFormat.MP4.content_type, VideoFormat.GIF.content_type
#: How base64 of a gif begins: "GIF8".
GIF_HEAD = "R0lGO"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One video that was made; whatever its answer does not say is None."""

    #: A URL (https, or file where the worker keeps results in a folder), or a data URI of base64.
    video: str
    content_type: str = MP4
    #: Pixels and frames of the file.
    width: int | None = None
    height: int | None = None
    num_frames: int | None = None
    fps: float | None = None
    #: How long it plays.
    seconds: float | None = None
    #: A URL of the first frame as a jpg.
    poster: str | None = None
    warnings: tuple[str, ...] = ()
    seed: int | None = None
    #: The stem of the file's name.
    stem: str | None = None
    #: Seconds that each part of the work took, by its name.
    timings: Mapping[str, float] | None = None

    @property
    def is_inline(self) -> bool:
        """Whether `video` holds the file itself."""
        return self.video.startswith("data:")

    @property
    def file_name(self) -> str:
        """A name to save it under."""
        return f"{self.stem or 'video'}.{'gif' if self.content_type == GIF else 'mp4'}"

    def content(self) -> bytes:
        """The file, where it is inline. Raises ValueError where it is not, or is no base64."""
        if not self.is_inline:
            raise ValueError("the video is behind a link, not in the answer")
        try:
            return base64.b64decode(self.video.partition(",")[2], validate=True)
        except binascii.Error as error:
            raise ValueError("the video in the answer is no base64") from error


def outcome_of(said: object, figures: Mapping[str, Any]) -> Outcome:
    """Put together what an answer's video and its figures say, in the fields of Outcome.

    `said` is a URL, a data URI or bare base64; of the figures whatever is of another kind than
    it should be is left out. Raises ValueError where there is no video.
    """
    if not isinstance(said, str) or not said.strip():
        raise ValueError("the answer has no video")
    video, content_type = _located(said.strip(), _a(str, figures.get("content_type")))
    num_frames, fps = _whole(figures.get("num_frames")), _real(figures.get("fps"))
    seconds = _real(figures.get("seconds"))
    if seconds is None and num_frames and fps:
        seconds = num_frames / fps
    return Outcome(
        video=video,
        content_type=content_type,
        width=_whole(figures.get("width")),
        height=_whole(figures.get("height")),
        num_frames=num_frames,
        fps=fps,
        seconds=seconds,
        poster=_a(str, figures.get("poster")),
        warnings=tuple(_strings(figures.get("warnings"))),
        seed=_whole(figures.get("seed"), least=0),
        stem=_a(str, figures.get("stem")) or _stem(video),
        timings=_seconds(figures.get("timings")),
    )


def _located(said: str, content_type: str | None) -> tuple[str, str]:
    """The video as a URL of some kind, and its media type."""
    if said.startswith("data:"):
        return said, said[5:].partition(",")[0].partition(";")[0] or content_type or MP4
    if "://" in said[:12]:
        is_gif = urlsplit(said).path.casefold().endswith(".gif")
        return said, content_type or (GIF if is_gif else MP4)
    content_type = content_type or (GIF if said.startswith(GIF_HEAD) else MP4)
    return f"data:{content_type};base64,{said}", content_type


def _stem(video: str) -> str | None:
    return None if video.startswith("data:") else PurePosixPath(urlsplit(video).path).stem or None


def _a(kind: type[Kind], value: object) -> Kind | None:
    return value if isinstance(value, kind) and value else None


def _real(value: object) -> float | None:
    """A number above 0, also from a string, as OpenAI's `seconds` is one."""
    try:
        number = float(value) if isinstance(value, int | float | str) else 0.0
    except (ValueError, OverflowError):
        return None
    return number if 0 < number < float("inf") else None


def _whole(value: object, *, least: int = 1) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= least
    return int(value) if fits else None  # type: ignore[call-overload]  # an int, as was just seen


def _strings(value: object) -> Iterable[str]:
    return (item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _seconds(value: object) -> Mapping[str, float] | None:
    if not isinstance(value, Mapping):
        return None
    return {str(name): float(item) for name, item in value.items() if isinstance(item, int | float)}
