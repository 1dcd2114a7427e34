"""The shelves: where a finished video is put, and the link that leads to it.

Storages know files and keys; they know nothing of frames, models or public APIs.
"""

from .attempts import Attempts, FolderAttempts
from .base import Item, Kept, Links, Storage
from .inline import InlineStorage, decoded_size, head
from .local import LocalFolder
from .shelves import Shelves

__all__ = [
    "Storage",
    "Item",
    "Links",
    "Kept",
    "InlineStorage",
    "LocalFolder",
    "Shelves",
    "Attempts",
    "FolderAttempts",
    "head",
    "decoded_size",
]
