"""CogVideoX: text, an image or a video to a video, by a causal 3D VAE and a transformer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from ...generation import Task
from ..family import Family, Inputs, Pipeline, TaskPipeline, the_image, the_video

if TYPE_CHECKING:
    import torch


#: Latent frames that the VAE decodes at a time (its num_latent_frames_batch_size).
DECODE_CHUNK = 2

_SAMPLING = frozenset({"prompt", "negative_prompt", "num_inference_steps", "guidance_scale"})


def _decode(pipeline: Pipeline, latents: torch.Tensor, inputs: Inputs) -> Iterator[torch.Tensor]:
    """Give the frames as the causal decoder makes them, not when the whole clip is done."""
    latents = latents[:, _padding(pipeline, inputs) :]
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


def _padding(pipeline: Pipeline, inputs: Inputs) -> int:
    """Latent frames that the pipeline put before the clip's own, and drops when it decodes.

    CogVideoX 1.5 alone: its patches are two latent frames deep.
    """
    depth = pipeline.transformer.config.patch_size_t or 1
    frames = (inputs.plan.generated_frames - 1) // pipeline.vae_scale_factor_temporal + 1
    return int(-frames % depth)


def _configure(pipeline: Pipeline) -> None:
    # A causal convolution over one frame needs none of the frames before, yet diffusers' keeps a
    # clone of its whole input for the next call. In this mode it keeps nothing and pads nothing;
    # the numbers are the same, and decoding takes a fifth of the memory.
    for module in pipeline.vae.modules():
        if getattr(module, "time_kernel_size", None) == 1:
            module.pad_mode = "replicate"

    patches = pipeline.transformer.patch_embed
    if patches.use_learned_positional_embeddings:
        # CogVideoX-5b-I2V has learned where 720x480 patches of 49 frames lie. diffusers refuses
        # other sizes, and for other counts of frames puts sines in the place of what was learned.
        # As computed positions they may be of any size; the table itself is used where it fits.
        patches.use_learned_positional_embeddings = False
        patches.use_positional_embeddings = True
        patches._get_positional_embeddings = partial(_learned_positions, patches)


def _learned_positions(
    patches: Any, height: int, width: int, frames: int, device: torch.device | None = None
) -> torch.Tensor:
    """The learned table, read where the rotary positions of the same clip are taken from.

    These lie in the middle of the trained grid, as large as the clip's shape lets them be.
    `height` and `width` are in latents, `frames` in pixels; gives (1, tokens, channels).
    """
    import torch
    from diffusers.pipelines.cogvideo.pipeline_cogvideox_image2video import (
        get_resize_crop_region_for_grid,
    )

    table, patch = patches.pos_embedding, patches.patch_size
    rows, columns = patches.sample_height // patch, patches.sample_width // patch
    grid = table[:, patches.max_text_seq_length :].unflatten(1, (-1, rows, columns))
    shape = (height // patch, width // patch)
    (top, left), (bottom, right) = get_resize_crop_region_for_grid(shape, columns, rows)
    region = grid[:, :, top:bottom, left:right].movedim(-1, 1).float()
    count = (frames - 1) // patches.temporal_compression_ratio + 1
    fitted = torch.nn.functional.interpolate(
        region, (max(count, region.shape[2]), *shape), mode="trilinear"
    )[:, :, :count]
    text = table[:, : patches.max_text_seq_length].to(device)
    return torch.cat([text, fitted.flatten(2).transpose(1, 2).to(text)], dim=1)


FAMILY = Family(
    name="cogvideox",
    tasks={
        Task.TEXT2VIDEO: TaskPipeline(pipeline="CogVideoXPipeline", keywords=_SAMPLING),
        Task.IMG2VIDEO: TaskPipeline(
            pipeline="CogVideoXImageToVideoPipeline", keywords=_SAMPLING, more=the_image
        ),
        Task.VIDEO2VIDEO: TaskPipeline(
            pipeline="CogVideoXVideoToVideoPipeline",
            keywords=_SAMPLING | {"strength"},
            more=the_video,
            takes_num_frames=False,
        ),
    },
    size_multiple=16,  # the VAE's 8 times the transformer's patch of 2; check_inputs asks for 8
    # The model card's rule. Of the VAE's own 4k + 1, every other count gives frames too few or
    # too many: 12 asked for are 9, 13 are 16.
    frame_step=8,
    decode=_decode,
    configure=_configure,
)
