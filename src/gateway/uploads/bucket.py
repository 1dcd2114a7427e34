"""The operator's bucket for what is too large for a job's body."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from ...errors import WorkerError
from ...storage import Item
from ...storage.s3 import Place, S3Storage
from ..refusals import Unavailable
from ..settings import HOUR, GatewaySettings
from .pieces import Piece, Upload

log = logging.getLogger(__name__)

#: Uploads that are on their way at once.
AT_ONCE = 4
#: A job may wait so long in the platform's queue before its worker reads the link. Hours.
QUEUE = 24
#: S3 signs no link for longer. Hours.
LONGEST = 7 * 24
#: Seconds for one upload.
PATIENCE = 300.0


class UploadBucket:
    """Keeps files for the worker to fetch. The bucket's own rule deletes them."""

    def __init__(self, storage: S3Storage) -> None:
        """Nothing is asked of the bucket yet."""
        self._storage = storage
        self._turns = asyncio.Semaphore(AT_ONCE)

    @classmethod
    def from_settings(cls, settings: GatewaySettings) -> UploadBucket | None:
        """The bucket of the settings; None where none is named. Raises ValueError."""
        if not settings.bucket_name and not settings.bucket_endpoint_url:
            return None
        key, secret = settings.bucket_access_key_id, settings.bucket_secret_access_key
        try:
            place = Place.from_settings(
                endpoint_url=settings.bucket_endpoint_url,
                access_key_id=key.get_secret_value() if key else None,
                secret_access_key=secret.get_secret_value() if secret else None,
                bucket=settings.bucket_name,
                region=settings.bucket_region,
                addressing=settings.bucket_addressing,
            )
        except ValueError as error:
            raise ValueError(str(error).replace("BUCKET_", "GATEWAY_BUCKET_")) from error
        # A remix of a kept video asks for the same upload again.
        hours = min(settings.keep_hours + QUEUE, LONGEST)
        return cls(
            S3Storage(
                place,
                prefix=settings.bucket_prefix,
                url_lifetime=int(hours * HOUR),
                pauses=(1.0,),
                save_timeout=PATIENCE,
            )
        )

    async def keep(self, piece: Piece) -> str:
        """Put a piece there and give a signed link. Raises BadRequest, Unavailable."""
        async with self._turns:
            return await asyncio.to_thread(self._keep, piece)

    def _keep(self, piece: Piece) -> str:
        kind = piece.kind()
        with TemporaryDirectory(prefix="upload-") as folder:
            path = Path(folder, "file")
            _write(piece, path)
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            # Its name follows from its bytes, so that the same call made again leaves one file;
            # it is stored again all the same, since the bucket's rule counts from then.
            item = Item(name=f"{digest}.{kind.suffix}", content_type=kind.content_type)
            try:
                return self._storage.save(path, item).url
            except WorkerError as error:
                log.warning("an upload cannot be kept: %s", error)
                raise Unavailable("uploads cannot be kept for now", retry_after=10) from error


def _write(piece: Piece, path: Path) -> None:
    if isinstance(piece.value, Upload):
        piece.value.file.seek(0)
        with path.open("wb") as file:
            shutil.copyfileobj(piece.value.file, file, 1 << 20)
    else:
        path.write_bytes(piece.read())


def without_signatures(value: Any) -> Any:  # noqa: ANN401  JSON
    """A body's value with signed links cut to what they lead to: one file's differ by the time."""
    if isinstance(value, Mapping):
        return {name: without_signatures(item) for name, item in value.items()}
    if isinstance(value, list):
        return [without_signatures(item) for item in value]
    if isinstance(value, str) and "X-Amz-Signature=" in value[-4096:] and "://" in value[:8]:
        return urlsplit(value)._replace(query="").geturl()
    return value
