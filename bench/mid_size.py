"""A model large enough that loading and decoding weigh something, and small enough for a laptop.

CogVideoX's real classes with random weights: some 60 million numbers against 2 thousand million.
"""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    CogVideoXDDIMScheduler,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
)
from transformers import T5Config, T5EncoderModel

from builder.tiny_models import t5

REPO = "worker-video/bench"
ENTRY = f"""
[models.bench]
family = "cogvideox"
repo = "{REPO}"
licence = "Apache-2.0"
tasks = ["text2video"]
limits = {{ pixels = 921600, num_frames = 49, num_inference_steps = 50 }}
"""


def write_model(models_dir: Path) -> Path:
    """Write the model's folder if it is not there; gives it."""
    folder = models_dir / REPO
    if not (folder / "model_index.json").is_file():
        torch.manual_seed(0)
        _pipeline().save_pretrained(folder, safe_serialization=True)
    return folder


def _pipeline() -> CogVideoXPipeline:
    tokenizer = t5.tokenizer()
    width = 256
    text = T5Config(
        vocab_size=len(tokenizer), d_model=width, d_kv=32, d_ff=1024, num_layers=6, num_heads=8
    )
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=8, attention_head_dim=48, num_layers=8, text_embed_dim=width
    )
    vae = AutoencoderKLCogVideoX(
        block_out_channels=(16, 32, 32, 64), layers_per_block=1, norm_num_groups=8
    )
    return CogVideoXPipeline(
        tokenizer=tokenizer,
        text_encoder=T5EncoderModel(text).eval(),
        transformer=transformer.eval(),
        vae=vae.eval(),
        scheduler=CogVideoXDDIMScheduler(),
    )
