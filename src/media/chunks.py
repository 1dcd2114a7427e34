"""What a clip promises of its frames, held to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import EncodingError
from ..generation import Clip

if TYPE_CHECKING:
    from ..generation import FrameChunk


def exact_chunks(clip: Clip) -> Iterator[FrameChunk]:
    """The clip's chunks; raises EncodingError for a wrong shape or a wrong number of frames."""
    expected = (clip.height, clip.width, 3)
    seen = 0
    for chunk in clip.chunks:
        if chunk.shape[1:] != expected or chunk.dtype != "uint8":
            raise EncodingError(
                f"frames must be uint8 of shape {expected}, "
                f"got {chunk.dtype} of shape {chunk.shape[1:]}"
            )
        seen += len(chunk)
        if seen > clip.num_frames:
            raise EncodingError(f"a clip of {clip.num_frames} frames came with {seen} or more")
        yield chunk
    if seen < clip.num_frames or seen == 0:
        raise EncodingError(f"a clip of {clip.num_frames} frames came with {seen}")
