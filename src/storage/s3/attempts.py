"""Beginnings without an end, remembered in the bucket, so that every worker sees them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from ...errors import WorkerError
from .failures import client_error, explained, status_of

if TYPE_CHECKING:
    from .store import S3Storage

log = logging.getLogger(__name__)

#: A number that somebody else put there does not count for more.
_MOST = 1_000_000


class BucketAttempts:
    """Keeps a small object for each job that is under way."""

    def __init__(self, storage: S3Storage) -> None:
        """In its bucket, under its temporary prefix: the rule there deletes what is left over."""
        self._clients = storage.clients
        self._prefix = "/".join(filter(None, (storage.temp_prefix, "attempts")))

    def begin(self, name: str) -> int:
        """One more; the object holds the number. Takes seconds at most, and never raises."""
        counted: list[int] = []

        def count() -> None:
            counted.append(self._read(name))
            body = str(counted[0] + 1).encode("ascii")
            self._clients.quick.put_object(
                **self._object(name), Body=body, ContentType="text/plain"
            )

        self._try("remembered", count)
        return counted[0] if counted else 0

    def end(self, name: str) -> None:
        """Delete the object. Takes seconds at most, and never raises."""
        self._try("forgotten", lambda: self._clients.quick.delete_object(**self._object(name)))

    def _read(self, name: str) -> int:
        try:
            with closing(self._clients.quick.get_object(**self._object(name))["Body"]) as body:
                text = body.read(16)
        except client_error() as error:
            # 403: a bucket that must not be listed says so of a key that is not there.
            if status_of(error) in (403, 404):
                return 0
            raise
        return min(int(text), _MOST) if text.isdigit() else 0

    def _try(self, what: str, ask: Callable[[], object]) -> None:
        try:
            with explained(self._clients.place, "keep notes on jobs"):
                ask()
        except WorkerError as error:
            log.warning("attempts are not %s: %s", what, error)

    def _object(self, name: str) -> dict[str, str]:
        return {"Bucket": self._clients.place.bucket, "Key": f"{self._prefix}/{name}"}
