"""Finds the weights at start: each source is asked in turn, and the log says which had them."""

from __future__ import annotations

import atexit
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp

from ...errors import ModelNotLoaded, UnknownModel
from ...manifest import Manifest, ModelEntry, Served
from . import cached
from .download import fetch
from .folders import files_of, missing, sizes
from .hub import Hub, online
from .needs import Needs, needs
from .places import Place, Places, is_there

log = logging.getLogger(__name__)

#: Where more bytes are read than are served by this factor, the log says so.
WIDER = 1.2


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The operator's folders, in the order in which they are asked."""

    models_dir: Path
    #: RunPod's model cache, in huggingface_hub's layout.
    cache_dir: Path
    #: A folder on a network volume, in MODELS_DIR's layout.
    volume_dir: Path
    #: For what is fetched, where there is no volume to put it on.
    downloads_dir: Path
    #: Names of the models that may be fetched; with none, nothing ever is.
    downloads: tuple[str, ...] = ()
    #: Patterns of repositories that hold LoRAs and are in no manifest, such as "owner/*".
    lora_repos: tuple[str, ...] = ()

    def find(self, manifest: Manifest, *, hub: Callable[[], Hub]) -> Places:
        """The places that have weights, once all is there that may be fetched.

        Raises ModelNotLoaded where fetching fails, and UnknownModel for a name of `downloads`.
        """
        baked = Place(folder=self.models_dir)
        links = _linked(manifest, baked.folder, self.cache_dir, list(self.lora_repos))
        places = [
            baked,
            Place(
                folder=links or self.cache_dir,
                how="cached",
                setting="MODEL_CACHE_DIR",
                stands_for=self.cache_dir,
            ),
            Place(folder=self.volume_dir, how="on the volume", setting="VOLUME_MODELS_DIR"),
        ]
        if self.downloads:
            places.append(
                Place(folder=self.downloads_dir, how="downloaded", setting="DOWNLOAD_MODELS")
            )
        found = Places(*places)
        if self.downloads:
            self._fetch(manifest, found, hub)
        return found

    def _fetch(self, manifest: Manifest, places: Places, hub: Callable[[], Hub]) -> None:
        try:
            models = [manifest.find(name) for name in self.downloads]
        except UnknownModel as error:
            raise UnknownModel(f"DOWNLOAD_MODELS: {error}") from error
        absent = [entry for entry in models if missing(places, entry)]
        if not absent:
            return
        needed = needs(manifest.only(lambda entry: entry in absent), "served")
        needed = {repo: one for repo, one in needed.items() if not is_there(places.folder(repo))}
        to = self._writable()
        log.info("fetching to %s: %s", to, ", ".join(needed))
        with online():
            fetch(needed, hub=hub(), to=to)

    def _writable(self) -> Path:
        """The volume, where one is mounted and may be written to: other workers have it then."""
        try:
            self.volume_dir.mkdir(exist_ok=True)  # but not what it is mounted at
            TemporaryFile(dir=self.volume_dir).close()
        except OSError as error:
            log.info("%s: not to be written to (%s)", self.volume_dir, error.strerror)
            return self.downloads_dir
        return self.volume_dir


def tell(places: Places, manifest: Manifest) -> None:
    """Say where each model's weights come from, and if loading has to make them smaller: a line for
    all models of which the same is to be said.
    """
    lines: dict[str, list[str]] = {}
    for entry in manifest:
        told = f"{_origin(places, entry)}{_excess(places, entry)}"
        lines.setdefault(told, []).append(entry.id)
    for told, names in lines.items():
        log.info("%s: weights %s", ", ".join(names), told)


def _origin(places: Places, entry: ModelEntry) -> str:
    """By place, with the repositories where there are several places."""
    of = {repo: places.of(repo) for repo in entry.repos}
    if len(set(of.values())) == 1:
        place = of[entry.repo]
        return f"{place.how}, in {place}"
    return "; ".join(
        f"{place.how}, in {place}: {', '.join(repos)}"
        for place, repos in groupby(of, key=lambda repo: of[repo])
    )


def _excess(places: Places, entry: ModelEntry) -> str:
    if {places.of(repo) for repo in entry.repos} == {places.baked}:
        return ""
    try:
        read = sum(file.stat().st_size for file in files_of(places, entry))
        served = sum(sizes(places, entry, {"default": entry.dtype, **entry.dtypes}).values())
    except (ModelNotLoaded, OSError):
        return ""  # what is broken is told of by the check of the weights
    if read < WIDER * served:
        return ""
    return (
        f"; loading reads {read / 1e9:.1f} GB as published to serve {served / 1e9:.1f} GB, "
        "which a bake would have stored"
    )


def _linked(
    manifest: Manifest, models_dir: Path, cache_dir: Path, lora_repos: list[str]
) -> Path | None:
    """A folder of links to what the model cache has and the image has not; None for nothing.

    A repository that cannot be used as it was published is said in the log, and not there.
    """
    needed = dict(_cached_needs(manifest, models_dir, cache_dir))
    for repo in cached.repos_like(cache_dir, lora_repos):
        needed.setdefault(repo, Needs(lora=True))
    if not needed:
        return None
    folder = Path(mkdtemp(prefix="worker-video-weights-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for repo, one in needed.items():
        try:
            cached.link(cached.snapshot(cache_dir, repo), repo, one, folder / repo)
        except (ModelNotLoaded, OSError) as error:
            shutil.rmtree(folder / repo, ignore_errors=True)
            log.warning("%s: in the model cache, but of no use: %s", repo, error)
    return folder


def _cached_needs(
    manifest: Manifest, models_dir: Path, cache_dir: Path
) -> Iterator[tuple[str, Needs]]:
    """What is needed of repositories that the cache has and the image has not."""
    served: Iterable[Served] = (*manifest.models, *manifest.adapters, *manifest.tools)
    wanted = {
        repo
        for entry in served
        for repo in entry.repos
        if cached.folder_of(cache_dir, repo).is_dir() and not is_there(models_dir / repo)
    }
    # Only these: finding out what a model needs imports its pipeline's class.
    some = manifest.only(lambda entry: not wanted.isdisjoint(entry.repos))
    for repo, one in needs(some, "served").items():
        if repo in wanted:
            yield repo, one
