"""The pipeline that a request needs: a task's own, or the one that also obeys a ControlNet."""

from __future__ import annotations

from typing import Any

from ..generation import Task
from .adapters import Adapter
from .family import Pipeline
from .loaded import LoadedModel
from .misfit import blamed_on


def pipeline_with(model: LoadedModel, task: Task, controlnet: Adapter | None) -> Pipeline:
    """The pipeline for a task; with a ControlNet it is made for this one call.

    Raises ModelNotLoaded for weights that cannot be read.
    """
    pipeline = model.pipeline(task)
    if controlnet is None:
        return pipeline
    return model.controlled(task, _read(controlnet, like=pipeline.unet))


def _read(controlnet: Adapter, *, like: Any) -> Any:
    from diffusers import ControlNetModel

    with blamed_on(controlnet):
        return ControlNetModel.from_pretrained(
            controlnet.folder, dtype=like.dtype, use_safetensors=True, local_files_only=True
        )
