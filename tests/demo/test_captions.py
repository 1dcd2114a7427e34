"""What is said of scenes, what is kept from training, and that every word is known."""

from dataclasses import asdict
from itertools import product

import numpy as np
import pytest

from builder.demo import networks
from builder.demo.captions import (
    caption,
    exact_caption,
    held_out,
    new_caption,
    trainable,
    trainable_mistake,
    trainable_scene,
    words,
)
from builder.demo.scenes import COLORS, MOTIONS, SHAPES, any_scene, possible
from builder.demo.unseen import unseen_scenes
from builder.demo.wordings import (
    COLOR_WORDS,
    GROUND_WORDS,
    NEW_PAIRS,
    NEW_SENTENCES,
    PAIRS,
    SENTENCES,
    SHAPE_WORDS,
    SIZE_WORDS,
)

COMBINATIONS = [
    (shape, color, motion)
    for shape, color, motion in product(SHAPES, COLORS, MOTIONS)
    if possible(shape, motion)
]


def test_a_ninth_of_the_combinations_is_kept_and_no_pair_with_it() -> None:
    kept = [one for one in COMBINATIONS if held_out(*one)]
    trained = [one for one in COMBINATIONS if not held_out(*one)]
    assert len(kept) == pytest.approx(len(COMBINATIONS) / 9, abs=4)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        pairs = {(one[first], one[second]) for one in COMBINATIONS}
        assert {(one[first], one[second]) for one in trained} == pairs
    # Whatever there is, is asked for.
    for place in range(3):
        assert {one[place] for one in kept} == {one[place] for one in COMBINATIONS}


def test_no_scene_of_the_evaluation_may_be_trained_on() -> None:
    scenes = unseen_scenes(60)
    assert len(scenes) == 60
    assert not any(trainable(one) for one in scenes)
    assert sum(len(one.figures) == 2 for one in scenes) == 6


def test_wordings_of_the_evaluation_are_no_wordings_of_training() -> None:
    assert not set(NEW_SENTENCES) & set(SENTENCES)
    assert not set(NEW_PAIRS) & set(PAIRS)


def test_the_whole_is_told_to_the_evaluation() -> None:
    chance = np.random.default_rng(0)
    for _ in range(200):
        made = any_scene(chance, two=0.3)
        told = new_caption(made, chance)
        for figure in made.figures:
            assert any(word in told for word in COLOR_WORDS[figure.color])
            assert any(word in told for word in SHAPE_WORDS[figure.shape])
        assert "{" not in told


def test_training_also_hears_parts_and_strange_words() -> None:
    chance = np.random.default_rng(1)
    made = any_scene(chance, two=0)
    told = [caption(made, chance) for _ in range(400)]
    known = set(words())
    said = [set(one.translate(str.maketrans(",:.", "   ")).split()) for one in told]
    strange = [one for one in said if one - known]
    assert 40 < len(strange) < 200
    assert any(len(one.split()) == 1 for one in told)
    assert len(set(told)) > 250


def test_an_exact_caption_leaves_nothing_of_the_middle_open() -> None:
    chance = np.random.default_rng(2)
    for _ in range(200):
        made = any_scene(chance, two=0.3, middle=True)
        told = exact_caption(made, chance)
        assert any(word in told for word in GROUND_WORDS[made.background])
        for figure in made.figures:
            sized = any(word in told.split() for word in SIZE_WORDS[figure.size])
            assert sized != (made.motion == "grow")


def test_a_mistake_is_another_shape_or_of_two_another_color_that_may_be_trained_on() -> None:
    chance = np.random.default_rng(3)
    for count in (1, 2):
        changed = set()
        for _ in range(200):
            right = trainable_scene(chance, two=count - 1)
            wrong = trainable_mistake(right, chance)
            assert trainable(wrong)
            before, after = asdict(right), asdict(wrong)
            figures = list(zip(before.pop("figures"), after.pop("figures"), strict=True))
            assert before == after
            [what] = [name for one, other in figures for name in one if one[name] != other[name]]
            changed.add(what)
        assert changed == ({"shape"} if count == 1 else {"shape", "color"})


def test_every_word_of_the_training_is_one_piece() -> None:
    tokenizer = networks.tokenizer(words())
    for word in words():
        assert tokenizer.tokenize(word) == [f"▁{word}"], word


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("A Red CIRCLE", ["▁a", "▁red", "▁circle"]),
        ("red,circle.", ["▁red", "▁", ",", "▁circle", "▁", "."]),
        ("zap", ["▁", "z", "a", "p"]),
        ("", []),
    ],
)
def test_a_prompt_in_pieces(text: str, pieces: list[str]) -> None:
    assert networks.tokenizer(words()).tokenize(text) == pieces


def test_no_letters_are_lost_whatever_is_written() -> None:
    tokenizer = networks.tokenizer(words())
    for text in ("日本語", "🦊", "\n\t", "x" * 5000, "<pad></s><unk>"):
        ids = tokenizer(text, truncation=True, max_length=256, padding="max_length").input_ids
        assert len(ids) == 256
        assert max(ids) < len(tokenizer)
