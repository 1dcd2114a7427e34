"""Weights held against the lock that was written when they were put where they lie."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os.path import normpath
from pathlib import Path

from ...errors import ModelNotLoaded
from .folders import ModelsDir, folder
from .lock import BLOCK, LOCK, Lock, sha256_of

#: Files of weights, which are large: their headers and sizes tell of most damage.
WEIGHTS = ".safetensors"
#: Threads that hash: reading from a disk and computing go side by side.
READERS = 4
#: What huggingface_hub calls a file's content: its sha256, or git's hash for a small file.
BLOB = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What a file must be."""

    path: Path
    #: Who says so.
    by: str
    #: None where nobody says.
    size: int | None
    #: Its sha256, or git's hash.
    digest: str


def check_locked(models_dir: ModelsDir, repos: Iterable[str], *, hash_weights: bool) -> None:
    """See whether repositories are what was put there, by the lock.json beside them.

    Every file's size, the hashes of all that are small (configurations, vocabularies, indexes) and,
    where asked, those of weights: that reads all of them. RunPod's model cache has no lock, but
    its files are called by their hashes, which are computed only where asked. What no lock tells
    of is left alone. Raises ModelNotLoaded, which names the file, what it must be and what it is.
    """
    repos = list(dict.fromkeys(repos))
    promises = [promise for repo in repos for promise in _locked(models_dir, repo)]
    if hash_weights:
        promises += [promise for repo in repos for promise in _named(folder(models_dir, repo))]
    for promise in promises:
        _check_size(promise)
    hashed = [one for one in promises if hash_weights or one.path.suffix != WEIGHTS]
    with ThreadPoolExecutor(READERS, "hashing") as threads:
        for _ in threads.map(_check_hash, hashed):
            pass


def _locked(models_dir: ModelsDir, repo: str) -> Iterator[Promise]:
    base = folder(models_dir, repo)
    lock = base.parent.parent / LOCK
    for target, record in Lock.read(lock).files_of(repo).items():
        yield Promise(path=base / target, by=str(lock), size=record.size, digest=record.sha256)


def _named(base: Path) -> Iterator[Promise]:
    """The files whose names in huggingface_hub's layout say what is in them."""
    for path in sorted(base.rglob("*")):
        for link in _chain(path):
            if link.parent.name == "blobs" and BLOB.fullmatch(link.name):
                yield Promise(path=path, by="its name in the cache", size=None, digest=link.name)
                break


def _chain(path: Path) -> Iterator[Path]:
    """A link, what it points to, what that points to: newer caches share files by other names."""
    yield path
    while path.is_symlink():
        path = Path(normpath(path.parent / path.readlink()))
        yield path


def _check_size(promise: Promise) -> None:
    try:
        size = promise.path.stat().st_size
    except OSError as error:
        raise ModelNotLoaded(f"{promise.path}: {error.strerror}, listed in {promise.by}") from error
    if promise.size not in (None, size):
        raise ModelNotLoaded(
            f"{promise.path}: must have {promise.size} bytes by {promise.by}, has {size}"
        )


def _check_hash(promise: Promise) -> None:
    is_sha256 = len(promise.digest) == hashlib.sha256().digest_size * 2
    got = sha256_of(promise.path) if is_sha256 else _git_hash(promise.path)
    if got != promise.digest:
        kind = "sha256" if is_sha256 else "git hash"
        raise ModelNotLoaded(
            f"{promise.path}: its {kind} must be {promise.digest} by {promise.by}, got {got}"
        )


def _git_hash(path: Path) -> str:
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
