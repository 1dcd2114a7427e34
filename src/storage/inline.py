"""The answer itself: the video as a base64 data URI."""

import base64
import threading
from pathlib import Path

from ..errors import StorageError
from .base import Item, Kept, Links


class InlineStorage:
    """Puts the bytes into the URL. How many the platform carries is for the ladder to know."""

    @property
    def forgets(self) -> bool:
        """Nothing is kept, so that nothing need be deleted."""
        return True

    def links(self, item: Item) -> Links | None:  # noqa: ARG002  unknown until there are bytes
        """Unknown until there are bytes."""
        return None

    def find(self, item: Item) -> Kept | None:  # noqa: ARG002  nothing is kept
        """Nothing is ever kept."""
        return None

    def save(self, path: Path, item: Item, *, stop: threading.Event | None = None) -> Links:  # noqa: ARG002  it takes no time
        """Give `data:<type>;base64,<bytes>`."""
        try:
            data = base64.b64encode(path.read_bytes()).decode("ascii")
        except OSError as error:
            raise StorageError(f"cannot read {path}: {error.strerror}") from error
        return Links(url=f"{head(item)}{data}")

    def discard(self, item: Item) -> None:
        """Nothing is ever kept."""

    def warm(self) -> None:
        """Nothing to get ready."""

    def check(self) -> None:
        """There is always room: how much is the ladder's to know."""


def head(item: Item) -> str:
    """What stands before the base64 of an item."""
    return f"data:{item.content_type};base64,"


def decoded_size(characters: int) -> int:
    """Bytes that so many characters of base64 hold at most."""
    return max(0, characters // 4 * 3)
