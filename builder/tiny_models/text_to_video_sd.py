"""Zeroscope: a UNet of four levels over space and time, tiny and as published."""

from __future__ import annotations

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DiffusionPipeline,
    TextToVideoSDPipeline,
    UNet3DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel

from src.manifest import ModelEntry

from . import clip, image_vae
from .shelf import Part
from .weights import set_output

WIDTHS = (8, 16, 16, 16)
SAMPLE_SIZE = 32


def parts(entry: ModelEntry) -> dict[str, Part]:
    """One repository: the whole pipeline."""
    return {entry.repo: lambda: _pipeline(_unet(), image_vae.tiny(), clip.text_encoder())}


def published(_entry: ModelEntry) -> DiffusionPipeline:
    """The upscaler is of the same size."""
    unet = UNet3DConditionModel(
        cross_attention_dim=1024, attention_head_dim=64, sample_size=SAMPLE_SIZE
    ).eval()
    return _pipeline(unet, image_vae.published(), _published_text_encoder())


def _pipeline(
    unet: UNet3DConditionModel, vae: AutoencoderKL, text_encoder: CLIPTextModel
) -> TextToVideoSDPipeline:
    with torch.device("cpu"):  # schedulers reckon with numpy
        scheduler = DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        )
    return TextToVideoSDPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=clip.tokenizer(),
        unet=unet,
        scheduler=scheduler,
    )


def _unet() -> UNet3DConditionModel:
    unet = UNet3DConditionModel(
        block_out_channels=WIDTHS,
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        cross_attention_dim=clip.WIDTH,
        sample_size=SAMPLE_SIZE,
    ).eval()
    latents, prompt = torch.randn(1, 4, 4, 16, 16), torch.randn(1, 8, clip.WIDTH)
    set_output(unet.conv_out, std=1.0, run=lambda: unet(latents, 500, prompt).sample)
    return unet


def _published_text_encoder() -> CLIPTextModel:
    """OpenCLIP's of Stable Diffusion 2, without its last layer."""
    config = CLIPTextConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=23,
        num_attention_heads=16,
        max_position_embeddings=clip.MAX_TOKENS,
        hidden_act="gelu",
    )
    return CLIPTextModel(config).eval()
