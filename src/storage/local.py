"""A folder on this machine; for tests, for `make run`, and for a mounted volume."""

import logging
import shutil
from contextlib import suppress
from pathlib import Path

from ..errors import StorageError

log = logging.getLogger(__name__)


class LocalFolder:
    """Keeps results as files; the URL is a file:// one."""

    def __init__(self, folder: Path) -> None:
        """The folder is made when the first result arrives."""
        self._folder = folder

    def save(self, path: Path, *, key: str, content_type: str) -> str:  # noqa: ARG002  a file's name says its type
        """Copy the file into the folder, whole or not at all; raises StorageError."""
        target = (self._folder / key).resolve()
        if not target.is_relative_to(self._folder.resolve()):
            raise StorageError(f"key {key!r} leads out of {self._folder}")
        unfinished = target.with_name(f".{target.name}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, unfinished)
            unfinished.replace(target)
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink()
            raise StorageError(f"cannot write {target}: {error.strerror}") from error
        log.info("saved %s", _shown(target))
        return target.as_uri()


def _shown(path: Path) -> Path:
    """The path as whoever started the worker would write it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
