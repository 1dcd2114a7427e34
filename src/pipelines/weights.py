"""Where a model's weights lie, whether they are there, and what they will weigh in memory.

Folders are MODELS_DIR/<owner>/<name>, each in diffusers' layout. Reads headers, never weights.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import ModelNotLoaded
from ..manifest import Manifest, ModelEntry, Served

#: Bytes of a number in the dtypes that models are served in, or kept in.
DTYPE_BYTES = {
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
}


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
    header, payload = _header(file)
    tensors = {name: tensor for name, tensor in header.items() if name != "__metadata__"}
    end = max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
    if end != payload:
        raise ModelNotLoaded(f"{file}: should hold {end} bytes of weights, holds {payload}")
    return sum(math.prod(tensor["shape"]) for tensor in tensors.values())


def _header(file: Path) -> tuple[dict[str, dict[str, list[int]]], int]:
    """A safetensors file's table of tensors, and the bytes that follow it."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > size:
            raise ModelNotLoaded(f"{file}: not a whole safetensors file")
        try:
            return json.loads(stream.read(length)), size - 8 - length
        except ValueError as error:
            raise ModelNotLoaded(f"{file}: not a safetensors file") from error
