"""A folder on this machine; for tests, for `make run`, and for a mounted volume."""

import json
import logging
import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path

from ..errors import StorageError
from .base import Item, Kept, Links

log = logging.getLogger(__name__)

#: The folder within the folder for what is kept with each file.
FACTS = ".facts"


class LocalFolder:
    """Keeps results as files; the URL is a file:// one."""

    def __init__(self, folder: Path) -> None:
        """The folder is made when the first result arrives."""
        self._folder = folder

    @property
    def forgets(self) -> bool:
        """Nothing deletes files after a day."""
        return False

    def links(self, item: Item) -> Links | None:
        """The file's URL. Raises StorageError for a name that leads out of the folder."""
        return Links(url=self._target(item).as_uri())

    def find(self, item: Item) -> Kept | None:
        """The file, with the facts that were kept with it. Raises StorageError."""
        target = self._target(item)
        try:
            size = target.stat().st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"cannot look at {target}: {error.strerror}") from error
        return Kept(links=Links(url=target.as_uri()), size_bytes=size, facts=self._facts(item))

    def save(self, path: Path, item: Item, *, stop: threading.Event | None = None) -> Links:  # noqa: ARG002  it takes no time
        """Copy the file into the folder, whole or not at all; raises StorageError."""
        target = self._target(item)
        unfinished = target.with_name(f".{target.name}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._forget(item)  # those of another file are not this one's
            shutil.copyfile(path, unfinished)
            unfinished.replace(target)
            self._remember(item)
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink()
            raise StorageError(f"cannot write {target}: {error.strerror}") from error
        log.info("saved %s", _shown(target))
        return Links(url=target.as_uri())

    def discard(self, item: Item) -> None:
        """Delete the file, if it is there; raises StorageError."""
        try:
            self._forget(item)
            self._target(item).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"cannot delete {item.name}: {error.strerror}") from error

    def warm(self) -> None:
        """Nothing to get ready."""

    def check(self) -> None:
        """See whether files can be made in the folder; raises StorageError."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot make {self._folder}: {error.strerror}") from error
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise StorageError(f"cannot write into {self._folder}")

    def _remember(self, item: Item) -> None:
        if not item.facts:
            return
        path = self._beside(item)
        path.parent.mkdir(exist_ok=True)
        unfinished = path.with_name(f"{path.name}.part")
        unfinished.write_text(json.dumps(dict(item.facts)), "utf-8")
        unfinished.replace(path)

    def _forget(self, item: Item) -> None:
        self._beside(item).unlink(missing_ok=True)

    def _facts(self, item: Item) -> dict[str, str]:
        try:
            kept = json.loads(self._beside(item).read_text("utf-8"))
        except (OSError, ValueError):
            kept = None
        if not isinstance(kept, dict):  # a file that says nothing of itself
            return {}
        return {str(name): str(value) for name, value in kept.items()}

    def _beside(self, item: Item) -> Path:
        """Where an item's facts are: out of sight of whoever looks at the videos."""
        target = self._target(item)
        return target.parent / FACTS / f"{target.name}.json"

    def _target(self, item: Item) -> Path:
        target = (self._folder / item.name).resolve()
        if not target.is_relative_to(self._folder.resolve()):
            raise StorageError(f"{item.name!r} leads out of {self._folder}")
        return target


def _shown(path: Path) -> Path:
    """The path as whoever started the worker would write it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
