"""Uploads become references in a job's body: data URIs while they fit, else links to a bucket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..refusals import TooLarge
from ..settings import GatewaySettings
from .bucket import UploadBucket, without_signatures
from .pieces import LINK, Piece, Upload, pieces_of, replaced, size_of

__all__ = ["Upload", "Uploads", "without_signatures"]

#: Bytes of a job's body: the platform takes 10 MB, with what the gateway itself has to say.
MOST = 9_900_000


class Uploads:
    """Makes bodies that the platform takes of bodies with files in them."""

    def __init__(self, bucket: UploadBucket | None = None, *, most: int = MOST) -> None:
        """Without a bucket, what does not fit is refused; `most` is in bytes of JSON."""
        self._bucket = bucket
        self._most = most

    @classmethod
    def from_settings(cls, settings: GatewaySettings) -> Uploads:
        """With the operator's bucket, if there is one. Raises ValueError for a wrong setting."""
        return cls(UploadBucket.from_settings(settings))

    async def fit(
        self, body: Mapping[str, Any], *, admit: Callable[[], Awaitable[None]] | None = None
    ) -> dict[str, Any]:
        """The body as it can travel: an Upload becomes a data URI; where that is too much for a
        job, the largest images and videos, files or texts, become links to the bucket. `admit` is
        asked before anything is put there.

        Raises BadRequest for a file that is no image and no video, TooLarge, Unavailable.
        """
        found = await asyncio.to_thread(pieces_of, body)
        total = await asyncio.to_thread(size_of, body)
        stored: list[Piece] = []
        for piece in sorted(found, key=lambda piece: piece.size, reverse=True):
            if total > self._most:
                total += LINK - piece.size
                stored.append(piece)
        if total > self._most or (stored and self._bucket is None):
            raise self._too_large()
        if stored and admit:
            await admit()
        references: dict[int, str] = {}
        for piece in found:
            if piece in stored and self._bucket:
                references[id(piece.value)] = await self._bucket.keep(piece)
            elif isinstance(piece.value, Upload):
                references[id(piece.value)] = await asyncio.to_thread(piece.in_line)
        return {name: replaced(value, references) for name, value in body.items()}

    def _too_large(self) -> TooLarge:
        hint = "give large media as URLs"
        if self._bucket is None:
            hint += ", or have the operator set a bucket for uploads (GATEWAY_BUCKET_NAME)"
        return TooLarge(f"the request must fit into a job of {self._most} bytes; {hint}")
