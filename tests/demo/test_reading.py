"""What the text encoder is asked while it is trained."""

import numpy as np
import torch

from builder.demo.captions import trainable
from builder.demo.reading import Reader, some_texts
from builder.demo.scenes import COLORS, MOTIONS, SHAPES, Scene, scene
from builder.demo.wordings import COLOR_WORDS, SHAPE_WORDS

WIDTH = 8
#: Answers that each question has; the second figure may be none.
SIZES = [len(SHAPES), len(COLORS), len(MOTIONS), len(SHAPES) + 1, len(COLORS) + 1]


def of(shapes: list[str], colors: list[str], motion: str) -> Scene:
    chance = np.random.default_rng(0)
    return scene(chance, shapes=shapes, colors=colors, motion=motion, background="black")


def loss_where_it_answers(answers: list[int], asked: Scene) -> float:
    """The loss of a reader that is sure of these answers, whatever it reads."""
    reader = Reader(WIDTH)
    starts = [sum(SIZES[:place]) for place in range(len(SIZES))]
    with torch.no_grad():
        reader.answers.weight.zero_()
        reader.answers.bias.zero_()
        for start, answer in zip(starts, answers, strict=True):
            reader.answers.bias[start + answer] = 20
    told, mask = torch.randn(1, 3, WIDTH), torch.tensor([[True, True, False]])
    return float(reader(told, mask, [asked]).detach())


def test_it_is_asked_for_both_figures_in_the_order_of_the_words() -> None:
    pair = of(["star", "square"], ["blue", "red"], "up")
    right = [
        list(SHAPES).index("star"),
        list(COLORS).index("blue"),
        MOTIONS.index("up"),
        list(SHAPES).index("square"),
        list(COLORS).index("red"),
    ]

    assert loss_where_it_answers(right, pair) < 0.01
    for place, size in enumerate(SIZES):
        wrong = [*right[:place], (right[place] + 1) % size, *right[place + 1 :]]
        assert loss_where_it_answers(wrong, pair) > 3


def test_of_one_figure_there_is_no_other() -> None:
    one = of(["circle"], ["red"], "left")

    assert loss_where_it_answers([0, 0, 0, len(SHAPES), len(COLORS)], one) < 0.01
    assert loss_where_it_answers([0, 0, 0, 0, 0], one) > 3


def test_it_answers_from_the_last_piece_that_is_there() -> None:
    reader = Reader(WIDTH)
    asked = [of(["circle"], ["red"], "left")]
    told, mask = torch.randn(1, 3, WIDTH), torch.tensor([[True, True, False]])
    before = reader(told, mask, asked)
    told[:, 2] += 1
    assert torch.equal(reader(told, mask, asked), before)
    told[:, 1] += 1
    assert not torch.equal(reader(told, mask, asked), before)


def test_texts_are_whole_and_of_nothing_that_is_held_out() -> None:
    some = some_texts(np.random.default_rng(1), 200)

    assert len(some.texts) == len(some.scenes) == 200
    assert all(trainable(one) for one in some.scenes)
    assert 40 < sum(len(one.figures) == 2 for one in some.scenes) < 120
    for text, one in zip(some.texts, some.scenes, strict=True):
        for figure in one.figures:
            assert any(word in text for word in COLOR_WORDS[figure.color])
            assert any(word in text for word in SHAPE_WORDS[figure.shape])
