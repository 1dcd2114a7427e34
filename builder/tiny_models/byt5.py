"""ByT5 at tiny size: HunyuanVideo 1.5 reads with it what a prompt puts in quotation marks."""

from __future__ import annotations

from typing import Any

from transformers import ByT5Tokenizer, T5Config, T5EncoderModel

#: Width of the words' encoding.
WIDTH = 16


def tokenizer() -> ByT5Tokenizer:
    """Every byte is a token, as published."""
    return ByT5Tokenizer()


def text_encoder(**published: Any) -> T5EncoderModel:
    """Two layers in place of twelve."""
    config = {
        "vocab_size": len(tokenizer()),
        "d_model": WIDTH,
        "d_kv": 8,
        "d_ff": 32,
        "num_layers": 2,
        "num_heads": 2,
        "feed_forward_proj": "gated-gelu",
    }
    return T5EncoderModel(T5Config(**(config | published))).eval()
