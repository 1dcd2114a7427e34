"""A model large enough that loading it weighs something, and small enough for a laptop.

AnimateDiff's real classes with random weights: SD 1.5's text encoder at full size, its UNet and
the motion adapter at 0.4 of the width, its VAE at a quarter.
"""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    MotionAdapter,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel

from builder.tiny_models import clip
from builder.tiny_models.weights import seeded, set_output, smooth

REPO = "worker-video/bench"
ADAPTER = "worker-video/bench-motion-adapter"
WIDTHS = (128, 256, 512, 512)
ENTRY = f"""
[models.bench]
family = "animatediff"
repo = "{REPO}"
components = {{ motion_adapter = "{ADAPTER}" }}
licence = "Apache-2.0"
tasks = ["text2video"]
defaults = {{ width = 128, height = 128, num_frames = 16, fps = 8, num_inference_steps = 4 }}
limits = {{ pixels = 921600, num_frames = 32, num_inference_steps = 50 }}
"""


def write_model(models_dir: Path) -> None:
    """Write the model's two folders if they are not there."""
    for repo, make in ((ADAPTER, _adapter), (REPO, _checkpoint)):
        if not (models_dir / repo).is_dir():
            with seeded(repo):
                made = make()
            made.save_pretrained(models_dir / repo, safe_serialization=True)


def _adapter() -> MotionAdapter:
    return MotionAdapter(block_out_channels=WIDTHS).eval()


def _checkpoint() -> StableDiffusionPipeline:
    text = CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
    )
    unet = UNet2DConditionModel(block_out_channels=WIDTHS, cross_attention_dim=768)
    return StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(text).eval(),
        tokenizer=clip.tokenizer(),
        unet=unet.eval(),
        scheduler=DDIMScheduler(beta_schedule="linear", clip_sample=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=clip.image_processor(),
        requires_safety_checker=False,
    )


def _vae() -> AutoencoderKL:
    """Its frames are soft shapes, not noise, which no encoder could be measured on."""
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(32, 64, 128, 128),
        layers_per_block=2,
    ).eval()
    smooth(vae.decoder)
    latents = torch.randn(4, 4, 16, 16) / vae.config.scaling_factor
    set_output(vae.decoder.conv_out, std=0.25, run=lambda: vae.decode(latents).sample, channels=1)
    return vae
