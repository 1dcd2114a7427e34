"""The lock file: which commit each repository was baked from, and every file with its hash.

Sorted and one line a value, so that a difference in it can be read.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from .failures import BakeFailed
from .hub import BLOCK

VERSION = 1


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Source(_Record):
    """A file as it was published."""

    file: str
    size: int
    sha256: str


class StoredFile(_Record):
    """A file as it lies under MODELS_DIR."""

    size: int
    sha256: str
    #: What its weights were converted to, or its configuration made to say; None for neither.
    dtype: str | None = None
    #: None for what was made here: an index of shards, or random weights.
    source: Source | None = None


class Repository(_Record):
    """What was baked of one repository."""

    #: None for random weights, which are made and not fetched.
    commit: str | None = None
    files: dict[str, StoredFile] = {}


class Lock(_Record):
    """Everything that was baked."""

    version: int = VERSION
    repos: dict[str, Repository] = {}

    @classmethod
    def read(cls, path: Path) -> Lock:
        """The lock in a file, or an empty one where there is none; raises BakeFailed."""
        if not path.exists():
            return cls()
        try:
            lock = cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise BakeFailed(f"{path}: not a lock file: {error}") from error
        if lock.version != VERSION:
            raise BakeFailed(f"{path}: version must be {VERSION}, got {lock.version}")
        return lock

    def write(self, path: Path) -> None:
        """Put it in place in one step."""
        path.parent.mkdir(parents=True, exist_ok=True)
        table = self.model_dump(mode="json", exclude_none=True)
        part = path.with_name(f"{path.name}.part")
        part.write_text(json.dumps(table, indent=2, sort_keys=True) + "\n", "utf-8")
        part.replace(path)


def compare(name: str, wanted: StoredFile, got: StoredFile) -> None:
    """Hold a file against what the lock has of it; raises BakeFailed, which says both."""
    again = "; --update takes what is there now"
    check_source(name, wanted, got.source)
    if wanted.dtype != got.dtype:
        raise BakeFailed(
            f"{name}: the lock has it in {wanted.dtype or 'its published dtype'}, "
            f"got {got.dtype or 'its published dtype'}{again}"
        )
    if wanted.sha256 != got.sha256:
        raise BakeFailed(
            f"{name}: sha256 as stored must be {wanted.sha256} by the lock, got {got.sha256}{again}"
        )


def check_source(name: str, wanted: StoredFile, got: Source | None) -> None:
    """Hold a published file against the lock; raises BakeFailed."""
    if wanted.source is None or got is None:
        return
    for key in ("file", "sha256", "size"):
        of_lock, of_hub = getattr(wanted.source, key), getattr(got, key)
        if of_lock != of_hub:
            raise BakeFailed(
                f"{name}: {key} of the published file must be {of_lock} by the lock, "
                f"got {of_hub}; --update takes what is there now"
            )


def sha256_of(path: Path) -> str:
    """The hash of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
