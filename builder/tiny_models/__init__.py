"""Tiny models of random weights, laid out as baked ones: MODELS_DIR/<owner>/<name>.

They are made from the real classes and keep the published block structure, since the rules
for sizes and frames follow from it; only widths and depths are small. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

from tqdm import tqdm

from src.manifest import Manifest, ModelEntry, ToolEntry
from src.pipelines import FAMILIES
from src.pipelines.weights.shelf import Shelf

from .. import embedded
from .adapters import lora_part, part_of
from .shelf import Part, put

__all__ = ["parts_of", "build_models", "build_loras"]


def parts_of(entry: ModelEntry | ToolEntry) -> dict[str, Part]:
    """What it is made of, repository -> content: a model by the file named after its family."""
    name = "tools" if isinstance(entry, ToolEntry) else entry.family
    parts: dict[str, Part] = import_module(f".{name}", __name__).parts(entry)
    return parts


def build_models(folder: Path, entries: Manifest | Iterable[ModelEntry]) -> list[str]:
    """Write every repository that the models need, and name those that were not there yet.

    Of a whole manifest, its tools' and adapters' as well. What the repository carries is copied.
    They are added to the folder's lock.json, without a commit.
    """
    models = list(entries)
    carried = [entry for entry in models if embedded.is_embedded(entry)]
    served: list[ModelEntry | ToolEntry] = [
        *(entry for entry in models if entry not in carried),
        *(entries.tools if isinstance(entries, Manifest) else ()),
    ]
    parts = {repo: part for entry in served for repo, part in parts_of(entry).items()}
    if isinstance(entries, Manifest):
        for repo, part in _adapters(folder, entries):
            parts.setdefault(repo, part)  # a model's own motion module is an adapter as well
    return embedded.put(folder, carried) + _put_all(folder, parts)


def build_loras(folder: Path, entries: Iterable[ModelEntry]) -> list[str]:
    """Write worker-video/<id>-lora for each model that takes LoRAs and is there already."""
    parts = {
        f"worker-video/{entry.id}-lora": lora_part(entry, folder)
        for entry in entries
        if FAMILIES[entry.family].takes_lora
    }
    return _put_all(folder, parts)


def _adapters(folder: Path, manifest: Manifest) -> Iterator[tuple[str, Part]]:
    for adapter in manifest.adapters:
        model = next((entry for entry in manifest if entry.id in adapter.models), None)
        if model and adapter.repo:
            yield adapter.repo, part_of(adapter, model, folder)


def _put_all(folder: Path, parts: dict[str, Part]) -> list[str]:
    shelf = Shelf(folder)
    progress = tqdm(parts.items(), desc="tiny models", unit="repo")
    written = [repo for repo, part in progress if put(folder, repo, part)]
    for repo in parts:
        if repo in written or repo not in shelf.lock.repos:
            shelf.put_made(repo)
    return written
