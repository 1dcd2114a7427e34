"""The models that the repository carries itself, in models/, which is laid out as MODELS_DIR is."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from src.manifest import ModelEntry
from src.pipelines.weights.lock import LOCK, Lock
from src.pipelines.weights.shelf import Shelf

FOLDER = Path(__file__).parent.parent / "models"


def is_embedded(entry: ModelEntry, *, folder: Path = FOLDER) -> bool:
    """Whether its weights are here."""
    return entry.repo in Lock.read(folder / LOCK).repos


def size(*, folder: Path = FOLDER) -> int:
    """Bytes of all of it."""
    repos = Lock.read(folder / LOCK).repos.values()
    return sum(file.size for repo in repos for file in repo.files.values())


def put(target: Path, entries: Iterable[ModelEntry], *, folder: Path = FOLDER) -> list[str]:
    """Copy models to another folder, or leave what is there and the same; names what was copied.

    Each appears complete or not at all, and is added to that folder's lock.json.
    """
    here, there = Lock.read(folder / LOCK), Shelf(target)
    copied = []
    for entry in entries:
        if all(
            there.whole(entry.repo, name) == file
            for name, file in here.repos[entry.repo].files.items()
        ):
            continue
        _copy(folder / entry.repo, target / entry.repo)
        there.put_made(entry.repo)
        copied.append(entry.repo)
    return copied


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".making-", dir=target.parent) as beside:
        made = Path(beside, target.name)
        shutil.copytree(source, made)
        shutil.rmtree(target, ignore_errors=True)
        made.rename(target)
