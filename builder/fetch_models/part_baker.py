"""One part of a repository: fetched, converted, put in its place, unless it is there already."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from src.pipelines.weights.headers import shard_table, shard_table_name
from src.pipelines.weights.hub import OnBytes, RemoteFile
from src.pipelines.weights.lock import Source, StoredFile
from src.pipelines.weights.selection import CONFIG, RIFE_WEIGHTS, SHARD_TABLE, WEIGHTS, Part
from src.pipelines.weights.shelf import Shelf, record_of

from .conversion import SAFETENSORS, kept_in_float32, store, with_dtype, would_change
from .failures import BakeFailed


class PartBaker:
    """Bakes one part: its configuration is read first, and written last."""

    def __init__(
        self,
        shelf: Shelf,
        repo: str,
        part: Part,
        *,
        fetched: Callable[[RemoteFile], tuple[Path, Source]],
        hold: Callable[[str, StoredFile], None],
        on_bytes: OnBytes,
    ) -> None:
        """`fetched` gives a whole file, not in its place yet; `hold` holds one against the lock."""
        self._shelf = shelf
        self._repo = repo
        self._part = part
        self._fetched = fetched
        self._hold = hold
        self._on_bytes = on_bytes
        self._records: dict[str, StoredFile] = {}

    def bake(self) -> dict[str, StoredFile]:
        """Put the part's files in place; gives their records by path."""
        for file in self._part.plain:
            if self._is_there(file.path, file):
                self._on_bytes(file.size)
            else:
                path, source = self._fetched(file)
                self._put(file.path, path, source)
        if self._part.rife:
            self._bake_rife(self._part.rife)
        elif self._part.config:
            self._bake_network(self._part.config)
        else:
            self._bake_weights(frozenset())
        return self._records

    def _bake_network(self, file: RemoteFile) -> None:
        path, source = self._fetched(file)
        config = table(f"{self._repo}/{file.path}", path.read_bytes())
        self._bake_weights(kept_in_float32(config, self._part.dtype))
        weights = self._part.weights or {}
        if len(weights) > 1:
            self._put_shard_table(weights)
        self._clear()
        converted = any(self._records[target].dtype for target in weights)
        if converted and self._part.dtype:
            says = with_dtype(config, self._part.dtype)
            if says != config:
                path.write_text(json.dumps(says, indent=2) + "\n", "utf-8")
                self._put(file.path, path, source, dtype=self._part.dtype)
                return
        self._put(file.path, path, source)

    def _clear(self) -> None:
        """Take other weights of this network away, such as shards where there is one file now."""
        for target in self._shelf.files(self._repo):
            path = PurePosixPath(target)
            weights = WEIGHTS.fullmatch(path.name) or SHARD_TABLE.fullmatch(path.name)
            here = path.parent == PurePosixPath(self._part.folder)
            if weights and here and target not in self._records:
                self._shelf.drop(self._repo, target)

    def _bake_weights(self, kept: Collection[str]) -> None:
        for target, file in (self._part.weights or {}).items():
            if self._is_there(target, file, kept):
                self._on_bytes(file.size)
                continue
            source, published = self._fetched(file)
            path, changed = store(
                source,
                source.with_suffix(".stored"),
                dtype=self._part.dtype,
                kept=kept,
                pickled=not file.path.endswith(SAFETENSORS),
            )
            self._put(target, path, published, dtype=self._part.dtype if changed else None)
            source.unlink(missing_ok=True)

    def _put_shard_table(self, weights: Iterable[str]) -> None:
        shards = [self._shelf.at(self._repo, target) for target in weights]
        name = shard_table_name(shards[0].name)
        path = self._shelf.part("index")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(shard_table(shards))
        folder = f"{self._part.folder}/" if self._part.folder else ""
        self._put(f"{folder}{name}", path, None)

    def _bake_rife(self, file: RemoteFile) -> None:
        from builder.convert_rife import convert

        targets = (CONFIG, RIFE_WEIGHTS)
        if all(self._is_there(target, file) for target in targets):
            self._on_bytes(file.size)
            return
        source, published = self._fetched(file)
        folder = source.parent
        try:
            convert(source, folder)
        except ValueError as error:
            raise BakeFailed(f"{self._repo}/{file.path}: {error}") from error
        for target in targets:
            self._put(target, folder / target, published)
        source.unlink()

    def _is_there(self, target: str, file: RemoteFile, kept: Collection[str] = ()) -> bool:
        """Whether an earlier bake has put just this there."""
        record = self._shelf.whole(self._repo, target)
        if not record or not record.source or record.source.file != file.path:
            return False
        if file.sha256 and file.sha256 != record.source.sha256:
            return False
        if record.dtype != self._part.dtype and (record.dtype or self._would_change(target, kept)):
            return False
        self._hold(target, record)
        self._records[target] = record
        return True

    def _would_change(self, target: str, kept: Collection[str]) -> bool:
        path = self._shelf.at(self._repo, target)
        weights = path.suffix == SAFETENSORS and not self._part.rife
        return weights and would_change(path, self._part.dtype, kept)

    def _put(
        self, target: str, path: Path, source: Source | None, *, dtype: str | None = None
    ) -> None:
        record = record_of(path, source=source, dtype=dtype)
        self._hold(target, record)
        self._shelf.put(self._repo, target, path, record)
        self._records[target] = record


def table(name: str, content: bytes) -> dict[str, Any]:
    """A JSON file's object; raises BakeFailed."""
    try:
        read = json.loads(content)
    except ValueError as error:
        raise BakeFailed(f"{name}: {error}") from error
    if not isinstance(read, dict):
        raise BakeFailed(f"{name}: not a JSON object")
    return read
