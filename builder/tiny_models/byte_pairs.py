"""Byte-level BPE of few words: any text has its own ids, and the words of a template one each."""

from __future__ import annotations

import json

from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, PreTokenizer, Sequence, Split
from tokenizers.trainers import BpeTrainer

#: More than any template has words.
ENOUGH = 10_000


def split_at(pattern: str) -> PreTokenizer:
    """Cut a text into words by a published expression, and write their bytes as letters."""
    words = Split(Regex(pattern), behavior="isolated")
    return Sequence([words, ByteLevel(add_prefix_space=False, use_regex=False)])


def learnt(text: str, pattern: str) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The vocabulary and the merges with which each word of this text is one token."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = split_at(pattern)
    tokenizer.train_from_iterator(
        [text],
        BpeTrainer(
            vocab_size=ENOUGH,
            min_frequency=1,
            show_progress=False,
            initial_alphabet=sorted(ByteLevel.alphabet()),
        ),
    )
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [(left, right) for left, right in model["merges"]]
