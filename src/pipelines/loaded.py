"""A model in memory: one set of components, and a pipeline for each class on top of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import diffusers

from ..generation import Task
from ..manifest import ModelEntry
from . import acceleration
from .family import Family, Pipeline, as_it_is
from .prompt_cache import PromptCache


@dataclass(kw_only=True)
class LoadedModel:
    """What the loader hands out."""

    entry: ModelEntry
    family: Family
    size_bytes: int
    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    #: Puts a new pipeline's components where they belong on the device.
    place: Callable[[Pipeline], None] = as_it_is
    prompts: PromptCache = field(default_factory=PromptCache)

    def __post_init__(self) -> None:
        """Let the pipelines that came with it share the encodings of prompts."""
        for pipeline in self.pipelines.values():
            self.prompts.install(pipeline)

    def pipeline(self, task: Task) -> Pipeline:
        """The pipeline for a task; tasks of one class share it, and all share their weights."""
        name = self.family.tasks[task].pipeline
        if name not in self.pipelines:
            self.pipelines[name] = self._another(name)
        return self.pipelines[name]

    def controlled(self, task: Task, controlnet: Any) -> Pipeline:
        """A pipeline for a task that also obeys a ControlNet; made for one call."""
        return self._another(self.family.tasks[task].controlled, controlnet=controlnet)

    def _another(self, name: str, **parts: Any) -> Pipeline:
        """A pipeline of a class of diffusers, with further components where it needs them."""
        loaded = next(iter(self.pipelines.values()))
        pipeline = sibling(getattr(diffusers, name), loaded, **parts)
        self.place(pipeline)
        self.prompts.install(pipeline)
        return pipeline

    def prepare(self, pipeline: Pipeline, *, steps: int) -> None:
        """Have all that was put on the model ready for a call of so many steps."""
        acceleration.prepare(pipeline, self.entry.acceleration, steps=steps)


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
