"""The room's door: settles requests, loads models, and turns a request into a clip."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from ..errors import OutOfMemory
from ..generation import Clip, GenerationRequest, Parameters, Task
from ..manifest import Manifest, ModelEntry
from . import FAMILIES
from .base import OnStep
from .family import Inputs, Pipeline
from .frames import grown_image, grown_video, to_uint8
from .loader import LoadedModel, Loader
from .settle import settle

if TYPE_CHECKING:
    from ..generation import FrameChunk

log = logging.getLogger(__name__)


class Pipelines:
    """Everything that the worker wants of torch and diffusers."""

    def __init__(self, *, manifest: Manifest, loader: Loader, default_model: str) -> None:
        """`manifest` holds the models whose weights are present.

        Raises ValueError for one of a family that there is not, or of tasks that its family
        does not do.
        """
        for entry in manifest:
            _check_family(entry)
        self._manifest = manifest
        self._loader = loader
        self._default_model = default_model

    def settle(self, request: GenerationRequest) -> GenerationRequest:
        """Fill in and hold, as base.py says."""
        entry = self.entry(request)
        return settle(request, entry=entry, family=FAMILIES[entry.family])

    def entry(self, request: GenerationRequest) -> ModelEntry:
        """The model that a request means; raises UnknownModel."""
        return self._manifest.find(request.model or self._default_model)

    def load(self, request: GenerationRequest) -> LoadedModel:
        """Have the model in memory, as base.py says."""
        with _memory_errors():
            return self._loader.load(self.entry(request))

    def generate(
        self,
        model: LoadedModel,
        request: GenerationRequest,
        *,
        on_step: OnStep,
        image: Image.Image | None = None,
        video: FrameChunk | None = None,
    ) -> Clip:
        """Make the clip, as base.py says."""
        pipeline = model.pipeline(request.task)
        inputs = inputs_for(model, request, image, video)
        keywords = model.family.tasks[request.task].call_keywords(pipeline, inputs)
        with _memory_errors(), _hooks_released(pipeline):
            latents = pipeline(**keywords, callback_on_step_end=_callback(on_step)).frames
        return _clip(model, inputs, pipeline, latents)

    def warm(self) -> str:
        """Have the first job pay for neither loading nor a first step."""
        entry = self._manifest.find(self._default_model)
        request = self.settle(_smallest(entry))
        model = self.load(request)
        image, video = _blank(request)
        clip = self.generate(model, request, on_step=_unheard, image=image, video=video)
        for _ in clip.chunks:
            pass
        return entry.id


def _check_family(entry: ModelEntry) -> None:
    family = FAMILIES.get(entry.family)
    if family is None:
        known = ", ".join(sorted(FAMILIES))
        raise ValueError(
            f"manifest, models.{entry.id}: family must be one of {known}, got {entry.family!r}"
        )
    beyond = sorted(entry.tasks - family.tasks.keys())
    if beyond:
        done = ", ".join(sorted(family.tasks))
        raise ValueError(
            f"manifest, models.{entry.id}: tasks must be among {family.name}'s ({done}), "
            f"got {', '.join(beyond)}"
        )


def inputs_for(
    model: LoadedModel,
    request: GenerationRequest,
    image: Image.Image | None,
    video: FrameChunk | None,
) -> Inputs:
    """What the model's pipeline is called with, sizes grown to what the family can do."""
    parameters = request.parameters
    width, height, num_frames = parameters.shape
    plan = model.family.plan(width=width, height=height, num_frames=num_frames)
    # On the CPU: the same seed then gives the same noise on every machine.
    generator = torch.Generator("cpu").manual_seed(parameters.seed or 0)
    return Inputs(
        plan=plan,
        parameters=parameters,
        image=None if image is None else grown_image(image, plan),
        video=None if video is None else grown_video(video, plan),
        generator=generator,
    )


def _clip(model: LoadedModel, inputs: Inputs, pipeline: Pipeline, latents: torch.Tensor) -> Clip:
    plan = inputs.plan
    return Clip(
        width=plan.width,
        height=plan.height,
        num_frames=plan.num_frames,
        fps=Fraction(inputs.parameters.fps or 1),
        chunks=_chunks(model, pipeline, latents, inputs),
    )


def _chunks(
    model: LoadedModel, pipeline: Pipeline, latents: torch.Tensor, inputs: Inputs
) -> Iterator[FrameChunk]:
    frames = to_uint8(_without_gradients(model.family.decode(pipeline, latents)), inputs.plan)
    while True:
        with _memory_errors():
            chunk = next(frames, None)
        if chunk is None:
            return
        yield chunk


def _without_gradients(decoded: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
    while True:
        with torch.no_grad():
            tensor = next(decoded, None)
        if tensor is None:
            return
        yield tensor


def _callback(on_step: OnStep) -> Callable[..., dict[str, Any]]:
    def after_step(
        pipeline: Pipeline, step: int, _time: Any, values: dict[str, Any]
    ) -> dict[str, Any]:
        on_step(step + 1, pipeline.num_timesteps)
        return values

    return after_step


@contextmanager
def _hooks_released(pipeline: Pipeline) -> Iterator[None]:
    """Move offloaded parts back even when a step was interrupted."""
    try:
        yield
    except BaseException:
        pipeline.maybe_free_model_hooks()
        raise


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Torch's ways of saying that memory ran out become ours."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(str(error)) from error
    except RuntimeError as error:
        if "can't allocate memory" in str(error):
            raise OutOfMemory(str(error)) from error
        raise


def _unheard(_done: int, _total: int) -> None:
    """Nobody waits for a warm-up's steps."""


def _smallest(entry: ModelEntry) -> GenerationRequest:
    task = next(task for task in Task if task in entry.tasks)
    tiny = Parameters(
        width=64, height=64, num_frames=5, num_inference_steps=2, strength=1.0, seed=0
    )
    return GenerationRequest(task=task, model=entry.id, parameters=tiny)


def _blank(request: GenerationRequest) -> tuple[Image.Image | None, FrameChunk | None]:
    width, height, num_frames = request.parameters.shape
    if request.task is Task.IMG2VIDEO:
        return Image.new("RGB", (width, height)), None
    if request.task is Task.VIDEO2VIDEO:
        return None, np.zeros((num_frames, height, width, 3), np.uint8)
    return None, None
