"""Tools at tiny width: RIFE's four blocks, and a Qwen 2.5 that strings together words it knows."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

from src.manifest import ToolEntry, ToolKind
from src.pipelines.rife_network import IFNet

from . import qwen
from .shelf import Part

#: Letters of a word that can be read.
LEAST_LETTERS = 4


def parts(entry: ToolEntry) -> dict[str, Part]:
    """One repository."""
    make: dict[ToolKind, Part] = {
        ToolKind.FRAME_INTERPOLATION: _rife,
        ToolKind.PROMPT_ENHANCEMENT: _Chat,
    }
    return {entry.repo: make[entry.kind]}


def _rife() -> IFNet:
    return IFNet(widths=(8, 8, 8, 8), encoder_width=4)


class _Chat:
    """A language model and its tokenizer, which transformers saves one by one."""

    def __init__(self) -> None:
        self._tokenizer = qwen.tokenizer()
        self._model = _language_model(self._tokenizer)

    def save_pretrained(self, save_directory: Path, *, safe_serialization: bool) -> None:
        """Write both into one folder."""
        del safe_serialization  # transformers 5 writes nothing else
        self._model.save_pretrained(save_directory)
        self._tokenizer.save_pretrained(save_directory)


def _language_model(tokenizer: Qwen2Tokenizer) -> Qwen2ForCausalLM:
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            tie_word_embeddings=False,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    ).eval()
    # Nothing is as likely as a whole word, or else what it says would be bytes and no text.
    words = torch.zeros(len(tokenizer), 1)
    for piece, number in tokenizer.get_vocab().items():
        word = piece.removeprefix("Ġ")
        words[number] = word != piece and word.isalpha() and len(word) >= LEAST_LETTERS
    model.lm_head.weight.normal_().mul_(words)
    return model
