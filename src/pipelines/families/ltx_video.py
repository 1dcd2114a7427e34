"""LTX-Video from 0.9.5 on: one class of diffusers for text, images at either end, and a video.

A video is re-drawn from its own latents, noised as far as `strength` says: diffusers'
denoise_strength, a share of the steps. Of the schedule's noise the first half of the steps takes
a fortieth, so that more than half of them leaves little of the video.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...generation import Task
from ..family import Family, Inputs, Pipeline, TaskPipeline

if TYPE_CHECKING:
    import torch

#: What the authors decode with, and the noise that keeps an image's surroundings moving
#: (diffusers docs, api/pipelines/ltx_video). The decoder was trained to take off the last noise.
_PUBLISHED = {"decode_timestep": 0.05, "image_cond_noise_scale": 0.025}

_SAMPLING = frozenset({"prompt", "negative_prompt", "num_inference_steps", "guidance_scale"})


def _images(_pipeline: Pipeline, inputs: Inputs) -> dict[str, Any]:
    """Hold the first and the last frame that are seen to the images for them.

    The rotary positions are those of pixels, so that the last one may be any frame: what is
    generated beyond it, up to the next 8k + 1, is cut off.
    """
    from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

    ends = [
        (inputs.sources.last_image, inputs.plan.num_frames - 1),
        # After the last one: where both are one frame, the first is what is seen.
        (inputs.sources.image, 0),
    ]
    conditions = [
        LTXVideoCondition(image=image, frame_index=index) for image, index in ends if image
    ]
    # An empty list is no conditions to the pipeline in one place, and conditions in another.
    return _at_its_rate(inputs) | {"conditions": conditions or None}


def _video(pipeline: Pipeline, inputs: Inputs) -> dict[str, Any]:
    """Start from the video's latents in place of pure noise."""
    strength = inputs.parameters.strength
    return _at_its_rate(inputs) | {
        "latents": _encoded(pipeline, inputs),
        "denoise_strength": 1.0 if strength is None else strength,
    }


def _at_its_rate(inputs: Inputs) -> dict[str, Any]:
    return _PUBLISHED | {"frame_rate": inputs.parameters.fps or 25}


def _encoded(pipeline: Pipeline, inputs: Inputs) -> torch.Tensor:
    """The video's normalised latents, shape (1, channels, frames, height, width)."""
    import torch

    vae = pipeline.vae
    pixels = pipeline.video_processor.preprocess_video(inputs.frames)
    with torch.no_grad():
        posterior = vae.encode(pixels.to(pipeline._execution_device, vae.dtype)).latent_dist
    normalised: torch.Tensor = pipeline._normalize_latents(
        posterior.mode(), vae.latents_mean, vae.latents_std, vae.config.scaling_factor
    )
    return normalised


def _decode(pipeline: Pipeline, latents: torch.Tensor, inputs: Inputs) -> Iterator[torch.Tensor]:
    """As LTXConditionPipeline does: its decoder takes the last of the noise off, so put it on.

    In one piece: the decoder sees both ways in time.
    """
    import torch
    from diffusers.utils.torch_utils import randn_tensor

    vae = pipeline.vae
    latents = pipeline._denormalize_latents(
        latents, vae.latents_mean, vae.latents_std, vae.config.scaling_factor
    ).to(vae.dtype)
    timestep = None
    if vae.config.timestep_conditioning:
        share = _PUBLISHED["decode_timestep"]
        noise = randn_tensor(
            latents.shape, generator=inputs.generator, device=latents.device, dtype=latents.dtype
        )
        latents = (1 - share) * latents + share * noise
        timestep = torch.tensor([share], device=latents.device, dtype=latents.dtype)
    yield vae.decode(latents, timestep).sample


#: A text alone is one without a first image; it may still have a last one.
_WITH_IMAGES = TaskPipeline(
    pipeline="LTXConditionPipeline",
    keywords=_SAMPLING,
    indirect=frozenset({"last_image"}),
    more=_images,
)

FAMILY = Family(
    name="ltx_video",
    tasks={
        Task.TEXT2VIDEO: _WITH_IMAGES,
        Task.IMG2VIDEO: _WITH_IMAGES,
        Task.VIDEO2VIDEO: TaskPipeline(
            pipeline="LTXConditionPipeline",
            keywords=_SAMPLING,
            indirect=frozenset({"strength"}),
            more=_video,
        ),
    },
    size_multiple=32,  # the VAE's 8 times its patch of 4; check_inputs asks for it
    frame_step=8,
    decode=_decode,
)
