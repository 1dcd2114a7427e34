"""T5 and UMT5 at tiny size: the tokenizers and text encoders of CogVideoX and of Wan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

from transformers import T5Config, T5EncoderModel, T5Tokenizer, UMT5Config, UMT5EncoderModel

#: Width of the prompt's encoding.
WIDTH = 16
TINY = {"d_model": WIDTH, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
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
#: Latin to Thai, symbols, and kana: a sixth of the pieces, for encoders that many models have.
FEW_ALPHABETS = ALPHABETS[:4]
#: The published figures of google/umt5-xxl.
MULTILINGUAL_XXL = {
    "vocab_size": 256384,
    "d_model": 4096,
    "d_kv": 64,
    "d_ff": 10240,
    "num_layers": 24,
    "num_heads": 64,
}


def tokenizer() -> T5Tokenizer:
    """Every character is a piece."""
    return T5Tokenizer(vocab=_pieces(), extra_ids=0)


def multilingual_tokenizer() -> T5Tokenizer:
    """Every character of a few alphabets is a piece; Wan's class is T5's, too."""
    return T5Tokenizer(vocab=_pieces(FEW_ALPHABETS), extra_ids=0)


def text_encoder() -> T5EncoderModel:
    """Two layers in place of twenty-four."""
    config = T5Config(vocab_size=len(_pieces()), **TINY, feed_forward_proj="gated-gelu")
    return T5EncoderModel(config).eval()


def multilingual_encoder(figures: Mapping[str, int] | None = None) -> UMT5EncoderModel:
    """UMT5, whose every layer has its own positions; tiny where no figures are given."""
    figures = figures or {"vocab_size": len(_pieces(FEW_ALPHABETS)), **TINY}
    return UMT5EncoderModel(UMT5Config(**figures, feed_forward_proj="gated-gelu")).eval()


def _pieces(alphabets: Iterable[range] = ALPHABETS) -> list[tuple[str, float]]:
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    characters = (chr(code) for code in chain(*alphabets))
    return [*special, *((character, -3.0) for character in characters if character != "▁")]
