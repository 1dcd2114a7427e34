"""A small language model says a prompt in more words, such as video models have learnt from."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ..errors import ModelNotLoaded
from .shortage import memory_errors

INSTRUCTION = (
    "You write prompts for a model that makes short videos. Say the user's prompt again as one "
    "paragraph of at most eighty words: keep its subject and everything that it names, and add "
    "how it looks, how it moves, the surroundings, the light and the camera. Answer with the "
    "paragraph alone."
)
#: Eighty words, with room for a sentence that runs over.
MOST_TOKENS = 128
#: A prompt as long as that says it all.
MOST_CHARACTERS = 1000
#: Of an answer that is none.
REFUSALS = ("i'm sorry", "i am sorry", "sorry,", "i cannot", "i can't", "as an ai")
LEAST_WORDS = 3


class PromptEnhancer:
    """The language model: in the CPU's memory once it was used, on the device while it writes."""

    def __init__(self, folder: Path, *, device: torch.device, dtype: torch.dtype) -> None:
        """`folder` holds a causal model of transformers with a tokenizer and a chat template."""
        self._folder = folder
        self._device = device
        self._dtype = dtype

    def enhanced(self, prompt: str) -> str:
        """The prompt in more words, always the same for the same prompt; or as it is.

        It stays as it is where it is empty or long already, or where the answer is of no use.
        Raises ModelNotLoaded or OutOfMemory.
        """
        if not prompt.strip() or len(prompt) > MOST_CHARACTERS:
            return prompt
        with memory_errors():
            return cleaned(self._answer(prompt)) or prompt

    @torch.no_grad()
    def _answer(self, prompt: str) -> str:
        from transformers import GenerationConfig

        tokenizer, model = self._parts
        said = [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": prompt}]
        inputs = tokenizer.apply_chat_template(
            said,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
            enable_thinking=False,  # Qwen 3's word for an answer without a monologue before it
        )
        # The likeliest word each time: no seed, and the same prompt is the same clip again.
        greedy = GenerationConfig(
            max_new_tokens=MOST_TOKENS,
            do_sample=False,
            repetition_penalty=1.1,
            eos_token_id=model.generation_config.eos_token_id or tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id,
        )
        try:
            model.to(self._device)
            written = model.generate(**inputs.to(self._device), generation_config=greedy)
        finally:
            model.to("cpu")
        answer: str = tokenizer.decode(
            written[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        return answer

    @cached_property
    def _parts(self) -> tuple[Any, Any]:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(self._folder, local_files_only=True)
            model = AutoModelForCausalLM.from_pretrained(
                self._folder, dtype=self._dtype, use_safetensors=True, local_files_only=True
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ModelNotLoaded(f"{self._folder}: {error}") from error
        return tokenizer, model.eval()


def cleaned(answer: str) -> str | None:
    """The first paragraph of an answer, in whole sentences; None for one that is no prompt.

    >>> cleaned('Prompt: "A fox runs\\nthrough deep snow. It"')
    'A fox runs through deep snow.'
    """
    answer = re.sub(r"<think>.*?(</think>|$)", "", answer, flags=re.DOTALL)
    answer = re.sub(r"^\W*[\w' ]*prompt[\w' ]*:", "", answer.strip(), flags=re.IGNORECASE)
    paragraph = re.split(r"\n\s*\n", answer.strip())[0]
    text = " ".join(paragraph.split()).strip("\"'*“” ")
    whole = re.match(r".*[.!?](?=$|\s)", text)
    text = whole[0] if whole else text
    letters = sum(character.isalpha() or character.isspace() for character in text)
    if letters < 0.7 * len(text) or text.lower().startswith(REFUSALS):
        return None
    return text if len(text.split()) >= LEAST_WORDS else None
