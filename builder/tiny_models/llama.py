"""Llama 3 at tiny size: HunyuanVideo's tokenizer and text encoder, and the Llava around them.

HunyuanVideo cuts the first tokens of its prompt template away by their published number, so the
tokenizer splits text as the published one does and knows each of the template's words.
"""

from __future__ import annotations

from typing import Any

from diffusers.pipelines.hunyuan_video import (
    pipeline_hunyuan_video,
    pipeline_hunyuan_video_image2video,
)
from tokenizers import AddedToken, decoders, processors
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlamaModel,
    LlamaTokenizer,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

from . import byte_pairs

#: Width of the prompt's encoding.
WIDTH = 16
#: How Llama 3 cuts a text into words.
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
START, END, IMAGE, PAD = "<|begin_of_text|>", "<|end_of_text|>", "<image>", "<pad>"
SPECIAL = (
    *(START, END, "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    *(IMAGE, PAD),
)
#: The image encoder reads 336x336 in patches of 14, as published: the pipeline counts them.
VISION = {"image_size": 336, "patch_size": 14}


def tokenizer() -> LlamaTokenizer:
    """Of the published class, with the published rules in its tokenizer.json."""
    vocab, merges = byte_pairs.learnt(_templates(), WORDS)
    # The pipelines take a prompt's beginning from the left.
    made = LlamaTokenizer(
        vocab=vocab,
        merges=merges,
        unk_token=None,
        bos_token=START,
        eos_token=END,
        pad_token=PAD,
        padding_side="right",
    )
    made.add_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    backend = made.backend_tokenizer
    backend.pre_tokenizer = byte_pairs.split_at(WORDS)
    backend.decoder = decoders.ByteLevel()
    start = (START, made.convert_tokens_to_ids(START))
    backend.post_processor = processors.TemplateProcessing(
        single=f"{START} $A", special_tokens=[start]
    )
    return made


def text_encoder(**published: Any) -> LlamaModel:
    """Three layers in place of thirty-two: the pipeline takes the last but two."""
    return LlamaModel(LlamaConfig(**(_text() | published))).eval()


def llava(
    *, text: dict[str, Any] | None = None, vision: dict[str, Any] | None = None
) -> LlavaForConditionalGeneration:
    """The same encoder with an image before the prompt."""
    words = tokenizer()
    config = LlavaConfig(
        text_config=LlamaConfig(**(_text() | (text or {}))),
        vision_config=CLIPVisionConfig(**(_vision() | (vision or {}))),
        image_token_index=words.convert_tokens_to_ids(IMAGE),
        pad_token_id=words.pad_token_id,
    )
    return LlavaForConditionalGeneration(config).eval()


def image_processor() -> CLIPImageProcessor:
    """The published size and colour statistics."""
    return CLIPImageProcessor(size=VISION["image_size"], crop_size=VISION["image_size"])


def _templates() -> str:
    modules = (pipeline_hunyuan_video, pipeline_hunyuan_video_image2video)
    templates = (module.DEFAULT_PROMPT_TEMPLATE["template"] for module in modules)
    return "".join(template.replace("{}", "") for template in templates)


def _text() -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer()),
        "hidden_size": WIDTH,
        "intermediate_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
    }


def _vision() -> dict[str, Any]:
    return VISION | {
        "hidden_size": 16,
        "intermediate_size": 32,
        "projection_dim": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
