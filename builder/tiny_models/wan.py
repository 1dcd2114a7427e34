"""Wan 2.1 and 2.2: its denoisers, experts and VAEs at the published size, or at tiny width.

Figures are those of the repositories' configurations; the tiny ones keep the VAE's four levels,
4 frames to a latent, 2x2 patches, and which parts a model has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import (
    AutoencoderKLWan,
    DiffusionPipeline,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
)
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel, UMT5EncoderModel

from src.generation import Task
from src.manifest import ModelEntry

from . import clip, t5
from .shelf import Part
from .weights import set_output, smooth

#: Tokens of a prompt; the pipelines send so many, and the denoiser counts on it.
PROMPT_TOKENS = 512
#: How much louder words are than they would be.
LOUDNESS_OF_WORDS = 20.0
#: Of the encoder's latents, which the pipelines bring down to about 1.
LATENT_STD = 2.0

SMALL = {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}
MIDDLE = {"num_attention_heads": 24, "ffn_dim": 14336, "num_layers": 30}
LARGE = {"num_attention_heads": 40, "ffn_dim": 13824, "num_layers": 40}
#: Noise, the image's latents, and a mask of four frames.
FROM_IMAGE = {"in_channels": 36}
#: Wan 2.1 hears of its images through CLIP, too.
THROUGH_CLIP = {"image_dim": 1280, "added_kv_proj_dim": 5120}
#: Tokens of two images, each of 16x16 patches and one for the whole.
OF_TWO = {"pos_embed_seq_len": 2 * 257}


@dataclass(frozen=True, kw_only=True)
class Make:
    """What tells one of the models from another."""

    #: Where the denoiser's figures differ from diffusers' defaults.
    denoiser: Mapping[str, int]
    #: Of the noise schedule, as the repository's scheduler has it.
    flow_shift: float = 3.0
    #: Where the second expert takes over; None for a model with one.
    boundary_ratio: float | None = None
    #: The VAE of 2.2, and a time for each token.
    high_compression: bool = False


MAKES = {
    "Wan2.1-T2V-1.3B": Make(denoiser=SMALL),
    "Wan2.1-T2V-14B": Make(denoiser=LARGE),
    "Wan2.1-I2V-14B-480P": Make(denoiser=LARGE | FROM_IMAGE | THROUGH_CLIP),
    "Wan2.1-I2V-14B-720P": Make(denoiser=LARGE | FROM_IMAGE | THROUGH_CLIP, flow_shift=5.0),
    "Wan2.1-FLF2V-14B-720P": Make(
        denoiser=LARGE | FROM_IMAGE | THROUGH_CLIP | OF_TWO, flow_shift=16.0
    ),
    "Wan2.2-TI2V-5B": Make(
        denoiser=MIDDLE | {"in_channels": 48, "out_channels": 48},
        flow_shift=5.0,
        high_compression=True,
    ),
    "Wan2.2-T2V-A14B": Make(denoiser=LARGE, boundary_ratio=0.875),
    "Wan2.2-I2V-A14B": Make(denoiser=LARGE | FROM_IMAGE, boundary_ratio=0.9),
}
#: 2.2's VAE works on 2x2 pixels at once. How its latents are spread is learned: any figures do.
HIGH_COMPRESSION = {
    "base_dim": 160,
    "decoder_base_dim": 256,
    "z_dim": 48,
    "is_residual": True,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "scale_factor_spatial": 16,
    "latents_mean": [(channel - 24) / 100 for channel in range(48)],
    "latents_std": [0.4 + channel / 50 for channel in range(48)],
}
TINY_DENOISER = {
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "ffn_dim": 32,
    "num_layers": 2,
    "freq_dim": 32,
    "text_dim": t5.WIDTH,
}
TINY_VAE = {"base_dim": 3, "num_res_blocks": 1}
#: Its shortcuts want widths that divide each other.
TINY_HIGH_COMPRESSION = {"base_dim": 4, "decoder_base_dim": 4, "num_res_blocks": 1}


def parts(entry: ModelEntry) -> dict[str, Part]:
    """One repository: the whole pipeline."""
    return {entry.repo: lambda: _pipeline(entry)}


def published(entry: ModelEntry) -> DiffusionPipeline:
    """The pipeline at its published size, random, on whatever device torch makes things on."""
    make = _make(entry)
    figures = dict(make.denoiser)
    return _assembled(
        entry,
        text_encoder=t5.multilingual_encoder(t5.MULTILINGUAL_XXL),
        vae=AutoencoderKLWan(**(HIGH_COMPRESSION if make.high_compression else {})),
        denoisers=[WanTransformer3DModel(**figures) for _ in range(_experts(make))],
        vision=CLIPVisionConfig(
            hidden_size=1280,
            intermediate_size=5120,
            num_hidden_layers=32,
            num_attention_heads=16,
            patch_size=14,
            hidden_act="gelu",
        ),
    )


def _pipeline(entry: ModelEntry) -> DiffusionPipeline:
    make = _make(entry)
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        patch_size=56,
    )
    return _assembled(
        entry,
        text_encoder=t5.multilingual_encoder(),
        vae=_vae(high_compression=make.high_compression),
        denoisers=[_denoiser(make, vision) for _ in range(_experts(make))],
        vision=vision,
    )


def _make(entry: ModelEntry) -> Make:
    return MAKES[entry.repo.split("/")[1].removesuffix("-Diffusers").removesuffix("-diffusers")]


def _experts(make: Make) -> int:
    return 1 if make.boundary_ratio is None else 2


def _assembled(
    entry: ModelEntry,
    *,
    text_encoder: UMT5EncoderModel,
    vae: AutoencoderKLWan,
    denoisers: list[WanTransformer3DModel],
    vision: CLIPVisionConfig,
) -> DiffusionPipeline:
    make = _make(entry)
    first, second = (*denoisers, None)[:2]
    common = {
        "tokenizer": t5.multilingual_tokenizer(),
        "text_encoder": text_encoder.eval(),
        "vae": vae.eval(),
        "scheduler": _scheduler(make.flow_shift),
        "transformer": first.eval(),
        "transformer_2": second and second.eval(),
        "boundary_ratio": make.boundary_ratio,
        "expand_timesteps": make.high_compression,
    }
    if Task.TEXT2VIDEO in entry.tasks:
        return WanPipeline(**common)
    if "image_dim" in make.denoiser:
        common["image_encoder"] = CLIPVisionModel(vision).eval()
        common["image_processor"] = clip.image_processor()
    return WanImageToVideoPipeline(**common)


def _scheduler(flow_shift: float) -> UniPCMultistepScheduler:
    # Numbers, not weights: on the meta device it could not be made.
    with torch.device("cpu"):
        return UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=flow_shift
        )


def _denoiser(make: Make, vision: CLIPVisionConfig) -> WanTransformer3DModel:
    figures = {**make.denoiser, **TINY_DENOISER}
    image = None
    if "image_dim" in figures:
        figures["image_dim"] = vision.hidden_size
        figures["added_kv_proj_dim"] = 24
        count = 2 if "pos_embed_seq_len" in figures else 1
        tokens = (vision.image_size // vision.patch_size) ** 2 + 1
        image = torch.randn(count, tokens, vision.hidden_size)
    if "pos_embed_seq_len" in figures:
        figures["pos_embed_seq_len"] = 2 * tokens
    model = WanTransformer3DModel(**figures).eval()
    _listen(model.condition_embedder.text_embedder)
    latents = torch.randn(1, model.config.in_channels, 3, 8, 8)
    prompt = torch.randn(1, PROMPT_TOKENS, t5.WIDTH)
    middle = torch.tensor([500])
    set_output(model.proj_out, std=1.0, run=lambda: model(latents, middle, prompt, image).sample)
    return model


def _listen(text_embedder: nn.Module) -> None:
    """Make a few words heard among 512 tokens, most of which are zeros."""
    text_embedder.get_parameter("linear_1.bias").zero_()
    text_embedder.get_parameter("linear_2.weight").mul_(LOUDNESS_OF_WORDS)


def _vae(*, high_compression: bool) -> AutoencoderKLWan:
    figures: dict[str, Any] = TINY_VAE
    if high_compression:
        figures = HIGH_COMPRESSION | TINY_HIGH_COMPRESSION
    vae = AutoencoderKLWan(**figures).eval()
    smooth(vae.decoder)
    set_output(vae.decoder.conv_out, std=0.6, run=lambda: _decoded(vae), channels=1)
    images = torch.randn(8, 3, 1, 4, 4).repeat_interleave(16, dim=3).repeat_interleave(16, dim=4)
    set_output(
        vae.quant_conv,
        std=LATENT_STD,
        run=lambda: vae.encode(images).latent_dist.parameters,
        channels=1,
    )
    return vae


def _decoded(vae: AutoencoderKLWan) -> torch.Tensor:
    """Nine frames, before they are cut to [-1, 1], which would hide how loud they are.

    The first is quieter than the rest: a causal convolution finds nothing before it.
    """
    mean, std = (
        torch.tensor(figures).view(1, -1, 1, 1, 1)
        for figures in (vae.config.latents_mean, vae.config.latents_std)
    )
    latents = vae.post_quant_conv(torch.randn(2, vae.config.z_dim, 3, 8, 8) * std + mean)
    seen: list[Any] = [None] * vae._cached_conv_counts["decoder"]
    return torch.cat(
        [
            vae.decoder(latent, feat_cache=seen, feat_idx=[0], first_chunk=index == 0)
            for index, latent in enumerate(latents.split(1, dim=2))
        ],
        dim=2,
    )
