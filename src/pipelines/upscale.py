"""The second, upscaling pass: the first pass's frames, drawn anew at a larger size.

Knows no weights: a pass is a request like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..generation import GenerationRequest, MediaReference, Parameters, Task

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
#: What both passes have in common, where both models have a use for it.
KEPT = (
    *("prompt", "negative_prompt", "seed", "num_frames", "fps", "clip_skip"),
    *("lora_models", "lora_strength", "motion_module", "motion_loras", "motion_lora_strength"),
    *("adapter_lora", "domain_lora_scale"),
)


def second_pass(request: GenerationRequest, upscaler: str | None) -> GenerationRequest | None:
    """The request for the second pass, not settled yet; None where none is asked for."""
    first = request.parameters
    if upscaler is None or not first.upscale_width:
        return None
    kept = {name: value for name, value in first.given().items() if name in KEPT}
    if upscaler != request.model:
        kept = {name: value for name, value in kept.items() if "lora" not in name}
    changed = {name: getattr(first, original) for name, original in FROM.items()}
    return GenerationRequest(
        task=Task.VIDEO2VIDEO,
        model=upscaler,
        parameters=Parameters(**kept, **changed),
        video=MediaReference(field="video", value=""),
        field_names={name: request.name_of(original) for name, original in FROM.items()},
    )


def resized(frames: FrameChunk, request: GenerationRequest) -> FrameChunk:
    """The frames of the first pass, shape (frames, height, width, 3), at the second's size."""
    width, height, _ = request.parameters.shape
    return np.stack(
        [
            np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS))
            for frame in frames
        ]
    )
