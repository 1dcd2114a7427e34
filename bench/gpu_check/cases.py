"""What is tried: one model of each family, as diffusers runs it, as we do, with each setting."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from src.generation import Task
from src.manifest import Acceleration, Manifest, ModelEntry

#: What a user would write instead: from_pretrained, to(device), and a call.
DIFFUSERS = "diffusers"
#: The worker as it is by default.
WORKER = "worker"
#: Settings of acceleration, each tried where it is not refused.
SETTINGS: dict[str, dict[str, Any]] = {
    "first_block": {"cache": "first_block"},
    # Ratios of 1: as many steps are skipped as its other options let it.
    "mag": {"cache": "mag", "cache_options": {"mag_ratios": [1.0]}},
    "pyramid_attention": {"cache": "pyramid_attention"},
    "sea": {"cache": "sea"},
    "taylorseer": {"cache": "taylorseer"},
    "taylorseer-lite": {"cache": "taylorseer", "cache_options": {"use_lite_mode": True}},
    "compile": {"compile": True},
    "compile-first_block": {"compile": True, "cache": "first_block"},
    "layerwise_casting": {"layerwise_casting": "float8_e4m3fn"},
    "cudnn": {"attention": "_native_cudnn"},
    "flash": {"attention": "flash"},
    "flash-3": {"attention": "_flash_3"},
    "sage": {"attention": "sage"},
}
CASES = (DIFFUSERS, WORKER, *SETTINGS)


def models(manifest: Manifest, names: Iterable[str]) -> list[ModelEntry]:
    """The models of these names, or the first of each family that has one on the Hub."""
    wanted = [manifest.find(name) for name in names]
    if wanted:
        return wanted
    first: dict[str, ModelEntry] = {}
    for entry in manifest:
        if not entry.source.startswith("builder/"):
            first.setdefault(entry.family, entry)
    return list(first.values())


def task_of(entry: ModelEntry) -> Task:
    """The one task that a model is tried with."""
    return next(task for task in Task if task in entry.tasks)


def entry_for(entry: ModelEntry, case: str) -> ModelEntry:
    """The model with a case's setting and that task alone."""
    return entry.model_copy(
        update={
            "tasks": frozenset({task_of(entry)}),
            "upscaler": None,
            "acceleration": Acceleration(**SETTINGS.get(case, {})),
        }
    )
