"""RunPod's model cache: what it has of a repository, seen as a bake would have stored it.

The cache is laid out as huggingface_hub's own (models--owner--name with blobs, refs and snapshots)
and holds a repository as it was published: in every precision, as pickles, for other software. A
folder of links shows what a pipeline reads, under the names that it reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from ...errors import ModelNotLoaded
from .folders import INDEX, table
from .headers import shard_table, shard_table_name
from .hub import RemoteFile
from .needs import Needs
from .selection import Part, refuse_pickles, select

PREFIX = "models--"


def folder_of(cache_dir: Path, repo: str) -> Path:
    """Where the cache keeps a repository, whether it has it or not."""
    return cache_dir / f"{PREFIX}{repo.replace('/', '--')}"


def repos_like(cache_dir: Path, patterns: list[str]) -> Iterator[str]:
    """The cached repositories whose names fit one of the patterns, such as "owner/*"."""
    if patterns:
        for path in sorted(cache_dir.glob(f"{PREFIX}*--*")):
            repo = path.name.removeprefix(PREFIX).replace("--", "/", 1)
            if any(fnmatchcase(repo, pattern) for pattern in patterns):
                yield repo


def snapshot(cache_dir: Path, repo: str) -> Path:
    """The folder with a cached repository's files: what refs/main names, or the only one there is.

    Raises ModelNotLoaded where there is none, or no telling which.
    """
    base = folder_of(cache_dir, repo)
    there = {path.name: path for path in (base / "snapshots").glob("*") if path.is_dir()}
    main = base / "refs" / "main"
    if main.is_file():
        commit = main.read_text("utf-8").strip()
        if commit not in there:
            raise ModelNotLoaded(f"{main}: names {commit}, and snapshots has no such folder")
        return there[commit]
    if len(there) != 1:
        raise ModelNotLoaded(
            f"{base}: refs/main is not there, and snapshots must have one folder, got {len(there)}"
        )
    return next(iter(there.values()))


def link(at: Path, repo: str, needs: Needs, folder: Path) -> None:
    """Fill a folder with links to what is needed of a snapshot.

    Raises ModelNotLoaded for what is not there, and for pickles.
    """
    listing = {
        path.relative_to(at).as_posix(): RemoteFile(
            path.relative_to(at).as_posix(), path.stat().st_size, blob=""
        )
        for path in sorted(at.rglob("*"))
        if path.is_file()
    }
    if needs.components is not None and INDEX not in listing:
        raise ModelNotLoaded(f"{repo}: has no {INDEX}, so is not in diffusers' layout")
    index = table(at / INDEX) if needs.components is not None else {}
    parts = select(repo, listing, needs, index)
    refuse_pickles(repo, parts)
    for part in parts:
        _link_part(part, at, folder)


def _link_part(part: Part, at: Path, folder: Path) -> None:
    for target, file in part.sources.items():
        place = folder / target
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to((at / file.path).absolute())
    shards = [folder / target for target in part.weights or {}]
    if len(shards) > 1:
        # The published one names the shards as they are called there.
        shards[0].with_name(shard_table_name(shards[0].name)).write_bytes(shard_table(shards))
