"""Stable Video Diffusion: an image to a video, conditioned on motion, noise and frame rate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...generation import Task
from ..family import Family, Inputs, Pipeline, TaskPipeline, the_image

if TYPE_CHECKING:
    import torch


def _decode(pipeline: Pipeline, latents: torch.Tensor, _inputs: Inputs) -> Iterator[torch.Tensor]:
    # The decoder mixes neighbouring frames: in one go, as diffusers does by default, there are
    # no seams between chunks.
    frames = latents.shape[1]
    yield pipeline.decode_latents(latents, frames, frames)


FAMILY = Family(
    name="stable_video_diffusion",
    tasks={
        Task.IMG2VIDEO: TaskPipeline(
            pipeline="StableVideoDiffusionPipeline",
            keywords=frozenset(
                {
                    "num_inference_steps",
                    "min_guidance_scale",
                    "max_guidance_scale",
                    "motion_bucket_id",
                    "noise_aug_strength",
                    "fps",  # conditions the motion, too: the pipeline sends fps - 1 to the UNet
                }
            ),
            more=the_image,
        ),
    },
    size_multiple=8,
    takes_lora=False,  # diffusers has no loader of LoRAs for it
    least_frames=2,  # guidance rises from frame to frame; over one frame the pipeline gets it wrong
    decode=_decode,
)
