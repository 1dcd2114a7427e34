"""The model's networks: diffusers' and transformers' own classes, as small as a laptop bears."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import (
    AutoencoderKLLTXVideo,
    FlowMatchEulerDiscreteScheduler,
    LTXConditionPipeline,
    LTXVideoTransformer3DModel,
)
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import Unigram
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

#: A token is 32x32 pixels and 8 frames, as in LTX-Video.
LATENT_CHANNELS = 64
#: The encoder's noise, as the logarithm of its variance: a twentieth of a deviation.
LOG_VARIANCE = -6.0
_HALVINGS = 3
TEXT_WIDTH = 96
HEADS = 6
HEAD_WIDTH = 32
LAYERS = 6
#: A prompt's pieces, at most: the pipeline's own figure.
MOST_PIECES = 256
_END = "</s>"


def autoencoder() -> AutoencoderKLLTXVideo:
    """The VAE, 3.5 million parameters: LTX-Video's of 0.9.5 without its decoder's timestep."""
    vae = AutoencoderKLLTXVideo(
        latent_channels=LATENT_CHANNELS,
        down_block_types=("LTXVideo095DownBlock3D",) * _HALVINGS,
        downsample_type=("spatiotemporal",) * _HALVINGS,
        spatio_temporal_scaling=(True,) * _HALVINGS,
        block_out_channels=(24, 48, 96, 96),
        layers_per_block=(0, 1, 1, 1),
        decoder_block_out_channels=(24, 48, 96),
        decoder_spatio_temporal_scaling=(True,) * _HALVINGS,
        decoder_layers_per_block=(1, 1, 1, 1),
        decoder_inject_noise=(False,) * (_HALVINGS + 1),
        upsample_residual=(True,) * _HALVINGS,
        upsample_factor=(2,) * _HALVINGS,
        timestep_conditioning=False,
        spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    )
    _fix_variance(vae.encoder.conv_out.conv)
    return vae.to(memory_format=torch.channels_last_3d)


def _fix_variance(last: Any) -> None:
    """The encoder's last channel is the variance of all: have it a constant."""
    with torch.no_grad():
        last.weight[-1] = 0
        last.bias[-1] = LOG_VARIANCE


def transformer() -> LTXVideoTransformer3DModel:
    """What takes the noise off, 4 million parameters."""
    network = LTXVideoTransformer3DModel(
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        num_attention_heads=HEADS,
        attention_head_dim=HEAD_WIDTH,
        cross_attention_dim=HEADS * HEAD_WIDTH,
        num_layers=LAYERS,
        caption_channels=TEXT_WIDTH,
    )
    # Its first guess is nothing, which is the mean of what is to be guessed.
    torch.nn.init.zeros_(network.proj_out.weight)
    torch.nn.init.zeros_(network.proj_out.bias)
    return network


def text_encoder(pieces: int) -> T5EncoderModel:
    """Two layers of T5 for so many pieces."""
    return T5EncoderModel(
        T5Config(
            vocab_size=pieces,
            d_model=TEXT_WIDTH,
            d_kv=24,
            d_ff=192,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
        )
    )


def tokenizer(words: Sequence[str]) -> PreTrainedTokenizerFast:
    """Every one of the words is a piece, and every letter: no word is unknown.

    Not transformers' T5Tokenizer, which forgets when it is saved that letters are made small.
    """
    rare = [(letter, -8.0) for letter in "abcdefghijklmnopqrstuvwxyz0123456789.,:;!?'-"]
    pieces = [("<pad>", 0.0), (_END, 0.0), ("<unk>", -20.0), ("▁", -4.0)]
    pieces += [*((f"▁{word}", -2.0) for word in words), *rare]
    made = Tokenizer(Unigram(pieces, unk_id=2))
    made.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Whitespace(),
            pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always"),
        ]
    )
    made.post_processor = processors.TemplateProcessing(
        single=f"$A {_END}", special_tokens=[(_END, 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>",  # noqa: S106 - no password
        eos_token=_END,
        unk_token="<unk>",  # noqa: S106
        model_max_length=MOST_PIECES,
    )


def pipeline(
    *, vae: Any, transformer: Any, text_encoder: Any, tokenizer: Any
) -> LTXConditionPipeline:
    """All of it. The schedule is the pipeline's own, which no shift may bend."""
    return LTXConditionPipeline(
        vae=vae,
        transformer=transformer,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        scheduler=FlowMatchEulerDiscreteScheduler(),
    )
