"""CogVideoX: text to video through a causal 3D VAE and a transformer on 2x2 patches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...generation import Task
from ..family import Family, Inputs, Pipeline, TaskPipeline

if TYPE_CHECKING:
    import torch


#: Latent frames that the VAE decodes at a time (its num_latent_frames_batch_size).
DECODE_CHUNK = 2


def _decode(pipeline: Pipeline, latents: torch.Tensor, _inputs: Inputs) -> Iterator[torch.Tensor]:
    """Give the frames as the causal decoder makes them, not when the whole clip is done."""
    vae = pipeline.vae
    if vae.use_tiling or vae.post_quant_conv is not None or hasattr(vae, "_hf_hook"):
        yield pipeline.decode_latents(latents)
        return
    # As AutoencoderKLCogVideoX._decode walks: an odd frame goes with the first pair, and the
    # convolutions' cache carries what came before.
    scaled = 1 / pipeline.vae_scaling_factor_image * latents.permute(0, 2, 1, 3, 4)
    cache, start, end = None, 0, DECODE_CHUNK + scaled.shape[2] % DECODE_CHUNK
    while start < scaled.shape[2]:
        frames, cache = vae.decoder(scaled[:, :, start:end], conv_cache=cache)
        yield frames
        start, end = end, end + DECODE_CHUNK


def _configure(pipeline: Pipeline) -> None:
    # A causal convolution over one frame needs none of the frames before, yet diffusers' keeps a
    # clone of its whole input for the next call. In this mode it keeps nothing and pads nothing;
    # the numbers are the same, and decoding takes a fifth of the memory.
    for module in pipeline.vae.modules():
        if getattr(module, "time_kernel_size", None) == 1:
            module.pad_mode = "replicate"


FAMILY = Family(
    name="cogvideox",
    tasks={
        Task.TEXT2VIDEO: TaskPipeline(
            pipeline="CogVideoXPipeline",
            keywords=frozenset(
                {"prompt", "negative_prompt", "num_inference_steps", "guidance_scale"}
            ),
        ),
    },
    size_multiple=16,  # the VAE's 8 times the transformer's patch of 2; check_inputs asks for 8
    # The model card's rule. Of the VAE's own 4k + 1, every other count gives frames too few or
    # too many: 12 asked for are 9, 13 are 16.
    frame_step=8,
    decode=_decode,
    configure=_configure,
)
