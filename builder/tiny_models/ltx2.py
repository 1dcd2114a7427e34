"""LTX-2 at tiny width: 32x32 pixels and 8 frames to a latent, sound by mel bins, as published.

Configurations are those of diffusers' conversion script (scripts/convert_ltx2_to_diffusers.py).
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    LTX2ConditionPipeline,
    LTX2VideoTransformer3DModel,
)
from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2Vocoder
from diffusers.pipelines.ltx2.vocoder import LTX2VocoderWithBWE

from src.manifest import ModelEntry

from . import gemma
from .ltx_vae import LATENT_CHANNELS, make_visible
from .shelf import Part
from .weights import set_output

#: Widths of the frames' tokens and of the sound's; the sound has one latent channel of 16 bins.
WIDTH, SOUND_WIDTH, SOUND_CHANNELS = 24, 16, 16
#: Lightricks' 2.3 differs in the layers below, and in what it is called.
NEWER = "2.3"

SCHEDULER = {
    "use_dynamic_shifting": True,
    "base_shift": 0.95,
    "max_shift": 2.05,
    "base_image_seq_len": 1024,
    "max_image_seq_len": 4096,
    "shift_terminal": 0.1,
}
TRANSFORMER: dict[bool, dict[str, Any]] = {
    False: {"rope_type": "split"},
    True: {
        "rope_type": "split",
        "gated_attn": True,
        "cross_attn_mod": True,
        "audio_gated_attn": True,
        "audio_cross_attn_mod": True,
        "use_prompt_embeddings": False,
        "perturbed_attn": True,
    },
}
CONNECTORS: dict[bool, dict[str, Any]] = {
    False: {"rope_type": "split"},
    True: {
        "rope_type": "split",
        "video_gated_attn": True,
        "audio_gated_attn": True,
        "per_modality_projections": True,
        "proj_bias": True,
    },
}
PUBLISHED_CONNECTORS: dict[bool, dict[str, Any]] = {
    False: {},
    True: {
        "video_connector_num_attention_heads": 32,
        "video_connector_num_layers": 8,
        "audio_connector_num_attention_heads": 32,
        "audio_connector_attention_head_dim": 64,
        "audio_connector_num_layers": 8,
    },
}
#: The class's own figures are those of 2.0, but for these three.
_COMMON = {
    "decoder_causal": False,
    "spatial_compression_ratio": 32,
    "temporal_compression_ratio": 8,
}
VAE: dict[bool, dict[str, Any]] = {
    False: _COMMON,
    True: _COMMON
    | {
        "decoder_spatio_temporal_scaling": (True,) * 4,
        "decoder_inject_noise": (False,) * 5,
        "upsample_type": ("spatiotemporal", "spatiotemporal", "temporal", "spatial"),
        "upsample_residual": (False,) * 4,
        "upsample_factor": (2, 2, 1, 2),
        "decoder_spatial_padding_mode": "zeros",
    },
}
PUBLISHED_VAE: dict[bool, dict[str, Any]] = {
    False: {},
    True: {
        "block_out_channels": (256, 512, 1024, 1024),
        "decoder_block_out_channels": (256, 512, 512, 1024),
        "layers_per_block": (4, 6, 4, 2, 2),
        "decoder_layers_per_block": (4, 6, 4, 2, 2),
    },
}


def parts(entry: ModelEntry) -> dict[str, Part]:
    """One repository: the whole pipeline."""
    return {entry.repo: lambda: _pipeline(newer=_newer(entry))}


def published(entry: ModelEntry) -> DiffusionPipeline:
    """The same pipeline at its full size, with weights of no meaning and few words."""
    newer = _newer(entry)
    return _assembled(
        text_encoder=gemma.text_encoder(gemma.PUBLISHED),
        connectors=LTX2TextConnectors(**CONNECTORS[newer], **PUBLISHED_CONNECTORS[newer]).eval(),
        transformer=LTX2VideoTransformer3DModel(**TRANSFORMER[newer]).eval(),
        vae=AutoencoderKLLTX2Video(**VAE[newer], **PUBLISHED_VAE[newer]).eval(),
        audio_vae=AutoencoderKLLTX2Audio().eval(),
        vocoder=(LTX2VocoderWithBWE() if newer else LTX2Vocoder()).eval(),
    )


def _pipeline(*, newer: bool) -> LTX2ConditionPipeline:
    return _assembled(
        text_encoder=gemma.text_encoder(),
        connectors=_connectors(newer=newer),
        transformer=_transformer(newer=newer),
        vae=_vae(newer=newer),
        audio_vae=AutoencoderKLLTX2Audio(
            base_channels=SOUND_CHANNELS, ch_mult=(1, 1, 1), latent_channels=1, num_res_blocks=1
        ).eval(),
        vocoder=_vocoder(newer=newer),
    )


def _assembled(**networks: Any) -> LTX2ConditionPipeline:
    return LTX2ConditionPipeline(
        **networks,
        tokenizer=gemma.tokenizer(),
        scheduler=FlowMatchEulerDiscreteScheduler(**SCHEDULER),
    )


def _newer(entry: ModelEntry) -> bool:
    return NEWER in entry.repo


def _connectors(*, newer: bool) -> LTX2TextConnectors:
    """2.0 keeps the prompt's width, and 2.3 brings it to the transformer's two."""
    video, sound = (WIDTH, SOUND_WIDTH) if newer else (gemma.WIDTH, gemma.WIDTH)
    return LTX2TextConnectors(
        **CONNECTORS[newer],
        caption_channels=gemma.WIDTH,
        text_proj_in_factor=gemma.LAYERS + 1,
        video_connector_num_attention_heads=2,
        video_connector_attention_head_dim=video // 2,
        video_connector_num_layers=1,
        audio_connector_num_attention_heads=2,
        audio_connector_attention_head_dim=sound // 2,
        audio_connector_num_layers=1,
        video_hidden_dim=video,
        audio_hidden_dim=sound,
    ).eval()


def _transformer(*, newer: bool) -> LTX2VideoTransformer3DModel:
    model = LTX2VideoTransformer3DModel(
        **TRANSFORMER[newer],
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        num_attention_heads=2,
        attention_head_dim=WIDTH // 2,
        cross_attention_dim=WIDTH,
        audio_in_channels=SOUND_CHANNELS,
        audio_out_channels=SOUND_CHANNELS,
        audio_num_attention_heads=2,
        audio_attention_head_dim=SOUND_WIDTH // 2,
        audio_cross_attention_dim=SOUND_WIDTH,
        num_layers=2,
        caption_channels=gemma.WIDTH,
    ).eval()
    video, sound = (WIDTH, SOUND_WIDTH) if newer else (gemma.WIDTH, gemma.WIDTH)
    middle = torch.tensor([500.0])
    given: dict[str, Any] = {
        "hidden_states": torch.randn(1, 2 * 4 * 4, LATENT_CHANNELS),
        "audio_hidden_states": torch.randn(1, 32, SOUND_CHANNELS),
        "encoder_hidden_states": torch.randn(1, 8, video),
        "audio_encoder_hidden_states": torch.randn(1, 8, sound),
        "timestep": middle.expand(1, 2 * 4 * 4),
        "audio_timestep": middle,
        "sigma": middle,
        "audio_sigma": middle,
        "num_frames": 2,
        "height": 4,
        "width": 4,
        "audio_num_frames": 32,
    }
    set_output(model.proj_out, std=1.0, run=lambda: model(**given).sample)
    set_output(model.audio_proj_out, std=1.0, run=lambda: model(**given).audio_sample)
    return model


def _vae(*, newer: bool) -> AutoencoderKLLTX2Video:
    vae = AutoencoderKLLTX2Video(
        **VAE[newer],
        latent_channels=LATENT_CHANNELS,
        block_out_channels=(4, 8, 16, 16),
        decoder_block_out_channels=(4, 8, 8, 16) if newer else (16, 32, 64),
        layers_per_block=(1,) * 5,
        decoder_layers_per_block=(1,) * (5 if newer else 4),
    ).eval()
    latents = torch.randn(1, LATENT_CHANNELS, 3, 4, 4)
    make_visible(vae, lambda: vae.decode(latents).sample)
    return vae


def _vocoder(*, newer: bool) -> LTX2Vocoder | LTX2VocoderWithBWE:
    """Loud enough to be heard: a wave of deviation 0.2 from a random spectrogram."""
    if newer:
        vocoder = LTX2VocoderWithBWE(hidden_channels=64, bwe_hidden_channels=32).eval()
        layers = [vocoder.vocoder.conv_out, vocoder.bwe_generator.conv_out]
    else:
        vocoder = LTX2Vocoder(hidden_channels=32).eval()
        layers = [vocoder.conv_out]
    spectrogram = torch.randn(1, 2, 9, 64)
    for layer in layers:
        layer.weight.mul_(0.2 / vocoder(spectrogram).std())
    return vocoder
