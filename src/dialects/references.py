"""References to images and videos as clients of OpenAI's and LocalAI's APIs write them.

A reference may be a URL, a data URI, bare base64, an object around one of these, or that
object's JSON. Whether an image or a video is meant is told by what can be read without fetching.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from .values import parsed, rule

#: A gif counts as an image here, as in vLLM-Omni, which tries images first.
VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg"})
#: So many characters of base64 hold the first 24 bytes of a file.
HEAD = 32
#: ISO media whose brand is a still picture's: AVIF and HEIF.
PICTURE_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")
EBML = b"\x1a\x45\xdf\xa3"


def _unwrapped(*keys: str) -> Callable[[object], object]:
    """Take a reference out of its object; keys that are null were not said."""

    def inner(value: object) -> object:
        value = _from_text(value)
        if isinstance(value, list) and len(value) == 1:
            value = _from_text(value[0])
        if not isinstance(value, dict):
            return value
        said = {name: item for name, item in value.items() if item is not None}
        if len(said) != 1 or not said.keys() <= set(keys):
            raise ValueError("no single reference that is known")
        (item,) = said.values()
        return _url_of(item)

    return inner


def _from_text(value: object) -> object:
    """What stands in JSON text; of any other text, the text."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    return parsed(text) if text.startswith(("{", "[")) else text


def _url_of(item: object) -> object:
    """Chat clients write `{"image_url": {"url": ...}}`."""
    return item["url"] if isinstance(item, dict) and item.keys() == {"url"} else item


def _words(*keys: str) -> str:
    objects = " or ".join(f'{{"{key}": ...}}' for key in keys)
    return (
        f"must be one URL, data URI or base64 string, or {objects} around one; a file_id is not "
        "supported, since no files are kept here"
    )


ImageReference = Annotated[
    str,
    Field(min_length=1),
    BeforeValidator(_unwrapped("image_url")),
    rule(_words("image_url")),
]
VideoReference = Annotated[
    str,
    Field(min_length=1),
    BeforeValidator(_unwrapped("video_url")),
    rule(_words("video_url")),
]
#: An image or a video, whichever it turns out to be.
Reference = Annotated[
    str,
    Field(min_length=1),
    BeforeValidator(_unwrapped("image_url", "video_url")),
    rule(_words("image_url", "video_url")),
]


def is_video(reference: str) -> bool:
    """Whether a reference is to a video, as far as it says itself; an image otherwise.

    >>> is_video("https://example.com/a.mp4?signature=x"), is_video("data:image/png;base64,iVBO")
    (True, False)
    """
    if reference[:5].casefold() == "data:":
        return reference[5:11].casefold() == "video/"
    if "://" in reference[:12]:
        path = PurePosixPath(_path_of(reference))
        return path.suffix.casefold() in VIDEO_SUFFIXES
    return _begins_as_video(reference[:HEAD])


def _path_of(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:  # no URL after all, which fetching will say
        return ""


def _begins_as_video(head: str) -> bool:
    """By the first bytes: ISO media (mp4, mov), Matroska (webm), AVI."""
    try:
        start = base64.b64decode(head + "=" * (-len(head) % 4))
    except (binascii.Error, ValueError):
        return False
    if start[4:8] == b"ftyp":
        return start[8:12] not in PICTURE_BRANDS
    return start.startswith(EBML) or (start[:4] == b"RIFF" and start[8:12] == b"AVI ")
