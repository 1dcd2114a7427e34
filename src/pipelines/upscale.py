"""The second, upscaling pass: the first pass's frames, drawn anew at a larger size.

Knows no weights: a pass is a request like any other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..generation import GenerationRequest, MediaReference, Parameters, Task
from ..manifest import ModelEntry
from .adapters import LORAS

if TYPE_CHECKING:
    from ..generation import FrameChunk

#: What the second pass calls a parameter -> what the first calls it.
FROM = {
    "width": "upscale_width",
    "height": "upscale_height",
    "strength": "upscale_strength",
    "guidance_scale": "upscale_guidance_scale",
    "num_inference_steps": "upscale_num_inference_steps",
}
#: Parameters that choose adapters, or say how much of them.
ADAPTERS = ("motion_module", *LORAS, *LORAS.values())
#: What both passes have in common, where both models have a use for it.
KEPT = (
    *("prompt", "negative_prompt", "seed", "num_frames", "fps", "clip_skip"),
    *ADAPTERS,
)


def second_pass(request: GenerationRequest, entry: ModelEntry) -> GenerationRequest | None:
    """The request for the second pass of a settled one, not settled itself yet.

    `entry` is the first pass's model. None where no second pass is asked for, or can be made.
    """
    first = request.parameters
    if entry.upscaler is None or not first.upscale_width:
        return None
    kept = {name: value for name, value in first.given().items() if name in KEPT}
    if entry.upscaler != entry.id:  # adapters fit the model that they were chosen for
        kept = {name: value for name, value in kept.items() if name not in ADAPTERS}
    changed = {name: getattr(first, original) for name, original in FROM.items()}
    return GenerationRequest(
        task=Task.VIDEO2VIDEO,
        model=entry.upscaler,
        parameters=Parameters(**kept, **changed),
        video=MediaReference(field="video", value=""),
        field_names={
            **request.field_names,
            **{name: request.name_of(original) for name, original in FROM.items()},
        },
    )


def with_second(request: GenerationRequest, second: GenerationRequest) -> GenerationRequest:
    """A settled request that says what its settled second pass will do."""
    effective = {original: getattr(second.parameters, name) for name, original in FROM.items()}
    return replace(request, parameters=replace(request.parameters, **effective))


def resized(frames: FrameChunk, request: GenerationRequest) -> FrameChunk:
    """The frames of the first pass, shape (frames, height, width, 3), at the second's size."""
    width, height, _ = request.parameters.shape
    large = np.empty((len(frames), height, width, 3), np.uint8)
    for index, frame in enumerate(frames):
        image = Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS)
        large[index] = np.asarray(image)
    return large
