"""CogVideoX at tiny width: four VAE levels, 4 frames to a latent, 2x2 patches, as published."""

from __future__ import annotations

import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    CogVideoXDDIMScheduler,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
)

from src.manifest import ModelEntry

from . import t5
from .shelf import Part
from .weights import set_output, smooth

LATENT_CHANNELS = 16
#: The larger model differs in how it counts positions, and in two factors.
LARGER = "CogVideoX-5b"


def parts(entry: ModelEntry) -> dict[str, Part]:
    """One repository: the whole pipeline."""
    larger = entry.repo.endswith(LARGER)
    return {entry.repo: lambda: _pipeline(larger=larger)}


def _pipeline(*, larger: bool) -> CogVideoXPipeline:
    return CogVideoXPipeline(
        tokenizer=t5.tokenizer(),
        text_encoder=t5.text_encoder(),
        transformer=_transformer(rotary=larger),
        vae=_vae(scaling_factor=0.7 if larger else 1.15258426),
        scheduler=CogVideoXDDIMScheduler(
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            snr_shift_scale=1.0 if larger else 3.0,
            timestep_spacing="trailing",
        ),
    )


def _transformer(*, rotary: bool) -> CogVideoXTransformer3DModel:
    model = CogVideoXTransformer3DModel(
        num_attention_heads=1,
        attention_head_dim=16,
        num_layers=2,
        time_embed_dim=16,
        text_embed_dim=t5.WIDTH,
        use_rotary_positional_embeddings=rotary,
    ).eval()

    latents = torch.randn(1, 3, LATENT_CHANNELS, 8, 8)
    prompt = torch.randn(1, model.config.max_text_seq_length, t5.WIDTH)
    middle = torch.tensor([500])
    set_output(model.proj_out, std=1.0, run=lambda: model(latents, prompt, middle).sample)
    return model


def _vae(*, scaling_factor: float) -> AutoencoderKLCogVideoX:
    vae = AutoencoderKLCogVideoX(
        block_out_channels=(2, 2, 4, 4),
        layers_per_block=1,
        norm_num_groups=2,
        scaling_factor=scaling_factor,
    ).eval()
    smooth(vae.decoder)
    latents = torch.randn(1, LATENT_CHANNELS, 3, 16, 16) / scaling_factor
    set_output(
        vae.decoder.conv_out.conv, std=0.5, run=lambda: vae.decode(latents).sample, channels=1
    )
    return vae
