"""Which folders and files a model is loaded from, and what its weights will weigh in memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...errors import ModelNotLoaded
from ...manifest import Manifest, ModelEntry, Served
from .headers import numbers
from .places import Place, Places, is_there

#: One folder of weights, or several sources behind one.
ModelsDir = Path | Places

#: Bytes of a number in the dtypes that models are served in, or kept in.
DTYPE_BYTES = {
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
}
INDEX = "model_index.json"
#: The name that diffusers saves a LoRA under.
LORA_FILE = "pytorch_lora_weights.safetensors"


def folder(models_dir: ModelsDir, repo: str) -> Path:
    """Where a repository's weights lie, or would lie."""
    return models_dir / repo if isinstance(models_dir, Path) else models_dir.folder(repo)


def missing(models_dir: ModelsDir, entry: Served) -> list[str]:
    """The repositories of this model, adapter or tool that are not there."""
    return [repo for repo in entry.repos if not is_there(folder(models_dir, repo))]


def present(models_dir: ModelsDir, manifest: Manifest) -> Manifest:
    """What has its weights there; raises ModelNotLoaded when no model has."""
    there = manifest.only(lambda entry: not missing(models_dir, entry))
    if not there.models:
        where = models_dir if isinstance(models_dir, Places) else Place(folder=models_dir)
        raise ModelNotLoaded(
            f"no model of the manifest has its weights in {where}; "
            "`make tiny-models` writes small ones to out/tiny-models"
        )
    return there


def files_of(models_dir: ModelsDir, entry: ModelEntry) -> list[Path]:
    """The files of weights that loading a model reads; nothing is imported and none is opened.

    Components of other repositories come first, as the loader has it. diffusers goes through the
    rest in no order (by a set of names): here they are in that of model_index.json, a component's
    shards by number. What is not there is not in the list. Raises ModelNotLoaded for a
    model_index.json that cannot be read.
    """
    return [file for _component, file in weights_of(models_dir, entry)]


def weights_of(models_dir: ModelsDir, entry: ModelEntry) -> Iterator[tuple[str, Path]]:
    """The files of `files_of`, each with the name of its component."""
    for component, repo in entry.components.items():
        for file in sorted(folder(models_dir, repo).glob("*.safetensors")):
            yield component, file
    base = folder(models_dir, entry.repo)
    for component, value in table(base / INDEX).items():
        # A pair of nulls is a component that the model does without; others are figures.
        named = isinstance(value, list) and all(value)
        if named and component not in entry.components:
            for file in sorted((base / component).glob("*.safetensors")):
                yield component, file


def sizes(models_dir: ModelsDir, entry: ModelEntry, dtypes: Mapping[str, str]) -> dict[str, int]:
    """Bytes that the weights of each component will take, from the safetensors headers.

    `dtypes` are by component, and under "default" that of the others. Raises ModelNotLoaded for a
    file that is cut short or no safetensors file.
    """
    total: Counter[str] = Counter()
    for component, file in weights_of(models_dir, entry):
        dtype = dtypes.get(component, dtypes["default"])
        total[component] += numbers(file) * DTYPE_BYTES[dtype]
    return dict(total)


def table(file: Path) -> dict[str, Any]:
    """A JSON file's object; raises ModelNotLoaded."""
    try:
        read = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelNotLoaded(f"{file}: {error}") from error
    if not isinstance(read, dict):
        raise ModelNotLoaded(f"{file}: not a JSON object")
    return read
