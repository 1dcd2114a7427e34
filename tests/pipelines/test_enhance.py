"""A prompt in more words: what counts as an answer, and where it goes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from src.errors import ModelNotLoaded, OutOfMemory
from src.generation import Clip, GenerationRequest, Parameters, Task
from src.manifest import ToolKind, load_manifest
from src.pipelines.enhance import MOST_CHARACTERS, MOST_TOKENS, PromptEnhancer, cleaned

from .conftest import Studio

CPU = torch.device("cpu")
FOX = "A red fox runs through deep snow. The camera follows it."


@pytest.mark.parametrize(
    ("answer", "prompt"),
    [
        (FOX, FOX),
        (f'  "{FOX}"\n', FOX),
        (f"**{FOX}**", FOX),
        (FOX.replace(" The", "\nThe"), FOX),
        (f"{FOX}\n\nI hope that this helps!", FOX),
        (f"{FOX} Snow falls from the", FOX),
        (f"Prompt: {FOX}", FOX),
        (f"Here is the enhanced prompt: {FOX}", FOX),
        (f"<think>A fox. What else?\n\nSnow.</think>\n\n{FOX}", FOX),
        ("A fox at 10 a.m. in the snow", "A fox at 10 a.m."),
        ("a red fox in deep snow", "a red fox in deep snow"),
        ("一只狐狸 在 雪地里 奔跑", "一只狐狸 在 雪地里 奔跑"),
        ("", None),
        ("  \n\n ", None),
        ("fox", None),
        ("A fox.", None),
        ("<think>A fox? Let me see what", None),
        ("{} [] 123 456 ... ### ///", None),
        ("\ufffd\ufffd a \ufffd\ufffd\ufffd b \ufffd c", None),
        ("I'm sorry, but I cannot help with that request.", None),
        ("As an AI language model I have no camera.", None),
    ],
)
def test_an_answer_is_one_paragraph_of_whole_sentences_or_none(
    answer: str, prompt: str | None
) -> None:
    assert cleaned(answer) == prompt


@pytest.fixture(scope="module")
def folder(tiny_models: Path) -> Path:
    tool = load_manifest().tool(ToolKind.PROMPT_ENHANCEMENT)
    assert tool is not None
    return tiny_models / tool.repo


@pytest.fixture
def enhancer(folder: Path) -> PromptEnhancer:
    return PromptEnhancer(folder, device=CPU, dtype=torch.float32)


@pytest.mark.real
def test_the_same_prompt_is_always_said_in_the_same_words(
    enhancer: PromptEnhancer, folder: Path
) -> None:
    first = enhancer.enhanced("a fox")
    torch.manual_seed(1)
    other = PromptEnhancer(folder, device=CPU, dtype=torch.float32)

    assert first == other.enhanced("a fox")
    assert first != enhancer.enhanced("the sea at dawn")
    assert 3 <= len(first.split()) <= MOST_TOKENS
    assert "\n" not in first


@pytest.mark.parametrize("prompt", ["", "  ", "a fox " * MOST_CHARACTERS])
def test_a_prompt_that_says_nothing_or_all_stays_and_nothing_is_loaded(prompt: str) -> None:
    nowhere = PromptEnhancer(Path("/nowhere"), device=CPU, dtype=torch.float32)

    assert nowhere.enhanced(prompt) == prompt


@pytest.mark.real
def test_an_answer_of_no_use_leaves_the_prompt(
    enhancer: PromptEnhancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, model = enhancer._parts
    monkeypatch.setattr(model.generation_config, "eos_token_id", _first_token(enhancer, "a fox"))

    assert enhancer.enhanced("a fox") == "a fox"


def _first_token(enhancer: PromptEnhancer, prompt: str) -> int:
    tokenizer, _ = enhancer._parts
    word = enhancer.enhanced(prompt).split()[0]
    (number,) = [number for piece, number in tokenizer.get_vocab().items() if piece == f"Ġ{word}"]
    return int(number)


@pytest.mark.real
def test_the_model_is_on_the_device_while_it_writes_and_off_it_again_even_after_an_error(
    enhancer: PromptEnhancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, model = enhancer._parts
    places: list[str] = []
    move, write = model.to, model.generate

    def to(device: Any) -> Any:
        places.append(str(device))
        return move(device)

    def generate(**keywords: Any) -> Any:
        places.append("writes")
        return write(**keywords)

    def run_out(**_keywords: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(enhancer, "_device", torch.device("cpu:0"))
    monkeypatch.setattr(model, "to", to)
    monkeypatch.setattr(model, "generate", generate)
    enhancer.enhanced("a fox")
    assert places == ["cpu:0", "writes", "cpu"]

    monkeypatch.setattr(model, "generate", run_out)
    with pytest.raises(OutOfMemory):
        enhancer.enhanced("a fox")
    assert places[3:] == ["cpu:0", "cpu"]


def test_weights_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotLoaded, match=str(tmp_path)):
        PromptEnhancer(tmp_path, device=CPU, dtype=torch.float32).enhanced("a fox")


def frames_of(clip: Clip) -> Any:
    return np.concatenate(list(clip.chunks))


@pytest.mark.real
@pytest.mark.parametrize("size", [{}, {"upscale_width": 80, "upscale_height": 80}])
def test_the_clip_is_made_from_the_enhanced_prompt_which_is_told(
    studio: Studio, enhancer: PromptEnhancer, size: dict[str, Any]
) -> None:
    """In both passes, where there are two."""
    words = enhancer.enhanced("a fox")
    request = studio.request("tiny", Task.TEXT2VIDEO, enhance_prompt=True, **size)
    clip = studio.clip(request)
    said = studio.clip(studio.request("tiny", Task.TEXT2VIDEO, prompt=words, **size))
    plain = studio.clip(studio.request("tiny", Task.TEXT2VIDEO, **size))

    assert request.parameters.prompt == "a fox"
    assert (clip.enhanced_prompt, said.enhanced_prompt, plain.enhanced_prompt) == (
        words,
        None,
        None,
    )
    frames = frames_of(clip)
    assert np.array_equal(frames, frames_of(said))
    assert not np.array_equal(frames, frames_of(plain))


def test_where_no_language_model_is_baked_a_warning_says_so(bare_room: Any) -> None:
    settled = bare_room.settle(
        GenerationRequest(
            task=Task.TEXT2VIDEO,
            model="tiny",
            parameters=Parameters(prompt="a fox", enhance_prompt=True),
        )
    )
    assert settled.parameters.enhance_prompt is None
    assert settled.warnings == ("enhance_prompt: no language model is baked, ignored",)
