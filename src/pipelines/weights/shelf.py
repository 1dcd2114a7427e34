"""MODELS_DIR while it is filled: what is there, and how more gets there, a whole file at a time."""

from __future__ import annotations

from pathlib import Path

from ...errors import ModelNotLoaded
from .lock import LOCK, Lock, Repository, Source, StoredFile, sha256_of
from .selection import Part

#: Files that are not whole yet, by their content's hash.
PARTS = ".parts"


class Shelf:
    """The folder, and the record of everything in it that a bake has put there."""

    def __init__(self, folder: Path) -> None:
        """Reads the record that is there; raises ModelNotLoaded for one that cannot be read."""
        self.folder = folder
        self.lock = Lock.read(folder / LOCK)

    def at(self, repo: str, target: str) -> Path:
        """Where a file lies, or will."""
        return self.folder / repo / target

    def part(self, content: str) -> Path:
        """Where a file grows that is not whole yet."""
        return self.folder / PARTS / f"{content}.part"

    def commit(self, repo: str) -> str | None:
        """The commit that what is there came from."""
        return self.lock.repos[repo].commit if repo in self.lock.repos else None

    def whole(self, repo: str, target: str) -> StoredFile | None:
        """The record of a file that is there and has the bytes that were put there."""
        repository = self.lock.repos.get(repo, Repository())
        record = repository.files.get(target)
        path = self.at(repo, target)
        if record is None or not path.is_file() or path.stat().st_size != record.size:
            return None
        return record if sha256_of(path) == record.sha256 else None

    def begin(self, repo: str, commit: str, parts: list[Part]) -> None:
        """Make room for a commit: files of another one go, but for large ones that it has too.

        Raises ModelNotLoaded for a folder that no bake has made.
        """
        if repo not in self.lock.repos:
            if any((self.folder / repo).glob("*")):
                raise ModelNotLoaded(
                    f"{self.folder / repo}: holds files that are not in {self.folder / LOCK}; "
                    "remove the folder, or bake into another"
                )
            self.lock.repos[repo] = Repository(commit=commit)
        repository = self.lock.repos[repo]
        if repository.commit != commit:
            wanted = {path: one for part in parts for path, one in part.sources.items()}
            for target, record in list(repository.files.items()):
                file = wanted.get(target)
                same = file and record.source and file.sha256 == record.source.sha256
                if not same:
                    self.drop(repo, target)
            repository.commit = commit

    def files(self, repo: str) -> list[str]:
        """What a bake has put there of a repository."""
        return list(self.lock.repos[repo].files)

    def drop(self, repo: str, target: str) -> None:
        """Take a file away."""
        self.at(repo, target).unlink(missing_ok=True)
        del self.lock.repos[repo].files[target]
        self.lock.write(self.folder / LOCK)

    def put(self, repo: str, target: str, path: Path, record: StoredFile) -> None:
        """Move a whole file to its place and write it down."""
        place = self.at(repo, target)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)
        self.lock.repos[repo].files[target] = record
        self.lock.write(self.folder / LOCK)

    def put_made(self, repo: str) -> None:
        """Write down a repository that was made in its place."""
        base = self.folder / repo
        files = {
            path.relative_to(base).as_posix(): record_of(path, source=None)
            for path in sorted(base.rglob("*"))
            if path.is_file()
        }
        self.lock.repos[repo] = Repository(files=files)
        self.lock.write(self.folder / LOCK)

    def forget(self, repo: str) -> Repository:
        """Take a repository out of the record, which it gives; its files are somewhere else now."""
        repository = self.lock.repos.pop(repo)
        self.lock.write(self.folder / LOCK)
        return repository

    def tidy(self) -> None:
        """Leave nothing behind but what was baked."""
        parts = self.folder / PARTS
        for path in parts.glob("*"):
            path.unlink()
        if parts.is_dir():
            parts.rmdir()


def record_of(path: Path, *, source: Source | None, dtype: str | None = None) -> StoredFile:
    """What to write down of a file."""
    return StoredFile(size=path.stat().st_size, sha256=sha256_of(path), dtype=dtype, source=source)
