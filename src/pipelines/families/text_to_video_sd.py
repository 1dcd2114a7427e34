"""Text to video on Stable Diffusion's plan, as ModelScope's and zeroscope's, and its upscaler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...generation import Task
from ..clip_skip import let_layers_be_skipped
from ..family import Family, Inputs, Pipeline, TaskPipeline, the_video

if TYPE_CHECKING:
    import torch

#: Frames that the image VAE decodes at a time; each frame stands for itself.
DECODE_CHUNK = 4

_SAMPLING = frozenset(
    {"prompt", "negative_prompt", "num_inference_steps", "guidance_scale", "clip_skip"}
)


def _decode(pipeline: Pipeline, latents: torch.Tensor, _inputs: Inputs) -> Iterator[torch.Tensor]:
    for start in range(0, latents.shape[2], DECODE_CHUNK):
        yield pipeline.decode_latents(latents[:, :, start : start + DECODE_CHUNK])


def _configure(pipeline: Pipeline) -> None:
    let_layers_be_skipped(pipeline.text_encoder)
    # The pipeline encodes all frames of an input video in one batch; the model card has the VAE
    # take one at a time. Forward chunking, which it names as well, trades speed for memory that
    # the VAE's share no longer leaves short.
    pipeline.vae.enable_slicing()

    # The model cards' examples sample with this one; the repositories carry DDIM.
    from diffusers import DPMSolverMultistepScheduler

    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)


FAMILY = Family(
    name="text_to_video_sd",
    tasks={
        Task.TEXT2VIDEO: TaskPipeline(pipeline="TextToVideoSDPipeline", keywords=_SAMPLING),
        Task.VIDEO2VIDEO: TaskPipeline(
            pipeline="VideoToVideoSDPipeline",
            keywords=_SAMPLING | {"strength"},
            more=the_video,
            takes_size=False,
            takes_num_frames=False,
        ),
    },
    # The VAE's; the UNet's three halvings take odd latents, too: it interpolates back to the size
    # that it came from.
    size_multiple=8,
    takes_lora=False,  # diffusers loads LoRAs into the pipelines, but not into their UNet's class
    decode=_decode,
    configure=_configure,
)
