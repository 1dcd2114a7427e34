"""CogVideoX: four VAE levels, 4 frames to a latent, 2x2 patches; tiny, and as published."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    CogVideoXDDIMScheduler,
    CogVideoXImageToVideoPipeline,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    DiffusionPipeline,
)
from transformers import T5Config, T5EncoderModel

from src.manifest import ModelEntry

from . import t5
from .shelf import Part
from .weights import set_output, smooth

LATENT_CHANNELS = 16


@dataclass(frozen=True, kw_only=True)
class Version:
    """What sets one repository's model apart from the others."""

    #: The transformer's layers and heads of 64 channels.
    size: tuple[int, int] = (42, 48)
    #: What its inputs and positions are.
    transformer: dict[str, Any] = field(default_factory=dict)
    vae: dict[str, Any] = field(default_factory=lambda: {"scaling_factor": 0.7})
    snr_shift_scale: float = 1.0

    @property
    def from_image(self) -> bool:
        """Whether an image's latents stand beside those of the clip."""
        return self.transformer.get("in_channels") == 2 * LATENT_CHANNELS


ROTARY = {"use_rotary_positional_embeddings": True}
FROM_IMAGE = {"in_channels": 2 * LATENT_CHANNELS}
#: Of version 1.5: patches two latent frames deep, and positions for larger frames.
DEEP = {
    "patch_size_t": 2,
    "patch_bias": False,
    "sample_height": 300,
    "sample_width": 300,
    "sample_frames": 81,
}
DEEP_VAE = {"scaling_factor": 0.7, "invert_scale_latents": True}
VERSIONS = {
    "CogVideoX-2b": Version(size=(30, 30), vae={"scaling_factor": 1.15258426}, snr_shift_scale=3.0),
    "CogVideoX-5b": Version(transformer=ROTARY),
    "CogVideoX-5b-I2V": Version(
        transformer={**ROTARY, **FROM_IMAGE, "use_learned_positional_embeddings": True}
    ),
    "CogVideoX1.5-5B": Version(transformer={**ROTARY, **DEEP}, vae=DEEP_VAE),
    "CogVideoX1.5-5B-I2V": Version(
        transformer={**ROTARY, **DEEP, **FROM_IMAGE, "ofs_embed_dim": 512}, vae=DEEP_VAE
    ),
}


def parts(entry: ModelEntry) -> dict[str, Part]:
    """One repository: the whole pipeline."""
    version = _version(entry)
    return {
        entry.repo: lambda: _pipeline(
            version, _transformer(version), _vae(version), t5.text_encoder()
        )
    }


def published(entry: ModelEntry) -> DiffusionPipeline:
    """The model at its published size, T5-XXL included."""
    version = _version(entry)
    layers, heads = version.size
    transformer = CogVideoXTransformer3DModel(
        num_layers=layers, num_attention_heads=heads, **version.transformer
    )
    vae = AutoencoderKLCogVideoX(**version.vae)
    return _pipeline(version, transformer.eval(), vae.eval(), _published_text_encoder())


def _version(entry: ModelEntry) -> Version:
    return VERSIONS[entry.repo.rpartition("/")[2]]


def _pipeline(
    version: Version,
    transformer: CogVideoXTransformer3DModel,
    vae: AutoencoderKLCogVideoX,
    text_encoder: T5EncoderModel,
) -> DiffusionPipeline:
    with torch.device("cpu"):  # schedulers reckon with numpy
        scheduler = CogVideoXDDIMScheduler(
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            snr_shift_scale=version.snr_shift_scale,
            timestep_spacing="trailing",
        )
    pipeline = CogVideoXImageToVideoPipeline if version.from_image else CogVideoXPipeline
    return pipeline(
        tokenizer=t5.tokenizer(),
        text_encoder=text_encoder,
        transformer=transformer,
        vae=vae,
        scheduler=scheduler,
    )


def _transformer(version: Version) -> CogVideoXTransformer3DModel:
    model = CogVideoXTransformer3DModel(
        num_attention_heads=1,
        attention_head_dim=16,
        num_layers=2,
        time_embed_dim=16,
        text_embed_dim=t5.WIDTH,
        **_narrow(version.transformer),
    ).eval()
    height, width = 8, 8
    if model.config.use_learned_positional_embeddings:
        height, width = 60, 90  # it takes no other
        model.patch_embed.pos_embedding.normal_(std=0.5)  # the class starts from sines
    latents = torch.randn(1, 4, model.config.in_channels, height, width)
    prompt = torch.randn(1, model.config.max_text_seq_length, t5.WIDTH)
    middle, offset = torch.tensor([500]), torch.tensor([2.0])
    set_output(model.proj_out, std=1.0, run=lambda: model(latents, prompt, middle, ofs=offset)[0])
    return model


def _narrow(figures: dict[str, Any]) -> dict[str, Any]:
    return figures | ({"ofs_embed_dim": 16} if "ofs_embed_dim" in figures else {})


def _vae(version: Version) -> AutoencoderKLCogVideoX:
    vae = AutoencoderKLCogVideoX(
        block_out_channels=(2, 2, 4, 4), layers_per_block=1, norm_num_groups=2, **version.vae
    ).eval()
    smooth(vae.decoder)
    latents = torch.randn(1, LATENT_CHANNELS, 3, 16, 16) / vae.config.scaling_factor
    set_output(
        vae.decoder.conv_out.conv, std=0.5, run=lambda: vae.decode(latents).sample, channels=1
    )
    return vae


def _published_text_encoder() -> T5EncoderModel:
    """T5 v1.1 XXL."""
    config = T5Config(
        vocab_size=32128,
        d_model=4096,
        d_kv=64,
        d_ff=10240,
        num_layers=24,
        num_heads=64,
        feed_forward_proj="gated-gelu",
    )
    return T5EncoderModel(config).eval()
