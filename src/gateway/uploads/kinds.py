"""What an uploaded file is, by its first bytes: what its sender calls it is not asked."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from ...media.sniff import described, sniff
from ..refusals import BadRequest

#: So many bytes say what a file is.
HEAD = 1024


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A media type, and the suffix that the worker tells a video's link by."""

    content_type: str
    suffix: str


_KINDS = {
    "PNG": Kind(content_type="image/png", suffix="png"),
    "JPEG": Kind(content_type="image/jpeg", suffix="jpg"),
    "GIF": Kind(content_type="image/gif", suffix="gif"),
    "WebP": Kind(content_type="image/webp", suffix="webp"),
    "AVIF": Kind(content_type="image/avif", suffix="avif"),
    "HEIC": Kind(content_type="image/heic", suffix="heic"),
    "TIFF": Kind(content_type="image/tiff", suffix="tiff"),
    "BMP": Kind(content_type="image/bmp", suffix="bmp"),
    "MP4": Kind(content_type="video/mp4", suffix="mp4"),
    "WebM": Kind(content_type="video/webm", suffix="webm"),
    "AVI": Kind(content_type="video/x-msvideo", suffix="avi"),
}


def kind_of(head: bytes, *, field: str) -> Kind:
    """The kind of a file that begins so. Raises BadRequest for what is no image and no video."""
    kind = _KINDS.get(sniff(head) or "")
    if kind is None:
        what = f"the file is {described(head)}" if head else "the file is empty"
        raise BadRequest(f"{field} must be an image or a video; {what}", param=field)
    return kind


def is_media(text: str) -> bool:
    """Whether a text is a data URI of base64, or bare base64, of an image or a video."""
    if text[:5].casefold() == "data:":
        header, _, text = text.partition(",")
        if not header.casefold().endswith(";base64"):
            return False
    try:
        head = base64.b64decode("".join(text[:2048].split())[:1024])
    except (binascii.Error, ValueError):
        return False
    return sniff(head) in _KINDS
