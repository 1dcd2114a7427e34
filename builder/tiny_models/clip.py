"""CLIP at tiny size: the tokenizer and text encoder of SD 1.5, the image encoder of SVD."""

from __future__ import annotations

from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

#: Width of what every tiny encoder gives to its denoiser's cross-attention.
WIDTH = 32
#: Tokens of a prompt, as in SD 1.5.
MAX_TOKENS = 77
START, END = "<|startoftext|>", "<|endoftext|>"


def tokenizer() -> CLIPTokenizer:
    """Every byte is a token, so that any text has its own ids."""
    letters = _byte_letters()
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), START, END]
    vocab = {piece: index for index, piece in enumerate(pieces)}
    return CLIPTokenizer(vocab=vocab, merges=[], model_max_length=MAX_TOKENS)


def text_encoder() -> CLIPTextModel:
    """Twelve layers as published, since clip_skip counts them."""
    config = CLIPTextConfig(
        vocab_size=514,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=12,
        num_attention_heads=4,
        max_position_embeddings=MAX_TOKENS,
    )
    return CLIPTextModel(config).eval()


def image_encoder() -> CLIPVisionModelWithProjection:
    """Reads 224x224 as the published one does, since SVD resizes to that."""
    config = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=64,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=224,
        patch_size=56,
    )
    return CLIPVisionModelWithProjection(config).eval()


def image_processor() -> CLIPImageProcessor:
    """The published sizes and colour statistics, which are the class's defaults."""
    return CLIPImageProcessor(size=224, crop_size=224)


def _byte_letters() -> list[str]:
    """The letter that byte-level tokenizers write for each byte.

    Printable ones stand for themselves; the rest are lifted above 255, as OpenAI's GPT-2 does.
    """
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    lifted = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(lifted)) for byte in range(256)]
