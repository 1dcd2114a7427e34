"""What a storage is."""

from pathlib import Path
from typing import Protocol


class Storage(Protocol):
    """A place for finished videos."""

    def save(self, path: Path, *, key: str, content_type: str) -> str:
        """Keep a copy of the file under the key and give a URL that leads to it.

        The same key again replaces what was there, so that a retried job never leaves two.
        Blocks. Raises StorageError.
        """
        ...
