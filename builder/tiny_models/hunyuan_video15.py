"""HunyuanVideo 1.5 at tiny width: a VAE of 16 pixels and 4 frames to a latent, as published."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    AutoencoderKLHunyuanVideo15,
    ClassifierFreeGuidance,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideo15ImageToVideoPipeline,
    HunyuanVideo15Pipeline,
    HunyuanVideo15Transformer3DModel,
)

from src.generation import Task
from src.manifest import ModelEntry

from . import byt5, qwen, siglip
from .shelf import Part
from .weights import set_output, smooth

LATENT_CHANNELS = 32
#: Published width of Qwen 2.5 VL 7B's text side.
QWEN = {
    "vocab_size": 152_064,
    "hidden_size": 3584,
    "intermediate_size": 18_944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
}
#: Published width of ByT5 small; the words for fonts and colours that were added are left out.
BYT5 = {"d_model": 1472, "d_kv": 64, "d_ff": 3584, "num_layers": 12, "num_heads": 6}
#: Published width of SigLIP so400m.
SIGLIP = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
}


def parts(entry: ModelEntry) -> dict[str, Part]:
    """One repository: the whole pipeline."""
    return {entry.repo: lambda: _pipeline(entry)}


def published(entry: ModelEntry) -> DiffusionPipeline:
    """The same pipeline at its full size, with weights of no meaning and few words."""
    return _assembled(
        entry,
        text_encoder=qwen.text_encoder(**QWEN),
        text_encoder_2=byt5.text_encoder(**BYT5),
        transformer=HunyuanVideo15Transformer3DModel(**_made_for(entry)).eval(),
        vae=AutoencoderKLHunyuanVideo15().eval(),
        image_encoder=siglip.image_encoder(**SIGLIP),
    )


def _pipeline(entry: ModelEntry) -> DiffusionPipeline:
    return _assembled(
        entry,
        text_encoder=qwen.text_encoder(),
        text_encoder_2=byt5.text_encoder(),
        transformer=_transformer(entry),
        vae=_vae(),
        image_encoder=siglip.image_encoder(),
    )


def _assembled(entry: ModelEntry, *, image_encoder: Any, **networks: Any) -> DiffusionPipeline:
    shared = {
        **networks,
        "tokenizer": qwen.tokenizer(),
        "tokenizer_2": byt5.tokenizer(),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=entry.defaults["flow_shift"]),
        "guider": ClassifierFreeGuidance(guidance_scale=entry.defaults["guidance_scale"]),
    }
    if not _from_image(entry):
        return HunyuanVideo15Pipeline(**shared)
    return HunyuanVideo15ImageToVideoPipeline(
        **shared, image_encoder=image_encoder, feature_extractor=siglip.image_processor()
    )


def _from_image(entry: ModelEntry) -> bool:
    return Task.IMG2VIDEO in entry.tasks


def _made_for(entry: ModelEntry) -> dict[str, Any]:
    """What the models' transformers are told of their use."""
    return {
        "target_size": 960 if "720p" in entry.repo else 640,
        "task_type": "i2v" if _from_image(entry) else "t2v",
    }


def _transformer(entry: ModelEntry) -> HunyuanVideo15Transformer3DModel:
    model = HunyuanVideo15Transformer3DModel(
        num_attention_heads=1,
        attention_head_dim=16,
        num_layers=1,
        num_refiner_layers=1,
        text_embed_dim=qwen.WIDTH,
        text_embed_2_dim=byt5.WIDTH,
        image_embed_dim=siglip.WIDTH,
        rope_axes_dim=(4, 6, 6),
        **_made_for(entry),
    ).eval()
    latents = torch.randn(1, 2 * LATENT_CHANNELS + 1, 3, 4, 4)
    prompt, words = torch.randn(1, 8, qwen.WIDTH), torch.randn(1, 8, byt5.WIDTH)
    image = torch.randn(1, 8, siglip.WIDTH)

    def run() -> torch.Tensor:
        result: torch.Tensor = model(
            latents,
            torch.tensor([500.0]),
            prompt,
            torch.ones(1, 8),
            encoder_hidden_states_2=words,
            encoder_attention_mask_2=torch.ones(1, 8),
            image_embeds=image,
        ).sample
        return result

    set_output(model.proj_out, std=1.0, run=run)
    return model


def _vae() -> AutoencoderKLHunyuanVideo15:
    # The last of its widths is a multiple of what the encoder gives: twice the latent channels.
    vae = AutoencoderKLHunyuanVideo15(
        block_out_channels=(4, 4, 8, 32, 64), layers_per_block=1
    ).eval()
    smooth(vae.decoder)
    latents = torch.randn(1, LATENT_CHANNELS, 3, 8, 8) / vae.config.scaling_factor
    set_output(
        vae.decoder.conv_out.conv, std=0.5, run=lambda: vae.decode(latents).sample, channels=1
    )
    return vae
