"""Real pipelines on tiny weights."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from src.generation import Clip, GenerationRequest, MediaReference, Parameters, Sources, Task
from src.manifest import Manifest, load_manifest
from src.pipelines.base import OnStep
from src.pipelines.choices import Choices
from src.pipelines.loader import Loader
from src.pipelines.room import Pipelines
from src.pipelines.settle import STARTS_FROM
from src.pipelines.weights import missing


def _cases() -> list[tuple[str, Task]]:
    """Every task of every family, each by the first model of the manifest that does it."""
    first: dict[tuple[str, Task], str] = {}
    for entry in load_manifest():
        for task in Task:
            # What the embedded model shows is looked at in tests/demo.
            if task in entry.tasks and entry.id != "demo":
                first.setdefault((entry.family, task), entry.id)
    return [(model, task) for (_, task), model in first.items()]


CASES = _cases()
BASE: dict[str, Any] = {
    "prompt": "a fox",
    "width": 64,
    "height": 64,
    "num_frames": 3,
    "num_inference_steps": 2,
    "strength": 0.7,
    "seed": 7,
}


class Studio:
    """The room with every tiny model, and inputs to match what is asked."""

    def __init__(self, models_dir: Path) -> None:
        manifest = load_manifest()
        self.loader = Loader(models_dir=models_dir, device="cpu")
        choices = Choices(
            manifest,
            lora_repos=["worker-video/*"],
            is_there=lambda adapter: not missing(models_dir, adapter),
        )
        self.room = Pipelines(
            manifest=manifest, loader=self.loader, default_model="tiny", choices=choices
        )

    def request(
        self, model: str, task: Task, *, media: Collection[str] = (), **given: Any
    ) -> GenerationRequest:
        """Settle a small request; `media` names what goes in besides the task's own."""
        reference = MediaReference(field="init", value="")
        names = {*media, *([STARTS_FROM[task]] if task in STARTS_FROM else [])}
        references: dict[str, Any] = {
            name: (reference,) if name == "controlnet_images" else reference for name in names
        }
        return self.room.settle(
            GenerationRequest(
                task=task, model=model, parameters=Parameters(**(BASE | given)), **references
            )
        )

    def clip(
        self,
        request: GenerationRequest,
        *,
        on_step: OnStep = lambda _done, _total: None,
        media_seed: int = 0,
    ) -> Clip:
        width, height, num_frames = request.parameters.shape
        rng = np.random.default_rng(media_seed)
        frames = rng.integers(0, 256, (num_frames, height, width, 3), np.uint8)
        return self.room.generate(
            self.room.load(request),
            request,
            on_step=on_step,
            sources=sources_of(request, frames),
        )

    def frames(self, model: str, task: Task, *, media_seed: int = 0, **given: Any) -> Any:
        clip = self.clip(self.request(model, task, **given), media_seed=media_seed)
        return np.concatenate(list(clip.chunks))


def sources_of(request: GenerationRequest, frames: Any) -> Sources:
    """What the request refers to, cut from frames of its size and number."""
    return Sources(
        image=Image.fromarray(frames[0]) if request.image else None,
        last_image=Image.fromarray(frames[-1]) if request.last_image else None,
        ip_adapter_image=Image.fromarray(frames[0]) if request.ip_adapter_image else None,
        controlnet_images=tuple(map(Image.fromarray, frames))
        if request.controlnet_images
        else None,
        video=frames if request.video else None,
    )


@pytest.fixture(scope="session")
def bare_room(tiny_models: Path) -> Pipelines:
    """The room where nothing is baked but the models."""
    manifest = Manifest(models=load_manifest().models)
    loader = Loader(models_dir=tiny_models, device="cpu")
    return Pipelines(manifest=manifest, loader=loader, default_model="tiny")


@pytest.fixture(scope="session")
def studio(tiny_models: Path) -> Studio:
    return Studio(tiny_models)
