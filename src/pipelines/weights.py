"""Where a model's weights lie, whether they are there, and what they will weigh in memory.

Folders are MODELS_DIR/<owner>/<name>, each in diffusers' layout. Reads headers, never weights.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import ModelNotLoaded
from ..manifest import AdapterEntry, Manifest, ModelEntry, Served

#: Bytes of a number in the dtypes that models are served in, or kept in.
DTYPE_BYTES = {
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
}

#: Bytes of a table of tensors, at most: the format's own limit.
MOST_HEADER = 100_000_000
#: Classes in a model_index.json that have a configuration and no weights.
WEIGHTLESS = re.compile("Tokenizer|Processor|FeatureExtractor|Scheduler")


def folder(models_dir: Path, repo: str) -> Path:
    """Where a repository's weights lie."""
    return models_dir / repo


def missing(models_dir: Path, entry: Served) -> list[str]:
    """The repositories of this model, adapter or tool that are not there."""
    return [repo for repo in entry.repos if not _is_there(folder(models_dir, repo))]


def present(models_dir: Path, manifest: Manifest) -> Manifest:
    """What has its weights there; raises ModelNotLoaded when no model has."""
    there = manifest.only(lambda entry: not missing(models_dir, entry))
    if not there.models:
        raise ModelNotLoaded(
            f"no model of the manifest has its weights in {models_dir.absolute()} (MODELS_DIR); "
            "`make tiny-models` writes small ones to out/tiny-models"
        )
    return there


def sizes(models_dir: Path, entry: ModelEntry, dtypes: Mapping[str, str]) -> dict[str, int]:
    """Bytes that the weights of each component will take, from the safetensors headers.

    `dtypes` are by component, and under "default" that of the others. Raises ModelNotLoaded for a
    file that is cut short or no safetensors file.
    """
    total: Counter[str] = Counter()
    for component, file in _files(models_dir, entry):
        dtype = dtypes.get(component, dtypes["default"])
        total[component] += _numbers(file) * DTYPE_BYTES[dtype]
    return dict(total)


def check_files(models_dir: Path, entry: Served) -> None:
    """See whether every safetensors file of a model, adapter or tool is there and whole.

    From headers and indexes alone. Raises ModelNotLoaded, which names the file and its fault.
    """
    for repo in entry.repos:
        base = folder(models_dir, repo)
        files = sorted(base.rglob("*.safetensors"))
        if not files:
            raise ModelNotLoaded(f"{base}: no safetensors files, needed for {entry.id}")
        for file in files:
            _numbers(file)
        for index in sorted(base.rglob("*.safetensors.index.json")):
            _check_shards(index)
        for name in _named_files(entry):
            if not (base / name).is_file():
                raise ModelNotLoaded(f"{base / name}: not there, needed for {entry.id}")


def check_components(models_dir: Path, entry: ModelEntry, *, taken: Collection[str]) -> None:
    """See whether every component that a model's index names has its folder, and weights in it.

    `taken` are the components that its pipeline has a use for: others need not be there. Raises
    ModelNotLoaded.
    """
    index = folder(models_dir, entry.repo) / "model_index.json"
    for name, value in _table(index).items():
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
    shards = _table(index).get("weight_map")
    if not isinstance(shards, dict):
        raise ModelNotLoaded(f"{index}: names no shards")
    for shard in sorted(set(map(str, shards.values()))):
        if not index.with_name(shard).is_file():
            raise ModelNotLoaded(f"{index.with_name(shard)}: not there, named by {index.name}")


def _named_files(entry: Served) -> Iterator[str]:
    """The files within its repository that an adapter says it is."""
    if isinstance(entry, AdapterEntry):
        yield from filter(None, (entry.file, entry.options.get("lora")))


def _table(file: Path) -> dict[str, Any]:
    """A JSON file's object."""
    try:
        table = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelNotLoaded(f"{file}: {error}") from error
    if not isinstance(table, dict):
        raise ModelNotLoaded(f"{file}: not a JSON object")
    return table


def _is_there(path: Path) -> bool:
    """Whether something was baked there: diffusers' or transformers' layout, or bare weights."""
    layouts = ("model_index.json", "config.json", "*.safetensors", "*/*.safetensors")
    return any(next(path.glob(layout), None) for layout in layouts)


def _files(models_dir: Path, entry: ModelEntry) -> Iterator[tuple[str, Path]]:
    """Each safetensors file that will be loaded, with the name of its component."""
    base = folder(models_dir, entry.repo)
    for file in sorted(base.glob("*/*.safetensors")):
        if file.parent.name not in entry.components:
            yield file.parent.name, file
    for component, repo in entry.components.items():
        for file in sorted(folder(models_dir, repo).glob("*.safetensors")):
            yield component, file


def _numbers(file: Path) -> int:
    """How many numbers a file holds; raises ModelNotLoaded for one that is not whole."""
    try:
        header, payload = _header(file)
        tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
        end = max((tensor["data_offsets"][1] for tensor in tensors), default=0)
        numbers = int(sum(math.prod(tensor["shape"]) for tensor in tensors))
    except OSError as error:
        raise ModelNotLoaded(f"{file}: {error.strerror}") from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ModelNotLoaded(f"{file}: not a safetensors file") from error
    if end != payload:
        raise ModelNotLoaded(f"{file}: should hold {end} bytes of weights, holds {payload}")
    return numbers


def _header(file: Path) -> tuple[dict[str, Any], int]:
    """A safetensors file's table of tensors, and the bytes that follow it."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > min(size, MOST_HEADER):
            raise ModelNotLoaded(f"{file}: not a whole safetensors file")
        return json.loads(stream.read(length)), size - 8 - length
