"""Qwen 2.5 VL at tiny size: the tokenizer and the text side of HunyuanVideo 1.5's encoder.

HunyuanVideo 1.5 cuts the first tokens of its conversation away by their published number, so the
tokenizer knows each of the template's words.
"""

from __future__ import annotations

import inspect
from typing import Any

from diffusers import HunyuanVideo15Pipeline
from tokenizers import AddedToken
from transformers import Qwen2_5_VLTextConfig, Qwen2_5_VLTextModel, Qwen2Tokenizer
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

from . import byte_pairs

#: Width of the prompt's encoding.
WIDTH = 16
PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
#: What the published one comes to for a system's and a user's words.
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer() -> Qwen2Tokenizer:
    """Any text has its own ids."""
    vocab, merges = byte_pairs.learnt(_template(), PRETOKENIZE_REGEX)
    made = Qwen2Tokenizer(vocab=vocab, merges=merges, unk_token=PAD, eos_token=END, pad_token=PAD)
    made.add_tokens([AddedToken(token, special=True) for token in (PAD, START, END)])
    made.chat_template = CHAT
    return made


def text_encoder(**published: Any) -> Qwen2_5_VLTextModel:
    """Three layers in place of twenty-eight: the pipeline takes the last but two."""
    config = {
        "vocab_size": len(tokenizer()),
        "hidden_size": WIDTH,
        "intermediate_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 1,
        "num_key_value_heads": 1,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]},
    }
    return Qwen2_5_VLTextModel(Qwen2_5_VLTextConfig(**(config | published))).eval()


def _template() -> str:
    parameters = inspect.signature(HunyuanVideo15Pipeline._get_mllm_prompt_embeds).parameters
    system = parameters["system_message"].default
    return f"system\n{system}\nuser\nassistant\n"
