"""A model in memory: one set of components, and a pipeline for each class on top of them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

import diffusers

from ..generation import Task
from ..manifest import ModelEntry
from .family import Family, Pipeline


@dataclass(kw_only=True)
class LoadedModel:
    """What the loader hands out."""

    entry: ModelEntry
    family: Family
    size_bytes: int
    pipelines: dict[str, Pipeline] = field(default_factory=dict)

    def pipeline(self, task: Task) -> Pipeline:
        """The pipeline for a task; tasks of one class share it, and all share their weights."""
        return self.pipeline_of(self.family.tasks[task].pipeline)

    def pipeline_of(self, name: str, **parts: Any) -> Pipeline:
        """The pipeline of a class of diffusers, with further components where it needs them."""
        if name not in self.pipelines:
            loaded = next(iter(self.pipelines.values()))
            self.pipelines[name] = sibling(getattr(diffusers, name), loaded, **parts)
        return self.pipelines[name]


def sibling(cls: Any, loaded: Pipeline, **parts: Any) -> Pipeline:
    """Another pipeline on the same components, and on the same figures beside them."""
    takes = inspect.signature(cls.__init__).parameters
    known = {**loaded.components, **_figures(loaded), **parts}
    pipeline = cls(**{name: part for name, part in known.items() if name in takes})
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _figures(loaded: Pipeline) -> dict[str, Any]:
    """What the pipeline was given that is no component, such as Wan's boundary_ratio."""
    takes = inspect.signature(type(loaded).__init__).parameters
    return {
        name: value
        for name, value in loaded.config.items()
        if name in takes and name not in loaded.components
    }
