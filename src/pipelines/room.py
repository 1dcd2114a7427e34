"""The room's door: settles requests, loads models, and turns a request into a clip."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..errors import OutOfMemory
from ..generation import Clip, GenerationRequest, Parameters, Sources, Task
from ..manifest import Manifest, ModelEntry, Served
from ..startup import phase
from . import FAMILIES
from .adapters import chosen
from .base import OnStep
from .choices import Choices
from .clip import advice_for, clip_of, frames_of, inputs_for
from .control import pipeline_with
from .family import Pipeline
from .health import check, check_chosen, device_errors
from .loaded import LoadedModel
from .loader import Loader, first_class
from .loras import worn
from .settle import settle
from .shortage import memory_errors
from .steps import Steps
from .tools import Tools
from .upscale import resized, second_pass, with_second
from .weights import check_files

if TYPE_CHECKING:
    from ..generation import FrameChunk

log = logging.getLogger(__name__)


class Pipelines:
    """Everything that the worker wants of torch and diffusers."""

    def __init__(
        self,
        *,
        manifest: Manifest,
        loader: Loader,
        default_model: str,
        choices: Choices | None = None,
    ) -> None:
        """`manifest` holds what has its weights present; `choices` are of it without any given.

        Raises ValueError for a model of a family that there is not, or of tasks that its family
        does not do.
        """
        for entry in manifest:
            _check_family(entry)
            first_class(entry)  # now: later two threads would import at once
        self._manifest = manifest
        self._loader = loader
        self._default_model = default_model
        self._choices = choices or Choices(manifest)
        self._tools = Tools(self._choices, models_dir=loader.models_dir, device=loader.device)
        for entry in manifest:
            loader.check(entry, takes_loras=self._takes_loras(entry))

    def settle(self, request: GenerationRequest) -> GenerationRequest:
        """Fill in and hold, as base.py says."""
        entry = self.entry(request)
        settled = self._settle(request, entry)
        second = second_pass(settled, entry)
        if second is None:
            return settled
        # What is wrong with the second pass is said before the first is made.
        return with_second(settled, self._settle(second, self.entry(second)))

    def _settle(self, request: GenerationRequest, entry: ModelEntry) -> GenerationRequest:
        family = FAMILIES[entry.family]
        return settle(request, entry=entry, family=family, choices=self._choices)

    def _takes_loras(self, entry: ModelEntry) -> bool:
        return FAMILIES[entry.family].takes_lora and self._choices.takes_loras(entry.id)

    def entry(self, request: GenerationRequest) -> ModelEntry:
        """The model that a request means; raises UnknownModel."""
        return self._manifest.find(request.model or self._default_model)

    def load(self, request: GenerationRequest) -> LoadedModel:
        """Have the model in memory, as base.py says."""
        entry = self.entry(request)
        public = f"{entry.id} does not fit into the device's memory."
        with self._guarded(entry.id), memory_errors(lambda _share: public):
            return self._loader.load(entry)

    def generate(
        self, model: LoadedModel, request: GenerationRequest, *, on_step: OnStep, sources: Sources
    ) -> Clip:
        """Make the clip, as base.py says."""
        with self._guarded(model.entry.id):
            prompt = self._tools.enhanced_prompt(request.parameters)
            if prompt:
                request = replace(request, parameters=replace(request.parameters, prompt=prompt))
            clip = self._drawn(model, request, on_step, sources)
            clip = self._tools.interpolated(clip, request.parameters)
        chunks = self._guarded_chunks(clip.chunks, model.entry.id)
        return replace(clip, enhanced_prompt=prompt, chunks=chunks)

    def check_weights(self) -> None:
        """See whether all weights are there and whole, as base.py says."""
        for entry in self._manifest:
            self._loader.check_weights(entry)
        extras: tuple[Served, ...] = (*self._manifest.adapters, *self._manifest.tools)
        for extra in extras:
            check_files(self._loader.models_dir, extra)
        self._loader.check_locked([*self._manifest, *extras])

    def check_device(self) -> None:
        """Try the device that the models run on, as base.py says."""
        check_chosen(self._loader.device, wanted=self._loader.device_wanted)
        check(self._loader.device)

    @contextmanager
    def _guarded(self, model: str) -> Iterator[None]:
        """Name a device that is broken; after memory ran out, have room for the next try.

        What other models take is then let go of: `model` is the id of the one at work.
        """
        with device_errors(self._loader.device):
            try:
                yield
            except OutOfMemory:
                self._loader.keep_only(model)
                raise

    def _guarded_chunks(self, chunks: Iterator[FrameChunk], model: str) -> Iterator[FrameChunk]:
        while True:
            with self._guarded(model):
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk

    def _drawn(
        self, model: LoadedModel, request: GenerationRequest, on_step: OnStep, sources: Sources
    ) -> Clip:
        """One pass, or two."""
        second = second_pass(request, model.entry)
        steps = Steps(on_step, later=_steps_of(second))
        clip = self._pass(model, request, steps, sources)
        if second is None:
            return clip
        steps.last_pass()
        return replace(self._upscaled(clip, second, steps), sound=clip.sound)

    def _upscaled(self, clip: Clip, second: GenerationRequest, steps: Steps) -> Clip:
        """Draw the whole clip anew at the second pass's size."""
        second = self._settle(second, self.entry(second))
        frames = resized(np.concatenate(list(clip.chunks)), second)
        return self._pass(self.load(second), second, steps, Sources(video=frames))

    def _pass(
        self, model: LoadedModel, request: GenerationRequest, steps: Steps, sources: Sources
    ) -> Clip:
        """One call of one pipeline."""
        task = model.family.tasks[request.task]
        adapters = chosen(
            request, model=model.entry, choices=self._choices, models_dir=self._loader.models_dir
        )
        with memory_errors():
            pipeline = pipeline_with(model, request.task, adapters.controlnet)
        inputs = inputs_for(model, request, sources, adapters)
        with (
            memory_errors(advice_for(model, inputs)),
            _hooks_released(pipeline),
            task.during(pipeline, inputs),
            worn(pipeline, adapters.loras),
            steps.of(pipeline, rounds=task.rounds(request.parameters)),
        ):
            model.prepare(pipeline, steps=_steps_of(request))
            output = pipeline(**task.call_keywords(pipeline, inputs))
            sound = model.family.sound(pipeline, output, inputs)
        return replace(
            clip_of(inputs, frames_of(model, pipeline, output.frames, inputs)), sound=sound
        )

    def warm(self, *, run: bool | None = None) -> str:
        """Have the first job pay for neither loading nor a first step; that one where it is told
        to, or where it compiles something or runs on a GPU.
        """
        entry = self._manifest.find(self._default_model)
        request = self.settle(_smallest(entry))
        with phase("load"):
            model = self.load(request)
        if run is None:  # a GPU loads its kernels at their first use; a CPU has them
            run = self._loader.device.type != "cpu" or entry.acceleration.compile
        if not run:
            return entry.id
        with phase("warm-up"):
            clip = self.generate(model, request, on_step=_unheard, sources=_blank(request))
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


@contextmanager
def _hooks_released(pipeline: Pipeline) -> Iterator[None]:
    """Move offloaded parts back even when a step was interrupted."""
    try:
        yield
    except BaseException:
        pipeline.maybe_free_model_hooks()
        raise


def _steps_of(request: GenerationRequest | None) -> int:
    """The steps that a pass will take, if there is one: a video is re-drawn by a share of them."""
    if request is None:
        return 0
    strength = request.parameters.strength if request.task is Task.VIDEO2VIDEO else None
    return int((strength or 1.0) * (request.parameters.num_inference_steps or 0))


def _unheard(_done: int, _total: int) -> None:
    """Nobody waits for a warm-up's steps."""


def _smallest(entry: ModelEntry) -> GenerationRequest:
    task = next(task for task in Task if task in entry.tasks)
    tiny = Parameters(
        width=64, height=64, num_frames=5, num_inference_steps=2, strength=1.0, seed=0
    )
    return GenerationRequest(task=task, model=entry.id, parameters=tiny)


def _blank(request: GenerationRequest) -> Sources:
    width, height, num_frames = request.parameters.shape
    if request.task is Task.IMG2VIDEO:
        return Sources(image=Image.new("RGB", (width, height)))
    if request.task is Task.VIDEO2VIDEO:
        return Sources(video=np.zeros((num_frames, height, width, 3), np.uint8))
    return Sources()
