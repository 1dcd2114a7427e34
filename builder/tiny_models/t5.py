"""T5 at tiny size: the tokenizer and text encoder of CogVideoX."""

from __future__ import annotations

from itertools import chain

from transformers import T5Config, T5EncoderModel, T5Tokenizer

#: Width of the prompt's encoding.
WIDTH = 16
#: Latin to Cyrillic, Hebrew to Thai, kana, Han, Hangul, symbols and emoji. The class knows no byte
#: fallback: what is not a piece becomes <unk>, and two such prompts would look the same.
ALPHABETS = (
    range(0x21, 0x530),
    range(0x5D0, 0xE60),
    range(0x2000, 0x2C00),
    range(0x3040, 0x3100),
    range(0x4E00, 0xA000),
    range(0xAC00, 0xD7A4),
    range(0x1F300, 0x1FB00),
)


def tokenizer() -> T5Tokenizer:
    """Every character is a piece."""
    return T5Tokenizer(vocab=_pieces(), extra_ids=0)


def text_encoder() -> T5EncoderModel:
    """Two layers in place of twenty-four."""
    config = T5Config(
        vocab_size=len(_pieces()),
        d_model=WIDTH,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        feed_forward_proj="gated-gelu",
    )
    return T5EncoderModel(config).eval()


def _pieces() -> list[tuple[str, float]]:
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    characters = (chr(code) for code in chain(*ALPHABETS))
    return [*special, *((character, -3.0) for character in characters if character != "▁")]
