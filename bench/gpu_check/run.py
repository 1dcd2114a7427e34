"""One model in one case: loaded, run once to be warm, and then measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from src.generation import GenerationRequest, MediaReference, Parameters, Sources
from src.manifest import Manifest, ModelEntry
from src.pipelines import FAMILIES, acceleration, caches
from src.pipelines.clip import inputs_for
from src.pipelines.loaded import LoadedModel
from src.pipelines.loader import Loader
from src.pipelines.room import Pipelines
from src.pipelines.settle import STARTS_FROM
from src.pipelines.steps import Steps

from ..measure import measured
from . import weights
from .cases import DIFFUSERS, entry_for, task_of

#: Steps of the call that is not measured: what is compiled or looked up once is over after them.
WARM_STEPS = 2

Figures = dict[str, float]
#: Runs so many steps, and gives when the denoiser was done and when the frames were.
Call = Callable[[int], tuple[float, float]]


@dataclass(kw_only=True)
class Bench:
    """Where a model's weights are, and what is asked of it."""

    entry: ModelEntry
    device: str
    steps: int
    #: Width, height and frames; the model's defaults without.
    size: tuple[int, int, int] | None = None
    #: MODELS_DIR. What is not there is made in memory by `make`, and nothing is loaded.
    folder: Path
    make: Callable[[], Any] | None = None

    def figures(self, case: str) -> Figures:
        """Seconds of loading, of a step and of decoding, and the peak of memory.

        Raises what goes wrong: ValueError where a setting is refused.
        """
        self._marks: list[float] = []
        self._peak = 0
        measure = self._diffusers if case == DIFFUSERS else self._worker
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        with measured() as memory:
            figures = measure(entry_for(self.entry, case))
        return figures | {"peak_gb": self._peak / 1e9 or memory.extra_mb / 1e3}

    def _worker(self, entry: ModelEntry) -> Figures:
        loader = Loader(models_dir=self.folder, device=self.device)
        room = self._room(entry, loader)
        started = self._now()
        if self.make is None:
            model = loader.load(entry)
        else:
            pipeline = weights.random_pipeline(entry, self.make, self.device)
            model = loader.put(entry, pipeline, weights.sizes(pipeline))
        load = self._now() - started

        def call(steps: int) -> tuple[float, float]:
            request = self._request(room, steps)
            clip = room.generate(model, request, on_step=self._on_step, sources=_sources(request))
            denoised = self._now()
            for _ in clip.chunks:  # the room raises where they are not finite
                self._now()
            return denoised, self._now()

        return self._timed(call, load)

    def _diffusers(self, entry: ModelEntry) -> Figures:
        """The pipeline as it comes, called with what we would send, decoding by itself."""
        loader = Loader(models_dir=self.folder, device=self.device)
        room = self._room(entry, loader)
        started = self._now()
        read = (
            weights.random_pipeline(entry, self.make, self.device)
            if self.make
            else loader.read(entry)
        )
        read.to(self.device)
        load = self._now() - started
        model = LoadedModel(entry=entry, family=FAMILIES[entry.family], size_bytes=0)
        model.pipelines[type(read).__name__] = read
        task = model.family.tasks[task_of(entry)]
        pipeline = model.pipeline(task_of(entry))

        def call(steps: int) -> tuple[float, float]:
            request = self._request(room, steps)
            inputs = inputs_for(model, request, _sources(request))
            keywords = task.call_keywords(pipeline, inputs) | {"output_type": "np"}
            with Steps(self._on_step).of(pipeline), task.during(pipeline, inputs):
                frames = pipeline(**keywords).frames
            if not np.isfinite(np.asarray(frames)).all():
                raise ValueError("the frames are not finite")
            return self._marks[-1], self._now()

        return self._timed(call, load)

    def _timed(self, call: Call, load: float) -> Figures:
        call(min(WARM_STEPS, self.steps))
        self._marks.clear()
        started = self._now()
        denoised, done = call(self.steps)
        steps = (self._marks[-1] - self._marks[0]) / max(1, len(self._marks) - 1)
        return {
            "load_s": load,
            "step_s": steps,
            "decode_s": done - denoised,
            "total_s": done - started,
        }

    def _on_step(self, _done: int, _total: int) -> None:
        self._marks.append(self._now())

    def _now(self) -> float:
        if self.device == "cuda":
            torch.cuda.synchronize()
            # Looked at all along: the room resets it for each part of its work.
            self._peak = max(self._peak, torch.cuda.max_memory_allocated())
        return time.perf_counter()

    def _room(self, entry: ModelEntry, loader: Loader) -> Pipelines:
        """The room over the model; raises ValueError where it refuses the case's setting."""
        if self.make is not None:  # there is no folder that it could look into
            with torch.device("meta"), torch.no_grad():
                denoisers = acceleration.denoisers(self.make())
            task = FAMILIES[entry.family].tasks[task_of(entry)]
            pipelines = caches.classes_of({task_of(entry): task.pipeline})
            reasons = list(acceleration.misfits(entry.acceleration, denoisers, pipelines))
            if reasons:
                raise ValueError(f"{entry.id}.acceleration: {'; '.join(reasons)}")
            entry = entry.model_copy(update={"acceleration": acceleration.NOTHING})
        return Pipelines(manifest=Manifest(models=(entry,)), loader=loader, default_model=entry.id)

    def _request(self, room: Pipelines, steps: int) -> GenerationRequest:
        task = task_of(self.entry)
        width, height, num_frames = self.size or (None, None, None)
        reference = MediaReference(field="init", value="")
        media: dict[str, Any] = {STARTS_FROM[task]: reference} if task in STARTS_FROM else {}
        return room.settle(
            GenerationRequest(
                task=task,
                parameters=Parameters(
                    prompt="a fox playing ukulele on a boat",
                    width=width,
                    height=height,
                    num_frames=num_frames,
                    num_inference_steps=steps,
                    strength=1.0,
                    seed=0,
                ),
                **media,
            )
        )


def _sources(request: GenerationRequest) -> Sources:
    width, height, num_frames = request.parameters.shape
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (num_frames, height, width, 3), np.uint8)
    return Sources(
        image=Image.fromarray(frames[0]) if request.image else None,
        video=frames if request.video else None,
    )
