"""The story of a bake: plan every repository, then fetch, convert and put file by file.

Everything is planned before anything large is fetched, so that a licence that was not accepted
or a lock that does not hold is known in the first minute.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from builder.tiny_models import build_models
from src.manifest import AdapterEntry, Manifest, ModelEntry, Served
from src.pipelines.weights import INDEX, check_components, check_files
from src.pipelines.weights.hub import Hub, OnBytes, RemoteFile
from src.pipelines.weights.lock import Lock, Repository, Source, StoredFile
from src.pipelines.weights.needs import Needs, Stored, needs, taken
from src.pipelines.weights.selection import Part, select
from src.pipelines.weights.shelf import Shelf

from .conversion import SAFETENSORS
from .failures import BakeFailed
from .lock import check_source, compare
from .part_baker import PartBaker, table

#: How the manifest's sources begin for weights that are made here, not fetched.
MADE_HERE = "builder/"
BRANCH = "main"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How a bake treats the lock and the weights."""

    #: Take the newest commit of everything, and write the lock anew.
    update: bool = False
    #: Refuse what the lock does not have.
    frozen: bool = False
    stored: Stored = "served"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One repository at one commit."""

    repo: str
    commit: str
    parts: list[Part]

    @property
    def size(self) -> int:
        """Bytes as published."""
        return sum(file.size for part in self.parts for file in _once(part))


def choose(
    manifest: Manifest, names: Iterable[str], *, adapters: bool = True, tools: bool = True
) -> Manifest:
    """The named models, the adapters that fit one of them, and the tools; raises UnknownModel.

    Tools help any model, but come along only with one whose weights mean something: random ones
    are made without asking the network.
    """
    models = [manifest.find(name) for name in names]
    ids = {entry.id for entry in models}
    tools = tools and not all(made_here(entry) for entry in models)

    def is_wanted(entry: Served) -> bool:
        if isinstance(entry, ModelEntry):
            return entry.id in ids
        return adapters and bool(ids & entry.models) if isinstance(entry, AdapterEntry) else tools

    return manifest.only(is_wanted)


def bake(chosen: Manifest, *, hub: Hub, out: Path, lock: Path, rules: Rules) -> None:
    """Put everything chosen under `out`, and write both locks.

    Raises BakeFailed or ModelNotLoaded; what was put until then stays, and need not be fetched
    again.
    """
    _make(chosen.only(made_here), out)
    shelf = Shelf(out)
    baker = _Baker(hub, shelf, lock, rules)
    fetched = chosen.only(lambda entry: not made_here(entry))
    plans = [baker.plan(repo, needed) for repo, needed in needs(fetched, rules.stored).items()]
    with tqdm(
        total=sum(plan.size for plan in plans),
        desc="baking",
        unit="B",
        unit_scale=True,
        mininterval=0.1 if sys.stderr.isatty() else 10,  # a build's log has a line for each
    ) as bar:
        for plan in plans:
            bar.write(baker.bake(plan, bar))
    shelf.tidy()
    check(chosen, out)
    if baker.added:
        print(f"{lock}: new in it, to be committed: {', '.join(baker.added)}")


def check(chosen: Manifest, out: Path) -> None:
    """See whether everything chosen is there and whole; raises ModelNotLoaded."""
    for entry in chosen.models:
        check_components(out, entry, taken=taken(entry))
    everything: list[Served] = [*chosen.models, *chosen.adapters, *chosen.tools]
    for served in everything:
        if served.repos:
            check_files(out, served)


def made_here(entry: Served) -> bool:
    """Whether no hub has its weights."""
    return entry.source.startswith(MADE_HERE)


def _make(manifest: Manifest, out: Path) -> None:
    if manifest.models:
        for repo in build_models(out, manifest):
            print(f"{repo}: made here")


class _Baker:
    """Bakes repositories one after the other."""

    def __init__(self, hub: Hub, shelf: Shelf, lock: Path, rules: Rules) -> None:
        self._hub = hub
        self._shelf = shelf
        self._path = lock
        self._lock = Lock.read(lock)
        self._rules = rules
        #: Repositories of which the lock had nothing, or something else.
        self.added: list[str] = []

    def plan(self, repo: str, needed: Needs) -> Plan:
        """Find out what is to be fetched of a repository, and hold it against the lock."""
        commit = self._commit(repo)
        listing = self._hub.files(repo, commit)
        index: dict[str, Any] = {}
        if needed.components is not None:
            if INDEX not in listing:
                raise BakeFailed(f"{repo}: has no {INDEX}, so is not in diffusers' layout")
            path, _ = self._fetched(repo, commit, listing[INDEX], on_bytes=_uncounted)
            index = table(f"{repo}/{INDEX}", path.read_bytes())
        plan = Plan(repo=repo, commit=commit, parts=select(repo, listing, needed, index))
        for target, file in (pair for part in plan.parts for pair in part.sources.items()):
            locked = self._locked(repo, target)
            if locked and file.sha256:
                got = Source(file=file.path, size=file.size, sha256=file.sha256)
                check_source(f"{repo}/{target}", locked, got)
        return plan

    def bake(self, plan: Plan, bar: Any) -> str:
        """Put a repository's files in place; gives a line that says what was put."""
        self._shelf.begin(plan.repo, plan.commit, plan.parts)
        records: dict[str, StoredFile] = {}
        for part in plan.parts:
            records |= PartBaker(
                self._shelf,
                plan.repo,
                part,
                fetched=partial(self._fetched, plan.repo, plan.commit, on_bytes=bar.update),
                hold=partial(self._hold, plan.repo),
                on_bytes=bar.update,
            ).bake()
        self._write_down(plan, records)
        return _line(plan, records)

    def _hold(self, repo: str, target: str, record: StoredFile) -> None:
        """Hold a file that is to be put against the lock; raises BakeFailed."""
        locked = self._locked(repo, target)
        if locked:
            compare(f"{repo}/{target}", locked, record)

    def _fetched(
        self, repo: str, commit: str, file: RemoteFile, *, on_bytes: OnBytes
    ) -> tuple[Path, Source]:
        """A whole file of a repository, not in its place yet."""
        path = self._shelf.part(file.content)
        sha256 = self._hub.download(repo, commit, file, path, on_bytes=on_bytes)
        return path, Source(file=file.path, size=file.size, sha256=sha256)

    def _commit(self, repo: str) -> str:
        """What the lock says; without it what a bake that was cut short has begun with."""
        locked = self._lock.repos.get(repo)
        if self._rules.frozen and not locked:
            raise BakeFailed(f"{repo}: not in {self._path}, and --frozen takes nothing else")
        if self._rules.update:
            revision = BRANCH
        else:
            begun = self._shelf.commit(repo)
            revision = (locked.commit if locked else begun) or BRANCH
        return self._hub.commit(repo, revision)

    def _locked(self, repo: str, target: str) -> StoredFile | None:
        if self._rules.update or repo not in self._lock.repos:
            return None
        return self._lock.repos[repo].files.get(target)

    def _write_down(self, plan: Plan, records: dict[str, StoredFile]) -> None:
        """Add to the lock; files of the same commit that this bake did not need stay in it."""
        repository = self._lock.repos.get(plan.repo)
        stays = repository and repository.commit == plan.commit and not self._rules.update
        kept = repository.files if repository and stays else {}
        now = Repository(commit=plan.commit, files=kept | records)
        if now != repository:
            self._lock.repos[plan.repo] = now
            self._lock.write(self._path)
            self.added.append(plan.repo)


def _uncounted(_count: int) -> None:
    """Count nothing: there is no bar yet."""


def _once(part: Part) -> Iterable[RemoteFile]:
    """The files of a part; RIFE's pickle stands behind two that are stored."""
    return set(part.sources.values())


def _line(plan: Plan, records: dict[str, StoredFile]) -> str:
    stored = sum(record.size for record in records.values())
    weights = {
        record.dtype
        for target, record in records.items()
        if record.dtype and target.endswith(SAFETENSORS)
    }
    converted = f", converted to {' and '.join(sorted(weights))}" if weights else ""
    return (
        f"{plan.repo} at {plan.commit[:12]}: {len(records)} files, "
        f"{plan.size / 1e9:.3f} GB published, {stored / 1e9:.3f} GB stored{converted}"
    )
