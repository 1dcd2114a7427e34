"""HunyuanVideo 1.5: text, or an image and text, to video by Qwen, ByT5 and a VAE of 16x16x4."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...generation import Task
from ..family import Family, Inputs, Pipeline, TaskPipeline, the_image
from ..schedule import shifted

if TYPE_CHECKING:
    import torch


def _decode(pipeline: Pipeline, latents: torch.Tensor, _inputs: Inputs) -> Iterator[torch.Tensor]:
    vae = pipeline.vae
    yield vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor, return_dict=False)[0]


def _configure(pipeline: Pipeline) -> None:
    # Each latent pixel of a clip attends to all before it, by a mask that is filled line by line:
    # without tiles, 720p asks for tens of gigabytes. The authors' example decodes so, too.
    pipeline.vae.enable_tiling()


@contextmanager
def _guided(pipeline: Pipeline, inputs: Inputs) -> Iterator[None]:
    """Guide by guidance_scale, which is a figure of a component here and no keyword."""
    guider = pipeline.guider
    kept = guider.guidance_scale
    scale = inputs.parameters.guidance_scale
    guider.guidance_scale = kept if scale is None else scale
    try:
        with shifted(pipeline, inputs):
            yield
    finally:
        guider.guidance_scale = kept


@contextmanager
def _of_that_size(pipeline: Pipeline, inputs: Inputs) -> Iterator[None]:
    """Generate at the image's own size: the pipeline would look for one of its own near to it."""
    processor, plan = pipeline.video_processor, inputs.plan

    def size(**_image: int) -> tuple[int, int]:
        return plan.generated_height, plan.generated_width

    processor.calculate_default_height_width = size
    try:
        with _guided(pipeline, inputs):
            yield
    finally:
        del processor.calculate_default_height_width


_SAMPLING = frozenset({"prompt", "negative_prompt", "num_inference_steps"})
_FIGURES = frozenset({"guidance_scale", "flow_shift"})

FAMILY = Family(
    name="hunyuan_video15",
    tasks={
        Task.TEXT2VIDEO: TaskPipeline(
            pipeline="HunyuanVideo15Pipeline",
            keywords=_SAMPLING,
            indirect=_FIGURES,
            during=_guided,
        ),
        Task.IMG2VIDEO: TaskPipeline(
            pipeline="HunyuanVideo15ImageToVideoPipeline",
            keywords=_SAMPLING,
            indirect=_FIGURES,
            more=the_image,
            during=_of_that_size,
            takes_size=False,
        ),
    },
    size_multiple=16,  # the VAE's; the transformer's patch is 1
    frame_step=4,
    takes_lora=False,  # diffusers' classes have no loader of LoRAs
    decode=_decode,
    configure=_configure,
)
