"""HunyuanVideo at tiny width: four VAE levels, 4 frames to a latent, 2x2 patches, as published."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    AutoencoderKLHunyuanVideo,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideoImageToVideoPipeline,
    HunyuanVideoPipeline,
    HunyuanVideoTransformer3DModel,
)
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from src.generation import Task
from src.manifest import ModelEntry

from . import clip, llama
from .shelf import Part
from .weights import set_output, smooth

LATENT_CHANNELS = 16
#: How much of the smooth kernel is left in time.
LOOKING_BACK = 1 / 8
#: Published width of Llama 3 8B; 128258 words and the image's tokens after them.
LLAMA = {
    "vocab_size": 128_320,
    "hidden_size": 4096,
    "intermediate_size": 14_336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}
#: Published width of CLIP ViT-L/14 at 336 pixels.
VISION = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "projection_dim": 768,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
}
#: The text encoder of CLIP ViT-L/14.
CLIP_TEXT = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "projection_dim": 768,
}


def parts(entry: ModelEntry) -> dict[str, Part]:
    """One repository: the whole pipeline."""
    return {entry.repo: lambda: _pipeline(from_image=_from_image(entry))}


def published(entry: ModelEntry) -> DiffusionPipeline:
    """The same pipeline at its full size, with weights of no meaning and few words."""
    from_image = _from_image(entry)
    text_encoder = (
        llama.llava(text=LLAMA, vision=VISION) if from_image else llama.text_encoder(**LLAMA)
    )
    return _assembled(
        text_encoder=text_encoder,
        text_encoder_2=CLIPTextModel(CLIPTextConfig(**CLIP_TEXT)).eval(),
        transformer=HunyuanVideoTransformer3DModel(**_conditioning(from_image=from_image)).eval(),
        vae=AutoencoderKLHunyuanVideo().eval(),
        from_image=from_image,
    )


def _pipeline(*, from_image: bool) -> DiffusionPipeline:
    return _assembled(
        text_encoder=llama.llava() if from_image else llama.text_encoder(),
        text_encoder_2=clip.text_encoder(),
        transformer=_transformer(from_image=from_image),
        vae=_vae(),
        from_image=from_image,
    )


def _assembled(*, from_image: bool, **networks: Any) -> DiffusionPipeline:
    shared = {
        **networks,
        "tokenizer": llama.tokenizer(),
        "tokenizer_2": clip.tokenizer(),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=7.0),
    }
    if from_image:
        return HunyuanVideoImageToVideoPipeline(**shared, image_processor=llama.image_processor())
    return HunyuanVideoPipeline(**shared)


def _from_image(entry: ModelEntry) -> bool:
    return Task.IMG2VIDEO in entry.tasks


def _conditioning(*, from_image: bool) -> dict[str, Any]:
    """How an image is told: its latent stands in the place of the first one."""
    return {"image_condition_type": "token_replace" if from_image else None}


def _transformer(*, from_image: bool) -> HunyuanVideoTransformer3DModel:
    model = HunyuanVideoTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=1,
        num_single_layers=1,
        num_refiner_layers=1,
        text_embed_dim=llama.WIDTH,
        pooled_projection_dim=clip.WIDTH,
        rope_axes_dim=(4, 6, 6),
        **_conditioning(from_image=from_image),
    ).eval()
    latents, prompt = torch.randn(1, LATENT_CHANNELS, 3, 8, 8), torch.randn(1, 8, llama.WIDTH)

    def run() -> torch.Tensor:
        result: torch.Tensor = model(
            latents,
            torch.tensor([500.0]),
            prompt,
            torch.ones(1, 8),
            torch.randn(1, clip.WIDTH),
            guidance=torch.tensor([6000.0]),
        ).sample
        return result

    set_output(model.proj_out, std=1.0, run=run)
    return model


def _vae() -> AutoencoderKLHunyuanVideo:
    vae = AutoencoderKLHunyuanVideo(
        block_out_channels=(2, 2, 4, 4), layers_per_block=1, norm_num_groups=2
    ).eval()
    smooth(vae.decoder)
    _hasten(vae.decoder)
    latents = torch.randn(1, LATENT_CHANNELS, 3, 16, 16) / vae.config.scaling_factor
    set_output(
        vae.decoder.conv_out.conv, std=0.5, run=lambda: vae.decode(latents).sample, channels=1
    )
    return vae


def _hasten(decoder: nn.Module) -> None:
    """Have its convolutions lean on the newest frame.

    Each looks back in time alone. As many as there are in a row would hold a short clip back to
    its first frame.
    """
    for part in decoder.modules():
        if isinstance(part, nn.Conv3d) and part.kernel_size[0] > 1:
            whole = part.weight.sum(dim=2)
            part.weight.mul_(LOOKING_BACK)
            part.weight[:, :, -1].add_((1 - LOOKING_BACK) * whole)
