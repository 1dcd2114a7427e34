"""Scenes in words, many ways, some of which are kept for the evaluation.

Of two figures the one that is named first stands on the left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .scenes import COLORS, MOTIONS, SHAPES, Figure, Scene, any_scene, mistaken
from .wordings import (
    COLOR_WORDS,
    GROUND_WORDS,
    MOTION_WORDS,
    NEW_PAIRS,
    NEW_SENTENCES,
    ON,
    PAIRS,
    PARTS,
    SENTENCES,
    SHAPE_WORDS,
    SIZE_WORDS,
)

#: How often a size is told.
SIZED = 0.5


def held_out(shape: str, color: str, motion: str) -> bool:
    """Whether the combination is kept for the evaluation: a ninth of all.

    Every color is trained with every shape, and either with every motion.
    """
    place = 4 * list(SHAPES).index(shape) + 2 * list(COLORS).index(color) + MOTIONS.index(motion)
    return place % 9 == 0


def trainable(scene: Scene) -> bool:
    """Whether none of its figures is a combination of the evaluation's."""
    return not any(held_out(one.shape, one.color, scene.motion) for one in scene.figures)


def trainable_scene(chance: np.random.Generator, **said: Any) -> Scene:
    """A scene of anything but what is held out, as `any_scene` makes it of what is said."""
    while True:
        made = any_scene(chance, **said)
        if trainable(made):
            return made


def trainable_mistake(scene: Scene, chance: np.random.Generator) -> Scene:
    """What the scene may be taken for, of anything but what is held out."""
    while True:
        made = mistaken(scene, chance)
        if trainable(made):
            return made


def caption(scene: Scene, chance: np.random.Generator) -> str:
    """In one of the wordings to train on: a part of it or all, at times with a strange word."""
    if chance.random() < 0.15:
        return _at_times_strange(_filled(str(chance.choice(PARTS)), scene, chance), chance)
    return whole_caption(scene, chance)


def whole_caption(scene: Scene, chance: np.random.Generator) -> str:
    """In one of the wordings to train on, that says of every figure what it is and does."""
    sentence = str(chance.choice(_sentences(scene)))
    return _at_times_strange(_filled(sentence, scene, chance), chance)


def exact_caption(scene: Scene, chance: np.random.Generator) -> str:
    """In one of the wordings to train on, that says backgrounds and sizes as well.

    Of what moves in the middle it leaves nothing open.
    """
    sentences = [sentence for sentence in _sentences(scene) if "{on}" in sentence]
    return _filled(str(chance.choice(sentences)), scene, chance, sized=1.0)


def new_caption(scene: Scene, chance: np.random.Generator) -> str:
    """All of it, in one of the wordings that are not trained on."""
    sentences = NEW_PAIRS if len(scene.figures) == 2 else NEW_SENTENCES
    return _filled(str(chance.choice(sentences)), scene, chance)


def words() -> list[str]:
    """Every word of the wordings to train on, once."""
    texts: list[str] = [*SENTENCES, *PAIRS, *PARTS, *ON, "a an the it both"]
    for table in (COLOR_WORDS, SHAPE_WORDS, SIZE_WORDS, GROUND_WORDS):
        texts += [word for names in table.values() for word in names]
    texts += [text for pairs in MOTION_WORDS.values() for pair in pairs for text in pair]
    found = (word.strip(".,:") for text in texts for word in text.split())
    return sorted({word for word in found if word and "{" not in word})


def _sentences(scene: Scene) -> Sequence[str]:
    return PAIRS if len(scene.figures) == 2 else SENTENCES


def _filled(sentence: str, scene: Scene, chance: np.random.Generator, sized: float = SIZED) -> str:
    """`sized` is how often a figure's size is told."""
    first, last = scene.figures[0], scene.figures[-1]
    does, doing = MOTION_WORDS[scene.motion][chance.integers(len(MOTION_WORDS[scene.motion]))]
    ground = _one(GROUND_WORDS[scene.background], chance)
    return sentence.format(
        a=_thing(first, scene.motion, chance, sized),
        b=_thing(last, scene.motion, chance, sized),
        does=does,
        doing=doing,
        on=_one(ON, chance).format(ground=ground),
        color=_one(COLOR_WORDS[first.color], chance),
        shape=_one(SHAPE_WORDS[first.shape], chance),
    )


def _thing(figure: Figure, motion: str, chance: np.random.Generator, sized: float) -> str:
    """The size is not told of what changes it."""
    color = _one(COLOR_WORDS[figure.color], chance)
    shape = _one(SHAPE_WORDS[figure.shape], chance)
    told = motion != "grow" and chance.random() < sized
    size = f"{_one(SIZE_WORDS[figure.size], chance)} " if told else ""
    words = f"{size}{color} {shape}"
    article = "an" if words[0] in "aeiou" else "a"
    return words if chance.random() < 0.1 else f"{article} {words}"


def _one(names: Sequence[str], chance: np.random.Generator) -> str:
    return names[int(chance.integers(len(names)))]


def _at_times_strange(text: str, chance: np.random.Generator) -> str:
    return _with_strange_words(text, chance) if chance.random() < 0.25 else text


def _with_strange_words(text: str, chance: np.random.Generator) -> str:
    """Letters that mean nothing, at some place between the words."""
    words = text.split()
    for _ in range(chance.integers(1, 4)):
        letters = chance.integers(ord("a"), ord("z") + 1, chance.integers(2, 9))
        words.insert(int(chance.integers(len(words) + 1)), "".join(map(chr, letters)))
    return " ".join(words)
