"""The image VAE of Stable Diffusion: tiny, and as published."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL

from .weights import set_output, smooth

LATENT_CHANNELS = 4
#: Four levels: a latent stands for 8x8 pixels.
STRUCTURE: dict[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "latent_channels": LATENT_CHANNELS,
    "sample_size": 512,
}
#: Of the tiny encoder's latents: as good as none.
LOG_VARIANCE = -20.0


def published() -> AutoencoderKL:
    """At its published widths and depths."""
    return AutoencoderKL(
        **STRUCTURE, block_out_channels=(128, 256, 512, 512), layers_per_block=2
    ).eval()


def tiny() -> AutoencoderKL:
    """Soft colours out, and latents that tell images apart."""
    vae = AutoencoderKL(
        **STRUCTURE, block_out_channels=(4, 8, 8, 8), layers_per_block=1, norm_num_groups=4
    ).eval()
    smooth(vae.decoder)
    latents = torch.randn(4, LATENT_CHANNELS, 16, 16) / vae.config.scaling_factor
    set_output(vae.decoder.conv_out, std=0.5, run=lambda: vae.decode(latents).sample, channels=1)
    _tell_images_apart(vae)
    return vae


def _tell_images_apart(vae: AutoencoderKL) -> None:
    """Make the encoder's latents as loud as noise, and sure of themselves."""
    images = torch.randn(8, 3, 4, 4).repeat_interleave(16, dim=2).repeat_interleave(16, dim=3)
    set_output(
        vae.quant_conv,
        std=1 / vae.config.scaling_factor,
        run=lambda: vae.encode(images).latent_dist.parameters,
        channels=1,
    )
    vae.quant_conv.weight[LATENT_CHANNELS:] = 0
    vae.quant_conv.bias[LATENT_CHANNELS:] = LOG_VARIANCE
