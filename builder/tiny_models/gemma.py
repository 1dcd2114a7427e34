"""Gemma 3 at tiny size: the tokenizer and text encoder of LTX-2."""

from __future__ import annotations

from typing import Any

from transformers import Gemma3Config, Gemma3ForConditionalGeneration, GemmaTokenizer

#: Width of the prompt's encoding, and how many of them there are: one a layer, and the words'.
WIDTH, LAYERS = 16, 2
SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
#: The model has room for ids that stand for images; no text has them.
IMAGE = {"boi_token_index": 262, "eoi_token_index": 263, "image_token_index": 264}
VOCABULARY = 265

TINY: dict[str, Any] = {
    "text_config": {
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "intermediate_size": 32,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "query_pre_attn_scalar": 8,
    },
    "vision_config": {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 2,
    },
    **IMAGE,
}
#: google/gemma-3-12b-it.
PUBLISHED: dict[str, Any] = {
    "text_config": {
        "vocab_size": 262_208,
        "hidden_size": 3840,
        "intermediate_size": 15_360,
        "num_hidden_layers": 48,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 256,
        "query_pre_attn_scalar": 256,
        "sliding_window": 1024,
    },
    "vision_config": {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "image_size": 896,
        "patch_size": 14,
    },
}


def tokenizer() -> GemmaTokenizer:
    """Every byte is a token, by the fallback that the published one has for rare characters."""
    pieces = [*SPECIAL, "▁", *(f"<0x{byte:02X}>" for byte in range(256))]
    vocab = {piece: index for index, piece in enumerate(pieces)}
    return GemmaTokenizer(vocab=vocab, merges=[], add_bos_token=True, model_max_length=1024)


def text_encoder(figures: dict[str, Any] = TINY) -> Gemma3ForConditionalGeneration:
    """It reads images, too, which nobody sends it."""
    return Gemma3ForConditionalGeneration(Gemma3Config(**figures)).eval()
