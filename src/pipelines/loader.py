"""Loads models from their folders and keeps them while there is room.

Knows no request. Weights are safetensors in diffusers' layout; nothing is downloaded.
"""

from __future__ import annotations

import gc
import inspect
import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from ..errors import ModelNotLoaded
from ..manifest import ModelEntry, Served
from . import FAMILIES, acceleration, fitting
from .family import Pipeline
from .fitting import RESIDENT, Fitting
from .loaded import LoadedModel
from .shortage import is_shortage
from .weights import (
    ModelsDir,
    check_components,
    check_files,
    check_locked,
    folder,
    missing,
    sizes,
)

log = logging.getLogger(__name__)

#: Of the memory that the device has, what resident models may take when nothing is set.
GPU_SHARE = 0.85
CPU_SHARE = 0.5


def quieten_libraries() -> None:
    """Leave errors of diffusers and transformers in our log, in its form, and nothing below.

    They warn at each job of what cannot be helped (no torchvision, nothing kept in float32), and
    draw a bar for each file that they read.
    """
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_default_handler()
        library.utils.logging.enable_propagation()
        library.utils.logging.disable_progress_bar()
    # What huggingface_hub asks with has a line for each request.
    logging.getLogger("httpx2").setLevel(logging.WARNING)


class Loader:
    """Keeps models resident under a memory budget; the least recently used goes first."""

    def __init__(
        self,
        *,
        models_dir: ModelsDir,
        device: str,
        memory_budget: int | None = None,
        free_memory: Callable[[], int] | None = None,
        hash_weights: bool = False,
    ) -> None:
        """`device` is "auto", "cuda" or "cpu"; `memory_budget` is in bytes of weights.

        `free_memory` tells the bytes that the device has free. Without it the GPU is asked, and on
        the CPU every model lies in memory whole. `hash_weights` is for `check_locked`.
        """
        self.device = _device(device)
        #: As the operator has it.
        self.device_wanted = device
        self._models_dir = models_dir
        self._budget = memory_budget or _default_budget(self.device)
        self._free = free_memory or _free_memory(self.device)
        self._hash_weights = hash_weights
        self._resident: OrderedDict[str, LoadedModel] = OrderedDict()

    @property
    def models_dir(self) -> ModelsDir:
        """Where the weights lie, of models and of all else."""
        return self._models_dir

    @property
    def resident(self) -> list[str]:
        """Ids of the models in memory, the least recently used first."""
        return list(self._resident)

    def check(self, entry: ModelEntry, *, takes_loras: bool) -> None:
        """Hold a model's settings of acceleration against its weights' folder and the device.

        Raises ValueError with the reason; `takes_loras` is whether requests may put some on it.
        """
        if entry.acceleration == acceleration.NOTHING:
            return
        weights = sizes(self._models_dir, entry, self._stored_dtypes(entry))
        acceleration.check(
            entry,
            FAMILIES[entry.family],
            models_dir=self._models_dir,
            device=self.device,
            fitting=self._fitting(entry, weights),
            takes_loras=takes_loras,
        )

    def check_weights(self, entry: ModelEntry) -> None:
        """See whether a model's files are all there and whole, without reading weights.

        Raises ModelNotLoaded, which names the file and its fault.
        """
        taken = inspect.signature(first_class(entry).__init__).parameters
        check_components(self._models_dir, entry, taken=taken)
        check_files(self._models_dir, entry)

    def check_locked(self, entries: Iterable[Served]) -> None:
        """See whether what models, adapters and tools need is what was baked, by the lock file.

        Raises ModelNotLoaded, which names the file, what it must be and what it is.
        """
        repos = [repo for entry in entries for repo in entry.repos]
        check_locked(self._models_dir, repos, hash_weights=self._hash_weights)

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
        weights = sizes(self._models_dir, entry, self._stored_dtypes(entry))
        self._make_room(entry, weights)
        return self.put(entry, self.read(entry), weights)

    def put(self, entry: ModelEntry, pipeline: Pipeline, weights: Mapping[str, int]) -> LoadedModel:
        """Keep a pipeline that was read, set up and placed on the device.

        `weights` are bytes by component.
        """
        family = FAMILIES[entry.family]
        family.configure(pipeline)
        acceleration.apply(pipeline, entry.acceleration)
        chosen = self._fitting(entry, weights)
        size = sum(weights.values())
        log.info("%s: %s; %s", entry.id, self._memory(entry, size), chosen)
        place = partial(fitting.apply, fitting=chosen, device=self.device)
        place(pipeline)
        model = LoadedModel(
            entry=entry,
            family=family,
            size_bytes=size,
            pipelines={type(pipeline).__name__: pipeline},
            place=place,
        )
        self._resident[entry.id] = model
        return model

    def evict(self) -> None:
        """Let go of the model that was used least recently."""
        self._drop(next(iter(self._resident)))
        self._collect()

    def keep_only(self, name: str) -> None:
        """Let go of every model but the one of this id, whether that is in memory or not."""
        for other in self.resident:
            if other != name:
                self._drop(other)
        self._collect()

    def _drop(self, name: str) -> None:
        """In a frame of its own, which would otherwise hold what is to be collected."""
        model = self._resident.pop(name)
        for pipeline in model.pipelines.values():
            fitting.remove(pipeline)
        model.pipelines.clear()
        log.info("evicted %s (%.0f MB)", name, model.size_bytes / 1e6)

    def _make_room(self, entry: ModelEntry, weights: Mapping[str, int]) -> None:
        """Evict until the model fits as a whole, beside what a clip takes, or is alone."""
        size = sum(weights.values())
        self._collect()
        while self._resident and (
            self._in_use() + size > self._budget or self._fitting(entry, weights) != RESIDENT
        ):
            self.evict()
        if size > self._budget:
            log.warning(
                "%.0f MB of weights, above the budget of %.0f", size / 1e6, self._budget / 1e6
            )

    def _collect(self) -> None:
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _in_use(self) -> int:
        return sum(model.size_bytes for model in self._resident.values())

    def _fitting(self, entry: ModelEntry, weights: Mapping[str, int]) -> Fitting:
        if self._free is None:
            return RESIDENT
        working = fitting.working_memory(entry)
        free = min(self._free(), self._budget + working)
        return fitting.choose(weights, free=free, working=working)

    def _memory(self, entry: ModelEntry, size: int) -> str:
        """What the choice was made from, for the log."""
        words = f"{size / 1e9:.1f} GB of weights"
        if self._free is None:
            return words
        working = fitting.working_memory(entry)
        return f"{words}, {working / 1e9:.1f} GB for a clip, {self._free() / 1e9:.1f} GB free"

    def read(self, entry: ModelEntry) -> Pipeline:
        """The pipeline of a model's first task, as it is in its folder; raises ModelNotLoaded."""
        try:
            with FAMILIES[entry.family].reading():
                return self._from_folders(first_class(entry), entry)
        except (OSError, ValueError, KeyError, RuntimeError, AttributeError) as error:
            if is_shortage(error):
                raise
            raise ModelNotLoaded(f"{entry.id}: {error}") from error

    def _from_folders(self, cls: Any, entry: ModelEntry) -> Pipeline:
        names = self._dtypes(entry)
        dtypes = {component: getattr(torch, name) for component, name in names.items()}
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
        return pipeline

    def _component(self, path: Path, dtype: torch.dtype) -> Any:
        name = json.loads((path / "config.json").read_text("utf-8"))["_class_name"]
        return getattr(diffusers, name).from_pretrained(
            path, dtype=dtype, use_safetensors=True, local_files_only=True
        )

    def _dtypes(self, entry: ModelEntry) -> dict[str, str]:
        if self.device.type == "cpu":
            return fitting.dtypes(entry, capability=None)
        capability = torch.cuda.get_device_capability(self.device)
        return fitting.dtypes(entry, capability=capability)

    def _stored_dtypes(self, entry: ModelEntry) -> dict[str, str]:
        """What the weights are kept in, which may be less than they are computed with."""
        stored = entry.acceleration.layerwise_casting
        return self._dtypes(entry) | (dict.fromkeys(fitting.DENOISERS, stored) if stored else {})


def first_class(entry: ModelEntry) -> Any:
    """The class of the pipeline for a model's first task, by which its folder is read."""
    tasks = FAMILIES[entry.family].tasks
    return getattr(diffusers, next(tasks[task].pipeline for task in tasks if task in entry.tasks))


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _default_budget(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory * GPU_SHARE)
    return int(_ram_bytes() * CPU_SHARE)


def _free_memory(device: torch.device) -> Callable[[], int] | None:
    """How to ask a GPU for what it has free, torch's own store of freed blocks included."""
    if device.type != "cuda":
        return None

    def free() -> int:
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused

    return free


def _ram_bytes() -> int:
    import psutil

    return int(psutil.virtual_memory().total)
