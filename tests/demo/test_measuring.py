"""The measuring program on clips whose truth is known."""

from itertools import product

import numpy as np
import pytest

from builder.demo.drawing import clip
from builder.demo.measuring import Frames, measure, measure_two
from builder.demo.scenes import (
    BACKGROUNDS,
    COLORS,
    MOTIONS,
    MOTIONS_OF_TWO,
    SHAPES,
    Scene,
    any_scene,
    possible,
    scene,
)
from builder.demo.serving import as_bytes

THINGS = [(shape, motion) for shape, motion in product(SHAPES, MOTIONS) if possible(shape, motion)]


def shown(of: Scene, *, width: int = 96, height: int = 96) -> Frames:
    return as_bytes(clip(of, frames=17, width=width, height=height))


def blurred(frames: Frames) -> Frames:
    """As a poor decoder shows them: the mean of 5 pixels each way, and grain."""
    values = frames.astype(np.float64)
    for axis in (1, 2):
        values = np.mean([np.roll(values, by, axis) for by in range(-2, 3)], axis=0)
    grain = np.random.default_rng(0).normal(0, 6, values.shape)
    return np.clip(values + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("shape", "motion"), THINGS)
def test_shape_and_motion_are_read_on_every_background(shape: str, motion: str) -> None:
    chance = np.random.default_rng(3)
    for background in BACKGROUNDS:
        made = scene(chance, shapes=[shape], colors=["red"], motion=motion, background=background)
        for frames in (shown(made), blurred(shown(made))):
            seen = measure(frames)
            assert seen is not None
            assert (seen.shape, seen.motion, seen.background) == (shape, motion, background)


@pytest.mark.parametrize(("color", "background"), list(product(COLORS, BACKGROUNDS)))
def test_color_is_read(color: str, background: str) -> None:
    made = scene(
        np.random.default_rng(4),
        shapes=["star"],
        colors=[color],
        motion="left",
        background=background,
    )
    seen = measure(blurred(shown(made)))
    assert seen is not None
    assert (seen.color, seen.background) == (color, background)


@pytest.mark.parametrize("motion", MOTIONS_OF_TWO)
def test_two_figures_are_read_side_by_side(motion: str) -> None:
    made = scene(
        np.random.default_rng(5),
        shapes=["triangle", "circle"],
        colors=["cyan", "pink"],
        motion=motion,
        background="black",
    )
    left, right = measure_two(shown(made, width=128, height=128))
    assert left is not None
    assert right is not None
    assert (left.shape, left.color, left.motion) == ("triangle", "cyan", motion)
    assert (right.shape, right.color, right.motion) == ("circle", "pink", motion)


def test_scenes_by_chance_are_read_as_they_are() -> None:
    chance = np.random.default_rng(6)
    for _ in range(40):
        made = any_scene(chance, width=4 / 3, two=0)
        seen = measure(shown(made, width=128, height=96))
        assert seen is not None
        told = (made.figures[0].shape, made.figures[0].color, made.motion, made.background)
        assert (seen.shape, seen.color, seen.motion, seen.background) == told


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_plain_clip_shows_nothing(level: int) -> None:
    assert measure(np.full((9, 64, 64, 3), level, np.uint8)) is None


def test_noise_is_no_figure() -> None:
    noise = np.random.default_rng(7).integers(0, 256, (9, 64, 64, 3), np.uint8)
    seen = measure(noise)
    assert seen is None or seen.motion == "still"


def test_a_figure_that_is_gone_at_the_end_is_not_measured() -> None:
    made = scene(
        np.random.default_rng(8),
        shapes=["circle"],
        colors=["red"],
        motion="still",
        background="black",
    )
    frames = shown(made)
    frames[-1] = frames[-1, 0, 0]
    assert measure(frames) is None
