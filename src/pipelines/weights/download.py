"""Models that the operator has named are fetched from the Hub, where no other place has them.

They are stored as published: converting is a bake's work. A repository appears whole or not at
all; what was fetched of one stays for the next try, in a folder beside.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from ...errors import ModelNotLoaded
from .folders import INDEX, table
from .headers import shard_table, shard_table_name
from .hub import Hub, RemoteFile
from .lock import LOCK, Lock, Source, StoredFile
from .needs import Needs
from .places import is_there
from .selection import Part, refuse_pickles, select
from .shelf import Shelf, record_of

log = logging.getLogger(__name__)

BRANCH = "main"
#: Beside the repositories, with those that are not whole yet.
UNFINISHED = ".downloads"
#: Seconds between two lines on how far it is.
PACE = 10.0


def fetch(needed: dict[str, Needs], *, hub: Hub, to: Path) -> None:
    """Put each repository at to/<owner>/<name>, and write down in to/lock.json what is in it.

    Workers that share the folder take turns. Raises ModelNotLoaded, also where there is no room.
    """
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    try:
        to.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(to / f"{UNFINISHED}.lock"):
            for repo, needs in needed.items():
                if not is_there(to / repo):  # another worker may have put it there meanwhile
                    _Fetch(hub, to, repo).run(needs)
    except OSError as error:
        raise ModelNotLoaded(f"{error.filename or to}: {error.strerror}") from error


class _Fetch:
    """Fetches one repository."""

    def __init__(self, hub: Hub, to: Path, repo: str) -> None:
        self._hub = hub
        self._to = to
        self._repo = repo
        self._shelf = Shelf(to / UNFINISHED)

    def run(self, needs: Needs) -> None:
        started = time.monotonic()
        # What was begun is gone on with.
        commit = self._hub.commit(self._repo, self._shelf.commit(self._repo) or BRANCH)
        parts = self._parts(commit, needs)
        refuse_pickles(self._repo, parts)
        self._shelf.begin(self._repo, commit, parts)
        files = {target: file for part in parts for target, file in part.sources.items()}
        left = {target: file for target, file in files.items() if not self._has(target, file)}
        progress = _Progress(self._repo, sum(file.size for file in left.values()))
        self._check_room(left.values())
        log.info("%s: fetching %s at %s", self._repo, progress.words, commit)
        for target, file in left.items():
            self._put(commit, target, file, progress)
        for part in parts:
            self._put_shard_table(part)
        self._move()
        log.info("%s: fetched in %.0f s", self._repo, time.monotonic() - started)

    def _parts(self, commit: str, needs: Needs) -> list[Part]:
        listing = self._hub.files(self._repo, commit)
        if needs.components is None:
            return select(self._repo, listing, needs, {})
        if INDEX not in listing:
            raise ModelNotLoaded(f"{self._repo}: has no {INDEX}, so is not in diffusers' layout")
        path = self._shelf.part(listing[INDEX].content)
        self._hub.download(self._repo, commit, listing[INDEX], path, on_bytes=_uncounted)
        return select(self._repo, listing, needs, table(path))

    def _has(self, target: str, file: RemoteFile) -> bool:
        record = self._shelf.whole(self._repo, target)
        source = record.source if record else None
        return source is not None and source.file == file.path

    def _check_room(self, files: Iterable[RemoteFile]) -> None:
        parts = {file: self._shelf.part(file.content) for file in files}
        there = sum(path.stat().st_size for path in parts.values() if path.is_file())
        wanted = sum(file.size for file in parts) - there
        free = shutil.disk_usage(self._to).free
        if wanted > free:
            raise ModelNotLoaded(
                f"{self._to}: {self._repo} takes {wanted / 1e9:.1f} GB more, "
                f"and {free / 1e9:.1f} GB are free"
            )

    def _put(self, commit: str, target: str, file: RemoteFile, progress: _Progress) -> None:
        path = self._shelf.part(file.content)
        sha256 = self._hub.download(self._repo, commit, file, path, on_bytes=progress)
        source = Source(file=file.path, size=file.size, sha256=sha256)
        record = StoredFile(size=file.size, sha256=sha256, source=source)
        self._shelf.put(self._repo, target, path, record)

    def _put_shard_table(self, part: Part) -> None:
        shards = [self._shelf.at(self._repo, target) for target in part.weights or {}]
        if len(shards) > 1:
            place = shards[0].with_name(shard_table_name(shards[0].name))
            path = self._shelf.part("index")
            path.write_bytes(shard_table(shards))
            target = place.relative_to(self._shelf.folder / self._repo).as_posix()
            self._shelf.put(self._repo, target, path, record_of(path, source=None))

    def _move(self) -> None:
        """Have the whole repository appear in one step."""
        place = self._to / self._repo
        place.parent.mkdir(parents=True, exist_ok=True)
        (self._shelf.folder / self._repo).rename(place)
        lock = Lock.read(self._to / LOCK)
        lock.repos[self._repo] = self._shelf.forget(self._repo)
        lock.write(self._to / LOCK)
        if not self._shelf.lock.repos:
            shutil.rmtree(self._shelf.folder)


class _Progress:
    """Says how far it is, now and then."""

    def __init__(self, repo: str, total: int) -> None:
        self._repo = repo
        self._total = total
        self._done = 0
        self._said = time.monotonic()

    @property
    def words(self) -> str:
        return f"{self._total / 1e9:.1f} GB"

    def __call__(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._said >= PACE:
            self._said = time.monotonic()
            log.info("%s: %.1f of %s", self._repo, self._done / 1e9, self.words)


def _uncounted(_count: int) -> None:
    """Small, and fetched before anything is counted."""
