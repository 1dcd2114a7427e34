"""Scenes that were not trained on: combinations of shape, color and motion that were held out."""

from __future__ import annotations

from itertools import product

import numpy as np

from .captions import held_out
from .scenes import BACKGROUNDS, COLORS, MOTIONS, MOTIONS_OF_TWO, SHAPES, Scene, possible, scene

#: One in so many scenes has two figures.
PAIR_EVERY = 10
SEED = 7

Thing = tuple[str, str, str]


def unseen_scenes(count: int) -> list[Scene]:
    """So many, every held-out combination as often as any other; the last are of two figures."""
    chance = np.random.default_rng(SEED)
    kept = [
        thing for thing in product(SHAPES, COLORS, MOTIONS) if _is_there(thing) and held_out(*thing)
    ]
    of_two = [thing for thing in kept if thing[2] in MOTIONS_OF_TWO]
    pairs = count // PAIR_EVERY
    singles = [_scene(chance, [kept[index % len(kept)]]) for index in range(count - pairs)]
    firsts = [of_two[index % len(of_two)] for index in range(pairs)]
    return singles + [_scene(chance, [first, _beside(chance, first)]) for first in firsts]


def _is_there(thing: Thing) -> bool:
    shape, _, motion = thing
    return possible(shape, motion)


def _beside(chance: np.random.Generator, first: Thing) -> Thing:
    """Any other figure that does the same."""
    color = str(chance.choice([name for name in COLORS if name != first[1]]))
    return str(chance.choice(list(SHAPES))), color, first[2]


def _scene(chance: np.random.Generator, things: list[Thing]) -> Scene:
    return scene(
        chance,
        shapes=[shape for shape, _, _ in things],
        colors=[color for _, color, _ in things],
        motion=things[0][2],
        background=str(chance.choice(list(BACKGROUNDS))),
    )
