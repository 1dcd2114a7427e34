"""AnimateDiff: an SD 1.5 checkpoint of four levels and a motion adapter; tiny, and as published."""

from __future__ import annotations

import torch
from diffusers import (
    AnimateDiffPipeline,
    DDIMScheduler,
    DiffusionPipeline,
    MotionAdapter,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel

from src.manifest import ModelEntry

from . import clip, image_vae
from .shelf import Part
from .weights import set_output

WIDTHS = (8, 16, 16, 16)
GROUPS = 4


def parts(entry: ModelEntry) -> dict[str, Part]:
    """Two repositories: the checkpoint, and the motion adapter."""
    return {entry.repo: _checkpoint, entry.components["motion_adapter"]: motion_adapter}


def published(_entry: ModelEntry) -> DiffusionPipeline:
    """SD 1.5 with the motion adapter v1-5-2, whose figures are the classes' defaults."""
    text = CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
    )
    return AnimateDiffPipeline(
        vae=image_vae.published(),
        text_encoder=CLIPTextModel(text).eval(),
        tokenizer=clip.tokenizer(),
        unet=UNet2DConditionModel(cross_attention_dim=768, sample_size=64).eval(),
        motion_adapter=MotionAdapter().eval(),
        scheduler=_scheduler(),
    )


def _scheduler() -> DDIMScheduler:
    with torch.device("cpu"):  # schedulers reckon with numpy
        return DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        )


def _checkpoint() -> StableDiffusionPipeline:
    return StableDiffusionPipeline(
        vae=image_vae.tiny(),
        text_encoder=clip.text_encoder(),
        tokenizer=clip.tokenizer(),
        unet=_unet(),
        scheduler=_scheduler(),
        safety_checker=None,
        feature_extractor=clip.image_processor(),
        requires_safety_checker=False,
    )


def motion_adapter(*, use_motion_mid_block: bool = True) -> MotionAdapter:
    """Motion layers for the tiny checkpoint."""
    return MotionAdapter(
        block_out_channels=WIDTHS,
        motion_layers_per_block=1,
        motion_num_attention_heads=1,
        motion_norm_num_groups=GROUPS,
        use_motion_mid_block=use_motion_mid_block,
    ).eval()


def bare_unet() -> UNet2DConditionModel:
    """The tiny checkpoint's network as it is made."""
    return UNet2DConditionModel(
        block_out_channels=WIDTHS,
        layers_per_block=1,
        norm_num_groups=GROUPS,
        attention_head_dim=1,  # SD 1.5's configurations mean the number of heads by it
        cross_attention_dim=clip.WIDTH,
        sample_size=64,
    ).eval()


def _unet() -> UNet2DConditionModel:
    unet = bare_unet()
    latents, prompt = (
        torch.randn(4, image_vae.LATENT_CHANNELS, 16, 16),
        torch.randn(4, 8, clip.WIDTH),
    )
    set_output(unet.conv_out, std=1.0, run=lambda: unet(latents, 500, prompt).sample)
    return unet
