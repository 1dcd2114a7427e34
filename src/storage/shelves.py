"""Which storage a job's result goes to."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from .base import Storage
from .inline import InlineStorage
from .s3 import Place, place_of

#: Callers' storages that are kept, with their clients and connections, for the next job.
KEPT = 8


class Shelves:
    """The job's own wish before the operator's: base64, the caller's bucket, the default."""

    def __init__(
        self, *, default: Storage, inline: InlineStorage, callers: Callable[[Place], Storage]
    ) -> None:
        """`callers` makes the storage of a place that a request named."""
        self.default = default
        self.inline = inline
        self._callers = lru_cache(maxsize=KEPT)(callers)

    def choose(self, s3_config: object, *, as_base64: bool) -> Storage:
        """The storage of one job, by its `s3Config` (None where it has none) and by whether it
        asked for the bytes themselves. Raises InvalidRequest for an `s3Config` that is wrong.
        """
        if as_base64:
            return self.inline
        if s3_config is not None:
            return self._callers(place_of(s3_config))
        return self.default
