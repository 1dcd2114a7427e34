"""Stable Video Diffusion: four levels in UNet and VAE; tiny, and as published.

Fewer than 32 channels cannot be had: its classes normalise in 32 groups.
"""

from __future__ import annotations

import torch
from diffusers import (
    AutoencoderKLTemporalDecoder,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    StableVideoDiffusionPipeline,
    UNetSpatioTemporalConditionModel,
)
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from src.manifest import ModelEntry

from . import clip
from .shelf import Part
from .weights import set_output, smooth

#: 64 at the bottom: a group of one channel would normalise all conditions away.
WIDTHS = (32, 32, 32, 64)
LATENT_CHANNELS = 4


def parts(entry: ModelEntry) -> dict[str, Part]:
    """One repository: the whole pipeline."""
    return {entry.repo: lambda: _pipeline(_unet(_frames(entry)), _vae(), clip.image_encoder())}


def published(entry: ModelEntry) -> DiffusionPipeline:
    """The model at its published size, which is that of the classes' defaults."""
    unet = UNetSpatioTemporalConditionModel(num_frames=_frames(entry), sample_size=96)
    vae = AutoencoderKLTemporalDecoder(
        down_block_types=("DownEncoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        sample_size=768,
    )
    return _pipeline(unet.eval(), vae.eval(), _published_image_encoder())


def _frames(entry: ModelEntry) -> int:
    return 25 if entry.repo.endswith("-xt") else 14


def _pipeline(
    unet: UNetSpatioTemporalConditionModel,
    vae: AutoencoderKLTemporalDecoder,
    image_encoder: CLIPVisionModelWithProjection,
) -> StableVideoDiffusionPipeline:
    return StableVideoDiffusionPipeline(
        vae=vae,
        image_encoder=image_encoder,
        unet=unet,
        scheduler=_scheduler(),
        feature_extractor=clip.image_processor(),
    )


def _scheduler() -> EulerDiscreteScheduler:
    with torch.device("cpu"):  # schedulers reckon with numpy
        return EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            interpolation_type="linear",
            prediction_type="v_prediction",
            sigma_max=700.0,
            sigma_min=0.002,
            steps_offset=1,
            timestep_spacing="leading",
            timestep_type="continuous",
            use_karras_sigmas=True,
        )


def _unet(frames: int) -> UNetSpatioTemporalConditionModel:
    unet = UNetSpatioTemporalConditionModel(
        block_out_channels=WIDTHS,
        layers_per_block=1,
        num_attention_heads=(1, 1, 1, 1),
        cross_attention_dim=clip.WIDTH,
        addition_time_embed_dim=32,
        projection_class_embeddings_input_dim=96,
        num_frames=frames,
    ).eval()
    latents, image = torch.randn(1, 4, 2 * LATENT_CHANNELS, 16, 16), torch.randn(1, 1, clip.WIDTH)
    conditions = torch.tensor([[6.0, 127.0, 0.02]])  # fps - 1, motion bucket, noise
    set_output(unet.conv_out, std=1.0, run=lambda: unet(latents, 1.0, image, conditions).sample)
    return unet


def _vae() -> AutoencoderKLTemporalDecoder:
    vae = AutoencoderKLTemporalDecoder(
        down_block_types=("DownEncoderBlock2D",) * 4,
        block_out_channels=(32, 32, 32, 32),
        layers_per_block=1,
        sample_size=768,
    ).eval()
    smooth(vae.decoder)
    latents = torch.randn(4, LATENT_CHANNELS, 16, 16) / vae.config.scaling_factor
    set_output(
        vae.decoder.time_conv_out,
        std=0.5,
        run=lambda: vae.decode(latents, num_frames=4).sample,
        channels=1,
    )
    return vae


def _published_image_encoder() -> CLIPVisionModelWithProjection:
    """OpenCLIP's ViT-H/14."""
    config = CLIPVisionConfig(
        hidden_size=1280,
        intermediate_size=5120,
        projection_dim=1024,
        num_hidden_layers=32,
        num_attention_heads=16,
        image_size=224,
        patch_size=14,
        hidden_act="gelu",
    )
    return CLIPVisionModelWithProjection(config).eval()
