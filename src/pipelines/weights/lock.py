"""The lock file: which commit each repository was baked from, and every file with its hash.

Sorted and one line a value, so that a difference in it can be read.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ...errors import ModelNotLoaded

VERSION = 1
#: Its name in a folder of weights.
LOCK = "lock.json"
BLOCK = 2**22


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
        """The lock in a file, or an empty one where there is none; raises ModelNotLoaded."""
        if not path.exists():
            return cls()
        try:
            lock = cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise ModelNotLoaded(f"{path}: not a lock file: {error}") from error
        if lock.version != VERSION:
            raise ModelNotLoaded(f"{path}: version must be {VERSION}, got {lock.version}")
        return lock

    def files_of(self, repo: str) -> dict[str, StoredFile]:
        """A repository's files by their paths in it; none of one that it does not know."""
        return self.repos[repo].files if repo in self.repos else {}

    def write(self, path: Path) -> None:
        """Put it in place in one step."""
        path.parent.mkdir(parents=True, exist_ok=True)
        table = self.model_dump(mode="json", exclude_none=True)
        part = path.with_name(f"{path.name}.part")
        part.write_text(json.dumps(table, indent=2, sort_keys=True) + "\n", "utf-8")
        part.replace(path)


def sha256_of(path: Path) -> str:
    """The hash of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
