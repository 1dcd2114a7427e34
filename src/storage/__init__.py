"""The shelves: where a finished video is put, and the link that leads to it.

Storages know files and keys; they know nothing of frames, models or public APIs.
"""

from .base import Storage
from .inline import InlineStorage
from .local import LocalFolder

__all__ = ["Storage", "InlineStorage", "LocalFolder"]
