"""From a settled request to what a pipeline is called with, and from its latents to a clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

import torch

from ..generation import Clip, GenerationRequest, Sources
from .adapters import NO_ADAPTERS, Adapters
from .family import Inputs, Pipeline, Plan
from .frames import grown_image, grown_video, to_uint8
from .loaded import LoadedModel
from .shortage import memory_errors, suggestion

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..generation import FrameChunk


def inputs_for(
    model: LoadedModel,
    request: GenerationRequest,
    sources: Sources,
    adapters: Adapters = NO_ADAPTERS,
) -> Inputs:
    """What the model's pipeline is called with, sizes grown to what the family can do."""
    parameters = request.parameters
    width, height, num_frames = parameters.shape
    plan = model.family.plan(
        width=width,
        height=height,
        num_frames=num_frames,
        size_multiple=model.entry.size_multiple,
    )
    # On the CPU: the same seed then gives the same noise on every machine.
    generator = torch.Generator("cpu").manual_seed(parameters.seed or 0)
    return Inputs(
        plan=plan,
        parameters=parameters,
        sources=_grown(sources, plan),
        generator=generator,
        adapters=adapters,
    )


def _grown(sources: Sources, plan: Plan) -> Sources:
    images = sources.controlnet_images
    return replace(
        sources,
        image=sources.image and grown_image(sources.image, plan),
        last_image=sources.last_image and grown_image(sources.last_image, plan),
        controlnet_images=images and _one_for_each_frame(images, plan),
        video=None if sources.video is None else grown_video(sources.video, plan),
    )


def _one_for_each_frame(images: tuple[Image, ...], plan: Plan) -> tuple[Image, ...]:
    """As many images as frames: spread over the clip in their order, one alone over all of it."""
    grown = [grown_image(image, plan) for image in images]
    count = plan.generated_frames
    return tuple(grown[index * len(grown) // count] for index in range(count))


def clip_of(inputs: Inputs, chunks: Iterator[FrameChunk]) -> Clip:
    """The clip that these frames are, at the size and rate asked for."""
    plan = inputs.plan
    return Clip(
        width=plan.width,
        height=plan.height,
        num_frames=plan.num_frames,
        fps=Fraction(inputs.parameters.fps or 1),
        chunks=chunks,
    )


def frames_of(
    model: LoadedModel, pipeline: Pipeline, latents: torch.Tensor, inputs: Inputs
) -> Iterator[FrameChunk]:
    """Decode while the frames are read; raises OutOfMemory or GenerationError then."""
    decoded = model.family.decode(pipeline, latents, inputs)
    frames = to_uint8(_without_gradients(decoded), inputs.plan)
    try:
        while True:
            with memory_errors(advice_for(model, inputs)):
                chunk = next(frames, None)
            if chunk is None:
                return
            yield chunk
    finally:
        # Decoding has brought the VAE back to the device, if it does not live there.
        pipeline.maybe_free_model_hooks()


def advice_for(model: LoadedModel, inputs: Inputs) -> Callable[[float], str]:
    """What to tell the caller when memory runs out over this clip."""
    return partial(suggestion, model.family, inputs.plan, size_multiple=model.entry.size_multiple)


def _without_gradients(decoded: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
    while True:
        with torch.no_grad():
            tensor = next(decoded, None)
        if tensor is None:
            return
        yield tensor
