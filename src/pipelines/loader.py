"""Loads models from their folders and keeps them while there is room.

Knows no request. Weights are safetensors in diffusers' layout; nothing is downloaded.
"""

from __future__ import annotations

import gc
import json
import logging
from collections import OrderedDict
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from ..errors import ModelNotLoaded
from ..manifest import ModelEntry
from . import FAMILIES
from .family import Pipeline
from .loaded import LoadedModel
from .weights import folder, missing, size_in_memory

log = logging.getLogger(__name__)

#: Of the memory that the device has, what resident models may take when nothing is set.
GPU_SHARE = 0.85
CPU_SHARE = 0.5


def quieten_libraries() -> None:
    """Leave errors of diffusers and transformers in the log, and nothing below.

    They warn at each job of what cannot be helped (no torchvision, nothing kept in float32), and
    draw a bar for each file that they read.
    """
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()


class Loader:
    """Keeps models resident under a memory budget; the least recently used goes first."""

    def __init__(self, *, models_dir: Path, device: str, memory_budget: int | None = None) -> None:
        """`device` is "auto", "cuda" or "cpu"; `memory_budget` is in bytes of weights."""
        self.device = _device(device)
        self._models_dir = models_dir
        self._budget = memory_budget or _default_budget(self.device)
        self._resident: OrderedDict[str, LoadedModel] = OrderedDict()

    @property
    def resident(self) -> list[str]:
        """Ids of the models in memory, the least recently used first."""
        return list(self._resident)

    def load(self, entry: ModelEntry) -> LoadedModel:
        """The model, from memory or from its folder.

        Raises ModelNotLoaded when a folder is missing, cut short, or not safetensors.
        """
        if entry.id in self._resident:
            self._resident.move_to_end(entry.id)
            return self._resident[entry.id]
        absent = missing(self._models_dir, entry)
        if absent:
            raise ModelNotLoaded(f"{entry.id}: no weights in {self._models_dir} for {absent}")
        on_gpu = self.device.type != "cpu"
        size = size_in_memory(self._models_dir, entry, on_gpu=on_gpu)
        self._make_room(size)
        model = self._read(entry, size)
        self._resident[entry.id] = model
        return model

    def _make_room(self, size: int) -> None:
        while self._resident and self._in_use() + size > self._budget:
            name, model = self._resident.popitem(last=False)
            model.pipelines.clear()
            log.info("evicted %s (%.0f MB)", name, model.size_bytes / 1e6)
        if size > self._budget:
            log.warning(
                "%.0f MB of weights, above the budget of %.0f", size / 1e6, self._budget / 1e6
            )
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _in_use(self) -> int:
        return sum(model.size_bytes for model in self._resident.values())

    def _read(self, entry: ModelEntry, size: int) -> LoadedModel:
        family = FAMILIES[entry.family]
        first = family.tasks[next(task for task in family.tasks if task in entry.tasks)]
        try:
            pipeline = self._from_folders(getattr(diffusers, first.pipeline), entry)
        except (OSError, ValueError, KeyError, RuntimeError, AttributeError) as error:
            raise ModelNotLoaded(f"{entry.id}: {error}") from error
        family.configure(pipeline)
        return LoadedModel(
            entry=entry, family=family, size_bytes=size, pipelines={first.pipeline: pipeline}
        )

    def _from_folders(self, cls: Any, entry: ModelEntry) -> Pipeline:
        dtypes = self._dtypes(entry)
        components = {
            name: self._component(
                folder(self._models_dir, repo), dtypes.get(name, dtypes["default"])
            )
            for name, repo in entry.components.items()
        }
        pipeline = cls.from_pretrained(
            folder(self._models_dir, entry.repo),
            dtype=dtypes,
            use_safetensors=True,
            local_files_only=True,
            **components,
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline.to(self.device)

    def _component(self, path: Path, dtype: torch.dtype) -> Any:
        name = json.loads((path / "config.json").read_text("utf-8"))["_class_name"]
        return getattr(diffusers, name).from_pretrained(
            path, dtype=dtype, use_safetensors=True, local_files_only=True
        )

    def _dtypes(self, entry: ModelEntry) -> dict[str, torch.dtype]:
        if self.device.type == "cpu":
            return {"default": torch.float32}
        named = {"default": entry.dtype, **entry.dtypes}
        return {component: getattr(torch, dtype) for component, dtype in named.items()}


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _default_budget(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory * GPU_SHARE)
    return int(_ram_bytes() * CPU_SHARE)


def _ram_bytes() -> int:
    import psutil

    return int(psutil.virtual_memory().total)
