"""What a storage is, and the words that every storage shares."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Item:
    """A file as a storage sees it; all of it follows from the job, before there is a file."""

    #: Its name, `<file_prefix>.mp4`; a storage makes its own key from it.
    name: str
    content_type: str
    #: To be gone after a day.
    temp: bool = False
    #: Short ASCII words that are kept with it and found again, such as the request's digest.
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Links:
    """Where an item is, or will be, for whoever asked for it."""

    url: str
    #: The same file by way of a CDN.
    proxies: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Kept:
    """An item that was found."""

    links: Links
    size_bytes: int
    facts: Mapping[str, str]


class Storage(Protocol):
    """A place for finished videos. Everything here may block, and is called from threads.

    Where a request has named the place, `find`, `save`, `discard` and `check` raise BlockedUrl if
    it leads to an address that we refuse.
    """

    @property
    def forgets(self) -> bool:
        """Whether a temp item is gone after a day, if the operator has set it up as documented."""
        ...

    def links(self, item: Item) -> Links | None:
        """Where the item will be, known without asking anyone; None where only `save` knows."""
        ...

    def find(self, item: Item) -> Kept | None:
        """The item of this name that is there already, if this storage can tell.

        Raises StorageError when it could not be asked.
        """
        ...

    def save(self, path: Path, item: Item, *, stop: threading.Event | None = None) -> Links:
        """Keep a copy of the file and say where.

        The same name again replaces what was there, so that a retried job never leaves two. Once
        `stop` is set it ends soon, with nothing left behind. Raises StorageError.
        """
        ...

    def discard(self, item: Item) -> None:
        """Have the item gone; it need not be there. Raises StorageError."""
        ...

    def warm(self) -> None:
        """Get ready for a save that is coming: clients, connections. Never raises."""
        ...

    def check(self) -> None:
        """Try whether it takes files. Raises StorageError, whose message an operator can act on."""
        ...
