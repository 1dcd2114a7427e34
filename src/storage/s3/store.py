"""Videos in a bucket: put there whole, looked up, and linked to."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ...errors import WorkerError
from ..base import Item, Kept, Links
from .client import Clients, Patience
from .failures import client_error, explained, status_of
from .guard import Guard
from .lifecycle import install
from .place import Place
from .unfinished import FIRST_PAUSE, Unfinished
from .upload import Headers, Sizes, Uploader

if TYPE_CHECKING:
    from .connections import Allows, Resolve

log = logging.getLogger(__name__)

DAY = 24 * 3600
#: Seconds after which a save that failed for now is begun anew.
PAUSES = (1.0, 3.0, 9.0)


class S3Storage:
    """Keeps results in a bucket of S3 or of anything that speaks its language."""

    def __init__(
        self,
        place: Place,
        *,
        prefix: str = "videos",
        temp_prefix: str = "temp",
        url_lifetime: int = DAY,
        cdn_base_url: str | None = None,
        allows: Allows | None = None,
        resolve: Resolve | None = None,
        patience: Patience | None = None,
        sizes: Sizes | None = None,
        pauses: tuple[float, ...] = PAUSES,
        save_timeout: float = 900,
        abort_pause: float = FIRST_PAUSE,
    ) -> None:
        """Times are in seconds; nothing is asked of the bucket yet.

        `allows` judges the addresses that are connected to, for a place that a request named;
        `resolve` stands in for the system's resolver. A save that fails for now is begun anew
        after each of the `pauses`. Without `cdn_base_url` links are signed.
        """
        self.clients = Clients(place, patience=patience, allows=allows, resolve=resolve)
        self.unfinished = Unfinished(self.clients, first_pause=abort_pause)
        self._place = place
        self._prefix = prefix.strip("/")
        self.temp_prefix = temp_prefix.strip("/")
        self._url_lifetime = url_lifetime
        self._cdn_base_url = cdn_base_url.rstrip("/") if cdn_base_url else None
        self._save_timeout = save_timeout
        self._warming = threading.Lock()
        self._uploader = Uploader(
            clients=self.clients,
            unfinished=self.unfinished,
            sizes=sizes or Sizes(),
            pauses=pauses,
        )

    @property
    def forgets(self) -> bool:
        """A temp item is gone after a day, once `install_rules` was run."""
        return True

    def key(self, item: Item) -> str:
        """Where the item lies in the bucket."""
        return "/".join(filter(None, (self._prefix_of(item), item.name)))

    def links(self, item: Item) -> Links:
        """The link that the item will have, made without asking the bucket."""
        key = self.key(item)
        if self._cdn_base_url:
            url = f"{self._cdn_base_url}/{quote(key)}"
            return Links(url=url, proxies=(url,))
        lifetime = min(self._url_lifetime, DAY) if item.temp else self._url_lifetime
        with explained(self._place, f"sign a link to {key!r}"):
            url = self.clients.patient.generate_presigned_url(
                "get_object", Params=self._object(key), ExpiresIn=lifetime
            )
        return Links(url=url)

    def find(self, item: Item) -> Kept | None:
        """The item, if the bucket says that it has it. Takes some seconds at most; raises
        StorageError when the bucket does not answer, BlockedUrl for an address that is refused.
        """
        key = self.key(item)
        with explained(self._place, f"look up {key!r}"):
            found = _unless_missing(lambda: self.clients.quick.head_object(**self._object(key)))
        if found is None:
            return None
        facts = {name.lower(): value for name, value in found.get("Metadata", {}).items()}
        return Kept(links=self.links(item), size_bytes=found["ContentLength"], facts=facts)

    def save(self, path: Path, item: Item, *, stop: threading.Event | None = None) -> Links:
        """Put the file into the bucket, whole or not at all, and give its link.

        Raises StorageError, and BlockedUrl for an address that is refused.
        """
        key = self.key(item)
        guard = Guard(stop, seconds=self._save_timeout)
        self.unfinished.settle_soon()
        with explained(self._place, f"store {key!r}"):
            self._uploader.send(path, self._headers(item), guard)
        log.info("saved %s in bucket %s", key, self._place.bucket)
        return self.links(item)

    def discard(self, item: Item) -> None:
        """Delete the item, if it is there; seconds at most. Raises StorageError."""
        key = self.key(item)
        with explained(self._place, f"delete {key!r}"):
            self.clients.quick.delete_object(**self._object(key))

    def warm(self) -> None:
        """Make the client and open a connection; not while another thread is at it, which may take
        minutes where a bucket does not answer. Never raises.
        """
        if not self._warming.acquire(blocking=False):
            return
        try:
            with explained(self._place, "be asked"):
                self.clients.patient.head_bucket(Bucket=self._place.bucket)
        except WorkerError as error:
            log.debug("the bucket is not warm: %s", error)
        finally:
            self._warming.release()

    def check(self) -> None:
        """Put a small file, find it, follow its link, delete it. Raises StorageError that says
        which of them fails and which setting to look at.
        """
        item = Item(name=f"check-{uuid.uuid4().hex}.txt", content_type="text/plain")
        key = self.key(item)
        with explained(self._place, f"put {key!r}"):
            guard = Guard(None, seconds=self._save_timeout)
            self._uploader.put(b"worker-video was here\n", self._headers(item), guard)
        try:
            self._read_back(item)
        except WorkerError:
            with suppress(WorkerError):
                self.discard(item)
            raise
        self.discard(item)

    def install_rules(self) -> str:
        """Have the bucket clean up what is temporary or unfinished; gives what was done.

        Raises StorageError.
        """
        return install(self.clients, prefix=self._prefix, temp_prefix=self.temp_prefix)

    @property
    def about(self) -> str:
        """Which bucket it is, for a person."""
        place = self._place
        return (
            f"bucket {place.bucket!r} at {place.endpoint_url or 'Amazon'}, region {place.region}, "
            f"{place.addressing}-style addresses"
        )

    def _read_back(self, item: Item) -> None:
        key = self.key(item)
        with explained(self._place, f"read back {key!r}"):
            self.clients.patient.head_object(**self._object(key))
        if not self._cdn_base_url:
            with explained(self._place, f"follow a signed link to {key!r}"):
                self.clients.follow(self.links(item).url)

    def _prefix_of(self, item: Item) -> str:
        return self.temp_prefix if item.temp else self._prefix

    def _object(self, key: str) -> dict[str, str]:
        return {"Bucket": self._place.bucket, "Key": key}

    def _headers(self, item: Item) -> Headers:
        """What is kept with an item. No ACL: buckets whose owner enforces ownership refuse it."""
        key = self.key(item)
        file_name = item.name.rpartition("/")[2].replace('"', "_").replace("\\", "_")
        audience = "public" if self._cdn_base_url else "private"
        words: dict[str, Any] = {
            **self._object(key),
            "ContentType": item.content_type,
            "ContentDisposition": f'inline; filename="{file_name}"',
            "CacheControl": f"{audience}, max-age={DAY}",
            "Metadata": dict(item.facts),
        }
        return Headers(key=key, words=words, temp=item.temp)


def _unless_missing(ask: Callable[[], Any]) -> Any:  # noqa: ANN401  botocore ships no types
    """The answer; None where there is no such key, or none that we may see.

    A bucket that must not be listed answers 403 for a key that is not there.
    """
    try:
        return ask()
    except client_error() as error:
        if status_of(error) not in (403, 404):
            raise
        return None
