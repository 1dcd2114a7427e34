"""Wan 2.1 and 2.2: text, an image, two images or a video to video, through a causal 3D VAE."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...generation import Task
from ..family import Family, Inputs, Pipeline, TaskPipeline, the_video
from ..schedule import shifted

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

#: In diffusers the first expert works while the time is at or above boundary_ratio, and is driven
#: by guidance_scale; the second works below it, on what little noise is left, and is driven by
#: guidance_scale_2. A guidance_scale of 1 or less turns guidance off for both.
_TWO_EXPERTS = frozenset({"guidance_scale_2"})
_SAMPLING = frozenset({"prompt", "negative_prompt", "num_inference_steps", "guidance_scale"})


def _decode(pipeline: Pipeline, latents: torch.Tensor, inputs: Inputs) -> Iterator[torch.Tensor]:
    frames = _all_frames(pipeline.vae, _as_encoded(pipeline.vae, latents))
    if _last_image(pipeline, inputs) is None:
        yield from frames
        return
    count = 1 + (latents.shape[2] - 1) * FAMILY.frame_step
    yield from _thinned(frames, count=count, wanted=inputs.plan.num_frames)


def _all_frames(vae: Any, latents: torch.Tensor) -> Iterator[torch.Tensor]:
    """Give four frames for each latent one (one for the first) as the causal decoder makes them."""
    if vae.use_tiling or hasattr(vae, "_hf_hook"):
        yield vae.decode(latents, return_dict=False)[0]
        return
    from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify

    # As AutoencoderKLWan._decode walks, which keeps all frames and copies them for each new one.
    # What each convolution has seen lies in a list of our own, not in the VAE's.
    seen: list[Any] = [None] * vae._cached_conv_counts["decoder"]
    latents = vae.post_quant_conv(latents)
    for index in range(latents.shape[2]):
        latent = latents[:, :, index : index + 1]
        frames = vae.decoder(latent, feat_cache=seen, feat_idx=[0], first_chunk=index == 0)
        if vae.config.patch_size is not None:
            frames = unpatchify(frames, patch_size=vae.config.patch_size)
        yield frames.clamp(-1.0, 1.0)


def _thinned(pieces: Iterator[torch.Tensor], *, count: int, wanted: int) -> Iterator[torch.Tensor]:
    """Leave out surplus frames evenly: cut off at the end, they would take the last image along."""
    kept = {round(i * (count - 1) / max(1, wanted - 1)) for i in range(wanted)}
    start = 0
    for piece in pieces:
        size = piece.shape[2]
        chosen = [index for index in range(size) if start + index in kept]
        start += size
        if chosen:
            yield piece[:, :, chosen]


def _as_encoded(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Take back the pipelines' normalisation, by their own arithmetic, so that no bit differs."""
    import torch
    from diffusers.utils.torch_utils import get_module_execution_device

    latents = latents.to(get_module_execution_device(vae), vae.dtype)
    mean, std = (
        torch.tensor(figures).view(1, vae.config.z_dim, 1, 1, 1).to(latents)
        for figures in (vae.config.latents_mean, vae.config.latents_std)
    )
    return latents / (1.0 / std) + mean


@contextmanager
def _adjusted(pipeline: Pipeline, inputs: Inputs) -> Iterator[None]:
    """Another noise schedule, and another point where the second expert takes over."""
    kept = pipeline.config.get("boundary_ratio")
    asked = inputs.parameters.boundary_ratio
    with shifted(pipeline, inputs):
        if asked is not None:
            pipeline.register_to_config(boundary_ratio=asked)
        try:
            yield
        finally:
            if asked is not None:
                pipeline.register_to_config(boundary_ratio=kept)


def _images(pipeline: Pipeline, inputs: Inputs) -> dict[str, Any]:
    image, last_image = inputs.sources.image, _last_image(pipeline, inputs)
    if last_image is None:
        return {"image": image}
    # diffusers puts frames of zeros between the two: in one frame there is no such place.
    num_frames = max(inputs.plan.generated_frames, FAMILY.frame_step + 1)
    return {"image": image, "last_image": last_image, "num_frames": num_frames}


def _last_image(pipeline: Pipeline, inputs: Inputs) -> Image | None:
    """What the clip ends on; the first image again where a model cannot do without.

    The first-and-last-frame model has learned positions for the tokens of two images.
    """
    figures = pipeline.transformer.config
    if inputs.sources.last_image is None and figures.pos_embed_seq_len is not None:
        return inputs.sources.image
    return inputs.sources.last_image


FAMILY = Family(
    name="wan",
    tasks={
        Task.TEXT2VIDEO: TaskPipeline(
            pipeline="WanPipeline",
            keywords=_SAMPLING | _TWO_EXPERTS,
            indirect=frozenset({"flow_shift", "boundary_ratio"}),
            during=_adjusted,
        ),
        Task.IMG2VIDEO: TaskPipeline(
            pipeline="WanImageToVideoPipeline",
            keywords=_SAMPLING | _TWO_EXPERTS,
            indirect=frozenset({"flow_shift", "boundary_ratio", "last_image"}),
            more=_images,
            during=_adjusted,
        ),
        # Knows one expert, and no VAE but that of 2.1.
        Task.VIDEO2VIDEO: TaskPipeline(
            pipeline="WanVideoToVideoPipeline",
            keywords=_SAMPLING | {"strength"},
            indirect=frozenset({"flow_shift"}),
            more=the_video,
            during=shifted,
            takes_num_frames=False,
        ),
    },
    size_multiple=16,  # the VAE's 8 times the denoiser's patch of 2
    frame_step=4,
    decode=_decode,
    expects={"last_image": "two_images"},
    needs={
        "guidance_scale_2": "two_experts",
        "boundary_ratio": "two_experts",
        "last_image": "last_image",
    },
)
