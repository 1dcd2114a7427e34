"""LTX-Video at tiny width: the VAE of 0.9.5, 32x32 pixels and 8 frames to a latent, as published.

Configurations are those of diffusers' conversion script (scripts/convert_ltx_to_diffusers.py).
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    AutoencoderKLLTXVideo,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    LTXConditionPipeline,
    LTXVideoTransformer3DModel,
)
from transformers import T5Config, T5EncoderModel

from src.manifest import ModelEntry

from . import t5
from .ltx_vae import LATENT_CHANNELS, make_visible
from .shelf import Part
from .weights import set_output

#: Published: blocks, strides and patches, which sizes and counts of frames follow from.
VAE_STRUCTURE: dict[str, Any] = {
    "down_block_types": ("LTXVideo095DownBlock3D",) * 4,
    "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
    "spatio_temporal_scaling": (True,) * 4,
    "decoder_spatio_temporal_scaling": (True,) * 3,
    "decoder_inject_noise": (False,) * 4,
    "upsample_residual": (True,) * 3,
    "upsample_factor": (2,) * 3,
    "timestep_conditioning": True,
    "spatial_compression_ratio": 32,
    "temporal_compression_ratio": 8,
}
PUBLISHED_VAE = VAE_STRUCTURE | {
    "block_out_channels": (128, 256, 512, 1024, 2048),
    "decoder_block_out_channels": (256, 512, 1024),
    "layers_per_block": (4, 6, 6, 2, 2),
    "decoder_layers_per_block": (5, 5, 5, 5),
}
#: The repositories of 13 thousand million parameters say so by their version.
LARGER = ("0.9.7", "0.9.8")
#: The class's own figures are those of the smaller.
PUBLISHED_LARGER = {"num_layers": 48, "attention_head_dim": 128, "cross_attention_dim": 4096}
#: T5 v1.1 XXL.
PUBLISHED_T5 = {
    "d_model": 4096,
    "d_kv": 64,
    "d_ff": 10240,
    "num_layers": 24,
    "num_heads": 64,
    "feed_forward_proj": "gated-gelu",
}


def parts(entry: ModelEntry) -> dict[str, Part]:
    """One repository: the whole pipeline."""
    return {entry.repo: _pipeline}


def published(entry: ModelEntry) -> DiffusionPipeline:
    """The same pipeline at its full size, with weights of no meaning and few words."""
    larger = any(version in entry.repo for version in LARGER)
    return _assembled(
        text_encoder=T5EncoderModel(T5Config(**PUBLISHED_T5)).eval(),
        transformer=LTXVideoTransformer3DModel(**(PUBLISHED_LARGER if larger else {})).eval(),
        vae=AutoencoderKLLTXVideo(**PUBLISHED_VAE).eval(),
    )


def _pipeline() -> LTXConditionPipeline:
    return _assembled(text_encoder=t5.text_encoder(), transformer=_transformer(), vae=_vae())


def _assembled(**networks: Any) -> LTXConditionPipeline:
    return LTXConditionPipeline(
        **networks, tokenizer=t5.tokenizer(), scheduler=FlowMatchEulerDiscreteScheduler()
    )


def _transformer() -> LTXVideoTransformer3DModel:
    model = LTXVideoTransformer3DModel(
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        num_attention_heads=2,
        attention_head_dim=12,
        cross_attention_dim=24,
        num_layers=2,
        caption_channels=t5.WIDTH,
    ).eval()
    latents, prompt = torch.randn(1, 2 * 4 * 4, LATENT_CHANNELS), torch.randn(1, 8, t5.WIDTH)
    grid = {"num_frames": 2, "height": 4, "width": 4}

    def run() -> torch.Tensor:
        result: torch.Tensor = model(
            latents, prompt, torch.tensor([500.0]), torch.ones(1, 8), **grid
        ).sample
        return result

    set_output(model.proj_out, std=1.0, run=run)
    return model


def _vae() -> AutoencoderKLLTXVideo:
    vae = AutoencoderKLLTXVideo(
        **VAE_STRUCTURE,
        latent_channels=LATENT_CHANNELS,
        block_out_channels=(4, 8, 8, 16, 16),
        decoder_block_out_channels=(16, 32, 64),
        layers_per_block=(1,) * 5,
        decoder_layers_per_block=(1,) * 4,
    ).eval()
    latents, timestep = torch.randn(1, LATENT_CHANNELS, 3, 4, 4), torch.tensor([0.05])
    make_visible(vae, lambda: vae.decode(latents, timestep).sample)
    return vae
