"""Whether a model's files are there and whole, from headers and indexes alone."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from ...errors import ModelNotLoaded
from ...manifest import AdapterEntry, ModelEntry, Served
from .folders import INDEX, ModelsDir, folder, table
from .headers import numbers

#: Classes in a model_index.json that have a configuration and no weights.
WEIGHTLESS = re.compile("Tokenizer|Processor|FeatureExtractor|Scheduler")


def check_files(models_dir: ModelsDir, entry: Served) -> None:
    """See whether every safetensors file of a model, adapter or tool is there and whole.

    From headers and indexes alone. Raises ModelNotLoaded, which names the file and its fault.
    """
    for repo in entry.repos:
        base = folder(models_dir, repo)
        files = sorted(base.rglob("*.safetensors"))
        if not files:
            raise ModelNotLoaded(f"{base}: no safetensors files, needed for {entry.id}")
        for file in files:
            numbers(file)
        for index in sorted(base.rglob("*.safetensors.index.json")):
            _check_shards(index)
        for name in _named_files(entry):
            if not (base / name).is_file():
                raise ModelNotLoaded(f"{base / name}: not there, needed for {entry.id}")


def check_components(models_dir: ModelsDir, entry: ModelEntry, *, taken: Collection[str]) -> None:
    """See whether every component that a model's index names has its folder, and weights in it.

    `taken` are the components that its pipeline has a use for: others need not be there. Raises
    ModelNotLoaded.
    """
    index = folder(models_dir, entry.repo) / INDEX
    for name, value in table(index).items():
        # A pair of nulls is a component that the model does without; others are figures.
        if name not in taken or not isinstance(value, list) or not all(value):
            continue
        if name not in entry.components:
            _check_component(index.with_name(name), cls=str(value[-1]))
    for repo in entry.components.values():
        config = folder(models_dir, repo) / "config.json"
        if not config.is_file():
            raise ModelNotLoaded(f"{config}: not there, needed for {entry.id}")


def _check_component(path: Path, *, cls: str) -> None:
    if not next(path.glob("*config.json"), None):
        raise ModelNotLoaded(f"{path}: no configuration, needed for {cls}")
    has_network = (path / "config.json").is_file() and not WEIGHTLESS.search(cls)
    if has_network and not next(path.glob("*.safetensors"), None):
        raise ModelNotLoaded(f"{path}: no safetensors files, needed for {cls}")


def _check_shards(index: Path) -> None:
    shards = table(index).get("weight_map")
    if not isinstance(shards, dict):
        raise ModelNotLoaded(f"{index}: names no shards")
    for shard in sorted(set(map(str, shards.values()))):
        if not index.with_name(shard).is_file():
            raise ModelNotLoaded(f"{index.with_name(shard)}: not there, named by {index.name}")


def _named_files(entry: Served) -> Iterator[str]:
    """The files within its repository that an adapter says it is."""
    if isinstance(entry, AdapterEntry):
        yield from filter(None, (entry.file, entry.options.get("lora")))
