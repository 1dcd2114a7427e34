"""Multipart uploads that will not be finished: their parts are paid for until they are aborted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from ...addresses import AddressRefused
from .client import Clients
from .failures import client_error, code_of, other_errors, status_of

log = logging.getLogger(__name__)

#: Seconds before an abort that failed is tried again: at first, and at most.
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 300.0
#: Then the bucket's own rule for such leftovers is left to do it.
_GIVE_UP_AFTER = 24 * 3600.0

#: A key, and the id of its upload; None where the answer that had the id in it was lost.
Debt = tuple[str, str | None]


class Unfinished:
    """Aborts uploads, and goes on trying in the background where the bucket does not answer."""

    def __init__(self, clients: Clients, *, first_pause: float = FIRST_PAUSE) -> None:
        """`first_pause` is in seconds; each pause after it is twice as long."""
        self._clients = clients
        self._first_pause = first_pause
        self._lock = threading.Lock()
        self._owed: dict[Debt, float] = {}
        self._keeper: threading.Thread | None = None
        self._running: set[str] = set()
        self._soon = threading.Event()

    @contextmanager
    def running(self, upload_id: str) -> Iterator[None]:
        """Leave this upload alone meanwhile, whatever is owed for its key."""
        self._running.add(upload_id)
        try:
            yield
        finally:
            self._running.discard(upload_id)

    @property
    def owed(self) -> list[Debt]:
        """What could not be aborted yet."""
        with self._lock:
            return list(self._owed)

    def abort(self, key: str, upload_id: str | None) -> None:
        """Have an upload gone, now or later. Never raises."""
        debt = (key, upload_id)
        if self._settled(debt):
            with self._lock:
                self._owed.pop(debt, None)
            return
        log.warning("an unfinished upload of %s cannot be aborted yet", key)
        with self._lock:
            self._owed[debt] = time.monotonic()
            if self._keeper is None:
                self._keeper = threading.Thread(
                    target=self._keep_at_it, name="unfinished-uploads", daemon=True
                )
                self._keeper.start()

    def abort_all(self, key: str) -> None:
        """Have all uploads of a key gone that an earlier worker left behind. Never raises."""
        self.abort(key, None)

    def settle_soon(self) -> None:
        """Have everything that is owed tried once more, in the background: a good moment is when
        there is other business with the bucket.
        """
        self._soon.set()

    def _keep_at_it(self) -> None:
        pause = self._first_pause
        while True:
            self._soon.wait(pause)
            self._soon.clear()
            pause = min(pause * 2, LONGEST_PAUSE)
            self._settle()
            with self._lock:
                self._drop_old_ones()
                if not self._owed:
                    self._keeper = None
                    return

    def _settle(self) -> None:
        """Try what is owed, one after another, until one fails: it is one bucket for all."""
        for debt in self.owed:
            is_settled = self._settled(debt)
            with self._lock:
                since = self._owed.pop(debt, None)
                if not is_settled and since is not None:
                    self._owed[debt] = since  # at the end: next time another one is first
            if not is_settled:
                return

    def _drop_old_ones(self) -> None:
        oldest = time.monotonic() - _GIVE_UP_AFTER
        for debt in [debt for debt, since in self._owed.items() if since < oldest]:
            log.warning("an unfinished upload of %s is left to the bucket's own rules", debt[0])
            del self._owed[debt]

    def _settled(self, debt: Debt) -> bool:
        """Whether nothing is left to do, because it is gone or because we may not do it."""
        from .connections import OtherRegion

        key, upload_id = debt
        try:
            for one in [upload_id] if upload_id else self._ids(key):
                self._clients.quick.abort_multipart_upload(
                    Bucket=self._clients.place.bucket, Key=key, UploadId=one
                )
        except client_error() as error:
            return _is_final(key, error)
        except (AddressRefused, OtherRegion):
            return True
        except other_errors():
            return False
        return True

    def _ids(self, key: str) -> list[str]:
        """The uploads of this very key, the first thousand of them."""
        found: Any = self._clients.quick.list_multipart_uploads(
            Bucket=self._clients.place.bucket, Prefix=key
        )
        ids = [one["UploadId"] for one in found.get("Uploads") or () if one["Key"] == key]
        return [one for one in ids if one not in self._running]


def _is_final(key: str, error: Exception) -> bool:
    """Whether asking again would be of no use."""
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED:
        return False
    if status != HTTPStatus.NOT_FOUND:  # not found is as good as aborted
        log.debug("uploads of %s are not aborted: %s", key, code_of(error))
    return True
